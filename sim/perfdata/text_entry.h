#pragma once
/// One entry of a branch stack as perf script prints it: FROM/TO/PRED/INTX/ABORT/CYCLES[/TYPE[/SPEC]].
/// FROM and TO are addresses, each perhaps with a build-id before ("aabb1122:0x40062f") and a file behind
/// ("0x40062f (/lib/x)", older "0x40062f(/lib/x)"), or symbols ("main+0x62", "[unknown]"), which may hold
/// blanks and slashes: therefore an entry is taken apart from the right. Source: the output of perf 4.x
/// to 6.1; bounds of versions in docs/formats.md.
#include <optional>
#include <string_view>

#include "sim/base/units.h"
#include "sim/perfdata/branch_entry.h"

namespace lastbranch::perfdata {

/// A branch that was not taken; perf 6.15 keeps this bit in its own copy of the flags word (Arm SPE), the
/// kernel never sets it.
inline constexpr u64 kBranchNotTaken = u64{1} << 33;

/// What entries had that BranchEntry cannot tell, counted.
struct EntryCounts {
  u64 build_ids = 0;         ///< addresses with one
  u64 without_0x = 0;        ///< addresses in hexadecimal without the mark
  u64 unknown_types = 0;     ///< types or speculation outcomes that no known perf prints
  u64 saturated_cycles = 0;  ///< over 65535
  u64 types = 0;             ///< entries with a type
  u64 not_taken = 0;
};

/// What is wrong at `at`.
struct EntryFault {
  const char* at = nullptr;
  std::string_view field;
  std::string_view expected;
};

/// The plain form, which nearly all text is made of: "0x40062f/0x4005b0/P/-/-/9", with or without type and
/// outcome, up to a blank or `end`. On success moves `at` behind it; else leaves all as it was.
[[nodiscard]] bool parse_plain_entry(const char*& at, const char* end, BranchEntry& entry,
                                     EntryCounts& counts);

/// Any form with addresses. On success moves `at` behind it; else says what was expected where.
[[nodiscard]] std::optional<EntryFault> parse_address_entry(const char*& at, const char* end,
                                                            BranchEntry& entry, EntryCounts& counts);

/// Whether what starts at `at` was meant as an entry with addresses: it starts with one that has its 0x.
[[nodiscard]] bool starts_address_entry(const char* at, const char* end);

/// The first entry of the line that starts_address_entry() at the line's begin or after a blank; null: none.
[[nodiscard]] const char* find_address_entry(const char* begin, const char* end);

/// The first place where FROM and TO end and the flags start, with its slash: "/P/-/-/9"; null: none.
[[nodiscard]] const char* find_flags(const char* begin, const char* end);

/// Parses flags from their slash on; as parse_address_entry().
[[nodiscard]] std::optional<EntryFault> parse_flags(const char*& at, const char* end, u64& flags,
                                                    EntryCounts& counts);

/// Sets the type or the outcome of speculation that `name` is in the flags word; unknown ones are counted.
void parse_type_or_spec(std::string_view name, bool is_type, u64& flags, EntryCounts& counts);

/// Hexadecimal digits from `at` on, at most 16; moves `at` behind them. False when there are none or more.
[[nodiscard]] bool parse_hex(const char*& at, const char* end, u64& value);

}  // namespace lastbranch::perfdata
