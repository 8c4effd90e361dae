#pragma once
/// A report for programs: docs/replay.md describes the fields.
#include <string>

#include "sim/replay/report.h"

namespace lastbranch::replay {

/// Grows when a field changes its meaning or goes; new fields leave it.
inline constexpr unsigned kReportSchemaVersion = 1;

/// One JSON object. Addresses are strings ("0x4012fa"), since JSON's numbers do not hold 64 bits everywhere.
[[nodiscard]] std::string report_json(const Report& report);

}  // namespace lastbranch::replay
