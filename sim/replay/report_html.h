#pragma once
/// A report as one HTML page that needs nothing else: no network, no scripts, light and dark.
#include <string>

#include "sim/replay/report.h"

namespace lastbranch::replay {

/// Well-formed XHTML: whatever a capture holds is escaped.
[[nodiscard]] std::string report_html(const Report& report);

}  // namespace lastbranch::replay
