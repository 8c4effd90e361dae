#include "sim/machine/bare_machine.h"

#include "models/cpu/control.h"
#include "models/cpu/cpuid.h"
#include "models/cpu/identity_map.h"
#include "models/cpu/system_msrs.h"
#include "sim/base/error.h"
#include "sim/board/image.h"
#include "sim/kernel/bus_module.h"
#include "sim/kernel/core_module.h"
#include "sim/machine/bare_bus.h"
#include "sim/machine/bare_hart.h"

namespace lastbranch {
namespace {

cpu::Uarch effective(const BareConfig& config) {
  cpu::Uarch part = cpu::uarch(config.uarch);
  for (const auto& [field, value] : config.overrides) cpu::override_field(part, field, value);
  return part;
}

u64 checked_memory(u64 bytes) {
  if (bytes < board::kLeastMemory || bytes > board::kMostMemory) {
    throw Error("memory: expected {:#x} to {:#x} bytes, found {:#x}", board::kLeastMemory, board::kMostMemory,
                bytes);
  }
  return bytes;
}

/// The SystemC side, built under its context's lock.
struct Modules {
  kernel::Clock clock;
  kernel::RamModule ram;
  kernel::BusModule bus;
  board::ExitPort exit;
  board::OutputPort output;
  kernel::CoreModule<BareHart> core;

  Modules(kernel::SimContext& context, BareHart& hart, PhysMem& memory, const cpu::Uarch& part,
          const BareConfig& config)
      : clock(part.frequency_hz),
        ram("ram", memory),
        bus("bus"),
        exit("exit"),
        output("output", config.output),
        core("core", context, hart, clock, config.quantum) {
    bus.map("ram", 0, memory.size(), ram.in);
    bus.map("exit port", board::kPortSpace + board::kExitPort, board::ExitPort::kSize, exit.in);
    bus.map("output port", board::kPortSpace + board::kOutputPort, board::OutputPort::kSize, output.in);
    core.bus.bind(bus.in);
  }
};

}  // namespace

struct BareMachine::Parts {
  BareConfig config;
  cpu::Uarch part;
  PhysMem memory;
  cpu::IdentityMap map;
  cpu::LapicParams lapic_params;
  cpu::Lapic lapic;
  Processor processor;
  BareBus bus;
  board::BusPorts ports;
  cpu::System system;
  std::optional<vmx::Vmx> vmx;
  BareHart hart;
  kernel::SimContext context;
  std::unique_ptr<Modules> modules;

  Parts(BareConfig c, const std::atomic<bool>& stop)
      : config(std::move(c)),
        part(effective(config)),
        memory(checked_memory(config.memory_bytes)),
        map(memory),
        lapic_params(cpu::lapic_params(part, config.timer_hz)),
        lapic(lapic_params, {.now = [](const void* p) { return static_cast<const Parts*>(p)->hart.now(); },
                             .tsc = [](const void* p) { return static_cast<const Parts*>(p)->hart.tsc(); },
                             .self = this}),
        processor(part, {.memory = memory, .walker = map, .pmi = lapic, .pmu = config.pmu}),
        bus(lapic, processor.cpu()),
        ports(bus),
        system(processor.cpu(), processor,
               {.ports = &ports,
                .debug = &processor.hub.lbr,
                .events = &processor,
                .rdpmc = [](const void* p, u32 ecx) { return static_cast<const pmu::Pmu*>(p)->rdpmc(ecx); },
                .rdpmc_self = &processor.pmu}),
        hart(processor, system, lapic, stop) {
    cpu::Cpu& cpu = processor.cpu();
    processor.msrs.attach(cpu::system_msrs(), &cpu);
    processor.msrs.attach(lapic.rows(), &lapic);
    cpu.bus = &bus;
    cpu.cpuid = [](const void* self, u32 leaf, u32 subleaf) {
      return static_cast<const Parts*>(self)->cpuid(leaf, subleaf);
    };
    cpu.cpuid_self = this;
    system.reset();
    if (config.vmx) {
      vmx.emplace(system.vmx_processor(), memory, processor.msrs,
                  vmx::VmxPart{.cr4 = cpu::cr4_bits(cpu), .physical_bits = part.pa_bits}, &processor,
                  config.vmx_options);
      system.attach(*vmx);
    }
    start(cpu);
    const kernel::SimContext::Scope scope(context);
    modules = std::make_unique<Modules>(context, hart, memory, part, config);
    bus.connect(modules->core);
    hart.watch(modules->exit);
  }
  ~Parts() {
    const kernel::SimContext::Scope scope(context);
    modules.reset();
  }

  /// As for user programs, with what the local APIC adds.
  [[nodiscard]] cpu::CpuidResult cpuid(u32 leaf, u32 subleaf) const {
    cpu::CpuidResult r = cpu::cpuid(part, leaf, subleaf);
    if (leaf != 1) return r;
    constexpr u32 kVmx = 1u << 5, kApic = 1u << 9, kX2apic = 1u << 21, kTscDeadline = 1u << 24;
    if (lapic.mode() != cpu::Lapic::Mode::kDisabled) r.edx |= kApic;
    if (lapic_params.x2apic) r.ecx |= kX2apic;
    if (lapic_params.tsc_deadline) r.ecx |= kTscDeadline;
    if (config.vmx) r.ecx |= kVmx;
    return r;
  }

  void start(cpu::Cpu& cpu) {
    const board::LoadedImage image = board::load_image(config.image, memory);
    cpu.gdtr = {board::kGdtAddress, board::write_gdt(memory)};
    cpu.selector = {board::kKernelData, board::kKernelCode, board::kKernelData, board::kKernelData, 0, 0};
    cpu.segment_dpl.fill(0);
    cpu.r.fill(0);
    cpu.r[cpu::kRsp] = board::kStackTop;
    cpu.r[cpu::kRdi] = memory.size();
    cpu.r[cpu::kRsi] = image.end;
    cpu.rip = image.entry;
  }
};

BareMachine::BareMachine(BareConfig config) : parts_(std::make_unique<Parts>(std::move(config), stop_)) {}
BareMachine::~BareMachine() = default;

BareOutcome BareMachine::run(u64 max_instructions) {
  using How = BareOutcome::How;
  Parts& p = *parts_;
  const auto outcome = [&]() -> BareOutcome {
    if (p.hart.exited()) return {How::kExited, board::exit_status(*p.modules->exit.written())};
    if (p.hart.shut_down()) return {How::kShutdown, 0};
    if (p.hart.limit_reached()) return {How::kLimit, 0};
    if (stop_.load(std::memory_order_relaxed)) return {How::kStopped, 0};
    return {How::kHalted, 0};
  };
  if (!p.hart.exited() && !p.hart.shut_down()) {
    p.hart.set_limit(max_instructions);
    // Without an end in time: when nothing is left to happen the processor is halted for ever.
    p.context.run();
    p.modules->output.flush();
  }
  const BareOutcome end = outcome();
  if (end.how == How::kStopped) stop_.store(false, std::memory_order_relaxed);
  return end;
}

Processor& BareMachine::processor() {
  return parts_->processor;
}
PhysMem& BareMachine::memory() {
  return parts_->memory;
}
const vmx::Vmx* BareMachine::vmx() const {
  return parts_->vmx ? &*parts_->vmx : nullptr;
}
u64 BareMachine::instructions() const {
  return parts_->processor.cpu().retired();
}
u64 BareMachine::cycles() const {
  return parts_->hart.now();
}
std::string BareMachine::shutdown_reason() const {
  return parts_->hart.shutdown_reason();
}

std::vector<std::string> BareMachine::unmodelled() const {
  const Parts& p = *parts_;
  std::vector<std::string> lines;
  const auto times = [](u64 n) { return n == 1 ? std::string("1 access") : fmt::format("{} accesses", n); };
  for (const auto& [port, n] : p.ports.unknown())
    lines.push_back(fmt::format("port {:#x}, {}", port, times(n)));
  for (const auto& [index, n] : p.processor.msrs.unknown()) {
    lines.push_back(fmt::format("MSR {:#x}, {}", index, times(n)));
  }
  for (const auto& [evtsel, n] : p.processor.pmu.unmodelled()) {
    lines.push_back(fmt::format("event select {:#x}, programmed {} time{}", evtsel, n, n == 1 ? "" : "s"));
  }
  for (const auto& [what, n] : p.lapic.unmodelled()) {
    lines.push_back(fmt::format("{}, {} time{}", what, n, n == 1 ? "" : "s"));
  }
  return lines;
}

}  // namespace lastbranch
