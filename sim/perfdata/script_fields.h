#pragma once
/// The columns of script output, chosen as with `perf script -F`.
#include <string>
#include <string_view>

#include "sim/base/units.h"

namespace lastbranch::perfdata {

/// In the order in which they are printed; kSpec is a part of the entries of kBrstack.
enum class ScriptField : u8 { kComm, kPid, kTid, kCpu, kTime, kPeriod, kEvent, kIp, kBrstack, kSpec, kCount };

class ScriptFields {
 public:
  constexpr ScriptFields() = default;

  /// Parses "ip,brstack": names in any order, empty ones ignored. Throws Error for an unknown name, which
  /// says the known ones, and for a list without names.
  explicit ScriptFields(std::string_view list);

  [[nodiscard]] constexpr bool has(ScriptField field) const {
    return (bits_ >> static_cast<unsigned>(field) & 1) != 0;
  }
  constexpr void add(ScriptField field) { bits_ |= 1u << static_cast<unsigned>(field); }

 private:
  u32 bits_ = 0;
};

/// What is printed without a choice.
inline constexpr std::string_view kDefaultScriptFields = "comm,tid,time,period,event,ip";

/// All names, separated by commas.
[[nodiscard]] std::string script_field_names();

/// The name of one field, and the SampleBit that a sample must have for it; 0: none.
[[nodiscard]] std::string_view name_of(ScriptField field);
[[nodiscard]] u64 needed_sample_bit(ScriptField field);

}  // namespace lastbranch::perfdata
