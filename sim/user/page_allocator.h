#pragma once
// Hands out pages of simulated RAM in a fixed order, zeroed.
//
// Fresh pages come in ascending order; freed ones are used again first. At most kKept freed pages hold on to
// host memory, so that what a guest unmaps does not stay resident.
#include <optional>
#include <vector>

#include "sim/base/phys_mem.h"
#include "sim/base/units.h"

namespace lastbranch::user {

class PageAllocator {
 public:
  explicit PageAllocator(PhysMem& memory) : memory_(memory) {}

  /// Physical address of a page of zeroes; nothing when RAM is used up.
  [[nodiscard]] std::optional<u64> allocate();
  /// Gives `page` back. Nothing may refer to it any more.
  void free(u64 page);

  /// Pages handed out and not given back.
  [[nodiscard]] u64 in_use() const { return in_use_; }
  [[nodiscard]] PhysMem& memory() { return memory_; }

 private:
  static constexpr std::size_t kKept = 1024;

  PhysMem& memory_;
  u64 next_ = 0;
  u64 in_use_ = 0;
  std::vector<u64> dirty_;      // freed, contents stale
  std::vector<u64> discarded_;  // freed, read as zero
};

}  // namespace lastbranch::user
