#pragma once
// What a TLB miss asks: the one policy that differs between a user process's map, an identity map, page
// tables and EPT. The execution code knows only this interface, and only its miss path calls it.
#include "sim/base/fault.h"
#include "sim/base/units.h"

namespace lastbranch::cpu {

enum class Access : u8 { kRead, kWrite, kFetch };

/// Outcome of translating one page.
struct Translation {
  bool ok = false;        ///< false: `fault` is to be delivered
  bool writable = false;  ///< stores may use this translation without asking again
  bool mmio = false;      ///< no RAM behind it: accesses go to the bus
  u64 page = 0;           ///< physical address of the page
  Fault fault{};
};

/// A walk from linear to physical addresses.
class Walker {
 public:
  virtual ~Walker() = default;
  /// Translates the page of `linear` for `access` at privilege user (CPL 3) or supervisor.
  /// A write that is refused is a fault; a read may answer `writable` so that the TLB need not ask twice.
  virtual Translation walk(u64 linear, Access access, bool user) = 0;
  /// Address-space tag (PCID/VPID/process): TLB banks and code blocks of different tags never mix.
  [[nodiscard]] virtual u16 tag() const { return 0; }
  /// The map is the same whatever CR0, CR3 and CR4 hold: a write to them has nothing to forget.
  [[nodiscard]] virtual bool fixed() const { return false; }
};

}  // namespace lastbranch::cpu
