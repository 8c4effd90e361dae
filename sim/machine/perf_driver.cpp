#include "sim/machine/perf_driver.h"

#include <algorithm>
#include <bit>
#include <optional>
#include <span>
#include <utility>

#include "models/pmu/constraints.h"
#include "models/pmu/pmu_select.h"
#include "sim/base/assert.h"
#include "sim/base/error.h"

namespace lastbranch {
namespace {

using pmu::CounterBit;
using pmu::kFixed;

constexpr u32 kEventSelect = 0x186, kGeneral = 0xc1, kGeneralFullWidth = 0x4c1;
constexpr u32 kFixedCounter = 0x309, kFixedControl = 0x38d;
constexpr u32 kGlobalStatus = 0x38e, kGlobalControl = 0x38f, kGlobalReset = 0x390;
constexpr u32 kDebugctl = 0x1d9, kLbrCtl = 0x14ce, kPebsEnable = 0x3f1;

/// Turns per second of simulated time: perf's 4 ms.
constexpr u64 kTurnsPerSecond = 250;

/// OS and USR as both kinds of counter have them, in different places.
struct Rings {
  bool os, usr;
};
Rings rings(const pmu::EventSpec& spec) {
  return {!spec.user_only, !spec.kernel_only};
}

u64 bit(CounterBit counter) {
  return u64{1} << counter;
}

/// What the event is on a counter: as it was written where a code was, else the event's own.
u64 select_of(const pmu::EventSpec& spec) {
  constexpr u32 kRaw = 4;
  const u64 own = spec.event->select;
  const bool fixed = (own & 0xff) == 0;
  return spec.perf_type == kRaw && !fixed ? spec.perf_config : own;
}

/// The events' counters, each or none, by order of precedence; `logged`: of those whose events records count.
std::vector<std::optional<CounterBit>> place(const cpu::Uarch& part,
                                             std::span<const pmu::EventSpec* const> events, bool logged) {
  std::vector<pmu::CounterRequest> requests;
  requests.reserve(events.size());
  for (const pmu::EventSpec* e : events) requests.push_back({.select = select_of(*e)});
  PmuParams params = part.pmu;
  if (logged) {
    params.fixed_counters = params.fixed_bitmap = 0;
    params.gp_bitmap = part.lbr.arch.event_log_counters;
    params.gp_counters =
        std::min(params.gp_counters, static_cast<unsigned>(std::bit_width(params.gp_bitmap)));
  }
  return pmu::schedule(params, pmu::constraint_table(part.pmu.events, part.name), requests);
}
bool all_placed(const cpu::Uarch& part, std::span<const pmu::EventSpec* const> events, bool logged) {
  return std::ranges::all_of(place(part, events, logged),
                             [](const auto& counter) { return counter.has_value(); });
}

}  // namespace

u64 PerfCount::scaled() const {
  if (running == 0 || running >= enabled) return value;
  return static_cast<u64>(
      static_cast<double>(value) * static_cast<double>(enabled) / static_cast<double>(running) + 0.5);
}

u64 PerfDriver::turn() const {
  return processor_->part.frequency_hz / kTurnsPerSecond;
}

void PerfDriver::write(u32 msr, u64 value) {
  const MsrFault fault = processor_->msrs.write(msr, value);
  LASTBRANCH_CHECK(fault == MsrFault::kNone, "WRMSR {:#x} = {:#x}: {}", msr, value, describe(fault));
}

u64 PerfDriver::max_period(CounterBit counter) const {
  const PmuParams& p = processor_->part.pmu;
  const unsigned width = counter >= kFixed ? p.fixed_width : p.gp_width;
  // A write of a general counter without its full-width alias is of 32 bits, sign-extended.
  const bool full = counter >= kFixed || pmu::perf_cap::FullWidthWrite::get(p.perf_capabilities) != 0;
  return full ? (u64{1} << (width - 1)) - 1 : (u64{1} << 31) - 1;
}

void PerfDriver::set_counter(CounterBit counter, u64 value) {
  const PmuParams& p = processor_->part.pmu;
  if (counter >= kFixed) {
    write(kFixedCounter + counter - kFixed, value & ((u64{1} << p.fixed_width) - 1));
  } else if (pmu::perf_cap::FullWidthWrite::get(p.perf_capabilities) != 0) {
    write(kGeneralFullWidth + counter, value & ((u64{1} << p.gp_width) - 1));
  } else {
    write(kGeneral + counter, value & 0xffff'ffff);
  }
}

std::size_t PerfDriver::add(const pmu::EventSpec& spec, u64 period, SampleCallback callback,
                            Sampling sampling) {
  const cpu::Uarch& part = processor_->part;
  if (part.pmu.version < 2) {
    throw Error("event {}: expected a part with IA32_PERF_GLOBAL_CTRL (version 2), found version {}",
                spec.text, part.pmu.version);
  }
  if (const pmu::EventSpec* one = &spec; !all_placed(part, {&one, 1}, log_events_)) {
    throw Error("event {}: expected one that a counter of {} takes, found none", spec.text, part.name);
  }
  if (period != 0) {
    std::vector<const pmu::EventSpec*> together;
    for (const Event& e : events_) {
      if (e.period != 0) together.push_back(&e.spec);
    }
    together.push_back(&spec);
    if (!all_placed(part, together, log_events_)) {
      throw Error(
          "event {}: expected sampling events that fit on the counters of {} together, found {} of them",
          spec.text, part.name, together.size());
    }
  }
  if (sampling == Sampling::kPebs) pebs_.open(*processor_);
  if (!active_.empty()) unschedule();
  events_.push_back({.spec = spec,
                     .period = period,
                     .callback = std::move(callback),
                     .pebs = sampling == Sampling::kPebs,
                     .left = period,
                     .added_at = processor_->cycles()});
  schedule();
  for (const Active& a : active_) {
    if (a.event != events_.size() - 1 || !events_.back().pebs || processor_->pebs.takes(a.counter)) continue;
    throw Error("event {}: expected one that PEBS samples on {}, found one that it does not", spec.text,
                part.name);
  }
  return events_.size() - 1;
}

void PerfDriver::schedule() {
  // Sampling events first: they keep their counters. The others from the one whose turn it is.
  std::vector<std::size_t> order;
  for (std::size_t n = 0; n < events_.size(); ++n) {
    if (events_[n].period != 0) order.push_back(n);
  }
  for (std::size_t k = 0; k < events_.size(); ++k) {
    const std::size_t n = (first_ + k) % events_.size();
    if (events_[n].period == 0) order.push_back(n);
  }
  std::vector<const pmu::EventSpec*> specs;
  specs.reserve(order.size());
  for (const std::size_t n : order) specs.push_back(&events_[n].spec);
  const auto counters = place(processor_->part, specs, log_events_);
  for (std::size_t k = 0; k < order.size(); ++k) {
    if (counters[k]) active_.push_back({order[k], *counters[k]});
  }
  u64 enabled = 0, precise = 0, pebs = 0;
  for (const Active& a : active_) {
    start(a);
    enabled |= bit(a.counter);
    if (is_precise(events_[a.event])) precise |= bit(a.counter);
    if (events_[a.event].pebs) pebs |= bit(a.counter);
  }
  processor_->pmu.set_precise(precise);
  if (pebs != 0 || pebs_enable_ != 0) write(kPebsEnable, pebs_enable_ = pebs);
  write(kGlobalControl, enabled);
  turn_ends_ = processor_->cycles() + turn();
}

void PerfDriver::unschedule() {
  write(kGlobalControl, 0);
  for (const Active& a : active_) stop(a);
  active_.clear();
}

void PerfDriver::start(const Active& a) {
  Event& e = events_[a.event];
  const bool samples = e.period != 0 && !e.pebs;
  const Rings r = rings(e.spec);
  if (a.counter >= kFixed) {
    const unsigned i = a.counter - kFixed;
    const u64 control = (r.os ? pmu::fixedctl::kOs : 0) | (r.usr ? pmu::fixedctl::kUsr : 0) |
                        (samples ? pmu::fixedctl::kPmi : 0);
    fixed_control_ = (fixed_control_ & ~(u64{15} << (4 * i))) | control << (4 * i);
  }
  e.started_at = processor_->cycles();
  arm(a);
  if (a.counter >= kFixed) {
    write(kFixedControl, fixed_control_);
  } else {
    using namespace pmu::evtsel;
    const u64 select = pmu::general_select(select_of(e.spec));
    write(kEventSelect + a.counter, select | Os::of(r.os) | Usr::of(r.usr) | Int::of(samples) |
                                        Enable::of(1) | BranchLog::of(log_events_));
  }
}

void PerfDriver::arm(const Active& a) {
  Event& e = events_[a.event];
  if (e.period == 0) {
    e.last = 0;
  } else {
    e.last = 0 - std::min(e.left, max_period(a.counter));
  }
  set_counter(a.counter, e.last);
  if (e.pebs) pebs_.set_reset(a.counter, e.last);
  e.last = processor_->pmu.value(a.counter);
}

/// Takes what was counted since the last look.
void PerfDriver::collect(const Active& a) {
  Event& e = events_[a.event];
  const PmuParams& p = processor_->part.pmu;
  const u64 mask = (u64{1} << (a.counter >= kFixed ? p.fixed_width : p.gp_width)) - 1;
  const u64 now = processor_->pmu.value(a.counter);
  const u64 counted = (now - e.last) & mask;
  e.value += counted;
  e.last = now;
  // May wrap below 0: events beyond the overflow shorten the next period.
  if (e.period != 0) e.left -= counted;
}

void PerfDriver::stop(const Active& a) {
  collect(a);
  Event& e = events_[a.event];
  e.running += processor_->cycles() - e.started_at;
  if (a.counter >= kFixed) {
    fixed_control_ &= ~(u64{15} << (4 * (a.counter - kFixed)));
    write(kFixedControl, fixed_control_);
  } else {
    write(kEventSelect + a.counter, 0);
  }
}

PerfCount PerfDriver::count(std::size_t event) const {
  const Event& e = events_[event];
  const u64 now = processor_->cycles();
  PerfCount out{.value = e.value, .enabled = now - e.added_at, .running = e.running};
  for (const Active& a : active_) {
    if (a.event != event) continue;
    const PmuParams& p = processor_->part.pmu;
    const u64 mask = (u64{1} << (a.counter >= kFixed ? p.fixed_width : p.gp_width)) - 1;
    out.value += (processor_->pmu.value(a.counter) - e.last) & mask;
    out.running += now - e.started_at;
  }
  return out;
}

std::optional<CounterBit> PerfDriver::counter_of(std::size_t event) const {
  const auto active = std::ranges::find(active_, event, &Active::event);
  return active == active_.end() ? std::nullopt : std::optional(active->counter);
}

void PerfDriver::limit(Horizon& horizon) const {
  if (!multiplexing()) return;
  const u64 now = processor_->cycles();
  horizon.within(turn_ends_ > now ? FastPolicies::Timing::instructions_within(turn_ends_ - now) : 1);
}

void PerfDriver::serve() {
  if (pmi_) handle_pmi();
  if (multiplexing() && processor_->cycles() >= turn_ends_) {
    unschedule();
    first_ = (first_ + 1) % events_.size();
    schedule();
  }
}

void PerfDriver::overflow(const Active& a) {
  Event& e = events_[a.event];
  collect(a);
  if (static_cast<i64>(e.left) > 0) {  // a period longer than the counter is wide
    arm(a);
    return;
  }
  // One p: the instruction after the one that overflowed. Two: that one, as eventing IPs are.
  const u64 at = e.spec.precise >= 2 ? processor_->eventing_rip() : processor_->cpu().rip;
  e.callback({.event = a.event, .ip = at});
  while (static_cast<i64>(e.left) <= 0) e.left += e.period;
  arm(a);
}

void PerfDriver::handle_pmi() {
  pmi_ = false;
  MsrBus& msrs = processor_->msrs;
  const u64 status = msrs.read(kGlobalStatus).value;
  // Copied: a callback may add events.
  const std::vector<Active> active = active_;
  for (const Active& a : active) {
    const Event& e = events_[a.event];
    if ((status & bit(a.counter)) != 0 && e.period != 0 && !e.pebs) overflow(a);
  }
  if ((status & pmu::global_status::kDsBuffer) != 0) {
    pebs_.drain([&](const pmu::PebsSample& record) { take_record(record, active); });
  }
  write(kGlobalReset, status);
  // Legacy freezing switched these off; the streamlined kind went with the status bits.
  u64 enabled = 0;
  for (const Active& a : active_) enabled |= bit(a.counter);
  if (msrs.read(kGlobalControl).value != enabled) write(kGlobalControl, enabled);
  if (debugctl_ != 0 && msrs.read(kDebugctl).value != debugctl_) write(kDebugctl, debugctl_);
}

void PerfDriver::take_record(const pmu::PebsSample& record, std::span<const Active> active) {
  const PmuParams& part = processor_->part.pmu;
  // Format 1 and older do not know the instruction that caused the event, nor which counter it was.
  const u64 eventing = part.pebs_format >= 2 ? record.eventing_ip : record.rip;
  for (const Active& a : active) {
    Event& e = events_[a.event];
    if (!e.pebs || (part.pebs_format >= 3 && (record.applicable & bit(a.counter)) == 0)) continue;
    e.value += e.period;
    e.last = processor_->pmu.value(a.counter);
    e.callback({.event = a.event, .ip = e.spec.precise >= 2 ? eventing : record.rip, .pebs = &record});
  }
}

void PerfDriver::record_branches(const BranchFilter& filter) {
  const LbrParams& part = processor_->part.lbr;
  log_events_ = filter.counters();
  // The enable bit of architectural parts is elsewhere, and this one reads 0.
  if (part.arch.depth_mask != 0) {
    write(kLbrCtl, lbr_ctl(filter));
  } else {
    if (part.has_select) write(part.select, lbr_select(filter, part) & part.select_mask);
    debugctl_ = debugctl::kLbr;
  }
  // Linux keeps freezing off in call-stack mode, where it disturbs TOS.
  if (!filter.call_stack()) debugctl_ |= debugctl::kFreezeLbrsOnPmi & part.debugctl_mask;
  if (debugctl_ != 0) write(kDebugctl, debugctl_);
}

}  // namespace lastbranch
