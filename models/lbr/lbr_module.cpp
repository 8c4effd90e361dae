#include "models/lbr/lbr_module.h"

#include "sim/base/ds_area.h"
#include "sim/kernel/batch.h"
#include "sim/kernel/msr_payload.h"

namespace lastbranch::lbr {

LbrModule::LbrModule(const sc_core::sc_module_name& name, const LbrParams& params, u64 seed)
    : sc_module(name),
      msr("msr"),
      branches("branches"),
      debug("debug"),
      requests("requests"),
      lbr_(params, seed) {
  msrs_.attach(lbr_.rows(), &lbr_);
  debug.bind(*this);
  msr.register_b_transport(this, &LbrModule::access_msr);
  msr.register_transport_dbg(this, &LbrModule::debug_msr);
  branches.register_b_transport(this, &LbrModule::take_branches);
}

void LbrModule::store_to(DsArea& ds, GuestMemory& memory) {
  lbr_.connect(&ds, &memory, this);
  msrs_.attach(DsArea::rows(), &ds);
}

void LbrModule::request_pmi(u64 status) {
  if (requests.size() != 0) requests->request_pmi(status);
}

void LbrModule::access_msr(tlm::tlm_generic_payload& payload, sc_core::sc_time& /*delay*/) {
  kernel::serve_msr(msrs_, payload);
}

unsigned LbrModule::debug_msr(tlm::tlm_generic_payload& payload) {
  return kernel::serve_msr_debug(msrs_, payload);
}

void LbrModule::take_branches(tlm::tlm_generic_payload& payload, sc_core::sc_time& /*delay*/) {
  kernel::serve_batch<RetiredBranch>(payload, [this](const RetiredBranch& b) { lbr_.push(b); });
}

}  // namespace lastbranch::lbr
