#include "sim/perfdata/text_entry.h"

#include <algorithm>
#include <array>
#include <cstring>

namespace lastbranch::perfdata {
namespace {

constexpr u8 kNoDigit = 0xff;

constexpr std::array<u8, 256> kHexDigits = [] {
  std::array<u8, 256> values{};
  values.fill(kNoDigit);
  for (u8 i = 0; i < 10; ++i) values[static_cast<std::size_t>('0') + i] = i;
  for (u8 i = 0; i < 6; ++i) {
    values[static_cast<std::size_t>('a') + i] = static_cast<u8>(10 + i);
    values[static_cast<std::size_t>('A') + i] = static_cast<u8>(10 + i);
  }
  return values;
}();

u8 hex_digit(char c) {
  return kHexDigits[static_cast<unsigned char>(c)];
}

bool is_blank(char c) {
  return c == ' ' || c == '\t';
}

struct TypeName {
  std::string_view name;
  BranchType type;
  u8 new_type = 0;
};

// The most frequent ones first.
constexpr std::array kTypes = {
    TypeName{"COND", BranchType::kCond},
    TypeName{"UNCOND", BranchType::kUncond},
    TypeName{"CALL", BranchType::kCall},
    TypeName{"RET", BranchType::kRet},
    TypeName{"IND", BranchType::kInd},
    TypeName{"IND_CALL", BranchType::kIndCall},
    TypeName{"SYSCALL", BranchType::kSyscall},
    TypeName{"SYSRET", BranchType::kSysret},
    TypeName{"COND_CALL", BranchType::kCondCall},
    TypeName{"COND_RET", BranchType::kCondRet},
    TypeName{"ERET", BranchType::kEret},
    TypeName{"IRQ", BranchType::kIrq},
    TypeName{"SERROR", BranchType::kSerror},
    TypeName{"NO_TX", BranchType::kNoTx},
    TypeName{"N/A", BranchType::kUnknown},
    TypeName{"-", BranchType::kUnknown},
    TypeName{"FAULT_ALGN", BranchType::kExtendAbi, 0},
    TypeName{"FAULT_DATA", BranchType::kExtendAbi, 1},
    TypeName{"FAULT_INST", BranchType::kExtendAbi, 2},
    TypeName{"ARCH_1", BranchType::kExtendAbi, 3},
    TypeName{"ARCH_2", BranchType::kExtendAbi, 4},
    TypeName{"ARCH_3", BranchType::kExtendAbi, 5},
    TypeName{"ARCH_4", BranchType::kExtendAbi, 6},
    TypeName{"ARCH_5", BranchType::kExtendAbi, 7},
    TypeName{"(null)", BranchType::kExtendAbi, 8},
};

struct SpecName {
  std::string_view name;
  u8 spec;
};
constexpr std::array kSpecs = {
    SpecName{"-", 0},
    SpecName{"N/A", 0},
    SpecName{"NON_SPEC_CORRECT_PATH", 2},
    SpecName{"SPEC_CORRECT_PATH", 3},
    SpecName{"SPEC_WRONG_PATH", 1},
};

void parse_type(std::string_view name, u64& flags, EntryCounts& counts) {
  const auto* row = std::ranges::find(kTypes, name, &TypeName::name);
  if (row == kTypes.end()) {
    ++counts.unknown_types;
    return;
  }
  ++counts.types;
  flags |= static_cast<u64>(row->type) << 20 | u64{row->new_type} << 26;
}

void parse_spec(std::string_view name, u64& flags, EntryCounts& counts) {
  const auto* row = std::ranges::find(kSpecs, name, &SpecName::name);
  if (row == kSpecs.end()) {
    ++counts.unknown_types;
    return;
  }
  flags |= u64{row->spec} << 24;
}

/// What follows the cycles, from its slash to the next blank: "/COND", "//NON_SPEC_CORRECT_PATH", "/N/A/-".
void parse_type_and_spec(const char*& at, const char* end, u64& flags, EntryCounts& counts) {
  const char* last = at + 1;
  while (last != end && !is_blank(*last)) ++last;
  std::string_view rest(at + 1, static_cast<std::size_t>(last - at - 1));
  at = last;
  // "N/A" holds the separator.
  const std::size_t slash = rest.find('/', rest.starts_with("N/A") ? 3 : 0);
  const std::string_view type = rest.substr(0, slash);
  if (!type.empty()) parse_type(type, flags, counts);
  if (slash == std::string_view::npos) return;
  const std::string_view spec = rest.substr(slash + 1);
  if (!spec.empty()) parse_spec(spec, flags, counts);
}

/// "P", "M", "-", since 6.15 also "PN", "MN", "N"; stops at the slash.
bool parse_prediction(const char*& at, const char* end, u64& flags) {
  const char* p = at;
  if (p != end && *p == '-') {
    ++p;
  } else {
    for (; p != end && *p != '/'; ++p) {
      if (*p == 'P') {
        flags |= 2;
      } else if (*p == 'M') {
        flags |= 1;
      } else if (*p == 'N') {
        flags |= kBranchNotTaken;
      } else {
        return false;
      }
    }
    if (p == at) return false;
  }
  at = p;
  return true;
}

/// One of '-' and `set`.
bool parse_flag(const char*& at, const char* end, char set, u64 bit, u64& flags) {
  if (at == end || (*at != '-' && *at != set)) return false;
  if (*at == set) flags |= bit;
  ++at;
  return true;
}

bool parse_slash(const char*& at, const char* end) {
  if (at == end || *at != '/') return false;
  ++at;
  return true;
}

/// Decimal, or "-" where perf had none.
bool parse_cycles(const char*& at, const char* end, u64& flags, EntryCounts& counts) {
  if (at == end) return false;
  if (*at == '-') {
    ++at;
    return true;
  }
  const char* p = at;
  u64 cycles = 0;
  for (; p != end && *p >= '0' && *p <= '9'; ++p) {
    cycles = std::min<u64>(cycles * 10 + static_cast<u64>(*p - '0'), u64{1} << 32);
  }
  if (p == at) return false;
  if (cycles > kMaxBranchCycles) {
    ++counts.saturated_cycles;
    cycles = kMaxBranchCycles;
  }
  flags |= cycles << 4;
  at = p;
  return true;
}

/// Moves behind "aabb1122:" when that is there.
bool skip_build_id(const char*& at, const char* end) {
  const char* p = at;
  while (p != end && hex_digit(*p) != kNoDigit) ++p;
  if (p == at || p == end || *p != ':' || p + 1 == end || hex_digit(p[1]) == kNoDigit) return false;
  at = p + 1;
  return true;
}

bool parse_address(const char*& at, const char* end, u64& value, EntryCounts& counts) {
  const char* p = at;
  if (skip_build_id(p, end)) ++counts.build_ids;
  if (end - p > 2 && p[0] == '0' && p[1] == 'x') {
    p += 2;
  } else {
    ++counts.without_0x;
  }
  if (!parse_hex(p, end, value)) return false;
  at = p;
  return true;
}

bool flags_at(const char* at, const char* end) {
  const char* p = at;
  u64 flags = 0;
  EntryCounts ignored;
  return parse_slash(p, end) && parse_prediction(p, end, flags) && parse_slash(p, end) &&
         parse_flag(p, end, 'X', 0, flags) && parse_slash(p, end) && parse_flag(p, end, 'A', 0, flags) &&
         parse_slash(p, end) && parse_cycles(p, end, flags, ignored);
}

/// Moves behind " (FILE)" or "(FILE)" when the ")/" that ends it is there. The last one before the flags, or
/// the first one that an address follows: names of files hold anything.
bool skip_file(const char*& at, const char* end, bool before_flags) {
  constexpr std::ptrdiff_t kNameMax = 8192;  // twice PATH_MAX
  const char* p = at;
  if (end - p > kNameMax) end = p + kNameMax;
  while (p != end && *p == ' ') ++p;
  if (p == end || *p != '(') return true;
  for (; end - p > 1; ++p) {
    if (p[0] != ')' || p[1] != '/') continue;
    const bool ends = before_flags ? flags_at(p + 1, end) : starts_address_entry(p + 2, end);
    if (!ends) continue;
    at = p + 1;
    return true;
  }
  return false;
}

}  // namespace

void parse_type_or_spec(std::string_view name, bool is_type, u64& flags, EntryCounts& counts) {
  if (is_type) {
    parse_type(name, flags, counts);
  } else {
    parse_spec(name, flags, counts);
  }
}

bool parse_hex(const char*& at, const char* end, u64& value) {
  constexpr std::ptrdiff_t kDigitsMax = 16;
  const char* p = at;
  u64 sum = 0;
  while (p != end) {
    const u8 digit = hex_digit(*p);
    if (digit == kNoDigit) break;
    sum = sum << 4 | digit;
    ++p;
  }
  if (p == at || p - at > kDigitsMax) return false;
  value = sum;
  at = p;
  return true;
}

bool parse_plain_entry(const char*& at, const char* end, BranchEntry& entry, EntryCounts& counts) {
  constexpr std::ptrdiff_t kShortest = 15;  // "0x0/0x0/P/-/-/0"
  const char* p = at;
  if (end - p < kShortest || p[0] != '0' || p[1] != 'x') return false;
  p += 2;
  if (!parse_hex(p, end, entry.from) || end - p < 4 || p[0] != '/' || p[1] != '0' || p[2] != 'x')
    return false;
  p += 3;
  if (!parse_hex(p, end, entry.to) || end - p < 8) return false;
  // "/P/-/-/" nearly always: the exact place of every slash is known.
  if (p[0] != '/' || p[2] != '/' || p[4] != '/' || p[6] != '/') return false;
  u64 flags = 0;
  if (p[1] == 'P') {
    flags = 2;
  } else if (p[1] == 'M') {
    flags = 1;
  } else if (p[1] != '-') {
    return false;
  }
  if (p[3] == 'X') {
    flags |= 4;
  } else if (p[3] != '-') {
    return false;
  }
  if (p[5] == 'A') {
    flags |= 8;
  } else if (p[5] != '-') {
    return false;
  }
  p += 7;
  if (!parse_cycles(p, end, flags, counts)) return false;
  if (p != end && *p == '/') {
    if (p + 1 == end || is_blank(p[1])) {
      ++p;
    } else {
      parse_type_and_spec(p, end, flags, counts);
    }
  }
  if (p != end && !is_blank(*p)) return false;
  entry.flags = flags;
  at = p;
  return true;
}

std::optional<EntryFault> parse_flags(const char*& at, const char* end, u64& flags, EntryCounts& counts) {
  constexpr std::string_view kSlash = "'/'";
  flags = 0;
  const char* p = at;
  if (!parse_slash(p, end)) return EntryFault{p, "prediction", kSlash};
  if (!parse_prediction(p, end, flags)) return EntryFault{p, "prediction", "P, M, - or N"};
  if (!parse_slash(p, end)) return EntryFault{p, "transaction", kSlash};
  if (!parse_flag(p, end, 'X', 4, flags)) return EntryFault{p, "transaction", "X or -"};
  if (!parse_slash(p, end)) return EntryFault{p, "abort", kSlash};
  if (!parse_flag(p, end, 'A', 8, flags)) return EntryFault{p, "abort", "A or -"};
  if (!parse_slash(p, end)) return EntryFault{p, "cycles", kSlash};
  if (!parse_cycles(p, end, flags, counts)) return EntryFault{p, "cycles", "a decimal number or -"};
  if (p != end && *p == '/') parse_type_and_spec(p, end, flags, counts);
  // A quote or comma of what held the text is the caller's.
  if (p != end && !is_blank(*p) && std::string_view("\",;'").find(*p) == std::string_view::npos) {
    return EntryFault{p, "entry", "a blank or the end of the line"};
  }
  if ((flags & kBranchNotTaken) != 0) ++counts.not_taken;
  at = p;
  return std::nullopt;
}

std::optional<EntryFault> parse_address_entry(const char*& at, const char* end, BranchEntry& entry,
                                              EntryCounts& counts) {
  constexpr std::string_view kAddress = "a hexadecimal address of up to 16 digits";
  const char* p = at;
  EntryCounts seen = counts;
  if (!parse_address(p, end, entry.from, seen)) return EntryFault{p, "from", kAddress};
  if (!skip_file(p, end, false)) return EntryFault{p, "file of from", "')/' and an address at its end"};
  if (!parse_slash(p, end)) return EntryFault{p, "from", "'/' after the address"};
  if (!parse_address(p, end, entry.to, seen)) return EntryFault{p, "to", kAddress};
  if (!skip_file(p, end, true)) return EntryFault{p, "file of to", "')' and flags at its end"};
  if (const auto fault = parse_flags(p, end, entry.flags, seen)) return fault;
  counts = seen;
  at = p;
  return std::nullopt;
}

bool starts_address_entry(const char* at, const char* end) {
  const char* p = at;
  static_cast<void>(skip_build_id(p, end));
  if (end - p < 3 || p[0] != '0' || p[1] != 'x' || hex_digit(p[2]) == kNoDigit) return false;
  return true;
}

const char* find_address_entry(const char* begin, const char* end) {
  const char* p = begin;
  while (end - p > 3) {
    p = static_cast<const char*>(std::memchr(p, 'x', static_cast<std::size_t>(end - p)));
    if (p == nullptr) return nullptr;
    const char* start = p - 1;
    ++p;
    if (start < begin || *start != '0') continue;
    if (start > begin && start[-1] == ':') {  // a build-id before it
      --start;
      while (start > begin && hex_digit(start[-1]) != kNoDigit) --start;
    }
    if (start > begin && !is_blank(start[-1])) continue;
    const char* after = p;
    while (after != end && hex_digit(*after) != kNoDigit) ++after;
    if (after == p || after == end) continue;
    if (*after == '/') return start;
    // A file behind FROM; an IP with its 0x and a file has no slash and address behind that.
    if (skip_file(after, end, false) && after != end && *after == '/') return start;
  }
  return nullptr;
}

const char* find_flags(const char* begin, const char* end) {
  const char* p = begin;
  while (end - p > 7) {
    p = static_cast<const char*>(std::memchr(p, '/', static_cast<std::size_t>(end - p)));
    if (p == nullptr || end - p < 8) return nullptr;
    if (flags_at(p, end)) return p;
    ++p;
  }
  return nullptr;
}

}  // namespace lastbranch::perfdata
