#pragma once
// Simulated physical RAM: one contiguous host reservation that costs memory only where it is touched, and per
// page what the block cache must know about code in it.
//
// Modelled: RAM at physical address 0..size, or one region that a platform lends. Not: holes, MMIO (the bus
// does that), ECC, cacheability.
#include <memory>

#include "sim/base/units.h"

namespace lastbranch {

/// Code bookkeeping of one physical page.
struct PageCode {
  /// One bit per 64-byte granule that holds decoded instructions: a store to another granule needs no
  /// invalidation.
  u64 granules = 0;
};

class PhysMem {
 public:
  /// Reserves `size_bytes` (rounded up to pages) of zeroed RAM. Throws Error when the host refuses the
  /// reservation.
  explicit PhysMem(u64 size_bytes);
  /// No RAM until adopt().
  PhysMem() = default;
  ~PhysMem();
  PhysMem(const PhysMem&) = delete;
  PhysMem& operator=(const PhysMem&) = delete;

  /// Of an object that was made without RAM: from now on `size` bytes at physical address `base` are
  /// somebody else's, at `host`. Whole pages; nothing may be left that was decoded from what it had before.
  /// Throws Error when the host refuses to reserve its bookkeeping.
  void adopt(u8* host, u64 base, u64 size);

  /// First address of RAM.
  [[nodiscard]] u64 base() const { return base_; }
  [[nodiscard]] u64 size() const { return size_; }
  [[nodiscard]] bool contains(u64 paddr, u64 length) const {
    return paddr - base_ < size_ && length <= size_ - (paddr - base_);
  }

  /// Host address of physical address `paddr`; valid to the end of RAM.
  [[nodiscard]] u8* host(u64 paddr) { return ram_ + (paddr - base_); }
  [[nodiscard]] const u8* host(u64 paddr) const { return ram_ + (paddr - base_); }

  [[nodiscard]] PageCode& code(u64 paddr) { return codes_[(paddr - base_) >> kPageShift]; }

  /// Gives the page's host memory back; it reads as zero afterwards.
  void discard_page(u64 paddr);

 private:
  u64 base_ = 0;
  u64 size_ = 0;
  bool adopted_ = false;
  u8* ram_ = nullptr;
  PageCode* codes_ = nullptr;
};

}  // namespace lastbranch
