#pragma once
/// Prints samples as `perf script` of perf 6.1 does, to the byte: columns, widths, blanks at the ends of
/// lines. Call chains stand on lines of their own before the branch stack, in place of the IP; their
/// addresses are those of the process, where perf prints offsets in files. Not printed: symbols, DSOs, source
/// lines; the branch's `spec` field, which perf 6.2 added, unless it is asked for. Source: the output of
/// perf 6.1; the tests compare with it.
#include <functional>
#include <string>
#include <string_view>
#include <unordered_map>

#include "sim/base/units.h"
#include "sim/perfdata/record_source.h"
#include "sim/perfdata/script_fields.h"

namespace lastbranch::perfdata {

/// The text of one record after the other; follows COMM and FORK records for the names of threads.
class ScriptPrinter {
 public:
  /// Throws Error when an event has samples without what a field needs. `source` must outlive the printer.
  ScriptPrinter(const RecordSource& source, ScriptFields fields);

  /// Appends the line of a sample to `text`; nothing for other records.
  void print(const Record& record, std::string& text);

 private:
  /// What a counter read at its last sample.
  struct Counter {
    std::size_t event = 0;
    u64 value = 0;
  };

  /// As perf does: a sample that holds counters is a sample of each of them that has moved on.
  void print_counters(const SampleRecord& sample, std::string& text);
  void print_sample(const SampleRecord& sample, std::size_t event, u64 period, std::string& text) const;
  [[nodiscard]] std::string comm_of(u32 tid) const;

  const RecordSource& source_;
  ScriptFields fields_;
  std::size_t event_width_ = 0;
  std::unordered_map<u64, Counter> counters_;   // by id
  std::unordered_map<u32, std::string> comms_;  // by tid
};

/// Prints all that `source` still has, in pieces of about 64 KiB. Throws Error.
void print_script(RecordSource& source, ScriptFields fields,
                  const std::function<void(std::string_view)>& sink);

/// One entry as `brstack` prints it, without the blanks around: "0x40062f/0x4005b0/P/-/-/9/COND"; with `spec`
/// as perf 6.2 and newer do: "0x40062f/0x4005b0/P/-/-/9/COND/-".
void append_brstack_entry(const BranchEntry& entry, std::string& text, bool spec = false);

/// "COND"; empty: the type is not known.
[[nodiscard]] std::string_view branch_type_name(const BranchFlags& flags);
/// "NON_SPEC_CORRECT_PATH"; "-" for 0.
[[nodiscard]] std::string_view branch_spec_name(u8 spec);

/// Whether an element of a call chain says where the following ones were (PERF_CONTEXT_USER and its like) and
/// is no address.
[[nodiscard]] constexpr bool is_context_marker(u64 ip) {
  return ip >= ~u64{0} - 4094;
}

}  // namespace lastbranch::perfdata
