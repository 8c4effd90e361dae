#include "models/lbr/lbr.h"

#include <algorithm>
#include <bit>

#include "models/lbr/faces.h"
#include "sim/base/error.h"

namespace lastbranch::lbr {
namespace {

unsigned largest_depth(const ArchLbrParams& part) {
  return 8 * static_cast<unsigned>(std::bit_width(part.depth_mask));
}

/// Places of the ring: architectural records are numbered by age, so their ring may have room to spare.
unsigned places(const LbrParams& p) {
  if (p.arch.depth_mask != 0) {
    if (largest_depth(p.arch) > Lbr::kMaxDepth) {
      throw Error("architectural LBR depths: expected at most {} records, found {}", Lbr::kMaxDepth,
                  largest_depth(p.arch));
    }
    return Lbr::kMaxDepth;
  }
  const bool possible = p.depth == 1 || (p.depth >= 4 && p.depth <= Lbr::kMaxDepth);
  if (!possible || !std::has_single_bit(p.depth)) {
    throw Error("LBR depth: expected 1, 4, 8, 16 or 32 records, found {}", p.depth);
  }
  if (p.format == LbrFormat::kNone) throw Error("LBR format: expected 0 to 7, found none at all");
  return p.depth;
}

LbrFormat encoded_as(const LbrParams& p) {
  return p.quirks.fmt1_with_mispred && p.format == LbrFormat::kLinear ? LbrFormat::kFlags : p.format;
}

/// Bits of MSR_LBR_SELECT, or what they stand for in IA32_LBR_CTL, that a part takes.
u64 selectable(const LbrParams& p) {
  if (p.arch.depth_mask != 0) {
    return (p.arch.cpl_filter ? 0x3u : 0u) | (p.arch.branch_filter ? 0x1fcu : 0u) |
           (p.arch.call_stack ? select::kCallStack : 0u);
  }
  if (!p.has_select) return 0;
  return p.has_call_stack ? p.select_mask : p.select_mask & ~select::kCallStack;
}

}  // namespace

Lbr::Lbr(const LbrParams& params, u64 seed)
    : ring_(places(params)),
      params_(params),
      format_(encoded_as(params)),
      depth_(params.arch.depth_mask != 0 ? largest_depth(params.arch) : params.depth),
      rng_(seed),
      select_writable_(selectable(params)),
      rows_(params.arch.depth_mask != 0 ? ArchFace::rows(params)
                                        : LegacyFace::rows(params, select_writable_)) {
  update();
}

void Lbr::connect(const EventLogSource* events, bool behind) {
  events_ = events;
  events_behind_ = behind;
  update();
}

Entry Lbr::stored(unsigned i) const {
  LASTBRANCH_ASSERT(i < depth_, "record {} of {}", i, depth_);
  return architectural() ? ring_.newest(i) : ring_.at(i);
}

Entry Lbr::slot(unsigned i) const {
  if (architectural()) return visible(params_.arch, stored(i));
  Entry e = visible(format_, stored(i));
  if (params_.quirks.fmt4_tsx_disabled) e.in_tx = e.abort = false;
  return e;
}

void Lbr::put(unsigned i, const Entry& e) {
  ring_.put(architectural() ? (ring_.tos() - i) & (ring_.depth() - 1) : i, e);
}

std::size_t Lbr::read(std::span<Entry> out) const {
  const std::size_t most = std::min<std::size_t>(out.size(), depth_);
  for (unsigned n = 0; n < most; ++n) {
    const Entry e = slot(architectural() ? n : (ring_.tos() - n) & (depth_ - 1));
    if (e.from == 0) return n;
    out[n] = e;
  }
  return most;
}

std::vector<Entry> Lbr::entries() const {
  std::vector<Entry> all(depth_);
  all.resize(read(all));
  return all;
}

std::size_t Lbr::records(std::span<LbrRecord> out) const {
  const std::size_t most = std::min<std::size_t>(out.size(), depth_);
  for (unsigned n = 0; n < most; ++n) {
    const Entry e = slot(architectural() ? n : (ring_.tos() - n) & (depth_ - 1));
    LbrRecord& r = out[n];
    if (architectural()) {
      r = {e.from, e.to, encode_info(params_.arch, e)};
    } else {
      r = {encode_from(format_, e), has_to(format_) ? encode_to(format_, e) : 0,
           has_info(format_) ? encode_info(format_, e) : 0};
    }
  }
  return depth_;
}

bool Lbr::enabled() const {
  return architectural() ? (ctl_ & ctl::kEnable) != 0 : (debugctl_ & debugctl::kLbr) != 0;
}

bool Lbr::call_stack_mode() const {
  return architectural() ? (ctl_ & ctl::kCallStack) != 0 : (select_ & select::kCallStack) != 0;
}

void Lbr::enable(bool on) {
  if (architectural()) {
    u64 value = on ? ctl_ | ctl::kEnable : ctl_ & ~ctl::kEnable;
    if ((value & ~ctl::kEnable) == 0 && on) value |= ctl_of_select(0) & ctl_writable(params_.arch);
    set_ctl(value);
  } else {
    debugctl_ = on ? debugctl_ | debugctl::kLbr : debugctl_ & ~debugctl::kLbr;
    update();
  }
}

void Lbr::select(u64 value) {
  if ((value & ~select_writable_) != 0) {
    throw Error("{}: expected bits within {:#x} on this part, found {:#x}",
                architectural() ? "IA32_LBR_CTL from MSR_LBR_SELECT" : "MSR_LBR_SELECT", select_writable_,
                value);
  }
  if (architectural()) {
    set_ctl((ctl_ & ctl::kEnable) | (ctl_of_select(value) & ctl_writable(params_.arch)));
  } else {
    set_legacy_select(value);
  }
}

void Lbr::record_user_only() {
  select(select::kCplEq0 & select_writable_);
}

void Lbr::record_call_stack(bool user_only) {
  select(select::kCallStack | select::kJcc | select::kNearIndJmp | select::kNearRelJmp | select::kFarBranch |
         (user_only ? select::kCplEq0 : 0));
}

void Lbr::set_legacy_select(u64 value) {
  select_ = value;
  update();
}

void Lbr::set_ctl(u64 value) {
  ctl_ = value;
  update();
}

void Lbr::clear() {
  ring_.clear();
  if (architectural()) ring_.forget_time();
}

void Lbr::wipe() {
  ring_.clear();
  ring_.forget_time();
  ler_ = {};
}

void Lbr::reset(ResetKind kind) {
  if (architectural() && kind == ResetKind::kWarm) {
    ctl_ &= ~ctl::kEnable;
  } else {
    wipe();
    select_ = ctl_ = 0;
    if (architectural()) depth_ = largest_depth(params_.arch);
  }
  debugctl_ = 0;
  frozen_ = in_smm_ = false;
  update();
}

void Lbr::deep_c_state() {
  if (architectural() ? params_.arch.deep_c_reset : params_.quirks.c6_clears) wipe();
}

void Lbr::set_pt_tracing(bool on) {
  if (!params_.quirks.pt_excludes_lbr) return;
  if (pt_tracing_ && !on) wipe();
  pt_tracing_ = on;
  update();
}

}  // namespace lastbranch::lbr
