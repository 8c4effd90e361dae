// Speed of execution by kind of instruction, on loops that are decoded and chained: items are guest
// instructions, so that items_per_second is simulated speed.
#include <string>

#include <benchmark/benchmark.h>

#include "benchmarks/bare_hart.h"
#include "benchmarks/guest_loops.h"

namespace lastbranch::bench {
namespace {

/// Instructions of one benchmark iteration: long enough that entering and leaving run() does not show.
constexpr u64 kSlice = 1'000'000;

void execute(benchmark::State& state, const GuestLoop& loop) {
  BareHart hart(loop.code, true);
  hart.core().run(kSlice);
  for (auto _ : state) {
    if (hart.core().run(kSlice).why != cpu::Exit::kLimit) {
      state.SkipWithError("the loop was left");
      break;
    }
  }
  state.SetItemsProcessed(state.iterations() * static_cast<i64>(kSlice));
}

/// The share of entering and leaving run(): argument is the instructions between, as a quantum or a horizon
/// sets them.
void BM_Quantum(benchmark::State& state) {
  const u64 quantum = static_cast<u64>(state.range(0));
  BareHart hart(guest_loop("jcc_random").code, true);
  hart.core().run(kSlice);
  for (auto _ : state) benchmark::DoNotOptimize(hart.core().run(quantum));
  state.SetItemsProcessed(state.iterations() * static_cast<i64>(quantum));
}
BENCHMARK(BM_Quantum)->ArgName("instructions")->Arg(1)->Arg(100)->Arg(1'000)->Arg(10'000)->Arg(100'000);

[[maybe_unused]] const bool kRegistered = [] {
  for (const GuestLoop& loop : guest_loops()) {
    benchmark::RegisterBenchmark(("BM_Execute/" + std::string(loop.name)).c_str(), execute, loop)
        ->Unit(benchmark::kMicrosecond);
  }
  return true;
}();

}  // namespace
}  // namespace lastbranch::bench
