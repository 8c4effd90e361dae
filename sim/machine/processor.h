#pragma once
// One logical processor: the hart and the models around it, wired to each other. Boards put memory, a walk
// and devices around it.
//
// Modelled: hart, ledger, LBR, PMU, PEBS, DS area, and the MSR bus that shows them all. Not: the local APIC
// and supervisor instructions (the bare board brings them), a second thread.
#include <string>
#include <vector>

#include "models/cpu/system_memory.h"
#include "models/cpu/uarch/uarch.h"
#include "models/pmu/pebs.h"
#include "models/pmu/pmu.h"
#include "sim/base/ds_area.h"
#include "sim/base/event_log.h"
#include "sim/base/far_branches.h"
#include "sim/base/guest_memory.h"
#include "sim/base/ledger.h"
#include "sim/base/msr_bus.h"
#include "sim/base/phys_mem.h"
#include "sim/machine/hub.h"

namespace lastbranch {

/// What a board gives a processor; all must outlive it.
struct ProcessorPorts {
  PhysMem& memory;
  cpu::Walker& walker;
  PmiTarget& pmi;  ///< takes performance-monitoring interrupts
  GuestMemory* ds =
      nullptr;  ///< linear memory for BTS and PEBS; nullptr: of the hart itself, as a supervisor
  pmu::PmuOptions pmu{};
};

class Processor final : public FarBranches,
                        public DebugEvents,
                        private EventLogSource,
                        private pmu::PebsSource {
 public:
  Processor(const cpu::Uarch& part, const ProcessorPorts& ports);
  Processor(const Processor&) = delete;
  Processor& operator=(const Processor&) = delete;

  /// Runs at most to the horizon, and no further than to where a counter overflows or a PMI is due.
  /// The caller deals with how it ended, then calls serve_counters().
  cpu::RunResult run(Horizon horizon);
  /// Folds the ledger and lets the PMU see what retired since run().
  void serve_counters();

  /// A far branch outside the interpreter, at the current time: recorded, not counted.
  void far_branch(BranchKind kind, u64 from, u64 to, u8 cpl_from, u8 cpl_to) override;
  void debug_exception() override { hub.lbr.debug_exception(); }
  /// RDPMC with this ECX, for cpu::SystemHooks; `self` is a Processor.
  static MsrValue rdpmc(const void* self, u32 ecx) {
    return static_cast<const Processor*>(self)->pmu.rdpmc(ecx);
  }

  /// What software asked of registers, events and buffers and did not get, a line each.
  [[nodiscard]] std::vector<std::string> unmodelled() const;

  [[nodiscard]] cpu::Cpu& cpu() { return core.cpu(); }
  [[nodiscard]] const cpu::Cpu& cpu() const { return core.cpu(); }
  /// The instruction at which counters were last served, if it was the only one of its run; else 0.
  [[nodiscard]] u64 eventing_rip() const { return eventing_rip_; }
  /// Core clocks since the start in which it was not halted.
  [[nodiscard]] u64 cycles() const { return cpu().cycles(cpu()); }

  const cpu::Uarch part;
  Ledger ledger;
  Hub hub;
  DsArea ds;
  FastCore core;

 private:
  cpu::LinearMemory linear_;

 public:
  pmu::Pmu pmu;
  pmu::Pebs pebs;
  MsrBus msrs;

 private:
  void fill(pmu::PebsSample& sample) const override;
  void fill(pmu::PebsLbrState& state) const override;
  [[nodiscard]] u32 logged() const override;
  [[nodiscard]] u64 total(unsigned n) const override { return pmu.total(n); }
  void count_inserts();

  u64 run_from_ = 0;    ///< RIP when the last run began
  u64 retired_at_ = 0;  ///< instructions retired by then
  u64 eventing_rip_ = 0;
  u64 inserts_counted_ = 0;
};

}  // namespace lastbranch
