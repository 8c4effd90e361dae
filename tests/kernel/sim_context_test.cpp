#include "sim/kernel/sim_context.h"

#include <fstream>
#include <functional>
#include <memory>
#include <stdexcept>
#include <thread>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "sim/base/error.h"
#include "sim/kernel/asan_stack.h"

namespace lastbranch::kernel {
namespace {

using sc_core::SC_NS;
using sc_core::sc_time;

/// Ticks in the middle of every nanosecond; may do something at a tick.
class Ticker : public sc_core::sc_module {
 public:
  SC_HAS_PROCESS(Ticker);
  Ticker(const sc_core::sc_module_name& name, SimContext& context) : sc_module(name), context_(context) {
    SC_THREAD(run);
    set_stack_size(1 << 20);
  }
  int ticks = 0;
  std::function<void(int)> at_tick;

 private:
  void run() {
    forget_dead_frames();
    try {
      wait(500, sc_core::SC_PS);
      for (;;) {
        ++ticks;
        if (at_tick) at_tick(ticks);
        wait(1, SC_NS);
      }
    } catch (const sc_core::sc_unwind_exception&) {
      throw;
    } catch (...) {
      context_.fail(std::current_exception());
    }
  }
  SimContext& context_;
};

struct TestMachine {
  SimContext context;
  std::unique_ptr<Ticker> ticker;

  TestMachine() {
    const SimContext::Scope scope(context);
    ticker = std::make_unique<Ticker>("ticker", context);
  }
  ~TestMachine() {
    const SimContext::Scope scope(context);
    ticker.reset();
  }
  TestMachine(const TestMachine&) = delete;
  TestMachine& operator=(const TestMachine&) = delete;
  void run(int ns) { context.run(sc_time(ns, SC_NS)); }
};

TEST(SimContext, thousands_of_machines_one_after_another) {
  for (int n = 0; n < 3000; ++n) {
    TestMachine m;
    m.run(3);
    ASSERT_EQ(m.ticker->ticks, 3) << n;
  }
}

/// Pages of address space and of memory that the process has now.
std::pair<long, long> pages() {
  std::ifstream statm("/proc/self/statm");
  long size = 0;
  long resident = 0;
  statm >> size >> resident;
  return {size, resident};
}

TEST(SimContext, machines_give_their_memory_back) {
#ifdef __SANITIZE_ADDRESS__
  GTEST_SKIP() << "AddressSanitizer keeps freed memory; its leak check serves instead";
#endif
  const auto use = [](int machines) {
    for (int n = 0; n < machines; ++n) {
      TestMachine m;
      m.run(2);
    }
  };
  use(100);
  const auto before = pages();
  use(2000);
  const auto after = pages();
  EXPECT_LE(after.first - before.first, 1024) << "4 MiB; each machine has a stack of 1 MiB";
  EXPECT_LE(after.second - before.second, 256) << "1 MiB";
}

TEST(SimContext, hundreds_of_machines_at_the_same_time) {
  std::vector<std::unique_ptr<TestMachine>> machines;
  machines.reserve(200);
  for (int n = 0; n < 200; ++n) machines.push_back(std::make_unique<TestMachine>());
  for (int round = 1; round <= 3; ++round) {
    for (auto& m : machines) m->run(10);
  }
  for (auto& m : machines) EXPECT_EQ(m->context.now(), sc_time(30, SC_NS));
}

TEST(SimContext, interleaved_machines_keep_their_own_time) {
  TestMachine a;
  TestMachine b;
  a.run(10);
  b.run(3);
  a.run(10);
  b.run(4);
  EXPECT_EQ(a.context.now(), sc_time(20, SC_NS));
  EXPECT_EQ(b.context.now(), sc_time(7, SC_NS));
  EXPECT_EQ(a.ticker->ticks, 20);
  EXPECT_EQ(b.ticker->ticks, 7);
}

TEST(SimContext, a_machine_is_built_after_the_first_run_of_another) {
  TestMachine a;
  a.run(5);
  TestMachine b;
  b.run(5);
  a.run(5);
  EXPECT_EQ(a.ticker->ticks, 10);
  EXPECT_EQ(b.ticker->ticks, 5);
}

TEST(SimContext, machines_die_in_any_order) {
  auto a = std::make_unique<TestMachine>();
  auto b = std::make_unique<TestMachine>();
  a->run(2);
  b->run(2);
  a.reset();
  b->run(2);
  EXPECT_EQ(b->ticker->ticks, 4);
  auto c = std::make_unique<TestMachine>();
  b.reset();
  c->run(1);
  EXPECT_EQ(c->ticker->ticks, 1);
}

TEST(SimContext, a_machine_that_never_ran_can_go) {
  const TestMachine m;
}

TEST(SimContext, pause_ends_the_run_and_another_run_continues) {
  TestMachine m;
  m.ticker->at_tick = [&](int tick) {
    if (tick == 4) m.context.pause();
  };
  m.context.run();
  EXPECT_EQ(m.context.now(), sc_time(3500, sc_core::SC_PS));
  m.run(2);
  EXPECT_EQ(m.ticker->ticks, 5);
  EXPECT_EQ(m.context.now(), sc_time(5500, sc_core::SC_PS))
      << "what is due at the end of a run belongs to the next";
}

TEST(SimContext, exceptions_leave_a_run_as_they_are_and_the_process_usable) {
  for (int n = 0; n < 100; ++n) {
    TestMachine bad;
    TestMachine good;
    bad.ticker->at_tick = [](int tick) {
      if (tick == 3) throw Error("disk {} is full", 7);
    };
    good.run(1);
    try {
      bad.run(10);
      FAIL() << "expected an Error";
    } catch (const Error& e) {
      EXPECT_STREQ(e.what(), "disk 7 is full");
    }
    good.run(1);
    EXPECT_EQ(good.ticker->ticks, 2);
  }
  TestMachine next;
  next.ticker->at_tick = [](int) { throw std::out_of_range("index"); };
  EXPECT_THROW(next.run(10), std::out_of_range);
}

TEST(SimContext, errors_of_systemc_pass_and_leave_the_process_usable) {
  {
    SimContext context;
    std::unique_ptr<sc_core::sc_module> module;
    struct Unbound : sc_core::sc_module {
      sc_core::sc_port<sc_core::sc_signal_in_if<bool>> port{"port"};
      explicit Unbound(const sc_core::sc_module_name& name) : sc_module(name) {}
    };
    {
      const SimContext::Scope scope(context);
      module = std::make_unique<Unbound>("unbound");
    }
    EXPECT_THROW(context.run(sc_time(1, SC_NS)), sc_core::sc_report);
    const SimContext::Scope scope(context);
    module.reset();
  }
  TestMachine next;
  next.run(2);
  EXPECT_EQ(next.ticker->ticks, 2);
}

TEST(SimContext, a_run_within_a_run_is_refused) {
  TestMachine outer;
  TestMachine inner;
  outer.ticker->at_tick = [&](int) { inner.run(1); };
  EXPECT_THROW(outer.run(2), Error);
  inner.run(2);
  EXPECT_EQ(inner.ticker->ticks, 2);
}

TEST(SimContext, machines_are_built_and_destroyed_during_the_run_of_another) {
  TestMachine outer;
  auto victim = std::make_unique<TestMachine>();
  victim->run(3);
  std::unique_ptr<TestMachine> born;
  outer.ticker->at_tick = [&](int tick) {
    if (tick == 2) victim.reset();
    if (tick == 3) born = std::make_unique<TestMachine>();
  };
  outer.run(5);
  EXPECT_EQ(outer.ticker->ticks, 5);
  born->run(2);
  EXPECT_EQ(born->ticker->ticks, 2);
}

TEST(SimContext, host_threads_take_turns) {
  constexpr int kThreads = 4;
  std::vector<int> ticks(kThreads);
  std::vector<std::thread> threads;
  threads.reserve(kThreads);
  for (int t = 0; t < kThreads; ++t) {
    threads.emplace_back([&ticks, t] {
      TestMachine m;
      for (int n = 0; n < 50; ++n) m.run(2);
      ticks[static_cast<std::size_t>(t)] = m.ticker->ticks;
    });
  }
  for (auto& t : threads) t.join();
  for (const int t : ticks) EXPECT_EQ(t, 100);
}

TEST(SimContext, a_machine_moves_between_host_threads) {
  TestMachine m;
  m.run(2);
  std::thread([&] { m.run(3); }).join();
  m.run(4);
  EXPECT_EQ(m.ticker->ticks, 9);
}

/// How much stack a thread of a module with 1 MiB may use: the bottom quarter must hold a deep recursion.
int deep(int n) {
  volatile char page[4096];
  page[0] = static_cast<char>(n);
  return n == 0 ? page[0] : deep(n - 1) + page[0];
}

TEST(SimContext, threads_have_the_stack_that_was_asked_for) {
  TestMachine m;
  int result = 1;
  m.ticker->at_tick = [&](int) { result = deep(100); };
  m.run(1);
  EXPECT_NE(result, 1);
}

}  // namespace
}  // namespace lastbranch::kernel
