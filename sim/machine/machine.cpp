#include "sim/machine/machine.h"

#include <span>
#include <utility>

#include "models/cpu/cpuid.h"
#include "sim/base/error.h"
#include "sim/base/far_branches.h"
#include "sim/kernel/bus_module.h"
#include "sim/kernel/core_module.h"
#include "sim/machine/hart.h"

namespace lastbranch {
namespace {

cpu::Uarch effective(const MachineConfig& config) {
  cpu::Uarch part = cpu::uarch(config.uarch);
  for (const auto& [field, value] : config.overrides) cpu::override_field(part, field, value);
  return part;
}

/// What the board tells the program of the processor: the same as CPUID.
user::ProcessorIdentity identity(const cpu::Uarch& part) {
  user::ProcessorIdentity p;
  p.model_name = part.brand;
  p.family = part.family;
  p.model = part.model;
  p.stepping = part.stepping;
  p.hwcap = cpu::cpuid(part, 1, 0).edx;
  p.mhz = static_cast<u32>(part.frequency_hz / 1'000'000);
  return p;
}

/// The board's kernel entries and exits. Those that an instruction of the program made are counted with it;
/// the kernel's own, and exceptions, here.
class KernelBranches final : public FarBranches {
 public:
  explicit KernelBranches(Processor& processor) : processor_(processor) {}
  void far_branch(BranchKind kind, u64 from, u64 to, u8 cpl_from, u8 cpl_to) override {
    if (cpl_from == 0 || kind == BranchKind::kException) {
      Ledger& ledger = processor_.ledger;
      const Ctx before = ledger.context();
      ledger.enter(context_of(cpl_from));
      ledger.add(Ev::kBranches);
      ledger.add(Ev::kFarBranches);
      ledger.enter(before);
    }
    processor_.far_branch(kind, from, to, cpl_from, cpl_to);
  }

 private:
  Processor& processor_;
};

/// The SystemC side, built under its context's lock.
struct Modules {
  kernel::Clock clock;
  kernel::RamModule ram;
  kernel::BusModule bus;
  kernel::CoreModule<Hart> core;

  Modules(kernel::SimContext& context, Hart& hart, PhysMem& memory, u64 frequency_hz, u64 quantum)
      : clock(frequency_hz), ram("ram", memory), bus("bus"), core("core", context, hart, clock, quantum) {
    bus.map("ram", 0, memory.size(), ram.in);
    core.bus.bind(bus.in);
  }
};

}  // namespace

struct Machine::Parts {
  MachineConfig config;
  cpu::Uarch part;
  PhysMem memory;
  user::Process process;
  PerfDriver driver;
  Processor processor;
  KernelBranches branches;
  Hart hart;
  kernel::SimContext context;
  std::unique_ptr<Modules> modules;

  Parts(MachineConfig c, const std::atomic<bool>& stop)
      : config(std::move(c)),
        part(effective(config)),
        memory(config.process.memory_bytes),
        process(process_config(), memory),
        processor(part, {.memory = memory,
                         .walker = process.memory(),
                         .pmi = driver,
                         .ds = &driver.ds_memory(),
                         .pmu = config.pmu}),
        branches(processor),
        hart(processor, process, driver, stop) {
    driver.attach(processor);
    process.start(processor.cpu(), branches);
    const kernel::SimContext::Scope scope(context);
    modules = std::make_unique<Modules>(context, hart, memory, part.frequency_hz, config.quantum);
    processor.cpu().bus = &modules->core;
  }
  ~Parts() {
    const kernel::SimContext::Scope scope(context);
    modules.reset();
  }

  [[nodiscard]] user::ProcessConfig process_config() {
    user::ProcessConfig p = config.process;
    p.processor = identity(part);
    p.now_ns = [this] { return now_ns(); };
    return p;
  }
  [[nodiscard]] u64 now_ns() const {
    __extension__ using Wide = unsigned __int128;
    return static_cast<u64>(Wide{hart.cycles()} * 1'000'000'000 / part.frequency_hz);
  }
};

Machine::Machine(MachineConfig config) : parts_(std::make_unique<Parts>(std::move(config), stop_)) {}
Machine::~Machine() = default;

RunOutcome Machine::run(u64 max_instructions) {
  Parts& p = *parts_;
  if (!p.hart.ended()) {
    p.hart.set_limit(max_instructions);
    p.context.run(sc_core::sc_max_time() - p.context.now());
  }
  if (p.hart.killed()) return {RunOutcome::How::kKilled, p.process.death().signal};
  if (p.hart.ended()) return {RunOutcome::How::kExited, p.process.exit_status()};
  if (p.hart.limit_reached()) return {RunOutcome::How::kLimit, 0};
  stop_.store(false, std::memory_order_relaxed);
  return {RunOutcome::How::kStopped, 0};
}

namespace {

void expect_supported(const pmu::EventSpec& spec) {
  if (!spec.supported())
    throw Error("event {}: known, but nothing supplies its facts yet: {}", spec.text,
                state_text(*spec.event));
}

}  // namespace

std::size_t Machine::count(const pmu::EventSpec& spec) {
  expect_supported(spec);
  if (spec.per_cycle)
    throw Error("event {}: cmask, inv and edge need a counter of the PMU; this one counts beside it",
                spec.text);
  return parts_->hart.shadow(spec);
}

u64 Machine::counted(std::size_t n) const {
  return std::as_const(parts_->hart).shadow(n).value();
}

std::size_t Machine::perf_count(const pmu::EventSpec& spec) {
  expect_supported(spec);
  return parts_->driver.add(spec);
}

PerfCount Machine::perf_counted(std::size_t event) const {
  return parts_->driver.count(event);
}

std::size_t Machine::sample(const pmu::EventSpec& spec, u64 period, SampleCallback callback,
                            Sampling sampling) {
  expect_supported(spec);
  if (period == 0) throw Error("event {}: expected a period of at least 1, found 0", spec.text);
  return parts_->driver.add(spec, period, std::move(callback), sampling);
}

std::optional<pmu::CounterBit> Machine::counter_of(std::size_t event) const {
  return parts_->driver.counter_of(event);
}
void Machine::enable_lbr(const BranchFilter& filter) {
  parts_->driver.record_branches(filter);
}

const cpu::Uarch& Machine::uarch() const {
  return parts_->part;
}
std::vector<std::pair<std::string, std::string>> Machine::configuration() const {
  auto fields = cpu::configuration(parts_->part);
  fields.emplace_back("memory_bytes", std::to_string(parts_->memory.size()));
  fields.emplace_back("quantum", std::to_string(parts_->config.quantum));
  fields.emplace_back("seed", std::to_string(parts_->config.process.seed));
  fields.emplace_back("pmi_skid_cycles", std::to_string(parts_->config.pmu.skid_cycles));
  fields.emplace_back("timing", "one cycle per instruction");
  return fields;
}
lbr::Lbr& Machine::lbr() {
  return parts_->processor.hub.lbr;
}
const Ledger& Machine::ledger() const {
  return parts_->processor.ledger;
}
pmu::Pmu& Machine::pmu() {
  return parts_->processor.pmu;
}
std::vector<std::string> Machine::unmodelled() const {
  return parts_->processor.unmodelled();
}
MsrBus& Machine::msrs() {
  return parts_->processor.msrs;
}
cpu::Cpu& Machine::cpu() {
  return parts_->processor.cpu();
}
user::Process& Machine::process() {
  return parts_->process;
}
u64 Machine::instructions() const {
  return parts_->processor.cpu().retired();
}
u64 Machine::cycles() const {
  return parts_->hart.cycles();
}
u64 Machine::now_ns() const {
  return parts_->now_ns();
}
u64 Machine::memory_bytes() const {
  return parts_->memory.size();
}

}  // namespace lastbranch
