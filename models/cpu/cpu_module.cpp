#include "models/cpu/cpu_module.h"

#include <algorithm>
#include <array>
#include <limits>
#include <vector>

#include "models/cpu/block.h"
#include "models/cpu/control.h"
#include "models/cpu/core.h"
#include "models/cpu/cpuid.h"
#include "models/cpu/identity_map.h"
#include "models/cpu/lapic.h"
#include "models/cpu/system.h"
#include "models/cpu/system_msrs.h"
#include "sim/base/bus_access.h"
#include "sim/base/error.h"
#include "sim/base/horizon.h"
#include "sim/kernel/batch.h"
#include "sim/kernel/branch_batch.h"
#include "sim/kernel/core_module.h"
#include "sim/kernel/msr_payload.h"

namespace lastbranch::cpu {
namespace {

using Batch = kernel::BranchBatch<decltype(CpuModule::branches)>;

struct Policies {
  using Hub = Batch;
  using Timing = UnitTiming;
  using V = Fast;
};

// The interpreter and what it calls run on the thread's stack; SystemC's default is 64 KiB.
constexpr std::size_t kStackBytes = std::size_t{1} << 20;

}  // namespace

struct CpuModule::Parts final : BusAccess, PortIo, FarBranches, DebugEvents, DebugControl, MsrAccess {
  CpuModule& m;
  CpuModuleConfig config;
  kernel::Clock clock;
  kernel::QuantumKeeper keeper;
  kernel::InterruptLine lint0{"lint0_raised"}, lint1{"lint1_raised"}, pmi{"pmi_raised"};
  sc_core::sc_event idling{"idling"};
  // Not an expression, which nobody would free when the simulation ends in the wait.
  sc_core::sc_event_or_list any_line;
  PhysMem ram;
  IdentityMap map{ram};
  Ledger ledger;
  Batch hub;
  Core<Policies> core;
  MsrBus msrs;
  LapicParams lapic_params;
  Lapic lapic;
  System system;
  FactCounts sent[2]{};                              ///< per context, of what the ledger has
  u64 sent_at = 0;                                   ///< instructions retired then
  u64 sent_rip = 0;                                  ///< RIP then
  u64 idle = 0;                                      ///< core clocks in which nothing ran
  sc_core::sc_time stalled = sc_core::SC_ZERO_TIME;  ///< latency of accesses since the core was entered
  bool has_ram = false;

  Parts(CpuModule& module, const CpuModuleConfig& c)
      : m(module),
        config(c),
        clock(c.part.frequency_hz),
        keeper(clock.time_of(c.quantum)),
        hub(module.branches),
        core(ram, map, hub, ledger),
        lapic_params(cpu::lapic_params(config.part, c.timer_hz)),
        lapic(lapic_params, {.now = [](const void* p) { return static_cast<const Parts*>(p)->now(); },
                             .tsc = [](const void* p) { return static_cast<const Parts*>(p)->tsc(); },
                             .self = this}),
        system(core.cpu(), *this,
               {.ports = this,
                .debug = this,
                .events = this,
                .rdpmc = [](const void* p,
                            u32 ecx) { return const_cast<Parts*>(static_cast<const Parts*>(p))->rdpmc(ecx); },
                .rdpmc_self = this}) {
    any_line |= lint0.raised();
    any_line |= lint1.raised();
    any_line |= pmi.raised();
    Cpu& cpu = core.cpu();
    msrs.attach(system_msrs(), &cpu);
    msrs.attach(lapic.rows(), &lapic);
    msrs.forward(*this);
    cpu.msrs = &msrs;
    cpu.bus = this;
    cpu.cpuid = [](const void* p, u32 leaf, u32 subleaf) {
      return static_cast<const Parts*>(p)->cpuid(leaf, subleaf);
    };
    cpu.cpuid_self = this;
    system.reset();
  }

  [[nodiscard]] u64 now() const { return core.cpu().retired() + idle; }
  [[nodiscard]] u64 tsc() const { return core.cpu().retired() + core.cpu().tsc_offset; }

  [[nodiscard]] CpuidResult cpuid(u32 leaf, u32 subleaf) const {
    CpuidResult r = cpu::cpuid(config.part, leaf, subleaf);
    if (leaf != 1) return r;
    constexpr u32 kApic = 1u << 9, kX2apic = 1u << 21, kTscDeadline = 1u << 24;
    if (lapic.mode() != Lapic::Mode::kDisabled) r.edx |= kApic;
    if (lapic_params.x2apic) r.ecx |= kX2apic;
    if (lapic_params.tsc_deadline) r.ecx |= kTscDeadline;
    return r;
  }

  // --- what retired ---

  /// Sends what retired since the last call; the ledger is folded.
  void send() {
    hub.send();
    const Cpu& c = core.cpu();
    std::array<kernel::FactCount, 2 * kSuppliedFacts> batch;
    std::size_t n = 0;
    for (const Ctx ctx : {Ctx::kHostKernel, Ctx::kHostUser}) {
      FactCounts& before = sent[static_cast<std::size_t>(ctx)];
      for (std::size_t k = 0; k < kSuppliedFacts; ++k) {
        const u64 total = ledger.total(static_cast<Ev>(k), ctx);
        const u64 count = total - before.n[k];
        before.n[k] = total;
        if (count != 0) batch[n++] = {static_cast<Ev>(k), ctx, count};
      }
    }
    const u64 single = c.retired() - sent_at == 1 ? sent_rip : 0;
    sent_at = c.retired();
    sent_rip = c.rip;
    if (n == 0 || m.counts.size() == 0) return;
    tlm::tlm_generic_payload payload;
    kernel::make_batch(payload, std::span<const kernel::FactCount>(batch.data(), n), single);
    sc_core::sc_time delay;
    m.counts->b_transport(payload, delay);
    LASTBRANCH_CHECK(payload.is_response_ok(), "batch of counts: {}", payload.get_response_string());
  }

  void far_branch(BranchKind kind, u64 from, u64 to, u8 cpl_from, u8 cpl_to) override {
    hub.branch({.from = from,
                .to = to,
                .time = core.cpu().retired(),
                .kind = kind,
                .length = 0,
                .cpl_from = cpl_from,
                .cpl_to = cpl_to});
  }

  // --- monitoring of others, which must have seen what was before ---

  void debug_exception() override {
    hub.send();
    if (m.debug.size() != 0) m.debug->debug_exception();
  }
  [[nodiscard]] u64 debugctl() const override { return m.debug.size() != 0 ? m.debug->debugctl() : 0; }
  void legacy_freeze() override {}
  void set_frozen(bool /*frozen*/) override {}
  [[nodiscard]] std::size_t records(std::span<LbrRecord> /*out*/) const override { return 0; }

  MsrValue rdpmc(u32 ecx) {
    if (m.counters.size() == 0) return {0, MsrFault::kUnknown};
    return m.counters->rdpmc(ecx);
  }
  MsrFault msr_access(tlm::tlm_command command, u32 index, u64& value) {
    hub.send();
    for (std::size_t k = 0; k < static_cast<std::size_t>(m.msr.size()); ++k) {
      tlm::tlm_generic_payload payload;
      kernel::make_msr_access(payload, command, index, value);
      sc_core::sc_time delay;
      m.msr[static_cast<int>(k)]->b_transport(payload, delay);
      if (const MsrFault f = kernel::msr_fault(payload); f != MsrFault::kUnknown) return f;
    }
    return MsrFault::kUnknown;
  }
  MsrValue read_msr(u32 index) override {
    u64 value = 0;
    const MsrFault fault = msr_access(tlm::TLM_READ_COMMAND, index, value);
    return {fault == MsrFault::kNone ? value : 0, fault};
  }
  MsrFault write_msr(u32 index, u64 value) override {
    return msr_access(tlm::TLM_WRITE_COMMAND, index, value);
  }

  // --- memory and ports ---

  template <class Socket>
  bool access(Socket& socket, tlm::tlm_command command, u64 address, u8* data, std::size_t size) {
    tlm::tlm_generic_payload payload;
    payload.set_command(command);
    payload.set_address(address);
    payload.set_data_ptr(data);
    payload.set_data_length(static_cast<unsigned>(size));
    payload.set_streaming_width(static_cast<unsigned>(size));
    const sc_core::sc_time before = keeper.get_local_time() + stalled;
    sc_core::sc_time delay = before;
    socket->b_transport(payload, delay);
    stalled += delay - before;
    return payload.is_response_ok();
  }
  bool read(u64 paddr, std::span<u8> data) override {
    if (!lapic.decodes(paddr)) {
      return access(m.memory, tlm::TLM_READ_COMMAND, paddr, data.data(), data.size());
    }
    lapic.read_page(paddr & ~kPageMask, data);
    return true;
  }
  bool write(u64 paddr, std::span<const u8> data) override {
    if (!lapic.decodes(paddr)) {
      // The payload has one pointer for both directions; a write command does not write through it.
      return access(m.memory, tlm::TLM_WRITE_COMMAND, paddr, const_cast<u8*>(data.data()), data.size());
    }
    lapic.write_page(paddr & ~kPageMask, data);
    // It may have made an interrupt due, or moved the next deadline.
    core.cpu().end_run = true;
    return true;
  }
  u32 in(u16 port, unsigned size) override {
    u32 value = 0;
    const bool ok = m.ports.size() != 0 &&
                    access(m.ports, tlm::TLM_READ_COMMAND, port, reinterpret_cast<u8*>(&value), size);
    return ok ? value : ~u32{0};
  }
  void out(u16 port, unsigned size, u32 value) override {
    if (m.ports.size() != 0) {
      access(m.ports, tlm::TLM_WRITE_COMMAND, port, reinterpret_cast<u8*>(&value), size);
    }
  }

  /// Asks for the region around `address`, which becomes RAM.
  void acquire_ram(u64 address) {
    tlm::tlm_generic_payload payload;
    payload.set_command(tlm::TLM_READ_COMMAND);
    payload.set_address(address);
    tlm::tlm_dmi dmi;
    const bool granted = m.memory->get_direct_mem_ptr(payload, dmi) && dmi.is_read_write_allowed();
    const u64 first = page_ceil(dmi.get_start_address());
    const u64 last = dmi.get_end_address();
    const u64 end = page_of(last == std::numeric_limits<u64>::max() ? last : last + 1);
    if (!granted || page_of(address) < first || page_of(address) >= end) {
      throw Error(
          "{}: expected direct memory access for the page of the first instruction at {:#x}, found none",
          m.name(), address);
    }
    Cpu& c = core.cpu();
    core.fold();
    c.blocks->clear(c);
    forget_all_translations(c);
    ram.adopt(dmi.get_dmi_ptr() + (first - dmi.get_start_address()), first, end - first);
    has_ram = true;
  }

  // --- time ---

  void take_lines() {
    if (lint0.take()) lapic.lint(0);
    if (lint1.take()) lapic.lint(1);
    if (pmi.take()) lapic.pmi();
  }
  void deliver() {
    if (lapic.nmi_pending() && system.nmi_allowed()) {
      lapic.acknowledge_nmi();
      system.deliver(Event::nmi());
    } else if (lapic.pending() && system.interrupts_allowed()) {
      system.deliver(Event::interrupt(lapic.acknowledge()));
    }
  }
  void pass(u64 cycles) {
    idle += cycles;
    core.cpu().tsc_offset += cycles;
  }
  /// Local time from the clock, not by adding periods: a period is no whole number of time steps.
  void set_local_time() {
    const sc_core::sc_time& global = sc_core::sc_time_stamp();
    if (const u64 cycle = clock.cycles_at(global); cycle > now()) pass(cycle - now());  // a target waited
    const sc_core::sc_time local = clock.time_of(now());
    keeper.set(local > global ? local - global : sc_core::SC_ZERO_TIME);
  }

  void step() {
    Cpu& c = core.cpu();
    const u64 end = clock.cycles_at(keeper.next_sync());
    Horizon horizon;
    horizon.within(end > now() ? end - now() : 1);
    horizon.within(std::max<u64>(1, lapic.next_deadline_cycles()));
    // What is pending comes after the instruction behind STI or MOV SS.
    if (system.shadowed()) horizon.within(1);
    if (m.counters.size() != 0) horizon.within(std::max<u64>(1, m.counters->horizon()));
    c.cr8 = lapic.cr8();
    const RunResult r = core.run(horizon.instructions());
    send();
    system.serve(r.why);
    send();
    if (c.cr8 != lapic.cr8()) lapic.set_cr8(c.cr8);
    if (stalled != sc_core::SC_ZERO_TIME) {
      pass(clock.cycles_in(std::exchange(stalled, sc_core::SC_ZERO_TIME)));
    }
    set_local_time();
  }

  void wait_for_interrupt() {
    keeper.sync();
    idling.notify();
    if (!lint0.pending() && !lint1.pending() && !pmi.pending()) {
      const u64 wake = lapic.next_deadline_cycles();
      if (wake == Lapic::kNever) {
        sc_core::wait(any_line);
      } else {
        const sc_core::sc_time at = clock.time_of(now() + wake);
        sc_core::wait(at - std::min(at, sc_core::sc_time_stamp()), any_line);
      }
    }
    const u64 cycle = clock.cycles_at(sc_core::sc_time_stamp());
    if (cycle > now()) pass(cycle - now());
    keeper.reset();
  }

  void run() {
    sent_rip = core.cpu().rip;
    keeper.reset();
    while (!system.shut_down()) {
      if (!has_ram) acquire_ram(ram.size() == 0 ? core.cpu().rip : ram.base());
      take_lines();
      lapic.advance();
      deliver();
      send();
      if (system.shut_down()) break;
      if (system.halted()) {
        wait_for_interrupt();
        continue;
      }
      step();
      if (keeper.need_sync()) keeper.sync();
    }
    keeper.sync();
    idling.notify();
  }
};

CpuModule::CpuModule(const sc_core::sc_module_name& name, const CpuModuleConfig& config)
    : sc_module(name),
      memory("memory"),
      ports("ports"),
      msr("msr"),
      branches("branches"),
      counts("counts"),
      debug("debug"),
      counters("counters"),
      lint0("lint0"),
      lint1("lint1"),
      pmi("pmi") {
  if (config.quantum == 0)
    throw Error("{}: expected a quantum of at least 1 core clock, found 0", this->name());
  parts_ = std::make_unique<Parts>(*this, config);
  lint0.bind(parts_->lint0);
  lint1.bind(parts_->lint1);
  pmi.bind(parts_->pmi);
  memory.register_invalidate_direct_mem_ptr(this, &CpuModule::invalidate_direct_mem_ptr);
  SC_THREAD(run);
  set_stack_size(kStackBytes);
}

CpuModule::~CpuModule() = default;

void CpuModule::run() {
  kernel::forget_dead_frames();
  parts_->run();
}

void CpuModule::invalidate_direct_mem_ptr(sc_dt::uint64 start, sc_dt::uint64 end) {
  Parts& p = *parts_;
  if (!p.has_ram || end < p.ram.base() || start > p.ram.base() + (p.ram.size() - 1)) return;
  p.has_ram = false;
  p.core.cpu().end_run = true;
}

Cpu& CpuModule::cpu() {
  return parts_->core.cpu();
}
u64 CpuModule::cycles() const {
  return parts_->now();
}
bool CpuModule::halted() const {
  return parts_->system.halted();
}
bool CpuModule::shut_down() const {
  return parts_->system.shut_down();
}
const sc_core::sc_event& CpuModule::idle() const {
  return parts_->idling;
}

}  // namespace lastbranch::cpu
