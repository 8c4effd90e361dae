#include "models/pmu/pmu.h"

#include <algorithm>
#include <bit>

#include "models/pmu/pebs.h"
#include "models/pmu/pmu_rows.h"
#include "models/pmu/pmu_select.h"
#include "sim/base/error.h"

namespace lastbranch::pmu {
namespace {

constexpr unsigned kMaxGp = 32;
constexpr unsigned kMaxFixed = 16;

constexpr u32 first(unsigned n) {
  return static_cast<u32>((u64{1} << n) - 1);
}

template <typename F>
void for_each_bit(u64 bits, F&& f) {
  for (; bits != 0; bits &= bits - 1) f(static_cast<unsigned>(std::countr_zero(bits)));
}

void check(const PmuParams& p) {
  const auto width_ok = [](unsigned count, unsigned width) {
    return count == 0 || (width >= 32 && width <= 63);
  };
  if (p.gp_counters > kMaxGp || std::bit_width(p.gp_bitmap) > static_cast<int>(kMaxGp)) {
    throw Error("PMU: expected at most {} general counters, found {}", kMaxGp, p.gp_counters);
  }
  if (p.fixed_counters > kMaxFixed || std::bit_width(p.fixed_bitmap) > static_cast<int>(kMaxFixed)) {
    throw Error("PMU: expected at most {} fixed counters, found {}", kMaxFixed, p.fixed_counters);
  }
  if (!width_ok(p.gp_counters, p.gp_width)) {
    throw Error("PMU: general counters: expected 32 to 63 bits, found {}", p.gp_width);
  }
  if (!width_ok(p.fixed_counters | p.fixed_bitmap, p.fixed_width)) {
    throw Error("PMU: fixed counters: expected 32 to 63 bits, found {}", p.fixed_width);
  }
}

}  // namespace

Pmu::Pmu(const PmuParams& params, const Ledger& ledger, const PmuPorts& ports, const PmuOptions& options)
    : params_(params),
      ledger_(&ledger),
      ports_(ports),
      options_(options),
      most_(most_per_instruction(ports.most_cycles)) {
  check(params);
  const u32 gp = params.gp_bitmap != 0 ? params.gp_bitmap : first(params.gp_counters);
  // A fixed counter exists when either field of CPUID.0AH says so.
  const u32 fixed = params.version >= 2 ? params.fixed_bitmap | first(params.fixed_counters) : 0;
  counters_ = gp | u64{fixed} << kFixed;
  gp_.assign(std::bit_width(gp), PmuCounter(ledger, params.gp_width));
  fixed_.assign(std::bit_width(fixed), PmuCounter(ledger, params.fixed_width));
  evtsel_.assign(gp_.size(), 0);
  rows_ = PmuRows::make(*this);
  reset();
}

void Pmu::reset(bool init) {
  // INIT leaves counters, selectors and controls; what is on its way to the APIC is lost with it.
  pmi_pending_ = false;
  pmi_requested_ = false;
  counter_freeze_due_ = false;
  if (init) return;
  std::ranges::fill(evtsel_, 0);
  fixed_ctrl_ = 0;
  // Version 1 has no global controls: nothing but the selects gates a counter.
  const u64 gp = counters_ & ((u64{1} << kFixed) - 1);
  global_ctrl_ = params_.version < 2 ? counters_ : params_.global_ctrl_reset_enables_gp ? gp : 0;
  ovf_ctrl_ = 0;
  metrics_ = 0;
  offcore_ = {};
  misc_enable_ = PmuRows::misc_enable_reset(params_);
  for_each_bit(counters_, [&](CounterBit c) {
    if (c < kFixed) {
      program_gp(c);
    } else {
      program_fixed(c - kFixed);
    }
    at(c).set_value(0);
  });
  change_status(0);
  update_running();
}

void Pmu::limit(Horizon& horizon) const {
  if ((running_ & far_) != 0) horizon.within(kFarLook);
  for_each_bit(running_ & ~far_, [&](CounterBit c) {
    const bool exact = ((precise_ >> c) & 1) != 0 || (pebs_ != nullptr && pebs_->takes(c));
    at(c).limit(horizon, exact);
  });
  if (counter_freeze_due_ || (pebs_ != nullptr && pebs_->busy())) horizon.within(1);
  if (pmi_pending_) {
    const u64 now = core_cycles();
    horizon.events(pmi_at_ > now ? pmi_at_ - now : 0, std::max(1u, ports_.most_cycles));
  }
}

void Pmu::service(u64 eventing_rip) {
  in_service_ = true;
  for_each_bit(watching_, [&](CounterBit c) { at(c).advance(); });

  if (++looks_ % kLooks == 0) far_ = 0;
  u64 overflowed = 0;
  for_each_bit(running_ & ~far_, [&](CounterBit c) {
    if (at(c).carried()) {
      overflowed |= u64{1} << c;
    } else if (at(c).far()) {
      far_ |= u64{1} << c;
    }
  });
  if (overflowed != 0) change_status(status_ | overflowed);

  if (pebs_ != nullptr && (overflowed != 0 || pebs_->busy())) {
    // In the order of priority, which is that of the bits.
    for_each_bit(running_, [&](CounterBit c) {
      const u64 total = at(c).total();
      if (((overflowed >> c) & 1) != 0) {
        if (pebs_->takes(c)) pebs_->overflow(c, eventing_rip);
      } else if (pebs_->wants_next(c) && total != counted_[c]) {
        pebs_->occurrence(c, eventing_rip);
      }
      counted_[c] = total;
    });
    pebs_->assist();
  }

  bool now = false;
  bool after_skid = false;
  for_each_bit(overflowed, [&](CounterBit c) {
    if (!raises_pmi(c)) return;
    (((precise_ >> c) & 1) != 0 ? now : after_skid) = true;
  });
  in_service_ = false;
  if (counter_freeze_due_) freeze_counters();
  raise(now || std::exchange(pmi_requested_, false), after_skid);
}

void Pmu::reload(CounterBit counter, u64 value) {
  at(counter).set_value(value);
  far_ &= ~(u64{1} << counter);
}

MsrValue Pmu::rdpmc(u32 ecx) const {
  enum : u32 { kGeneral = 0x0000, kFixedType = 0x4000, kMetricsType = 0x2000 };
  const u32 index = ecx & 0xffff;
  switch (ecx >> 16) {
    case kGeneral:
      if (index < kFixed && ((counters_ >> index) & 1) != 0) return {gp_[index].value()};
      break;
    case kFixedType:
      if (index < kMaxFixed && ((counters_ >> (kFixed + index)) & 1) != 0) return {fixed_[index].value()};
      break;
    case kMetricsType:
      if (index == 0 && perf_cap::Metrics::any(params_.perf_capabilities)) return {metrics_};
      break;
    default:
      break;
  }
  return {0, MsrFault::kUnknown};
}

u64 Pmu::core_cycles() const {
  return ports_.cycles != nullptr ? ports_.cycles(ports_.cycles_self) : ledger_->total(Ev::kCycles);
}

std::vector<std::pair<u64, u64>> Pmu::unmodelled() const {
  return {unmodelled_.begin(), unmodelled_.end()};
}

}  // namespace lastbranch::pmu
