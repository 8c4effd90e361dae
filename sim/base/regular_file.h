#pragma once
// Opening files whose names come from elsewhere, as from a capture: what has such a name now may be anything.
#include <string>

namespace lastbranch {

/// A descriptor of the regular file at `path`, open for reading and closed on exec; the caller closes it.
/// Waits for nobody to open the other end of a FIFO. Throws Error when it cannot be opened or is of another
/// kind.
[[nodiscard]] int open_regular_file(const std::string& path);

}  // namespace lastbranch
