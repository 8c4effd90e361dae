#pragma once
// Guest memory by linear address, as the processor itself reaches it for things that are no instruction's
// operands: descriptor tables, stacks of exception deliveries, the DS save area. Supervisor accesses.
#include <span>

#include "sim/base/units.h"

namespace lastbranch {

class GuestMemory {
 public:
  virtual ~GuestMemory() = default;
  /// All of `data` or nothing; false when a page of it is not accessible.
  virtual bool read(u64 linear, std::span<u8> data) = 0;
  virtual bool write(u64 linear, std::span<const u8> data) = 0;
};

}  // namespace lastbranch
