#pragma once
// What a machine with the other byte order would have written in the place of a perf.data file of this one.
#include <cstddef>
#include <span>
#include <vector>

namespace lastbranch::perfdata::test {

/// `file` is in file or pipe mode, not compressed, with events of one shape, as our writer makes it.
[[nodiscard]] std::vector<std::byte> byte_swapped(std::span<const std::byte> file);

}  // namespace lastbranch::perfdata::test
