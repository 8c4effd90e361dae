#include "sim/base/ledger.h"

#include <map>
#include <set>
#include <utility>

#include <gtest/gtest.h>

#include "sim/base/rng.h"

namespace lastbranch {
namespace {

TEST(Ledger, starts_empty_in_the_host_kernel) {
  const Ledger ledger;
  EXPECT_EQ(ledger.context(), Ctx::kHostKernel);
  for (std::size_t e = 0; e < kEvCount; ++e) EXPECT_EQ(ledger.total(static_cast<Ev>(e)), 0u);
}

TEST(Ledger, maps_privilege_to_contexts) {
  EXPECT_EQ(context_of(0), Ctx::kHostKernel);
  EXPECT_EQ(context_of(3), Ctx::kHostUser);
  EXPECT_EQ(context_of(1), Ctx::kHostUser) << "the USR flag means CPL 1, 2 and 3";
  EXPECT_EQ(context_of(0, true), Ctx::kGuestKernel);
  EXPECT_EQ(context_of(3, true), Ctx::kGuestUser);
}

TEST(Ledger, agrees_with_a_map_of_events_in_a_random_stream) {
  Ledger ledger;
  std::map<std::pair<Ctx, Ev>, u64> naive;
  Rng rng(1);
  for (int step = 0; step < 20000; ++step) {
    const auto ev = static_cast<Ev>(rng.below(kEvCount));
    switch (rng.below(4)) {
      case 0:
        ledger.enter(static_cast<Ctx>(rng.below(kCtxCount)));
        break;
      case 1: {
        EvCounts counts;
        const std::size_t known = rng.chance(1, 2) ? kBlockFacts : kCommonFacts;
        for (std::size_t e = 0; e < known; ++e)
          counts.add(static_cast<Ev>(e), static_cast<u32>(rng.below(9)));
        const u64 times = rng.below(1u << 20);
        ledger.add(counts, times);
        for (std::size_t e = 0; e < kBlockFacts; ++e)
          naive[{ledger.context(), static_cast<Ev>(e)}] += times * counts[static_cast<Ev>(e)];
        break;
      }
      default: {
        const u64 n = rng.below(1000);
        ledger.add(ev, n);
        naive[{ledger.context(), ev}] += n;
      }
    }
  }
  for (std::size_t e = 0; e < kEvCount; ++e) {
    u64 sum = 0;
    for (std::size_t c = 0; c < kCtxCount; ++c) {
      const u64 expected = naive[{static_cast<Ctx>(c), static_cast<Ev>(e)}];
      EXPECT_EQ(ledger.total(static_cast<Ev>(e), static_cast<Ctx>(c)), expected) << kEvNames[e];
      sum += expected;
    }
    EXPECT_EQ(ledger.total(static_cast<Ev>(e)), sum) << kEvNames[e];
  }
}

TEST(Ledger, names_every_fact_once) {
  std::set<std::string_view> names(kEvNames.begin(), kEvNames.end());
  EXPECT_EQ(names.size(), kEvCount);
  EXPECT_FALSE(names.contains(""));
}

}  // namespace
}  // namespace lastbranch
