#pragma once
/// The GNU build-id of an ELF file: what ties a recording to the binary that ran.
/// Sources: the note's layout, "Note Section" of the ELF gABI; NT_GNU_BUILD_ID in elf.h.
#include <array>
#include <optional>
#include <span>
#include <string>

#include "sim/base/units.h"

namespace lastbranch::perfdata {

/// 1 to 20 bytes; the rest of `bytes` is zero, as perf.data stores it.
struct BuildId {
  std::array<u8, 20> bytes{};
  u8 size = 0;

  /// Lower-case hexadecimal, as `perf buildid-list` and `readelf -n` print it.
  [[nodiscard]] std::string hex() const;
  friend bool operator==(const BuildId&, const BuildId&) = default;
};

/// The build-id of the ELF file at `path`; nothing when the file cannot be read, is no ELF file or has none.
/// An id longer than 20 bytes is cut to 20, as the kernel does.
[[nodiscard]] std::optional<BuildId> read_build_id(const std::string& path);

/// The same of an ELF image in memory, such as the vDSO.
[[nodiscard]] std::optional<BuildId> read_build_id(std::span<const std::byte> image);

}  // namespace lastbranch::perfdata
