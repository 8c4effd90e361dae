#pragma once
/// Intel's names of its processors, and the microarchitecture that each stands for.
/// Source: Intel's guide to its processors' names and numbers; its product specifications for exceptions.
#include <string_view>

namespace lastbranch::replay {

/// Name of the uarch record for a CPUDESC ("Intel(R) Core(TM) i5-2467M CPU @ 1.60GHz"); empty: not
/// recognized.
[[nodiscard]] std::string_view uarch_of_name(std::string_view cpu_desc);

}  // namespace lastbranch::replay
