#pragma once
/// The columns of perf script in exactly the widths that perf gives them, which tell names of threads that
/// hold blanks, colons, brackets or numbers from the columns behind them.
/// Facts: output of perf 6.1; the widths are older than branch stacks.
#include <string_view>

#include "sim/perfdata/text_head.h"

namespace lastbranch::perfdata {

/// Takes the columns apart; false when `text` is not in perf's widths or does not show what it is.
[[nodiscard]] bool parse_wide_columns(std::string_view text, TextHead& head);

}  // namespace lastbranch::perfdata
