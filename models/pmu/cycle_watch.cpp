#include "models/pmu/cycle_watch.h"

namespace lastbranch::pmu {

CycleWatch::CycleWatch(const Ledger& ledger, const Formula& formula, CtxSet contexts, const CycleRule& rule)
    : ledger_(&ledger), formula_(formula), contexts_(contexts), rule_(rule) {
  restart();
}

void CycleWatch::restart() {
  seen_ = totals();
  pending_ = 0;
  held_ = false;
}

u64 CycleWatch::advance() {
  const Totals now = totals();
  const u64 inside = now.inside - seen_.inside;
  const bool left = now.outside != seen_.outside;
  pending_ += now.events - seen_.events;
  seen_ = now;

  u64 added = 0;
  // An instruction that changes the privilege level has cycles on both sides: which were first is told by
  // where it ended.
  const bool ended_inside = ((contexts_ >> static_cast<unsigned>(ledger_->context())) & 1) != 0;
  if (left && ended_inside) held_ = false;
  if (inside != 0) {
    added = cycles(pending_, inside);
    pending_ = 0;
  } else if (left) {
    pending_ = 0;
  }
  if (left && !ended_inside) held_ = false;
  return added;
}

CycleWatch::Totals CycleWatch::totals() const {
  Totals t;
  for (std::size_t c = 0; c < kCtxCount; ++c) {
    const Ctx ctx = static_cast<Ctx>(c);
    const u64 clocks = ledger_->total(Ev::kCycles, ctx);
    if (((contexts_ >> c) & 1) != 0) {
      t.events += formula_.total(*ledger_, ctx);
      t.inside += clocks;
    } else {
      t.outside += clocks;
    }
  }
  return t;
}

u64 CycleWatch::cycles(u64 events, u64 count) {
  const u64 larger = events % count;
  u64 added = same(events / count, count - larger);
  if (larger != 0) added += same(events / count + 1, larger);
  return added;
}

u64 CycleWatch::same(u64 n, u64 count) {
  const bool before = held_;
  held_ = rule_.holds(n);
  if (rule_.edge) return held_ && !before ? 1 : 0;
  return held_ ? count : 0;
}

}  // namespace lastbranch::pmu
