#pragma once
/// Gives the records of a source in the order of their times, as perf script does. A recorder writes what
/// each processor's buffer holds one after the other, and FINISHED_ROUND where all that is older than the
/// round before has been written. Source: what perf 6.1 prints for files of several processors.
#include <memory>
#include <string>

#include "sim/perfdata/record_source.h"

namespace lastbranch::perfdata {

/// Records without a time pass at once. Between rounds records wait in memory, up to 64 MiB; past that the
/// oldest go on, and notes() counts records that came too late for that. next() does not throw damage away:
/// what was read before it comes first.
[[nodiscard]] std::unique_ptr<RecordSource> in_time_order(std::unique_ptr<RecordSource> source);

/// open_source(), in the order of the times; text keeps its order, which perf script gave it. What a capture
/// is judged by: a thread's samples may lie in the buffers of several processors. Throws Error.
[[nodiscard]] std::unique_ptr<RecordSource> open_capture(const std::string& path,
                                                         const OpenOptions& options = {});

}  // namespace lastbranch::perfdata
