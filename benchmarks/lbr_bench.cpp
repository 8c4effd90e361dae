// What recording a taken branch costs: LBR push alone, and with the ledger beside it, with and without
// filters.
#include <array>

#include <benchmark/benchmark.h>

#include "models/lbr/lbr.h"
#include "sim/base/ledger.h"
#include "sim/base/rng.h"

namespace lastbranch {
namespace {

/// A fixed stream of user-mode branches, so that the generator costs one load.
class Stream {
 public:
  Stream() {
    Rng rng(1);
    for (RetiredBranch& b : branches_) {
      b = {.from = rng.below(u64{1} << 46),
           .to = rng.below(u64{1} << 46),
           .time = 0,
           .kind = static_cast<BranchKind>(rng.below(6)),
           .length = 2,
           .cpl_from = 3,
           .cpl_to = 3};
      b.mispredicted = rng.chance(1, 20);
    }
  }
  const RetiredBranch& next() {
    RetiredBranch& b = branches_[at_++ % kSize];
    b.time = time_ += 5;
    return b;
  }

 private:
  static constexpr std::size_t kSize = 1024;
  std::array<RetiredBranch, kSize> branches_{};
  std::size_t at_ = 0;
  u64 time_ = 0;
};

LbrParams skylake() {
  LbrParams p;
  p.depth = 32;
  return p;
}

void BM_Generator(benchmark::State& state) {
  Stream stream;
  for (auto _ : state) benchmark::DoNotOptimize(stream.next());
}
BENCHMARK(BM_Generator);

/// Argument: MSR_LBR_SELECT; -1 = recording off.
void BM_LbrPush(benchmark::State& state) {
  Stream stream;
  lbr::Lbr lbr(skylake());
  lbr.enable(state.range(0) >= 0);
  if (state.range(0) >= 0) lbr.select(static_cast<u64>(state.range(0)));
  for (auto _ : state) {
    lbr.push(stream.next());
    benchmark::ClobberMemory();
  }
}
BENCHMARK(BM_LbrPush)->ArgName("select")->Arg(-1)->Arg(0)->Arg(1)->Arg(0x4)->Arg(0x1ff);

/// The branch the interpreter knows at compile time: kind and privilege are constants, only addresses and
/// time vary.
void BM_LbrPushKnownKind(benchmark::State& state) {
  lbr::Lbr lbr(skylake());
  lbr.enable(true);
  u64 time = 0;
  u64 from = 0x401000;
  for (auto _ : state) {
    time += 5;
    from += 2;
    lbr.push({.from = from,
              .to = from + 64,
              .time = time,
              .kind = BranchKind::kJcc,
              .length = 2,
              .cpl_from = 3,
              .cpl_to = 3});
    benchmark::ClobberMemory();
  }
}
BENCHMARK(BM_LbrPushKnownKind);

void BM_LbrPushAndLedger(benchmark::State& state) {
  Stream stream;
  lbr::Lbr lbr(skylake());
  lbr.enable(true);
  Ledger ledger;
  ledger.enter(Ctx::kHostUser);
  for (auto _ : state) {
    const RetiredBranch& b = stream.next();
    lbr.push(b);
    ledger.add(Ev::kTakenBranches);
    if (b.kind == BranchKind::kJcc) ledger.add(Ev::kCondTaken);
    benchmark::ClobberMemory();
  }
}
BENCHMARK(BM_LbrPushAndLedger);

/// A sample: 32 records decoded.
void BM_LbrRead(benchmark::State& state) {
  Stream stream;
  lbr::Lbr lbr(skylake());
  lbr.enable(true);
  for (int i = 0; i < 40; ++i) lbr.push(stream.next());
  std::array<lbr::Entry, lbr::Lbr::kMaxDepth> out;
  for (auto _ : state) {
    benchmark::DoNotOptimize(lbr.read(out));
    benchmark::ClobberMemory();
  }
}
BENCHMARK(BM_LbrRead);

/// Folding one block's executions into the ledger.
void BM_LedgerFold(benchmark::State& state) {
  Ledger ledger;
  ledger.enter(Ctx::kHostUser);
  EvCounts counts;
  for (std::size_t e = 0; e < kCommonFacts; ++e) counts.add(static_cast<Ev>(e), static_cast<u32>(e));
  u64 times = 1;
  for (auto _ : state) {
    ledger.add(counts, times++);
    benchmark::ClobberMemory();
  }
}
BENCHMARK(BM_LedgerFold);

}  // namespace
}  // namespace lastbranch
