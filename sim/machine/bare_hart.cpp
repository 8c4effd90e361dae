#include "sim/machine/bare_hart.h"

#include <algorithm>
#include <array>

#include <fmt/format.h>

#include "models/lbr/bts.h"

namespace lastbranch {
namespace {

/// "#GP(0x18)", "vector 64".
std::string describe(u8 vector, bool has_error = false, u32 error = 0) {
  static constexpr std::array<const char*, 20> kNames = {"#DE", "#DB", "NMI", "#BP", "#OF", "#BR", "#UD",
                                                         "#NM", "#DF", "",    "#TS", "#NP", "#SS", "#GP",
                                                         "#PF", "",    "#MF", "#AC", "#MC", "#XM"};
  const bool named = vector < kNames.size() && *kNames[vector] != '\0';
  const std::string name = named ? kNames[vector] : fmt::format("vector {}", vector);
  return has_error ? fmt::format("{}({:#x})", name, error) : name;
}

}  // namespace

RunResult BareHart::run(u64 cycles) {
  const u64 begin = now();
  const auto result = [&](RunEnd why) { return RunResult{now() - begin, why}; };
  while (now() - begin < cycles) {
    if (exited() || shut_down()) return result(RunEnd::kDone);
    if (limit_reached() || stop_.load(std::memory_order_relaxed)) return result(RunEnd::kStopped);
    lapic_.advance();
    deliver();
    if (shut_down()) continue;
    const u64 rest = cycles - (now() - begin);
    if (!halted()) {
      step(rest);
      continue;
    }
    const u64 wake = lapic_.next_deadline_cycles();
    if (wake == cpu::Lapic::kNever) return result(RunEnd::kHalted);
    idle(std::min(wake, rest));
  }
  return result(RunEnd::kBudget);
}

void BareHart::step(u64 cycles) {
  cpu::Cpu& c = processor_.cpu();
  Horizon horizon;
  horizon.within(limit_ - c.retired());
  horizon.within(FastPolicies::Timing::instructions_within(cycles));
  horizon.within(std::max<u64>(1, FastPolicies::Timing::instructions_within(lapic_.next_deadline_cycles())));
  limit_by_bts(horizon);
  // What is pending comes after the instruction behind STI or MOV SS.
  if (system_.shadowed()) horizon.within(1);
  c.cr8 = lapic_.cr8();
  const cpu::RunResult r = processor_.run(horizon);
  const u64 rip = c.rip;
  system_.serve(r.why);
  if (shut_down()) note_shutdown(r.why, rip);
  if (c.cr8 != lapic_.cr8()) lapic_.set_cr8(c.cr8);
  processor_.serve_counters();
}

void BareHart::limit_by_bts(Horizon& horizon) {
  constexpr u64 kInterrupting = debugctl::kTr | debugctl::kBts | debugctl::kBtint;
  if ((processor_.hub.lbr.debugctl() & kInterrupting) != kInterrupting) return;
  std::array<u64, 4> buffer{};  // base, index, maximum, threshold
  if (!system_.memory().read(processor_.ds.base(), {reinterpret_cast<u8*>(buffer.data()), sizeof buffer}))
    return;
  const u64 room = buffer[3] > buffer[1] ? buffer[3] - buffer[1] : 0;
  horizon.within(std::max<u64>(1, earliest_instruction(room, lbr::Bts::kRecordSize)));
}

void BareHart::note_shutdown(cpu::Exit why, u64 rip) {
  const cpu::Cpu& c = processor_.cpu();
  std::optional<Fault> fault;
  if (why == cpu::Exit::kFault) fault = c.fault;
  // An instruction that faulted has changed nothing: it says why when asked again.
  if (why == cpu::Exit::kSystem && c.rip == rip) fault = system_.execute();
  if (!fault) fault = Fault{.vector = Vector::kDB};
  reason_ = fmt::format("{} at {:#x}",
                        describe(static_cast<u8>(fault->vector), fault->has_error, fault->error), rip);
}

void BareHart::deliver() {
  cpu::Event event;
  if (system_.leave_for_nmi_window()) return;
  if (lapic_.nmi_pending() && system_.nmi_allowed()) {
    lapic_.acknowledge_nmi();
    event = cpu::Event::nmi();
  } else if (system_.leave_for_interrupt(lapic_.pending().has_value())) {
    return;
  } else if (lapic_.pending() && system_.interrupts_allowed()) {
    event = cpu::Event::interrupt(lapic_.acknowledge());
  } else {
    return;
  }
  system_.deliver(event);
  if (shut_down())
    reason_ = fmt::format("interrupt {} at {:#x}", describe(event.vector), processor_.cpu().rip);
}

void BareHart::idle(u64 cycles) {
  idle_ += cycles;
  processor_.cpu().tsc_offset += cycles;
}

void BareHart::set_limit(u64 instructions) {
  const u64 retired = processor_.cpu().retired();
  limit_ = instructions > ~u64{0} - retired ? ~u64{0} : retired + instructions;
}

}  // namespace lastbranch
