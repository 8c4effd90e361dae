#pragma once
/// Branch stacks as perf script -F brstackinsn prints them: the instructions that ran, oldest first, with a
/// mark behind each branch that was taken ("# PRED 3 cycles [62] 0.67 IPC"). A branch's target is the
/// instruction that follows it.
#include <cstddef>
#include <string_view>
#include <vector>

#include "sim/base/units.h"
#include "sim/perfdata/branch_entry.h"

namespace lastbranch::perfdata {

class InstructionStack {
 public:
  /// Whether the line is an instruction: a tab, an address of 16 digits, a tab.
  [[nodiscard]] static bool is_instruction(std::string_view line);

  /// Takes an instruction.
  void add(std::string_view line);

  [[nodiscard]] std::size_t size() const { return entries_.size(); }
  [[nodiscard]] bool empty() const { return entries_.empty() && !open_; }

  /// Gives the entries, newest first, and starts anew. False when the newest branch had no target and was
  /// left out: perf prints none when the sample's IP is at that branch.
  [[nodiscard]] bool finish(std::vector<BranchEntry>& branches);

 private:
  std::vector<BranchEntry> entries_;  // oldest first
  BranchEntry last_;                  // without its target
  bool open_ = false;                 // last_ is a branch
};

}  // namespace lastbranch::perfdata
