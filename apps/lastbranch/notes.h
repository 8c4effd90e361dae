#pragma once
/// What the user should know of a finished run.
#include <string>
#include <vector>

#include "apps/lastbranch/simulation.h"

namespace lastbranch::cli {

/// One line each: why the program died, what it wanted that is not modelled, why the run stopped early.
[[nodiscard]] std::vector<std::string> notes(Machine& machine, const Ending& ending);

}  // namespace lastbranch::cli
