#include "sim/machine/processor.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include <fmt/format.h>

#include "models/cpu/cpuid.h"
#include "models/lbr/arch_lbr.h"
#include "models/pmu/pmu_select.h"

namespace lastbranch {
namespace {

pmu::PmuPorts pmu_ports(Hub& hub, PmiTarget& target, const cpu::Cpu& c) {
  return {.debug = &hub.lbr,
          .target = &target,
          .cycles =
              [](const void* self) {
                const auto& cpu = *static_cast<const cpu::Cpu*>(self);
                return cpu.cycles(cpu);
              },
          .cycles_self = &c};
}

}  // namespace

Processor::Processor(const cpu::Uarch& p, const ProcessorPorts& ports)
    : part(p),
      hub(part.lbr),
      core(ports.memory, ports.walker, hub, ledger),
      linear_(core.cpu()),
      pmu(part.pmu, ledger, pmu_ports(hub, ports.pmi, core.cpu()), ports.pmu),
      // The boards that bring no memory for PEBS map linear addresses to the same physical ones.
      pebs(part.pmu,
           {.counters = &pmu,
            .source = this,
            .memory = ports.ds != nullptr ? ports.ds : &linear_,
            .ds = &ds,
            .debug = &hub.lbr,
            .physical = ports.ds != nullptr ? ports.ds : &linear_},
           {.architectural = part.arch_pebs}) {
  pmu.connect(&pebs);
  hub.lbr.connect(&ds, ports.ds != nullptr ? ports.ds : &linear_, &pmu);
  if (part.lbr.arch.event_log_counters != 0) hub.lbr.connect(static_cast<const EventLogSource*>(this), true);
  msrs.attach(hub.lbr.rows(), &hub.lbr);
  msrs.attach(pmu.rows(), &pmu);
  msrs.attach(pebs.rows(), &pebs);
  if (part.pmu.ds_area) msrs.attach(DsArea::rows(), &ds);
  cpu::Cpu& c = core.cpu();
  c.msrs = &msrs;
  c.cpuid = [](const void* self, u32 leaf, u32 subleaf) {
    return cpu::cpuid(*static_cast<const cpu::Uarch*>(self), leaf, subleaf);
  };
  c.cpuid_self = &part;
}

cpu::RunResult Processor::run(Horizon horizon) {
  pmu.limit(horizon);
  // Records log what was counted up to each branch, and counts are known between runs.
  if (part.lbr.arch.event_log_counters != 0 && logged() != 0) horizon.within(1);
  run_from_ = cpu().rip;
  retired_at_ = cpu().retired();
  // A part of a block, instruction by instruction, costs more than looking again.
  const cpu::RunResult result = core.run(std::max<u64>(1, horizon.instructions()), cpu::Stop::kNear);
  count_inserts();
  return result;
}

void Processor::serve_counters() {
  core.fold();
  count_inserts();
  hub.lbr.count_events();
  // Only of a single instruction is it known which one it was.
  eventing_rip_ = cpu().retired() - retired_at_ <= 1 ? run_from_ : 0;
  pmu.service(eventing_rip_);
}

void Processor::count_inserts() {
  const u64 now = hub.lbr.inserts();
  ledger.add(Ev::kLbrInserts, now - std::exchange(inserts_counted_, now));
}

void Processor::far_branch(BranchKind kind, u64 from, u64 to, u8 cpl_from, u8 cpl_to) {
  hub.branch({.from = from,
              .to = to,
              .time = cycles(),
              .kind = kind,
              .length = 0,
              .cpl_from = cpl_from,
              .cpl_to = cpl_to});
  hub.lbr.count_events();
}

std::vector<std::string> Processor::unmodelled() const {
  std::vector<std::string> lines;
  const auto add = [&](u64 n, std::string_view what, std::string_view unit) {
    if (n != 0) lines.push_back(fmt::format("{}, {} {}{}", what, n, unit, n == 1 ? "" : "s"));
  };
  for (const auto& [index, n] : msrs.unknown()) add(n, fmt::format("MSR {:#x}", index), "time");
  for (const auto& [evtsel, n] : pmu.unmodelled()) add(n, fmt::format("event select {:#x}", evtsel), "time");
  add(pebs.lost().full, "PEBS: no room in the buffer", "record");
  add(pebs.lost().inaccessible, "PEBS: DS area or buffer not mapped", "record");
  add(pebs.lost().to_trace, "PEBS: output to Processor Trace", "record");
  add(hub.lbr.bts().lost(), "BTS: no room in the buffer, or it is not mapped", "record");
  return lines;
}

u32 Processor::logged() const {
  u32 set = 0;
  for (unsigned n = 0; n < 4; ++n) {
    const bool logs = pmu::evtsel::BranchLog::any(pmu.control(n));
    if (logs && ((pmu.running() >> n) & 1) != 0) set |= 1u << n;
  }
  return set & part.lbr.arch.event_log_counters;
}

void Processor::fill(pmu::PebsSample& sample) const {
  const cpu::Cpu& c = cpu();
  sample.rip = c.rip;
  sample.rflags = c.flags();
  std::copy_n(c.r.begin(), sample.gpr.size(), sample.gpr.begin());
  static_assert(sizeof sample.xmm == sizeof c.xmm);
  std::memcpy(sample.xmm.data(), c.xmm.data(), sizeof sample.xmm);
  sample.tsc = c.cycles(c) + c.tsc_offset;
  sample.data_address = c.effective_address;
}

void Processor::fill(pmu::PebsLbrState& state) const {
  const lbr::LbrState saved = lbr::save(hub.lbr);
  state = {.ctl = saved.ctl, .depth = saved.depth, .ler = {saved.ler_from, saved.ler_to, saved.ler_info}};
}

}  // namespace lastbranch
