#pragma once
/// A report for people to read in a terminal.
#include <string>
#include <string_view>

#include "sim/replay/report.h"

namespace lastbranch::replay {

/// What was replayed, each check with what held and the causes of what did not, the worst edges, the first
/// examples, the verdict. Ends with a line break.
[[nodiscard]] std::string report_text(const Report& report);

/// One sentence: "agrees", or what does not.
[[nodiscard]] std::string verdict(const Report& report);

/// Text of a capture for pages, terminals and JSON: control characters but line break and tab, and bytes that
/// are no UTF-8, become "\x1b".
[[nodiscard]] std::string printable(std::string_view text);

}  // namespace lastbranch::replay
