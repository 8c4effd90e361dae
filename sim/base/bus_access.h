#pragma once
// What a core sees of the platform's bus: everything that is not plain RAM.
#include <span>

#include "sim/base/units.h"

namespace lastbranch {

class BusAccess {
 public:
  virtual ~BusAccess() = default;
  /// Reads `data.size()` bytes at physical address `paddr`; false when nothing answers there, or with an
  /// error.
  virtual bool read(u64 paddr, std::span<u8> data) = 0;
  /// Writes likewise.
  virtual bool write(u64 paddr, std::span<const u8> data) = 0;
};

}  // namespace lastbranch
