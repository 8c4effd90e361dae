#pragma once
// The software TLB: linear page -> host pointer, one compare per access.
//
// An entry holds the linear base of its page and the host pointer to it. `offset = address - page` is below
// kPageSize exactly when the entry is the right one; comparing against `kPageSize - size` instead also rules
// out accesses that cross the page, so hit and no-crossing are one unsigned compare. An empty entry holds a
// page that maps to another slot, which no address of this slot can match. Not modelled: the sizes and timing
// of a real TLB (the timing model's business).
#include <array>

#include "sim/base/units.h"

namespace lastbranch::cpu {

struct TlbEntry {
  u64 page;  ///< linear address of the page
  u8* host;  ///< host pointer to its first byte
};

/// The translations of one address space at one privilege. Bank pointers are swapped, not flushed, on a
/// change of either.
struct TlbBank {
  static constexpr u64 kSlots = 2048;

  std::array<TlbEntry, kSlots> read;
  std::array<TlbEntry, kSlots> write;
  u16 tag = 0;
  bool user = true;

  TlbBank() { flush(); }

  [[nodiscard]] static constexpr u64 slot(u64 linear) { return (linear >> kPageShift) & (kSlots - 1); }

  void flush() {
    for (u64 s = 0; s < kSlots; ++s) read[s] = write[s] = empty(s);
  }
  /// Forgets one page (INVLPG, munmap, mprotect).
  void flush_page(u64 linear) {
    const u64 s = slot(linear);
    read[s] = write[s] = empty(s);
  }
  /// Makes stores to the page at `host` take the slow path again, under whatever linear address: it now holds
  /// code.
  void protect_host_page(const u8* host) {
    for (u64 s = 0; s < kSlots; ++s) {
      if (write[s].host == host) write[s] = empty(s);
    }
  }

 private:
  [[nodiscard]] static constexpr TlbEntry empty(u64 s) { return {(s ^ 1) << kPageShift, nullptr}; }
};

}  // namespace lastbranch::cpu
