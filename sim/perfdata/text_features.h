#pragma once
/// The lines "# cpuid : GenuineIntel,6,94,3" that perf script --header prints before the samples.
#include <string>
#include <string_view>
#include <vector>

#include "sim/perfdata/feature_reader.h"
#include "sim/perfdata/record_reader.h"

namespace lastbranch::perfdata {

/// Takes a line that starts with '#' into `features` or, an event, into `events`; false: it is neither.
[[nodiscard]] bool parse_feature_line(std::string_view line, Features& features,
                                      std::vector<EventInfo>& events);

/// The line of an event, without its end, as far as parse_feature_line() reads it.
[[nodiscard]] std::string event_line(const EventInfo& event);

}  // namespace lastbranch::perfdata
