// IA32_PERF_GLOBAL_STATUS and what happens when something sets its bits: freezing and PMIs.
#include "models/pmu/pebs.h"
#include "models/pmu/pmu.h"
#include "models/pmu/pmu_select.h"

namespace lastbranch::pmu {

void Pmu::change_status(u64 status) {
  const u64 changed = status_ ^ status;
  status_ = status;
  if ((changed & global_status::kLbrFrz) != 0 && ports_.debug != nullptr) {
    ports_.debug->set_frozen((status & global_status::kLbrFrz) != 0);
  }
  if ((changed & global_status::kCtrFrz) != 0) update_running();
}

u64 Pmu::status_bits() const {
  using namespace global_status;
  u64 bits = counters_ | kDsBuffer | kCondChanged;
  if (params_.version >= 3) bits |= kUncore;
  if (params_.version >= 4) bits |= kTraceToPa | kLbrFrz | kCtrFrz | kAsci;
  if (perf_cap::Metrics::any(params_.perf_capabilities)) bits |= kMetrics;
  return bits;
}

u64 Pmu::global_ctrl_bits() const {
  return counters_ | (perf_cap::Metrics::any(params_.perf_capabilities) ? global_status::kMetrics : 0);
}

u64 Pmu::inuse() const {
  constexpr u64 kAnyPmi = u64{1} << 63;
  u64 bits = 0;
  for (unsigned n = 0; n < gp_.size(); ++n) {
    if (evtsel::Event::any(evtsel_[n])) bits |= u64{1} << n;
    if (evtsel::Int::any(evtsel_[n])) bits |= kAnyPmi;
  }
  for (unsigned i = 0; i < fixed_.size(); ++i) {
    const u64 field = fixedctl::field(fixed_ctrl_, i);
    if ((field & (fixedctl::kOs | fixedctl::kUsr)) != 0) bits |= u64{1} << (kFixed + i);
    if ((field & fixedctl::kPmi) != 0) bits |= kAnyPmi;
  }
  if (pebs_ != nullptr && pebs_->enable() != 0) bits |= kAnyPmi;
  return bits;
}

bool Pmu::raises_pmi(CounterBit counter) const {
  if (counter < kFixed) return evtsel::Int::any(evtsel_[counter]);
  return (fixedctl::field(fixed_ctrl_, counter - kFixed) & fixedctl::kPmi) != 0;
}

void Pmu::freeze_lbrs() {
  if (ports_.debug == nullptr || params_.version < 2) return;
  if ((ports_.debug->debugctl() & debugctl::kFreezeLbrsOnPmi) == 0) return;
  if (params_.freeze == FreezeMode::kStreamlined) {
    change_status(status_ | global_status::kLbrFrz);
  } else {
    ports_.debug->legacy_freeze();
  }
}

void Pmu::freeze_counters() {
  counter_freeze_due_ = false;
  if (ports_.debug == nullptr || params_.version < 2) return;
  if ((ports_.debug->debugctl() & debugctl::kFreezePerfmonOnPmi) == 0) return;
  if (params_.freeze == FreezeMode::kStreamlined) {
    change_status(status_ | global_status::kCtrFrz);
  } else {
    global_ctrl_ = 0;
    update_running();
  }
}

void Pmu::freeze() {
  freeze_lbrs();
  freeze_counters();
}

void Pmu::request_pmi(u64 status) {
  change_status(status_ | status);
  if (in_service_) {
    // Counters that overflowed at the same instruction share the interrupt.
    pmi_requested_ = true;
    return;
  }
  // In the middle of a run: the branch that asks is the last to be recorded, but what retired up to it is not
  // in the ledger yet.
  freeze_lbrs();
  counter_freeze_due_ = true;
  deliver();
}

void Pmu::raise(bool immediately, bool after_skid) {
  const u64 now = core_cycles();
  if (immediately) {
    freeze();
    deliver();
    return;
  }
  if (after_skid) {
    if (!options_.freeze_after_skid) freeze();
    // One that is on its way announces this overflow, too.
    if (!pmi_pending_) {
      pmi_pending_ = true;
      pmi_at_ = now + options_.skid_cycles;
    }
  }
  if (pmi_pending_ && now >= pmi_at_) {
    if (options_.freeze_after_skid) freeze();
    deliver();
  }
}

void Pmu::deliver() {
  pmi_pending_ = false;
  if (ports_.target != nullptr) ports_.target->pmi();
}

void Pmu::smi() {
  if (ports_.debug == nullptr || (ports_.debug->debugctl() & debugctl::kFreezeWhileSmm) == 0) return;
  global_ctrl_ = 0;
  update_running();
}

void Pmu::rsm() {
  if (ports_.debug == nullptr || (ports_.debug->debugctl() & debugctl::kFreezeWhileSmm) == 0) return;
  global_ctrl_ = global_ctrl_bits();
  update_running();
}

}  // namespace lastbranch::pmu
