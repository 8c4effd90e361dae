#include "models/cpu/system_memory.h"

#include <algorithm>

#include "models/cpu/block.h"
#include "sim/base/bus_access.h"

namespace lastbranch::cpu {
namespace {

/// Calls `f(at, here)` for each page's share of [linear, linear + length), until it returns a fault.
template <class F>
std::optional<Fault> by_page(u64 linear, u64 length, F f) {
  for (u64 at = 0; at < length;) {
    const u64 here = std::min(length - at, kPageSize - ((linear + at) & ~kPageMask));
    if (auto fault = f(at, here)) return fault;
    at += here;
  }
  return std::nullopt;
}

}  // namespace

std::optional<Fault> LinearMemory::translate(u64 linear, Access access, bool user, Translation& t) {
  if (!is_canonical(linear)) return general_protection();
  t = c_.walker->walk(page_of(linear), access, user);
  if (t.ok) return std::nullopt;
  if (t.fault.vector == Vector::kPF) t.fault.address = linear;
  return t.fault;
}

std::optional<Fault> LinearMemory::load(u64 linear, std::span<u8> data, bool user) {
  Translation t;
  if (auto fault = by_page(linear, data.size(),
                           [&](u64 at, u64) { return translate(linear + at, Access::kRead, user, t); })) {
    return fault;
  }
  return by_page(linear, data.size(), [&](u64 at, u64 here) {
    auto fault = translate(linear + at, Access::kRead, user, t);
    const u64 paddr = t.page + ((linear + at) & ~kPageMask);
    if (fault) return fault;
    if (!t.mmio) {
      std::memcpy(data.data() + at, c_.memory->host(paddr), here);
    } else if (c_.bus == nullptr || !c_.bus->read(paddr, data.subspan(at, here))) {
      std::memset(data.data() + at, 0xff, here);  // what an open bus reads as
    }
    return fault;
  });
}

std::optional<Fault> LinearMemory::probe_store(u64 linear, u64 length, bool user) {
  Translation t;
  return by_page(linear, length,
                 [&](u64 at, u64) { return translate(linear + at, Access::kWrite, user, t); });
}

std::optional<Fault> LinearMemory::store(u64 linear, std::span<const u8> data, bool user) {
  if (auto fault = probe_store(linear, data.size(), user)) return fault;
  return by_page(linear, data.size(), [&](u64 at, u64 here) {
    Translation t;
    auto fault = translate(linear + at, Access::kWrite, user, t);
    const u64 paddr = t.page + ((linear + at) & ~kPageMask);
    if (fault) return fault;
    if (!t.mmio) {
      std::memcpy(c_.memory->host(paddr), data.data() + at, here);
      if (c_.memory->code(paddr).granules != 0) c_.blocks->invalidate_physical(c_, paddr, here);
    } else if (c_.bus != nullptr) {
      c_.bus->write(paddr, data.subspan(at, here));
    }
    return fault;
  });
}

}  // namespace lastbranch::cpu
