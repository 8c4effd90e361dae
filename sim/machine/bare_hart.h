#pragma once
// The hart of the bare board: runs the processor to the next reason to look, lets System execute what is the
// supervisor's, and delivers NMIs and interrupts between two instructions.
//
// Modelled: interrupts at the exact instruction, whether the timer, a PMI, a WRMSR or a store to the xAPIC
// page made them due. Not: SMM. The TSC counts on while the processor is halted, core clocks do not.
#include <atomic>
#include <optional>
#include <string>

#include "models/cpu/lapic.h"
#include "models/cpu/system.h"
#include "sim/base/run_result.h"
#include "sim/board/ports_module.h"
#include "sim/machine/processor.h"

namespace lastbranch {

class BareHart {
 public:
  /// `stop` is looked at before every run of the core. All must outlive the hart.
  BareHart(Processor& processor, cpu::System& system, cpu::Lapic& lapic, const std::atomic<bool>& stop)
      : processor_(processor), system_(system), lapic_(lapic), stop_(stop) {}
  /// The device that ends the run.
  void watch(const board::ExitPort& exit) { exit_ = &exit; }

  // What kernel::CoreModule drives.
  RunResult run(u64 cycles);
  void idle(u64 cycles);
  /// The platform's interrupt line is pin LINT0.
  void interrupt() { lapic_.lint(0); }

  /// Stops after `instructions` more.
  void set_limit(u64 instructions);
  [[nodiscard]] bool limit_reached() const { return processor_.cpu().retired() >= limit_; }
  [[nodiscard]] bool exited() const { return exit_ != nullptr && exit_->written().has_value(); }
  [[nodiscard]] bool shut_down() const { return system_.shut_down(); }
  [[nodiscard]] bool halted() const { return system_.halted(); }
  /// After a shutdown: "#UD at 0x100000", what the processor was delivering when it gave up.
  [[nodiscard]] const std::string& shutdown_reason() const { return reason_; }
  /// Core clocks since the start, halted ones included.
  [[nodiscard]] u64 now() const { return processor_.cycles() + idle_; }
  [[nodiscard]] u64 tsc() const { return processor_.cycles() + processor_.cpu().tsc_offset; }

 private:
  /// Delivers what is pending and allowed.
  void deliver();
  void step(u64 cycles);
  /// No further than to the branch that makes the BTS buffer reach its threshold.
  void limit_by_bts(Horizon& horizon);
  /// What System could not deliver after a run that began to leave at `rip` by `why`.
  void note_shutdown(cpu::Exit why, u64 rip);

  Processor& processor_;
  cpu::System& system_;
  cpu::Lapic& lapic_;
  const std::atomic<bool>& stop_;
  const board::ExitPort* exit_ = nullptr;
  u64 limit_ = ~u64{0};  ///< retired instructions at which to stop
  u64 idle_ = 0;         ///< core clocks while halted
  std::string reason_;
};

}  // namespace lastbranch
