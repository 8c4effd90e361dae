#include "sim/replay/flow_table.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <fstream>
#include <string_view>
#include <utility>

#include "sim/base/error.h"

namespace lastbranch::replay {
namespace {

struct KindName {
  std::string_view name;
  FlowKind kind;
};
constexpr std::array kKinds = {
    KindName{"OTHER", FlowKind::kOther},       KindName{"COND", FlowKind::kCond},
    KindName{"JMP", FlowKind::kJump},          KindName{"CALL", FlowKind::kCall},
    KindName{"IJMP", FlowKind::kIndirectJump}, KindName{"ICALL", FlowKind::kIndirectCall},
    KindName{"RET", FlowKind::kReturn},        KindName{"FAR", FlowKind::kFar},
    KindName{"FARRET", FlowKind::kFarBack},
};
constexpr std::string_view kColumns = "vaddr,len,kind,target";

/// A line being taken apart; what is wrong with it is said with its column.
class Line {
 public:
  Line(const std::string& path, u64 number, std::string_view text)
      : path_(path), number_(number), text_(text) {}

  [[nodiscard]] std::string_view rest() const { return text_.substr(at_); }
  [[nodiscard]] bool at_end() const { return at_ == text_.size(); }

  [[noreturn]] void fail(std::string_view expected) const {
    constexpr std::size_t kShown = 40;
    std::string found = at_end() ? "the end of the line" : "\"";
    if (!at_end()) {
      for (const char c : rest().substr(0, kShown)) found += c >= ' ' && c <= '~' ? c : '?';
      found += '"';
    }
    throw Error("{}:{}:{}: expected {}, found {}", path_, number_, at_ + 1, expected, found);
  }
  [[nodiscard]] bool skip(std::string_view word) {
    if (!rest().starts_with(word)) return false;
    at_ += word.size();
    return true;
  }
  void expect(std::string_view word) {
    if (!skip(word)) fail(fmt::format("\"{}\"", word));
  }
  /// Hexadecimal behind 0x, or decimal.
  u64 number(std::string_view what, u64 most) {
    const std::size_t start = at_;
    const int base = skip("0x") ? 16 : 10;
    u64 value = 0;
    const auto [end, error] = std::from_chars(text_.data() + at_, text_.data() + text_.size(), value, base);
    if (error != std::errc{} || value > most) {
      at_ = start;
      fail(what);
    }
    at_ = static_cast<std::size_t>(end - text_.data());
    return value;
  }
  FlowKind kind() {
    const std::string_view word = rest().substr(0, rest().find(','));
    const auto* row = std::ranges::find(kKinds, word, &KindName::name);
    if (row == kKinds.end()) fail("OTHER, COND, JMP, CALL, IJMP, ICALL, RET, FAR or FARRET");
    at_ += word.size();
    return row->kind;
  }
  void back_to(std::size_t column) { at_ = column; }
  [[nodiscard]] std::size_t column() const { return at_; }

 private:
  const std::string& path_;
  u64 number_;
  std::string_view text_;
  std::size_t at_ = 0;
};

constexpr u64 kAny = ~u64{0};

FlowInsn instruction(Line& line, u64 least) {
  FlowInsn insn;
  insn.address = line.number("an address", kAny);
  if (insn.address < least) {
    line.back_to(0);
    line.fail(fmt::format("an address from {:#x} on, behind the instruction before", least));
  }
  line.expect(",");
  const std::size_t length_at = line.column();
  insn.length = static_cast<u8>(line.number("a length of 1 to 15 bytes", 15));
  if (insn.length == 0 || insn.end() < insn.address) {
    line.back_to(length_at);
    line.fail("a length of 1 to 15 bytes");
  }
  line.expect(",");
  insn.kind = line.kind();
  line.expect(",");
  const std::size_t target_at = line.column();
  insn.target = line.number("a target", kAny);
  if (!is_direct(insn.kind) && insn.target != 0) {
    line.back_to(target_at);
    line.fail(fmt::format("0x0, as {} has no target", name_of(insn.kind)));
  }
  if (!line.at_end()) line.fail("the end of the line");
  return insn;
}

}  // namespace

FlowTable::FlowTable(const std::string& path) : path_(path) {
  std::ifstream file(path);
  if (!file) throw Error("{}: cannot open: {}", path, std::strerror(errno));
  bool type = false;
  bool segment = false;
  bool columns = false;
  std::string text;
  u64 number = 0;
  while (std::getline(file, text)) {
    ++number;
    if (text.ends_with('\r')) text.pop_back();
    if (text.empty()) continue;
    Line line(path_, number, text);
    if (line.skip("# elf-type ")) {
      position_independent_ = line.skip("PIE") || line.skip("DYN");
      if (!position_independent_) line.expect("EXEC");
      type = true;
    } else if (line.skip("# exec-segment ")) {
      line.expect("file_offset=");
      file_offset_ = line.number("an offset", kAny);
      line.expect(" vaddr=");
      vaddr_ = line.number("an address", kAny);
      line.expect(" size=");
      size_ = line.number("a size", kAny - vaddr_);
      segment = true;
    } else if (text.front() == '#') {
      continue;
    } else if (!columns) {
      if (!type) line.fail("a line \"# elf-type EXEC\" or \"# elf-type PIE\" before the columns");
      if (!segment) line.fail("a line \"# exec-segment file_offset=N vaddr=N size=N\" before the columns");
      line.expect(kColumns);
      columns = true;
    } else {
      insns_.push_back(instruction(line, insns_.empty() ? 0 : insns_.back().end()));
    }
  }
  if (file.bad()) throw Error("{}:{}: cannot read: {}", path, number + 1, std::strerror(errno));
  if (!columns) {
    throw Error("{}:{}:1: expected the columns \"{}\", found the end of the file", path, number + 1,
                kColumns);
  }
}

const FlowInsn* FlowTable::before(u64 address) const {
  const auto it = std::ranges::upper_bound(insns_, address, {}, &FlowInsn::address);
  return it == insns_.begin() ? nullptr : &*std::prev(it);
}

Coverage FlowTable::at(u64 address, FlowInsn& out) const {
  const FlowInsn* insn = before(address);
  if (insn == nullptr || address >= insn->end()) return Coverage::kUnknown;
  if (insn->address != address) return Coverage::kMiddle;
  out = *insn;
  return Coverage::kInsn;
}

std::optional<bool> FlowTable::follows_call(u64 address) const {
  const FlowInsn* insn = address == 0 ? nullptr : before(address - 1);
  if (insn == nullptr || insn->end() < address) return std::nullopt;
  return insn->end() == address && is_call(insn->kind);
}

std::optional<u64> FlowTable::address_of(u64 offset) const {
  // What is mapped are whole pages: the segment's first and last ones reach beyond it.
  const u64 address = offset - file_offset_ + vaddr_;
  if (!contains(address)) return std::nullopt;
  return address;
}

std::string FlowTable::describe(u64 address) const {
  FlowInsn insn;
  switch (at(address, insn)) {
    case Coverage::kInsn:
      return is_direct(insn.kind)
                 ? fmt::format("{:#x}: {} to {:#x}", address, name_of(insn.kind), insn.target)
                 : fmt::format("{:#x}: {}", address, name_of(insn.kind));
    case Coverage::kMiddle:
      return fmt::format("{:#x}: within the instruction at {:#x}", address, before(address)->address);
    case Coverage::kInvalid:
    case Coverage::kUnknown:
      break;
  }
  return fmt::format("{:#x}: not in the table", address);
}

}  // namespace lastbranch::replay
