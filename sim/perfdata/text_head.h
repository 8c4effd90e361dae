#pragma once
/// The columns that perf script prints before the branch stack: comm, pid, tid, cpu, time, period, event, IP.
/// They have no marks; which number is what follows from shapes ("[003]", "12.345678:", "7/8"), neighbours
/// and perf's widths.
#include <string_view>

#include "sim/base/units.h"

namespace lastbranch::perfdata {

struct TextHead {
  bool has_comm = false;
  bool has_tid = false;
  bool has_cpu = false;
  bool has_time = false;
  bool has_period = false;
  bool has_event = false;
  bool has_ip = false;
  bool strong = false;  ///< no other text looks so; else a name and a number, as other lines may be
  std::string_view comm;
  std::string_view event;
  std::string_view rest;  ///< behind the IP: symbol and file
  u32 pid = 0;            ///< as tid where the line has only one of them
  u32 tid = 0;
  u32 cpu = 0;
  u64 time = 0;  ///< ns
  u64 period = 0;
  u64 ip = 0;
};

/// Takes the columns apart; false when `text` is no such thing.
[[nodiscard]] bool parse_head(std::string_view text, TextHead& head);

/// What perf prints as the time of a sample that has none, to microseconds; ns.
constexpr u64 kNoTime = ~u64{0} / 1000 * 1000;

/// "12.345678" or "12.345678901" as ns. False when it is neither.
[[nodiscard]] bool parse_seconds(std::string_view text, u64& ns);

/// All of `text` as a number; false when it is none, has a sign or does not fit.
[[nodiscard]] bool parse_decimal(std::string_view text, u64& value);
[[nodiscard]] bool parse_whole_hex(std::string_view text, u64& value);

/// A process or thread: like parse_decimal(), or "-1".
[[nodiscard]] bool parse_id(std::string_view text, u32& value);

}  // namespace lastbranch::perfdata
