#include "models/pmu/pmu_module.h"

#include <algorithm>

#include "models/pmu/pebs.h"
#include "sim/base/horizon.h"
#include "sim/kernel/batch.h"
#include "sim/kernel/msr_payload.h"

namespace lastbranch::pmu {

PmuModule::PmuModule(const sc_core::sc_module_name& name, const PmuParams& params, const PmuOptions& options,
                     u32 most_cycles)
    : sc_module(name),
      msr("msr"),
      counts("counts"),
      debug("debug"),
      pmi("pmi"),
      requests("requests"),
      counters("counters"),
      pmu_(params, ledger_, {.debug = &outside_, .target = &outside_, .most_cycles = most_cycles}, options) {
  msrs_.attach(pmu_.rows(), &pmu_);
  requests.bind(*this);
  counters.bind(*this);
  msr.register_b_transport(this, &PmuModule::access_msr);
  msr.register_transport_dbg(this, &PmuModule::debug_msr);
  counts.register_b_transport(this, &PmuModule::take_counts);
}

void PmuModule::connect(Pebs& pebs) {
  pmu_.connect(&pebs);
  msrs_.attach(pebs.rows(), &pebs);
}

u64 PmuModule::horizon() const {
  Horizon horizon;
  pmu_.limit(horizon);
  return std::max<u64>(1, horizon.instructions());
}

void PmuModule::access_msr(tlm::tlm_generic_payload& payload, sc_core::sc_time& /*delay*/) {
  kernel::serve_msr(msrs_, payload);
}

unsigned PmuModule::debug_msr(tlm::tlm_generic_payload& payload) {
  return kernel::serve_msr_debug(msrs_, payload);
}

void PmuModule::take_counts(tlm::tlm_generic_payload& payload, sc_core::sc_time& /*delay*/) {
  kernel::serve_batch<kernel::FactCount>(payload, [this](const kernel::FactCount& f) {
    ledger_.enter(f.context);
    ledger_.add(f.fact, f.count);
  });
  if (payload.is_response_ok()) pmu_.service(payload.get_address());
}

u64 PmuModule::Outside::debugctl() const {
  return m_.debug.size() != 0 ? m_.debug->debugctl() : 0;
}
void PmuModule::Outside::legacy_freeze() {
  if (m_.debug.size() != 0) m_.debug->legacy_freeze();
}
void PmuModule::Outside::set_frozen(bool frozen) {
  if (m_.debug.size() != 0) m_.debug->set_frozen(frozen);
}
std::size_t PmuModule::Outside::records(std::span<LbrRecord> out) const {
  return m_.debug.size() != 0 ? m_.debug->records(out) : 0;
}
void PmuModule::Outside::pmi() {
  if (m_.pmi.size() == 0) return;
  m_.pmi->set(true);
  m_.pmi->set(false);
}

}  // namespace lastbranch::pmu
