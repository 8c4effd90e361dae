#pragma once
// A VMCS region in physical memory: revision, abort indicator, launch state, then a quadword for each row of
// the field table. The format behind the first eight bytes is a processor's own affair.
//
// Not modelled: a VMCS that the processor keeps to itself until VMCLEAR; memory is always up to date.
// Source: SDM vol. 3C, "Format of the VMCS Region".
#include <cstring>

#include "models/vmx/fields.h"
#include "sim/base/assert.h"
#include "sim/base/phys_mem.h"

namespace lastbranch::vmx {

inline constexpr u32 kRevision = 0x4c42'5231;  ///< bit 31 is clear
inline constexpr u64 kRegionSize = 4096;
inline constexpr u64 kNoVmcs = ~u64{0};

class Vmcs {
 public:
  Vmcs(PhysMem& memory, u64 at) : base_(memory.host(at)) {}

  [[nodiscard]] u32 revision() const { return get<u32>(0); }
  void set_abort(u32 indicator) { put(4, indicator); }
  [[nodiscard]] u32 abort() const { return get<u32>(4); }
  [[nodiscard]] bool launched() const { return get<u32>(8) != 0; }
  void set_launched(bool launched) { put(8, u32{launched}); }

  [[nodiscard]] u64 read(Field field) const { return get<u64>(offset(static_cast<u32>(field))); }
  [[nodiscard]] u32 read32(Field field) const { return static_cast<u32>(read(field)); }
  /// Bits beyond the field's width are dropped.
  void write(Field field, u64 value) {
    const int row = find_field(static_cast<u32>(field));
    put(offset(static_cast<u32>(field)), value & fields()[static_cast<std::size_t>(row)].mask());
  }

 private:
  static std::size_t offset(u32 encoding) {
    const int row = find_field(encoding);
    LASTBRANCH_ASSERT(row >= 0, "no VMCS field {:#x}", encoding);
    return 64 + 8 * static_cast<std::size_t>(row);
  }
  template <class T>
  [[nodiscard]] T get(std::size_t at) const {
    T v;
    std::memcpy(&v, base_ + at, sizeof v);
    return v;
  }
  template <class T>
  void put(std::size_t at, T v) {
    std::memcpy(base_ + at, &v, sizeof v);
  }

  u8* base_;
};

}  // namespace lastbranch::vmx
