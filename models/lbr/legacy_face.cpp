// The MSRs of parts with the legacy ring.
#include "models/lbr/faces.h"
#include "models/lbr/lbr.h"
#include "sim/base/field.h"

namespace lastbranch::lbr {
namespace {

const Lbr& of(const void* self) {
  return *static_cast<const Lbr*>(self);
}
Lbr& of(void* self) {
  return *static_cast<Lbr*>(self);
}

}  // namespace

/// Access by place. While Intel PT keeps the ring suspended its registers read 0 and drop what is written.
struct LegacyFace::Access {
  /// What FROM, TO and INFO show is the format's; TSX flags without TSX are kept as software wrote them.
  static Entry entry(const Lbr& l, u32 i) {
    Entry e = visible(l.format_, l.stored(i));
    if (l.params_.quirks.fmt4_tsx_disabled && e.kind != BranchKind::kCount) e.in_tx = e.abort = false;
    return e;
  }
  template <u64 (*kEncode)(LbrFormat, const Entry&)>
  static u64 read(const void* self, u32 i) {
    const Lbr& l = of(self);
    return l.pt_tracing_ ? 0 : kEncode(l.format_, entry(l, i));
  }
  template <MsrFault (*kDecode)(const Lbr&, u64, Entry&)>
  static MsrFault write(void* self, u32 i, u64 value) {
    Lbr& l = of(self);
    Entry e = entry(l, i);
    const MsrFault fault = kDecode(l, value, e);
    if (fault == MsrFault::kNone && !l.pt_tracing_) {
      e.kind = BranchKind::kCount;
      l.put(i, e);
    }
    return fault;
  }
  static MsrFault from(const Lbr& l, u64 value, Entry& e) {
    return decode_from(l.format_, value, l.params_.va_bits, e, l.params_.quirks.fmt4_tsx_disabled);
  }
  static MsrFault to(const Lbr& l, u64 value, Entry& e) {
    return decode_to(l.format_, value, l.params_.va_bits, e);
  }
  static MsrFault info(const Lbr& l, u64 value, Entry& e) { return decode_info(l.format_, value, e); }

  static u64 read_tos(const void* self, u32) { return of(self).pt_tracing_ ? 0 : u64{of(self).ring_.tos()}; }
  static MsrFault write_tos(void* self, u32, u64 value) {
    if (!of(self).pt_tracing_) of(self).ring_.set_tos(static_cast<unsigned>(value));
    return MsrFault::kNone;
  }
  static u64 read_select(const void* self, u32) { return of(self).select_; }
  static MsrFault write_select(void* self, u32, u64 value) {
    of(self).set_legacy_select(value);
    return MsrFault::kNone;
  }
  /// Index 0 is FROM, 1 is TO.
  template <unsigned kWhich>
  static u64 read_ler(const void* self, u32) {
    const Lbr& l = of(self);
    if (l.pt_tracing_) return 0;
    if (kWhich == 0) return l.ler_.from;
    const bool garbage = l.params_.quirks.ler_to_garbage && l.ler_.kind != BranchKind::kCount;
    return garbage ? Field<63, 61>::set(l.ler_.to, l.ler_garbage_) : l.ler_.to;
  }
  template <unsigned kWhich>
  static MsrFault write_ler(void* self, u32, u64 value) {
    Lbr& l = of(self);
    if (!is_canonical(value, l.params_.va_bits)) return MsrFault::kNonCanonical;
    if (l.pt_tracing_) return MsrFault::kNone;
    (kWhich == 0 ? l.ler_.from : l.ler_.to) = value;
    l.ler_.kind = BranchKind::kCount;
    return MsrFault::kNone;
  }
};

std::vector<MsrDef> LegacyFace::rows(const LbrParams& p, u64 select_writable) {
  const bool single = p.depth == 1;
  std::vector<MsrDef> rows = {debugctl_row(p)};
  rows.push_back({.index = p.from_base,
                  .count = p.depth,
                  .name = single             ? "MSR_LASTBRANCHFROMIP"
                          : has_to(p.format) ? "MSR_LASTBRANCH_#_FROM_IP"
                                             : "MSR_LASTBRANCH_#",
                  .writable = ~u64{0},
                  .read = &Access::read<encode_from>,
                  .write = &Access::write<&Access::from>});
  if (has_to(p.format)) {
    rows.push_back({.index = p.to_base,
                    .count = p.depth,
                    .name = single ? "MSR_LASTBRANCHTOIP" : "MSR_LASTBRANCH_#_TO_IP",
                    .writable = ~u64{0},
                    .read = &Access::read<encode_to>,
                    .write = &Access::write<&Access::to>});
  }
  if (has_info(p.format)) {
    rows.push_back({.index = p.info_base,
                    .count = p.depth,
                    .name = "MSR_LBR_INFO_#",
                    .writable = ~u64{0},
                    .read = &Access::read<encode_info>,
                    .write = &Access::write<&Access::info>});
  }
  if (!single) {
    rows.push_back({.index = p.tos,
                    .name = "MSR_LASTBRANCH_TOS",
                    .writable = p.depth - 1,
                    .ignore_others = true,  // "upper bits are not documented as zero": readers mask them
                    .read = &Access::read_tos,
                    .write = &Access::write_tos});
  }
  if (p.has_select) {
    rows.push_back({.index = p.select,
                    .name = "MSR_LBR_SELECT",
                    .writable = select_writable,
                    .read = &Access::read_select,
                    .write = &Access::write_select});
  }
  if (p.ler_from != 0) {
    for (const u32 i : {0u, 1u}) {
      rows.push_back({.index = p.ler_from + i,
                      .name = i == 0 ? "MSR_LER_FROM_LIP" : "MSR_LER_TO_LIP",
                      .writable = ~u64{0},
                      .read = i == 0 ? &Access::read_ler<0> : &Access::read_ler<1>,
                      .write = i == 0 ? &Access::write_ler<0> : &Access::write_ler<1>});
    }
  }
  return rows;
}

}  // namespace lastbranch::lbr
