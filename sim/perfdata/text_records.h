#pragma once
/// The lines "PERF_RECORD_MMAP2 7/7: [0x401000(0x1000) @ 0 00:1d 123 0]: r-xp /bin/x" and their like that
/// perf script (--show-mmap-events, --show-task-events) and perf report -D print between samples.
#include <string>
#include <string_view>

#include "sim/base/kernel_half.h"
#include "sim/perfdata/records.h"
#include "sim/perfdata/text_entry.h"
#include "sim/perfdata/text_lines.h"

namespace lastbranch::perfdata {

inline constexpr std::string_view kRecordMark = "PERF_RECORD_";

/// What one line was.
enum class TextRecord : u8 {
  kDecoded,  ///< in `record`
  kSample,   ///< report -D's first line of a sample: its columns are in `record`, its stacks follow
  kOther,    ///< of a kind that is passed over: `name`
};

/// Decodes the line, whose kRecordMark is at `mark`. `name` becomes the kind: "MMAP2". Throws Error naming
/// `file` when a record of a known kind is not as perf prints it.
[[nodiscard]] TextRecord parse_text_record(std::string_view file, const TextLine& line, std::size_t mark,
                                           Record& record, std::string_view& name);

/// Parses what stands behind "..... 12: " in report -D's branch stacks: "FROM -> TO 9 cycles  P   0 COND".
/// Throws Error.
[[nodiscard]] BranchEntry parse_dump_entry(std::string_view file, const TextLine& line, const char* at,
                                           EntryCounts& counts);

/// The privilege that an address tells.
[[nodiscard]] constexpr u16 misc_of_address(u64 address) {
  return static_cast<u16>(in_kernel(address) ? CpuMode::kKernel : CpuMode::kUser);
}

}  // namespace lastbranch::perfdata
