#pragma once
/// What the ring level asks of single entries.
#include <optional>
#include <string>

#include "sim/base/retire.h"
#include "sim/base/units.h"
#include "sim/perfdata/branch_entry.h"

namespace lastbranch::replay {

/// The kind of branch that perf saved; nothing: it saved none, or one that several kinds have.
[[nodiscard]] std::optional<BranchKind> kind_of_type(perfdata::BranchType type);

/// As perf script prints it: "0x401000/0x402000/P/-/-/7".
[[nodiscard]] std::string words_of(const perfdata::BranchEntry& entry);

}  // namespace lastbranch::replay
