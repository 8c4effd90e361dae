// What a retired taken branch costs from the instruction through the hub into the ring: items are taken
// branches. The same loop with recording off is the difference that LBRs make.
#include <string>

#include <benchmark/benchmark.h>

#include "benchmarks/bare_hart.h"
#include "benchmarks/guest_loops.h"

namespace lastbranch::bench {
namespace {

constexpr u64 kSlice = 1'000'000;

void retire(benchmark::State& state, const GuestLoop& loop, bool record) {
  BareHart hart(loop.code, record);
  hart.core().run(kSlice);
  const u64 before = hart.ledger().total(Ev::kTakenBranches);
  for (auto _ : state) {
    if (hart.core().run(kSlice).why != cpu::Exit::kLimit) {
      state.SkipWithError("the loop was left");
      break;
    }
  }
  const u64 branches = hart.ledger().total(Ev::kTakenBranches) - before;
  state.SetItemsProcessed(static_cast<i64>(branches));
  state.counters["per_branch"] = benchmark::Counter(
      static_cast<double>(branches), benchmark::Counter::kIsRate | benchmark::Counter::kInvert);
}

[[maybe_unused]] const bool kRegistered = [] {
  for (const std::string name :
       {"jcc_taken", "jcc_random", "jmp", "call_ret", "jmp_indirect", "jmp_switch"}) {
    for (const bool record : {false, true}) {
      benchmark::RegisterBenchmark(("BM_Retire/" + name + (record ? "/lbr" : "/off")).c_str(), retire,
                                   guest_loop(name), record)
          ->Unit(benchmark::kMicrosecond);
    }
  }
  return true;
}();

}  // namespace
}  // namespace lastbranch::bench
