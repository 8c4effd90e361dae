#pragma once
// A processor as a SystemC module for platforms that bring their own memory, monitoring and devices.
//
// Modelled: one hart at CPL 0 to 3 on an identity map, its local APIC, temporal decoupling with a quantum of
// its own, memory by DMI and by transactions, I/O ports, MSRs of others, batches of what retired, runs that
// end where a counter overflows. Not: interrupts from the platform within a quantum (they wait for its end;
// PMIs and the APIC's timer do not), code outside of the DMI region, page tables, a second DMI region (it is
// reached by transactions). Code that others write while it is cached is seen after the region was withdrawn
// (TLM's invalidate_direct_mem_ptr) and granted again.
//
// CpuModule is for somebody else's platform and knows memory and monitoring as sockets only. The machines of
// sim/machine use kernel::CoreModule instead, which drives a hart with models and RAM at its elbow.
// Sources: those of core.h and system.h; IEEE 1666-2011, clauses 11-16 (TLM-2.0).
#include <memory>
#include <systemc>
#include <tlm>

#include <tlm_utils/multi_passthrough_initiator_socket.h>
#include <tlm_utils/simple_initiator_socket.h>

#include "models/cpu/cpu.h"
#include "models/cpu/uarch/uarch.h"
#include "sim/kernel/irq.h"
#include "sim/kernel/monitoring.h"

namespace lastbranch::cpu {

struct CpuModuleConfig {
  Uarch part = uarch(kDefaultUarch);
  u64 quantum = 1'000;         ///< core clocks between synchronisations, at least 1
  u64 timer_hz = 100'000'000;  ///< rate of the local APIC's undivided timer
};

class CpuModule final : public sc_core::sc_module {
 public:
  /// Physical memory. The region with the first instruction must grant DMI for reads and writes; it is asked
  /// for again when it was withdrawn.
  tlm_utils::simple_initiator_socket<CpuModule> memory;
  /// IN and OUT: address = port, 1, 2 or 4 bytes. Unbound, or an error response: reads all ones.
  tlm_utils::simple_initiator_socket_optional<CpuModule> ports;
  /// MSRs that are not the processor's own: targets as in sim/kernel/msr_payload.h, asked in the order of
  /// binding until one has the register.
  tlm_utils::multi_passthrough_initiator_socket_optional<CpuModule> msr;
  /// What retired, see sim/kernel/batch.h: RetiredBranch records, and FactCount records.
  tlm_utils::simple_initiator_socket_optional<CpuModule> branches;
  tlm_utils::simple_initiator_socket_optional<CpuModule> counts;
  /// IA32_DEBUGCTL, for BTF and #DB.
  kernel::OptionalPort<kernel::DebugControlIf> debug;
  /// RDPMC, and how far to run. Unbound: RDPMC raises #GP, overflows are found once a quantum.
  kernel::OptionalPort<kernel::CountersIf> counters;
  sc_core::sc_export<kernel::InterruptTarget> lint0;  ///< pin LINT0, as its LVT entry says
  sc_core::sc_export<kernel::InterruptTarget> lint1;
  sc_core::sc_export<kernel::InterruptTarget> pmi;  ///< to the LVT performance entry

  /// Throws Error when `config` cannot be.
  CpuModule(const sc_core::sc_module_name& name, const CpuModuleConfig& config = {});
  ~CpuModule() override;

  /// The processor, idle at CPL 0 without descriptor tables: a platform sets RIP, RSP and what else it wants
  /// before the simulation starts.
  [[nodiscard]] Cpu& cpu();
  /// Core clocks since time 0, halted ones included.
  [[nodiscard]] u64 cycles() const;
  [[nodiscard]] bool halted() const;
  /// Triple fault: nothing runs any more.
  [[nodiscard]] bool shut_down() const;
  /// Notified when the processor shuts down, and whenever HLT begins to wait.
  [[nodiscard]] const sc_core::sc_event& idle() const;

 private:
  struct Parts;
  friend struct Parts;

  SC_HAS_PROCESS(CpuModule);
  void run();
  void invalidate_direct_mem_ptr(sc_dt::uint64 start, sc_dt::uint64 end);

  std::unique_ptr<Parts> parts_;
};

}  // namespace lastbranch::cpu
