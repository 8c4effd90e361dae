#pragma once
// Random sequences of general-purpose instructions with forward branches. They find what single instructions
// cannot: flags left lazy or held to be dead, comparisons fused with branches, state of a block left in its
// middle.
#include <initializer_list>
#include <map>
#include <span>
#include <string>
#include <vector>

#include "tests/cpu/generator.h"

namespace lastbranch::host {

struct Sequence {
  Instance instance;
  std::vector<u64> starts;  ///< address of each instruction, then of the end
  std::map<u64, u64>
      undefined_flags;  ///< instruction address -> RFLAGS bits that are not defined when it starts
  /// What to ignore when a run stops before the instruction at `rip`.
  [[nodiscard]] Ignore ignore_at(u64 rip) const;
};

struct SequenceOptions {
  unsigned length = 30;
  u64 address = kEntry;
  bool branches = true;
  unsigned fault_one_in = 100;  ///< memory operands that fault; 0: none
  bool patches = false;         ///< instructions that exchange a later one for another of the same length
  unsigned rounds = 1;          ///< the sequence is a loop of that many rounds
};

class SequenceGenerator {
 public:
  /// General-purpose instructions, and those of `more` that need nothing prepared and ignore only flags.
  explicit SequenceGenerator(u64 seed, std::initializer_list<std::span<const Row>> more = {});
  void make(const SequenceOptions& options, Sequence& out);
  Generator generator;

 private:
  struct Candidate {
    const Row* row;
    Form form;
  };
  struct Patch {
    std::size_t at;      ///< offset in the code of the patching instruction
    std::size_t number;  ///< its number
  };
  struct Jump {
    std::size_t field;   ///< offset in the code of the displacement
    unsigned size;       ///< bytes of it
    std::size_t target;  ///< number of the instruction
  };
  void add(std::span<const Row> rows);
  void append_branch(const SequenceOptions& options, std::size_t n, Sequence& out);
  bool append_plain(const SequenceOptions& options, Sequence& out);
  void append_patch(std::size_t n, Sequence& out);
  bool append_patched(const SequenceOptions& options, Sequence& out);
  void append_loop_end(const SequenceOptions& options, Sequence& out);

  std::vector<Candidate> candidates_;
  std::vector<Jump> jumps_;
  std::vector<Patch> patches_;               ///< whose target is yet to come
  std::map<std::size_t, u64> undefined_at_;  ///< at the targets of jumps so far
  u64 undefined_ = 0;
};

}  // namespace lastbranch::host
