#pragma once
// A hart as a SystemC module: runs it one quantum at a time, brings it interrupts, and carries its device
// accesses.
//
// Modelled: temporal decoupling with a quantum of the module's own, halting, interrupts at quantum
// boundaries, access latencies that targets annotate. Not: interrupts within a quantum (they wait for its
// end). Source: IEEE 1666-2011, clause 16.2 "Quantum keeper".
#include <exception>
#include <functional>
#include <systemc>
#include <tlm>
#include <utility>

#include <tlm_utils/simple_initiator_socket.h>
#include <tlm_utils/tlm_quantumkeeper.h>

#include "sim/base/assert.h"
#include "sim/base/bus_access.h"
#include "sim/base/run_result.h"
#include "sim/base/units.h"
#include "sim/kernel/asan_stack.h"
#include "sim/kernel/clock.h"
#include "sim/kernel/irq.h"
#include "sim/kernel/sim_context.h"

namespace lastbranch::kernel {

/// A quantum keeper with its own quantum: TLM's is one per process, and machines differ.
class QuantumKeeper final : public tlm_utils::tlm_quantumkeeper {
 public:
  explicit QuantumKeeper(const sc_core::sc_time& quantum) : quantum_(quantum) {}
  /// Absolute time of the next synchronization.
  [[nodiscard]] const sc_core::sc_time& next_sync() const { return m_next_sync_point; }

 private:
  /// To the next multiple of the quantum, so that modules with the same one meet.
  sc_core::sc_time compute_local_quantum() override {
    return quantum_ - sc_core::sc_time::from_value(sc_core::sc_time_stamp().value() % quantum_.value());
  }
  sc_core::sc_time quantum_;
};

template <Quantized Core>
class CoreModule final : public sc_core::sc_module, public BusAccess {
 public:
  tlm_utils::simple_initiator_socket<CoreModule> bus;  ///< accesses to everything that is not RAM
  sc_core::sc_export<InterruptTarget> interrupt;       ///< devices bind here

  /// Runs `core` at `clock`, synchronizing every `quantum_cycles` (>= 1) of it. All references must outlive
  /// the module.
  CoreModule(const sc_core::sc_module_name& name, SimContext& context, Core& core, const Clock& clock,
             u64 quantum_cycles)
      : sc_module(name),
        bus("bus"),
        interrupt("interrupt"),
        context_(context),
        core_(core),
        clock_(clock),
        keeper_(clock.time_of(quantum_cycles)),
        line_("raised") {
    interrupt.bind(line_);
    SC_THREAD(run);
    set_stack_size(kStackBytes);
  }

  /// Called when the core stops or is done, before the run ends; time is synchronized.
  void on_stop(std::function<void(RunEnd)> callback) { on_stop_ = std::move(callback); }

  /// Core clocks since time 0, halted ones included.
  [[nodiscard]] u64 cycles() const { return cycles_; }

  bool read(u64 paddr, std::span<u8> data) override {
    return access(tlm::TLM_READ_COMMAND, paddr, data.data(), data.size());
  }
  bool write(u64 paddr, std::span<const u8> data) override {
    // The payload has one pointer for both directions; a write command does not write through it.
    return access(tlm::TLM_WRITE_COMMAND, paddr, const_cast<u8*>(data.data()), data.size());
  }

 private:
  SC_HAS_PROCESS(CoreModule);

  // The interpreter, the boards and what they call run on this stack; SystemC's default is 64 KiB.
  static constexpr std::size_t kStackBytes = std::size_t{1} << 20;

  // SystemC neither unwinds this stack when a machine is destroyed nor passes exceptions on as they are: no
  // local here may own anything, and what is thrown goes through the context.
  void run() {
    forget_dead_frames();
    try {
      keeper_.reset();
      while (step()) {
      }
    } catch (const sc_core::sc_unwind_exception&) {
      throw;
    } catch (...) {
      context_.fail(std::current_exception());
    }
  }

  /// One quantum, or what is left of it. False when the core is done.
  bool step() {
    if (line_.take()) core_.interrupt();
    const u64 end = clock_.cycles_at(keeper_.next_sync());
    const RunResult result = core_.run(end > cycles_ ? end - cycles_ : 1);
    LASTBRANCH_CHECK(result.cycles != 0 || result.why != RunEnd::kBudget, "{} is stuck in time", name());
    spend(result.cycles);
    if (stalled_ != sc_core::SC_ZERO_TIME) {
      const u64 lost = clock_.cycles_in(std::exchange(stalled_, sc_core::SC_ZERO_TIME));
      core_.idle(lost);
      spend(lost);
    }
    switch (result.why) {
      case RunEnd::kBudget:
        if (keeper_.need_sync()) keeper_.sync();
        return true;
      case RunEnd::kHalted:
        keeper_.sync();
        wait_for_interrupt();
        return true;
      case RunEnd::kStopped:
      case RunEnd::kDone:
        break;
    }
    keeper_.sync();
    if (on_stop_) on_stop_(result.why);
    context_.pause();
    if (result.why == RunEnd::kDone) return false;
    // The next run() continues here.
    sc_core::wait(sc_core::SC_ZERO_TIME);
    return true;
  }

  void spend(u64 cycles) {
    cycles_ += cycles;
    // From the clock, not by adding periods: a period is no whole number of time steps. An interrupt wakes a
    // halted core in the middle of a cycle, whose begin is past.
    const sc_core::sc_time& now = sc_core::sc_time_stamp();
    const sc_core::sc_time local = clock_.time_of(cycles_);
    keeper_.set(local > now ? local - now : sc_core::SC_ZERO_TIME);
  }

  void wait_for_interrupt() {
    while (!line_.pending()) sc_core::wait(line_.raised());
    const u64 now = clock_.cycles_at(sc_core::sc_time_stamp());
    core_.idle(now - cycles_);
    cycles_ = now;
    keeper_.reset();
  }

  bool access(tlm::tlm_command command, u64 paddr, u8* data, std::size_t size) {
    tlm::tlm_generic_payload payload;
    payload.set_command(command);
    payload.set_address(paddr);
    payload.set_data_ptr(data);
    payload.set_data_length(static_cast<unsigned>(size));
    payload.set_streaming_width(static_cast<unsigned>(size));
    const sc_core::sc_time before = keeper_.get_local_time() + stalled_;
    sc_core::sc_time delay = before;
    bus->b_transport(payload, delay);
    stalled_ += delay - before;
    return payload.is_response_ok();
  }

  SimContext& context_;
  Core& core_;
  Clock clock_;
  QuantumKeeper keeper_;
  InterruptLine line_;
  std::function<void(RunEnd)> on_stop_;
  u64 cycles_ = 0;
  sc_core::sc_time stalled_ = sc_core::SC_ZERO_TIME;  ///< latency of accesses since the core was entered
};

}  // namespace lastbranch::kernel
