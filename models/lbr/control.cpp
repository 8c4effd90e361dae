// IA32_DEBUGCTL and what switches recording on and off: freezing, #DB, SMM.
#include "models/lbr/faces.h"
#include "models/lbr/lbr.h"

namespace lastbranch::lbr {
namespace {

/// What FREEZE_WHILE_SMM switches off on the way into SMM.
constexpr u64 kOffInSmm = debugctl::kLbr | debugctl::kBtf | debugctl::kTr | debugctl::kBts;

constexpr KeepMask of_kinds(BranchKind first, BranchKind last) {
  const unsigned low = keep_bit(first, 0);
  const unsigned high = keep_bit(last, 3);
  return (~u64{0} >> (63 - high)) & (~u64{0} << low);
}
constexpr KeepMask kAll = of_kinds(BranchKind::kJcc, BranchKind::kInterrupt);
/// Kinds that may change privilege.
constexpr KeepMask kFarKinds = of_kinds(BranchKind::kFar, BranchKind::kInterrupt);
/// Kinds that save the branch before them as last-exception record.
constexpr KeepMask kDeliveries = of_kinds(BranchKind::kSoftInt, BranchKind::kInterrupt);

u64 debugctl_writable(const LbrParams& p) {
  return p.arch.depth_mask != 0 ? p.debugctl_mask | debugctl::kLbr : p.debugctl_mask;
}

}  // namespace

u64 Lbr::debugctl() const {
  return debugctl_;
}

MsrFault Lbr::write_debugctl(u64 value) {
  if ((value & ~debugctl_writable(params_)) != 0) return MsrFault::kReserved;
  // With architectural records the LBR bit takes any value and reads 0.
  debugctl_ = architectural() ? value & ~debugctl::kLbr : value;
  update();
  return MsrFault::kNone;
}

void Lbr::legacy_freeze() {
  if (params_.quirks.no_freeze) return;
  glitch_tos();
  debugctl_ &= ~(debugctl::kLbr | (params_.quirks.freeze_clears_tr ? debugctl::kTr : 0));
  update();
}

void Lbr::set_frozen(bool frozen) {
  if (frozen == frozen_ || params_.quirks.no_freeze) return;
  if (frozen) glitch_tos();
  frozen_ = frozen;
  update();
}

void Lbr::glitch_tos() {
  if (!params_.quirks.cs_freeze_tos_glitch || architectural() || !recording_ || !call_stack_mode()) return;
  ring_.set_tos(last_was_pop_ ? ring_.tos() - 1 : ring_.tos() + 1);
}

void Lbr::debug_exception() {
  debugctl_ &= ~(debugctl::kLbr | debugctl::kBtf);
  ctl_ &= ~ctl::kEnable;
  update();
}

void Lbr::enter_smm() {
  if (in_smm_) return;
  in_smm_ = true;
  smm_debugctl_ = debugctl_;
  smm_ctl_ = ctl_;
  if ((debugctl_ & debugctl::kFreezeWhileSmm) != 0) debugctl_ &= ~kOffInSmm;
  ctl_ &= ~ctl::kEnable;
  update();
}

void Lbr::leave_smm() {
  if (!in_smm_) return;
  in_smm_ = false;
  if ((smm_debugctl_ & debugctl::kFreezeWhileSmm) != 0) debugctl_ = smm_debugctl_;
  ctl_ = (ctl_ & ~ctl::kEnable) | (smm_ctl_ & ctl::kEnable);
  if (params_.quirks.rsm_corrupts) {
    for (unsigned i = 0; i < depth_; ++i) put(i, {.from = rng_() >> 17, .to = rng_() >> 17});
  }
  update();
}

void Lbr::update() {
  const LbrQuirks& q = params_.quirks;
  const bool tr = (debugctl_ & debugctl::kTr) != 0;
  const bool was = recording_;
  recording_ = !frozen_ && !pt_tracing_ &&
               ((enabled() && !(tr && params_.record_suspends_on_tr)) || (tr && q.tr_updates_ring));
  filter_ = architectural() ? arch_keep_mask(params_.arch, ctl_)
                            : keep_mask(select_, params_.jmp_filters_drop_calls);
  KeepMask looked_at = 0;
  special_ = 0;
  if (recording_) {
    looked_at = filter_ | kDeliveries;
    special_ = kDeliveries;
    if (architectural() && (ctl_ & ctl::kOs) == 0 && (ctl_ & ctl::kUsr) != 0) special_ |= kFarKinds;
    if (architectural() && (ctl_ & ctl::kOs) != 0 && (ctl_ & ctl::kUsr) == 0) special_ |= kFarKinds;
    if (call_stack_mode() || q.dup_abort_record || q.oldest_entry_bias_per_mille != 0 ||
        (events_ != nullptr && params_.arch.event_log_counters != 0)) {
      special_ = kAll;
    }
    if (!q.cpl_filter_on_target) looked_at = special_ = kAll;
  }
  if (!pt_tracing_ && Bts::active(debugctl_)) looked_at = special_ = kAll;
  plain_ = looked_at & ~special_;
  special_ &= looked_at;
  if (recording_ && !was) start_recording();
  if (!recording_ && was) stop_recording();
}

void Lbr::start_recording() {
  // The first record after enabling counts no cycles, as captures from Skylake show.
  if (!params_.quirks.record_after_enable_counts) ring_.forget_time();
  events_logged_ = 0;
  static_cast<void>(logged_events());
}

void Lbr::stop_recording() {
  const u32 per_mille = params_.quirks.dup_top_per_mille;
  if (per_mille == 0 || !rng_.chance(per_mille, 1000)) return;
  // In captures the repeated record has the cycles and the prediction of a branch of its own, the one that
  // follows: only its addresses have not arrived.
  const Entry before = ring_.newest(1);
  if (before.from == 0) return;
  Entry newest = ring_.newest();
  newest.from = before.from;
  newest.to = before.to;
  ring_.put(ring_.tos(), newest);
}

MsrDef debugctl_row(const LbrParams& params) {
  return {.index = 0x1d9,
          .name = "IA32_DEBUGCTL",
          .writable = debugctl_writable(params),
          .read = [](const void* self, u32) { return static_cast<const Lbr*>(self)->debugctl(); },
          .write = [](void* self, u32, u64 value) { return static_cast<Lbr*>(self)->write_debugctl(value); }};
}

}  // namespace lastbranch::lbr
