#pragma once
// The performance-monitoring unit as a SystemC module, for platforms with a core of their own.
//
// Modelled: all of pmu::Pmu over a ledger of the module's own, behind a TLM socket for its MSRs and one for
// counts of facts; PMIs as pulses of a port. PEBS is added by connect(). Not: overflows within a batch, which
// are found at its end; who wants them at the very instruction asks `counters` how far to run. Facts that
// nobody sends stay 0, LBR_INSERTS's among them unless the platform sends what lbr().inserts() says.
// Sources: those of pmu.h; IEEE 1666-2011, clauses 11-16 (TLM-2.0).
#include <systemc>
#include <tlm>

#include <tlm_utils/simple_target_socket.h>

#include "models/pmu/pmu.h"
#include "sim/base/ledger.h"
#include "sim/base/msr_bus.h"
#include "sim/kernel/irq.h"
#include "sim/kernel/monitoring.h"

namespace lastbranch::pmu {

class PmuModule final : public sc_core::sc_module, public kernel::PmiRequestIf, public kernel::CountersIf {
 public:
  tlm_utils::simple_target_socket_optional<PmuModule> msr;     ///< sim/kernel/msr_payload.h
  tlm_utils::simple_target_socket_optional<PmuModule> counts;  ///< FactCount records, sim/kernel/batch.h
  kernel::OptionalPort<kernel::DebugControlIf> debug;          ///< freeze bits; unbound: nothing freezes
  kernel::OptionalPort<kernel::InterruptTarget> pmi;           ///< a pulse for each PMI
  sc_core::sc_export<kernel::PmiRequestIf> requests;           ///< PMIs of others: the BTS buffer
  sc_core::sc_export<kernel::CountersIf> counters;             ///< for the core

  /// Throws Error when `params` cannot be. `most_cycles`: the most core clocks of one instruction.
  PmuModule(const sc_core::sc_module_name& name, const PmuParams& params, const PmuOptions& options = {},
            u32 most_cycles = 1);

  [[nodiscard]] Pmu& pmu() { return pmu_; }
  [[nodiscard]] const Ledger& ledger() const { return ledger_; }
  [[nodiscard]] MsrBus& msrs() { return msrs_; }

  /// `pebs`, made over pmu(), takes over what overflows on its counters, and its MSRs are the module's. It
  /// must outlive the module.
  void connect(Pebs& pebs);

  void request_pmi(u64 status) override { pmu_.request_pmi(status); }
  [[nodiscard]] MsrValue rdpmc(u32 ecx) const override { return pmu_.rdpmc(ecx); }
  [[nodiscard]] u64 horizon() const override;

 private:
  /// What the Pmu reaches beside itself, through ports that may be unbound.
  class Outside final : public DebugControl, public PmiTarget {
   public:
    explicit Outside(PmuModule& module) : m_(module) {}
    [[nodiscard]] u64 debugctl() const override;
    void legacy_freeze() override;
    void set_frozen(bool frozen) override;
    [[nodiscard]] std::size_t records(std::span<LbrRecord> out) const override;
    void pmi() override;

   private:
    PmuModule& m_;
  };

  void access_msr(tlm::tlm_generic_payload& payload, sc_core::sc_time& delay);
  unsigned debug_msr(tlm::tlm_generic_payload& payload);
  void take_counts(tlm::tlm_generic_payload& payload, sc_core::sc_time& delay);

  Outside outside_{*this};
  Ledger ledger_;
  Pmu pmu_;
  MsrBus msrs_;
};

}  // namespace lastbranch::pmu
