#include "sim/perfdata/text_instructions.h"

#include <algorithm>

#include "sim/perfdata/text_entry.h"
#include "sim/perfdata/text_head.h"

namespace lastbranch::perfdata {
namespace {

constexpr std::size_t kAddressDigits = 16;

/// Behind the mark: words, and "N cycles". What else newer perfs print there (branch counters, IPC) is no
/// part of an entry. False: the '#' is a disassembler's comment.
bool parse_mark(std::string_view text, u64& flags) {
  BranchFlags parsed;
  std::string_view previous;
  bool first = true;
  while (!text.empty()) {
    text.remove_prefix(std::min(text.find_first_not_of(' '), text.size()));
    const std::string_view word = text.substr(0, text.find(' '));
    text.remove_prefix(word.size());
    u64 cycles = 0;
    if (word == "PRED") {
      parsed.predicted = true;
    } else if (word == "MISPRED") {
      parsed.mispredicted = true;
    } else if (word == "INTX") {
      parsed.in_tx = true;
    } else if (word == "ABORT") {
      parsed.abort = true;
    } else if (word == "cycles" && parse_decimal(previous, cycles)) {
      parsed.cycles = std::min(cycles, kMaxBranchCycles);
    } else if (first && !word.empty() && word != "br_cntr:" && !parse_decimal(word, cycles)) {
      return false;
    }
    first = false;
    previous = word;
  }
  flags = parsed.pack();
  return true;
}

}  // namespace

bool InstructionStack::is_instruction(std::string_view line) {
  u64 ignored = 0;
  return line.size() > kAddressDigits + 1 && line[0] == '\t' && line[kAddressDigits + 1] == '\t' &&
         parse_whole_hex(line.substr(1, kAddressDigits), ignored);
}

void InstructionStack::add(std::string_view line) {
  u64 address = 0;
  static_cast<void>(parse_whole_hex(line.substr(1, kAddressDigits), address));
  if (open_) {
    last_.to = address;
    entries_.push_back(last_);
    open_ = false;
  }
  for (std::size_t at = line.find('#', kAddressDigits + 2); at != std::string_view::npos;
       at = line.find('#', at + 1)) {
    if (line[at - 1] != '\t' && line[at - 1] != ' ') continue;
    u64 flags = 0;
    if (!parse_mark(line.substr(at + 1), flags)) continue;
    last_ = {address, 0, flags};
    open_ = true;
    return;
  }
}

bool InstructionStack::finish(std::vector<BranchEntry>& branches) {
  branches.assign(entries_.rbegin(), entries_.rend());
  entries_.clear();
  const bool whole = !open_;
  open_ = false;
  return whole;
}

}  // namespace lastbranch::perfdata
