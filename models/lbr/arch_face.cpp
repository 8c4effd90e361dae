// The MSRs of parts with architectural records, and their state as one value.
#include <bit>

#include "models/lbr/faces.h"
#include "models/lbr/lbr.h"

namespace lastbranch::lbr {
namespace {

const Lbr& of(const void* self) {
  return *static_cast<const Lbr*>(self);
}
Lbr& of(void* self) {
  return *static_cast<Lbr*>(self);
}

/// The last-exception record has no cycle count and no event counts.
Entry ler_entry(const ArchLbrParams& part, const Entry& e) {
  Entry out = visible(part, e);
  out.cycles = 0;
  out.cycles_valid = false;
  out.events = 0;
  return out;
}

}  // namespace

struct ArchFace::Access {
  static bool present(const void* self, u32 i) { return i < of(self).depth_; }

  static u64 read_from(const void* self, u32 i) { return of(self).stored(i).from; }
  static u64 read_to(const void* self, u32 i) { return of(self).stored(i).to; }
  static u64 read_info(const void* self, u32 i) {
    return encode_info(of(self).params_.arch, of(self).stored(i));
  }
  static MsrFault set_address(const Lbr& l, u64& field, u64 value) {
    if (!is_canonical(value, l.params_.va_bits)) return MsrFault::kNonCanonical;
    field = value;
    return MsrFault::kNone;
  }
  static MsrFault write_from(void* self, u32 i, u64 value) {
    Entry e = of(self).stored(i);
    const MsrFault fault = set_address(of(self), e.from, value);
    of(self).put(i, e);
    return fault;
  }
  static MsrFault write_to(void* self, u32 i, u64 value) {
    Entry e = of(self).stored(i);
    const MsrFault fault = set_address(of(self), e.to, value);
    of(self).put(i, e);
    return fault;
  }
  static MsrFault write_info(void* self, u32 i, u64 value) {
    Entry e = of(self).stored(i);
    decode_info(of(self).params_.arch, value, e);
    of(self).put(i, e);
    return MsrFault::kNone;
  }

  static u64 read_ctl(const void* self, u32) { return of(self).ctl_; }
  static MsrFault write_ctl(void* self, u32, u64 value) {
    of(self).set_ctl(value);
    return MsrFault::kNone;
  }
  static u64 read_depth(const void* self, u32) { return of(self).depth_; }
  static MsrFault write_depth(void* self, u32, u64 value) {
    Lbr& l = of(self);
    if (!allows_depth(l.params_.arch, value)) return MsrFault::kValue;
    l.depth_ = static_cast<unsigned>(value);
    l.clear();
    return MsrFault::kNone;
  }

  static u64 read_ler_from(const void* self, u32) { return of(self).ler_.from; }
  static u64 read_ler_to(const void* self, u32) { return of(self).ler_.to; }
  static u64 read_ler_info(const void* self, u32) {
    const ArchLbrParams& part = of(self).params_.arch;
    return encode_info(part, ler_entry(part, of(self).ler_));
  }
  static MsrFault write_ler_from(void* self, u32, u64 value) {
    return set_address(of(self), of(self).ler_.from, value);
  }
  static MsrFault write_ler_to(void* self, u32, u64 value) {
    return set_address(of(self), of(self).ler_.to, value);
  }
  static MsrFault write_ler_info(void* self, u32, u64 value) {
    Lbr& l = of(self);
    decode_info(l.params_.arch, value, l.ler_);
    l.ler_ = ler_entry(l.params_.arch, l.ler_);
    return MsrFault::kNone;
  }
};

std::vector<MsrDef> ArchFace::rows(const LbrParams& p) {
  const auto bank = [](u32 index, const char* name, auto read, auto write) {
    return MsrDef{.index = index,
                  .count = Lbr::kMaxDepth,
                  .name = name,
                  .writable = ~u64{0},
                  .present = &Access::present,
                  .read = read,
                  .write = write};
  };
  const auto single = [](u32 index, const char* name, u64 writable, auto read, auto write) {
    return MsrDef{.index = index, .name = name, .writable = writable, .read = read, .write = write};
  };
  constexpr u64 kAny = ~u64{0};
  std::vector<MsrDef> rows = {
      debugctl_row(p),
      single(arch::kCtl, "IA32_LBR_CTL", ctl_writable(p.arch), &Access::read_ctl, &Access::write_ctl),
      single(arch::kDepth, "IA32_LBR_DEPTH", kAny, &Access::read_depth, &Access::write_depth),
      single(arch::kLerFrom, "IA32_LER_FROM_IP", kAny, &Access::read_ler_from, &Access::write_ler_from),
      single(arch::kLerTo, "IA32_LER_TO_IP", kAny, &Access::read_ler_to, &Access::write_ler_to),
      single(arch::kLerInfo, "IA32_LER_INFO", kAny, &Access::read_ler_info, &Access::write_ler_info),
      bank(arch::kFrom, "IA32_LBR_#_FROM_IP", &Access::read_from, &Access::write_from),
      bank(arch::kTo, "IA32_LBR_#_TO_IP", &Access::read_to, &Access::write_to),
      bank(arch::kInfo, "IA32_LBR_#_INFO", &Access::read_info, &Access::write_info),
  };
  rows[2].reset = 8 * static_cast<u64>(std::bit_width(p.arch.depth_mask));
  return rows;
}

LbrState save(const Lbr& lbr) {
  LbrState state;
  state.ctl = lbr.ctl_;
  state.depth = lbr.depth_;
  state.ler_from = lbr.ler_.from;
  state.ler_to = lbr.ler_.to;
  state.ler_info = ArchFace::Access::read_ler_info(&lbr, 0);
  static_cast<void>(lbr.records(state.records));
  return state;
}

MsrFault restore(Lbr& lbr, const LbrState& state) {
  using Access = ArchFace::Access;
  if ((state.ctl & ~ctl_writable(lbr.params_.arch)) != 0) return MsrFault::kReserved;
  const bool same = state.depth == lbr.depth_;
  const auto canonical = [&](u64 address) { return is_canonical(address, lbr.params_.va_bits); };
  bool legal = canonical(state.ler_from) && canonical(state.ler_to);
  for (unsigned i = 0; i < lbr.depth_; ++i) {
    legal = legal && canonical(state.records.at(i).from) && canonical(state.records.at(i).to);
  }
  if (same && !legal) return MsrFault::kNonCanonical;
  lbr.wipe();
  if (same) {
    for (unsigned i = 0; i < lbr.depth_; ++i) {
      const LbrRecord& r = state.records.at(i);
      Entry e{.from = r.from, .to = r.to};
      decode_info(lbr.params_.arch, r.info, e);
      lbr.put(i, e);
    }
    lbr.ler_ = {.from = state.ler_from, .to = state.ler_to};
    Access::write_ler_info(&lbr, 0, state.ler_info);
  }
  lbr.set_ctl(same ? state.ctl : 0);
  return MsrFault::kNone;
}

}  // namespace lastbranch::lbr
