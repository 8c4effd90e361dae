#include "models/lbr/lbr.h"

#include <algorithm>
#include <bit>

#include "sim/base/error.h"

namespace lastbranch::lbr {
namespace {

const Lbr& self_of(const void* self) {
  return *static_cast<const Lbr*>(self);
}

}  // namespace

Lbr::Lbr(const LbrParams& params)
    : depth_mask_(params.depth - 1),
      params_(params),
      // A filter of a part without the register passes everything. Call-stack mode is not modelled.
      select_writable_(params.has_select ? params.select_mask & ~select::kCallStack : 0) {
  if (params.depth < 4 || params.depth > kMaxDepth || !std::has_single_bit(params.depth)) {
    throw Error("LBR depth: expected 4, 8, 16 or 32 records, found {}", params.depth);
  }
  clear();
  make_rows();
}

Entry Lbr::stored(unsigned i) const {
  const u64 age = (tos() - i) & depth_mask_;
  if (age >= pushes_) return image_[i];
  const u64 n = pushes_ - age;
  const Pushed& p = pushed_[n & kPushMask];
  const u64 before = n == 1 ? image_time_ : pushed_[(n - 1) & kPushMask].time;
  LASTBRANCH_ASSERT(before == kNoTime || before <= p.time, "branch at {} after one at {}", p.time, before);
  Entry e;
  e.from = p.from;
  e.to = p.to;
  e.cycles = before == kNoTime ? u16{0} : static_cast<u16>(std::min<u64>(p.time - before, kMaxCycles));
  e.mispredicted = (p.detail & kMispredicted) != 0;
  e.in_tx = (p.detail & kInTx) != 0;
  e.abort = (p.detail & kAbort) != 0;
  e.kind = static_cast<BranchKind>(p.detail & kKind);
  return e;
}

Entry Lbr::slot(unsigned i) const {
  LASTBRANCH_ASSERT(i < params_.depth, "record {} of {}", i, params_.depth);
  return visible(params_.format, stored(i));
}

void Lbr::settle() {
  if (pushes_ == 0) return;
  std::array<Entry, kMaxDepth> image{};
  for (unsigned i = 0; i < params_.depth; ++i) image[i] = stored(i);
  image_tos_ = tos();
  image_time_ = pushed_[pushes_ & kPushMask].time;
  image_ = image;
  pushes_ = 0;
}

std::size_t Lbr::read(std::span<Entry> out) const {
  const std::size_t most = std::min<std::size_t>(out.size(), params_.depth);
  for (std::size_t n = 0; n < most; ++n) {
    const Entry e = slot((tos() - static_cast<unsigned>(n)) & depth_mask_);
    if (e.from == 0) return n;
    out[n] = e;
  }
  return most;
}

std::vector<Entry> Lbr::entries() const {
  std::vector<Entry> all(params_.depth);
  all.resize(read(all));
  return all;
}

void Lbr::enable(bool on) {
  const u64 value = on ? kDebugctlLbr : 0;
  // The first record after enabling counts no cycles, as captures from Skylake show.
  if (on && !enabled()) {
    settle();
    image_time_ = kNoTime;
  }
  debugctl_ = value;
  update_keep();
}

void Lbr::select(u64 value) {
  if ((value & ~select_writable_) != 0) {
    throw Error("MSR_LBR_SELECT: expected bits within {:#x} on this part, found {:#x}", select_writable_,
                value);
  }
  select_ = value;
  update_keep();
}

void Lbr::clear() {
  settle();
  image_ = {};
  image_tos_ = 0;
}

void Lbr::reset() {
  clear();
  image_time_ = kNoTime;
  select_ = 0;
  debugctl_ = 0;
  update_keep();
}

void Lbr::update_keep() {
  keep_ = enabled() ? keep_mask(select_, params_.jmp_filters_drop_calls) : 0;
}

MsrFault Lbr::write_slot(unsigned i, u64 value, MsrFault (*decode)(const Lbr&, u64, Entry&)) {
  Entry e = slot(i);
  const MsrFault fault = decode(*this, value, e);
  if (fault == MsrFault::kNone) {
    e.kind = BranchKind::kCount;
    settle();
    image_[i] = e;
  }
  return fault;
}

void Lbr::make_rows() {
  const LbrFormat format = params_.format;
  rows_ = {{.index = 0x1d9,
            .name = "IA32_DEBUGCTL",
            .writable = kDebugctlLbr,
            .read = [](const void* self, u32) { return self_of(self).debugctl_; },
            .write =
                [](void* self, u32, u64 value) {
                  static_cast<Lbr*>(self)->enable((value & kDebugctlLbr) != 0);
                  return MsrFault::kNone;
                }},
           {.index = params_.tos,
            .name = "MSR_LASTBRANCH_TOS",
            .writable = depth_mask_,
            .ignore_others = true,  // "upper bits are not documented as zero": readers mask them
            .read = [](const void* self, u32) { return u64{self_of(self).tos()}; },
            .write =
                [](void* self, u32, u64 value) {
                  static_cast<Lbr*>(self)->settle();
                  static_cast<Lbr*>(self)->image_tos_ = static_cast<unsigned>(value);
                  return MsrFault::kNone;
                }},
           {.index = params_.from_base,
            .count = params_.depth,
            .name = has_to(format) ? "MSR_LASTBRANCH_#_FROM_IP" : "MSR_LASTBRANCH_#",
            .writable = ~u64{0},
            .read = [](const void* self,
                       u32 i) { return encode_from(self_of(self).params_.format, self_of(self).slot(i)); },
            .write =
                [](void* self, u32 i, u64 value) {
                  return static_cast<Lbr*>(self)->write_slot(i, value, [](const Lbr& l, u64 v, Entry& e) {
                    return decode_from(l.params_.format, v, l.params_.va_bits, e);
                  });
                }}};
  if (has_to(format)) {
    rows_.push_back(
        {.index = params_.to_base,
         .count = params_.depth,
         .name = "MSR_LASTBRANCH_#_TO_IP",
         .writable = ~u64{0},
         .read = [](const void* self,
                    u32 i) { return encode_to(self_of(self).params_.format, self_of(self).slot(i)); },
         .write =
             [](void* self, u32 i, u64 value) {
               return static_cast<Lbr*>(self)->write_slot(i, value, [](const Lbr& l, u64 v, Entry& e) {
                 return decode_to(l.params_.format, v, l.params_.va_bits, e);
               });
             }});
  }
  if (has_info(format)) {
    rows_.push_back(
        {.index = params_.info_base,
         .count = params_.depth,
         .name = "MSR_LBR_INFO_#",
         .writable = ~u64{0},
         .read = [](const void* self,
                    u32 i) { return encode_info(self_of(self).params_.format, self_of(self).slot(i)); },
         .write =
             [](void* self, u32 i, u64 value) {
               return static_cast<Lbr*>(self)->write_slot(i, value, [](const Lbr& l, u64 v, Entry& e) {
                 return decode_info(l.params_.format, v, e);
               });
             }});
  }
  if (params_.has_select) {
    rows_.push_back({.index = params_.select,
                     .name = "MSR_LBR_SELECT",
                     .writable = select_writable_,
                     .read = [](const void* self, u32) { return self_of(self).select_; },
                     .write =
                         [](void* self, u32, u64 value) {
                           static_cast<Lbr*>(self)->select(value);
                           return MsrFault::kNone;
                         }});
  }
}

}  // namespace lastbranch::lbr
