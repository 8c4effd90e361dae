#include "models/pmu/pebs.h"

#include <algorithm>

#include "models/pmu/pebs_bits.h"
#include "models/pmu/pebs_part.h"
#include "sim/base/error.h"

namespace lastbranch::pmu {

Pebs::Pebs(const PmuParams& params, const PebsPorts& ports, const PebsOptions& options)
    : params_(params),
      ports_(ports),
      options_(options),
      layout_(pebs_layout(params)),
      extended_(samples_any_event(params) || options.architectural != 0),
      goldmont_rules_(has_goldmont_rules(params)) {
  if (ports.counters == nullptr || ports.source == nullptr) {
    throw Error("PEBS: needs the counters and the machine's state, found none");
  }
  if (options.architectural != 0 && ports.physical == nullptr) {
    throw Error("architectural PEBS: needs memory by physical address, found none");
  }
  if (options.architectural == 0 && (ports.memory == nullptr || ports.ds == nullptr)) {
    throw Error("PEBS: needs memory and IA32_DS_AREA, found none");
  }
  options_.threshold_late = options.threshold_late || params.pebs_threshold_late;
  build_rows();
}

void Pebs::reset(bool init) {
  armed_ = due_ = eventing_ip_ = 0;
  if (init) return;
  enable_ = data_config_ = threshold_ = frontend_ = base_ = index_ = 0;
  gp_config_c_ = {};
  fixed_config_c_ = {};
  gp_reload_ = {};
  fixed_reload_ = {};
}

u64 Pebs::enabled() const {
  if (options_.architectural == 0) return enable_ & params_.pebs_counters;
  u64 counters = 0;
  for (unsigned n = 0; n < kMaxGp; ++n) {
    if ((gp_config_c_[n] & cfg_c::kEnable) != 0) counters |= bit(n);
  }
  for (unsigned i = 0; i < kMaxFixed; ++i) {
    if ((fixed_config_c_[i] & cfg_c::kEnable) != 0) counters |= bit(kFixed + i);
  }
  return counters & params_.pebs_counters;
}

bool Pebs::takes(CounterBit counter) const {
  return (enabled() & bit(counter)) != 0 && (extended_ || ports_.counters->precise(counter));
}

bool Pebs::exact(CounterBit counter) const {
  if ((params_.pdist_counters & bit(counter)) == 0) return false;
  return anticipates_overflow(params_.events, counter, ports_.counters->control(counter));
}

void Pebs::take(CounterBit counter, u64 eventing_ip) {
  armed_ &= ~bit(counter);
  due_ |= bit(counter);
  if (eventing_ip != 0) eventing_ip_ = eventing_ip;
}

void Pebs::overflow(CounterBit counter, u64 eventing_rip) {
  if (!ports_.counters->precise(counter)) {
    // The record shows where retirement stands by the time the assist runs, not who caused the event.
    take(counter, 0);
  } else if (exact(counter)) {
    take(counter, eventing_rip);
  } else {
    armed_ |= bit(counter);
    armed_from_[counter] =
        options_.arm_cycles == 0 ? 0 : ports_.counters->core_cycles() + options_.arm_cycles;
  }
}

void Pebs::occurrence(CounterBit counter, u64 eventing_rip) {
  if (!armed(counter)) return;
  if (options_.arm_cycles != 0 && ports_.counters->core_cycles() < armed_from_[counter]) return;
  take(counter, eventing_rip);
}

void Pebs::status_set(u64 bits) {
  if (!goldmont_rules_) return;
  due_ |= bits & enabled();
}

void Pebs::disarm(u64 counters) {
  armed_ &= ~counters;
  due_ &= ~counters;
}

void Pebs::assist() {
  if (due_ == 0) return;
  // Before the record had its own bitmap, one assist served every counter that had overflowed by then.
  const bool collapse = options_.architectural == 0 && params_.pebs_format < 3;
  const u64 served = due_ | (collapse ? armed_ : 0);
  due_ = 0;
  armed_ &= ~served;
  if (options_.architectural != 0) {
    assist_arch(served);
  } else {
    assist_ds(served);
  }
  eventing_ip_ = 0;
}

void Pebs::rearm(u64 served, u64& lost) {
  ++lost;
  if (!options_.skip_disarms) armed_ |= served;
}

u64 Pebs::load_latency_threshold() const {
  // The fastest load that can be seen takes 4 clocks.
  constexpr u64 kLeast = 3;
  return std::max(threshold_, kLeast);
}

bool Pebs::load_latency(CounterBit counter) const {
  return counter < kFixed && (enable_ & params_.pebs_enable_extra & bit(kFixed + counter)) != 0;
}

bool Pebs::precise_store() const {
  return (enable_ & params_.pebs_enable_extra & bit(63)) != 0;
}

void Pebs::fill(u64 served, PebsSample& sample) const {
  ports_.source->fill(sample);
  sample.eventing_ip = eventing_ip_ != 0 ? eventing_ip_ : sample.rip;
  if ((params_.perf_capabilities & kCapTrap) == 0) sample.rip = sample.eventing_ip;
  sample.status = ports_.counters->status();
  sample.applicable = served;
  for (unsigned n = 0; n < std::min(params_.gp_counters, kMaxGp); ++n) {
    sample.gp[n] = ports_.counters->value(n);
  }
  for (unsigned i = 0; i < std::min(params_.fixed_counters, kMaxFixed); ++i) {
    sample.fixed[i] = ports_.counters->value(kFixed + i);
  }
  sample.metrics = ports_.counters->perf_metrics();
}

std::span<const LbrRecord> Pebs::branches(std::span<LbrRecord> space) const {
  if (ports_.debug == nullptr) return {};
  return space.first(std::min(space.size(), ports_.debug->records(space)));
}

}  // namespace lastbranch::pmu
