// Branches that are more than a plain record: BTS, call-stack mode, last-exception records, event counts and
// the errata that strike while recording.
#include <algorithm>
#include <utility>

#include "models/lbr/lbr.h"
#include "sim/base/field.h"

namespace lastbranch::lbr {

void Lbr::transaction_abort(u64 from, u64 to, u64 time, u8 cpl) {
  push({.from = from,
        .to = to,
        .time = time,
        .kind = BranchKind::kFar,
        .length = 0,
        .cpl_from = cpl,
        .cpl_to = cpl,
        .in_tx = true,
        .abort = true});
}

bool Lbr::keeps(const RetiredBranch& b) const {
  const unsigned cpl = params_.quirks.cpl_filter_on_target ? b.cpl_to : b.cpl_from;
  return ((filter_ >> keep_bit(b.kind, cpl)) & 1) != 0;
}

void Lbr::push_slow(const RetiredBranch& b) {
  const LbrQuirks& q = params_.quirks;
  if (recording_) {
    if (b.kind >= BranchKind::kSoftInt) take_exception_record();
    if (keeps(b)) record(b);
  }
  // After the record: at its threshold BTS asks for a PMI, whose freeze this branch is still before.
  if (!pt_tracing_ && Bts::active(debugctl_)) {
    bts_.branch(b, debugctl_, q.cpl_filter_on_target ? b.cpl_to : b.cpl_from, q.bts_wrong_cpl_from);
  }
}

void Lbr::take_exception_record() {
  ler_ = ring_.newest();
  if (params_.quirks.ler_to_garbage) {
    ler_garbage_ = (ler_.mispredicted ? 4u : 0u) | (ler_.in_tx ? 2u : 0u) | (ler_.abort ? 1u : 0u);
  }
}

void Lbr::record(const RetiredBranch& b) {
  const LbrQuirks& q = params_.quirks;
  if (call_stack_mode()) {
    if (b.kind == BranchKind::kRet) return pop(b.time);
    const bool call = b.kind == BranchKind::kRelCall || b.kind == BranchKind::kIndCall;
    if (call && b.to == b.from + b.length) return;
  }
  last_was_pop_ = false;
  Entry e = recorded(b.from, b.to, b.kind, b.mispredicted, b.in_tx, b.abort);
  if (q.boundary_signext && b.kind >= BranchKind::kException) e.from = sign_extend(e.from, params_.va_bits);
  if (architectural() && params_.arch.cpl_filter && (ctl_ & (b.cpl_from == 0 ? ctl::kOs : ctl::kUsr)) == 0) {
    if (!q.arch_zeroes_kernel_from) return;
    e.from = 0;
  }
  if (events_behind_) {
    events_due_ = true;
  } else {
    e.events = logged_events();
  }
  if (q.oldest_entry_bias_per_mille != 0 && depth_ > 2 && rng_.chance(q.oldest_entry_bias_per_mille, 1000)) {
    const unsigned oldest = ring_.tos() - (depth_ - 1);
    const unsigned mask = ring_.depth() - 1;
    ring_.put((oldest + 1) & mask, ring_.at(oldest & mask));
  }
  ring_.insert(e, b.time);
  if (b.abort && q.dup_abort_record) {
    e.abort = false;
    ring_.insert(e, b.time);
  }
}

void Lbr::pop(u64 time) {
  ring_.pop(architectural() || params_.quirks.underflow_moves_tos);
  last_was_pop_ = true;
  // Architectural records shift down; what comes in at the far end is empty.
  if (depth_ < ring_.depth()) put(depth_ - 1, {});
  if (params_.quirks.pop_restarts_cycles) ring_.restart_time(time);
}

void Lbr::count_events() {
  if (!std::exchange(events_due_, false)) return;
  Entry newest = ring_.newest();
  newest.events = logged_events();
  ring_.put(ring_.tos(), newest);
}

u8 Lbr::logged_events() {
  if (events_ == nullptr || params_.arch.event_log_counters == 0) return 0;
  const u32 logged = events_->logged() & params_.arch.event_log_counters;
  unsigned fields = 0;
  for (unsigned n = 0; n < event_totals_.size(); ++n) {
    if (((logged >> n) & 1) == 0) continue;
    const u64 total = events_->total(n);
    // A counter that was not logged before has nothing to count from.
    const u64 before = ((events_logged_ >> n) & 1) != 0 ? event_totals_[n] : total;
    event_totals_[n] = total;
    fields |= static_cast<unsigned>(std::min<u64>(total - before, 3)) << (2 * n);
  }
  events_logged_ = logged;
  return static_cast<u8>(fields);
}

}  // namespace lastbranch::lbr
