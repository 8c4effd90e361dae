#pragma once
// Last-branch records as a SystemC module, for platforms with a core of their own.
//
// Modelled: all of lbr::Lbr behind a TLM socket for its MSRs and one for retired branches. Not: the MSR
// IA32_DS_AREA, without which BTS stores nothing: store_to() brings it. Transactions and what the system does
// to the records (SMM, deep C-states, INIT, RESET) go through lbr(). docs/tlm.md shows a platform.
// Sources: those of lbr.h; IEEE 1666-2011, clauses 11-16 (TLM-2.0).
#include <systemc>
#include <tlm>

#include <tlm_utils/simple_target_socket.h>

#include "models/lbr/lbr.h"
#include "sim/base/msr_bus.h"
#include "sim/kernel/monitoring.h"

namespace lastbranch::lbr {

class LbrModule final : public sc_core::sc_module, public kernel::DebugControlIf, private PmiRequest {
 public:
  tlm_utils::simple_target_socket_optional<LbrModule> msr;  ///< sim/kernel/msr_payload.h
  tlm_utils::simple_target_socket_optional<LbrModule>
      branches;                                         ///< RetiredBranch records, sim/kernel/batch.h
  sc_core::sc_export<kernel::DebugControlIf> debug;     ///< for PmuModule and CpuModule
  kernel::OptionalPort<kernel::PmiRequestIf> requests;  ///< the BTS buffer is full; to PmuModule

  /// Throws Error when `params` cannot be; see Lbr.
  LbrModule(const sc_core::sc_module_name& name, const LbrParams& params, u64 seed = 1);

  [[nodiscard]] Lbr& lbr() { return lbr_; }
  [[nodiscard]] MsrBus& msrs() { return msrs_; }

  /// Where BTS stores; also adds IA32_DS_AREA to the module's MSRs. Both must outlive the module.
  void store_to(DsArea& ds, GuestMemory& memory);

  // DebugControlIf.
  [[nodiscard]] u64 debugctl() const override { return lbr_.debugctl(); }
  void legacy_freeze() override { lbr_.legacy_freeze(); }
  void set_frozen(bool frozen) override { lbr_.set_frozen(frozen); }
  [[nodiscard]] std::size_t records(std::span<LbrRecord> out) const override { return lbr_.records(out); }
  void debug_exception() override { lbr_.debug_exception(); }

 private:
  void request_pmi(u64 status) override;
  void access_msr(tlm::tlm_generic_payload& payload, sc_core::sc_time& delay);
  unsigned debug_msr(tlm::tlm_generic_payload& payload);
  void take_branches(tlm::tlm_generic_payload& payload, sc_core::sc_time& delay);

  Lbr lbr_;
  MsrBus msrs_;
};

}  // namespace lastbranch::lbr
