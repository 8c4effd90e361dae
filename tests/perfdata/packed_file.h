#pragma once
// Compresses the records of a perf.data file as `perf record -z` does, and in the other ways that are about.
#include <cstddef>
#include <span>
#include <vector>

#include "sim/base/units.h"
#include "sim/perfdata/format.h"

namespace lastbranch::perfdata::test {

enum class Packing : u8 {
  kOneStream,      ///< one zstd stream over all records of the file, flushed at the end of each
  kFrames,         ///< a frame in each record
  kOneFrameCutUp,  ///< one frame, cut anywhere
};

/// `data` in COMPRESSED (or COMPRESSED2) records: `piece` bytes of it each.
[[nodiscard]] std::vector<std::byte> packed_records(std::span<const std::byte> data, Packing packing,
                                                    std::size_t piece,
                                                    RecordType type = RecordType::kCompressed);

/// `file`, in file mode and with features, with its data in such records.
[[nodiscard]] std::vector<std::byte> packed_file(std::span<const std::byte> file, Packing packing,
                                                 std::size_t piece,
                                                 RecordType type = RecordType::kCompressed);

}  // namespace lastbranch::perfdata::test
