#include "sim/kernel/core_module.h"

#include <algorithm>
#include <array>
#include <memory>
#include <vector>

#include <gtest/gtest.h>

#include "sim/base/error.h"
#include "sim/kernel/bus_module.h"

namespace lastbranch::kernel {
namespace {

using sc_core::SC_PS;
using sc_core::sc_time;

constexpr u64 kHz = 1'000'000'000;  // one cycle is 1,000 time steps
constexpr u64 kQuantum = 100;
constexpr u64 kPicosPerCycle = 1000;

/// Runs cycles, and notes when interrupts came. Halts when told to.
struct FakeCore {
  u64 now = 0;
  u64 idled = 0;
  std::vector<u64> interrupts;
  std::vector<u64> budgets;
  u64 halt_at = ~u64{0};  ///< halts when this cycle is reached; an interrupt moves it on
  u64 halt_every = 0;
  u64 stop_at = ~u64{0};
  u64 done_at = ~u64{0};
  u64 throw_at = ~u64{0};
  std::function<void()> in_run;

  RunResult run(u64 cycles) {
    budgets.push_back(cycles);
    if (in_run) in_run();
    const u64 end = std::min({now + cycles, halt_at, stop_at, done_at, throw_at});
    const u64 ran = end > now ? end - now : 0;
    now += ran;
    if (now >= throw_at) throw Error("broken at {}", now);
    if (now >= done_at) return {ran, RunEnd::kDone};
    if (now >= stop_at) {
      stop_at = ~u64{0};
      return {ran, RunEnd::kStopped};
    }
    if (now >= halt_at) return {ran, RunEnd::kHalted};
    return {ran, RunEnd::kBudget};
  }
  void idle(u64 cycles) {
    now += cycles;
    idled += cycles;
  }
  void interrupt() {
    interrupts.push_back(now);
    if (now >= halt_at) halt_at = halt_every == 0 ? ~u64{0} : now + halt_every;
  }
};
static_assert(Quantized<FakeCore>);

/// Raises its line at given times.
class Pulser : public sc_core::sc_module {
 public:
  sc_core::sc_port<InterruptTarget> line{"line"};
  SC_HAS_PROCESS(Pulser);
  Pulser(const sc_core::sc_module_name& name, std::vector<u64> picos)
      : sc_module(name), picos_(std::move(picos)) {
    SC_THREAD(run);
  }

 private:
  void run() {
    for (const u64 at : picos_) {
      const sc_time t = sc_time::from_value(at);
      if (t > sc_core::sc_time_stamp()) wait(t - sc_core::sc_time_stamp());
      line->set(true);
      line->set(false);
    }
  }
  std::vector<u64> picos_;
};

/// A device whose accesses take 250 cycles.
class SlowDevice : public sc_core::sc_module {
 public:
  tlm_utils::simple_target_socket<SlowDevice> in{"in"};
  explicit SlowDevice(const sc_core::sc_module_name& name) : sc_module(name) {
    in.register_b_transport(this, &SlowDevice::b_transport);
  }

 private:
  void b_transport(tlm::tlm_generic_payload& p, sc_time& delay) {
    delay += sc_time::from_value(250 * kPicosPerCycle);
    std::fill_n(p.get_data_ptr(), p.is_read() ? p.get_data_length() : 0, u8{0x5a});
    p.set_response_status(tlm::TLM_OK_RESPONSE);
  }
};

struct Platform {
  SimContext context;
  FakeCore core;
  std::unique_ptr<CoreModule<FakeCore>> module;
  std::unique_ptr<BusModule> bus;
  std::unique_ptr<SlowDevice> device;
  std::unique_ptr<Pulser> pulser;

  explicit Platform(std::vector<u64> pulses = {}, u64 quantum = kQuantum, u64 hz = kHz) {
    const SimContext::Scope scope(context);
    module = std::make_unique<CoreModule<FakeCore>>("core", context, core, Clock(hz), quantum);
    bus = std::make_unique<BusModule>("bus");
    device = std::make_unique<SlowDevice>("device");
    pulser = std::make_unique<Pulser>("pulser", std::move(pulses));
    module->bus.bind(bus->in);
    bus->map("device", 0x1000, 0x1000, device->in);
    pulser->line.bind(module->interrupt);
  }
  ~Platform() {
    const SimContext::Scope scope(context);
    pulser.reset();
    device.reset();
    bus.reset();
    module.reset();
  }
  Platform(const Platform&) = delete;
  Platform& operator=(const Platform&) = delete;
  void run_cycles(u64 n) { context.run(sc_time::from_value(n * kPicosPerCycle)); }
};

TEST(CoreModule, runs_one_quantum_at_a_time) {
  Platform p;
  p.run_cycles(1000);
  ASSERT_GE(p.core.budgets.size(), 10u);
  for (std::size_t i = 0; i < 10; ++i) EXPECT_EQ(p.core.budgets[i], kQuantum);
  EXPECT_GE(p.core.now, 1000u);
  EXPECT_LE(p.core.now, 1000u + kQuantum) << "never more than a quantum ahead";
}

TEST(CoreModule, does_not_drift_when_a_period_is_no_whole_number_of_time_steps) {
  constexpr u64 kOdd = 3'400'000'000;
  Platform p({}, 10'000, kOdd);
  p.context.run(sc_time(10, sc_core::SC_MS));
  const u64 exact = Clock(kOdd).cycles_at(p.context.now());
  EXPECT_EQ(exact, 34'000'000u);
  EXPECT_GE(p.core.now, exact);
  EXPECT_LE(p.core.now, exact + 10'001);
}

TEST(CoreModule, an_interrupt_at_any_phase_of_a_quantum_reaches_the_next_one) {
  // Time steps around every point of a quantum and around its ends, t-1 and t+1 included.
  std::vector<u64> phases;
  for (u64 cycle = 0; cycle <= 2 * kQuantum; cycle += 10) {
    for (const u64 step : {0u, 1u, 999u, 500u}) phases.push_back(cycle * kPicosPerCycle + step);
  }
  for (const u64 at : phases) {
    Platform p({at});
    p.run_cycles(5 * kQuantum);
    ASSERT_EQ(p.core.interrupts.size(), 1u) << "raised at step " << at;
    const u64 seen = p.core.interrupts[0] * kPicosPerCycle;
    EXPECT_GE(seen, at) << "not before it was raised";
    // At the very moment of synchronization either order of the two processes is right.
    EXPECT_LE(seen, (at / (kQuantum * kPicosPerCycle) + 1) * kQuantum * kPicosPerCycle)
        << "raised at step " << at;
  }
}

TEST(CoreModule, an_interrupt_at_any_phase_of_halting_wakes_the_core_at_once) {
  // The core halts at cycle 130, that is while SystemC's time is still 100: before, at and after both are
  // probed.
  constexpr u64 kHalt = 130;
  for (u64 at = 95 * kPicosPerCycle; at <= 140 * kPicosPerCycle; at += 333) {
    Platform p({at, 1000 * kPicosPerCycle + 1});
    p.core.halt_at = kHalt;
    p.core.halt_every = 50;
    p.run_cycles(3000);
    ASSERT_EQ(p.core.interrupts.size(), 2u) << "first raised at step " << at;
    const u64 halted = kHalt * kPicosPerCycle;
    if (at >= halted) {
      EXPECT_EQ(p.core.interrupts[0], at / kPicosPerCycle);
    } else {
      EXPECT_LE(p.core.interrupts[0], kHalt) << "raised before the halt: taken no later than at it";
    }
    EXPECT_EQ(p.core.interrupts[1], 1000u) << "halted: woken in the cycle it came";
    EXPECT_EQ(p.module->cycles(), p.core.now);
  }
}

TEST(CoreModule, halted_time_passes_for_the_core_too) {
  Platform p({5000 * kPicosPerCycle});
  p.core.halt_at = 30;
  p.run_cycles(6000);
  EXPECT_EQ(p.core.idled, 5000u - 30u);
  EXPECT_GE(p.core.now, 6000u);
}

TEST(CoreModule, halted_without_interrupts_lets_time_pass) {
  Platform p;
  p.core.halt_at = 30;
  p.run_cycles(1'000'000);
  EXPECT_EQ(p.core.budgets.size(), 1u);
  EXPECT_EQ(p.context.now(), sc_time::from_value(1'000'000 * kPicosPerCycle));
}

TEST(CoreModule, a_stop_ends_the_run_at_its_time_and_another_run_goes_on) {
  Platform p;
  std::vector<std::pair<RunEnd, u64>> stops;
  p.module->on_stop([&](RunEnd why) { stops.emplace_back(why, p.core.now); });
  p.core.stop_at = 345;
  p.core.done_at = 777;

  p.context.run();
  ASSERT_EQ(stops.size(), 1u);
  EXPECT_EQ(stops[0], (std::pair{RunEnd::kStopped, u64{345}}));
  EXPECT_EQ(p.context.now(), sc_time::from_value(345 * kPicosPerCycle));

  p.context.run();
  ASSERT_EQ(stops.size(), 2u);
  EXPECT_EQ(stops[1], (std::pair{RunEnd::kDone, u64{777}}));
  EXPECT_EQ(p.context.now(), sc_time::from_value(777 * kPicosPerCycle));

  p.run_cycles(1000);
  EXPECT_EQ(p.core.now, 777u) << "nothing runs after the end";
}

TEST(CoreModule, exceptions_of_the_core_leave_the_run_as_they_are) {
  for (int n = 0; n < 50; ++n) {
    Platform p;
    p.core.throw_at = 250;
    try {
      p.context.run();
      FAIL() << "expected an Error";
    } catch (const Error& e) {
      EXPECT_STREQ(e.what(), "broken at 250");
    }
  }
}

TEST(CoreModule, accesses_reach_devices_and_cost_their_latency) {
  Platform p;
  bool first = true;
  std::array<u8, 4> data{};
  bool mapped = false;
  bool unmapped = true;
  p.core.in_run = [&] {
    if (!std::exchange(first, false)) return;
    mapped = p.module->read(0x1010, data) && p.module->write(0x1010, data);
    unmapped = p.module->read(0x9000, data);
  };
  p.run_cycles(2000);
  EXPECT_TRUE(mapped);
  EXPECT_FALSE(unmapped);
  EXPECT_EQ(data, (std::array<u8, 4>{0x5a, 0x5a, 0x5a, 0x5a}));
  EXPECT_EQ(p.core.idled, 500u);
  EXPECT_EQ(p.module->cycles(), p.core.now);
}

TEST(CoreModule, two_runs_are_identical) {
  const auto trace = [] {
    Platform p({12'345, 100'000, 222'222, 400'001});
    p.core.halt_at = 210;
    p.core.halt_every = 77;
    p.run_cycles(3000);
    return std::pair{p.core.interrupts, p.core.budgets};
  };
  EXPECT_EQ(trace(), trace());
}

}  // namespace
}  // namespace lastbranch::kernel
