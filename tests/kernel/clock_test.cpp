#include "sim/kernel/clock.h"

#include <gtest/gtest.h>

#include "sim/base/error.h"
#include "sim/base/rng.h"

namespace lastbranch::kernel {
namespace {

TEST(Clock, converts_back_and_forth_without_drift) {
  Rng rng(2);
  for (const u64 hz :
       {u64{1}, u64{1'000'000}, u64{2'670'000'000}, u64{3'400'000'000}, u64{999'999'999'989}}) {
    const Clock clock(hz);
    for (int n = 0; n < 2000; ++n) {
      // As many cycles as 64 bits of picoseconds can hold: 213 days.
      const u64 most = hz > 1000 ? 18'000'000ull * hz / 1000 * 1000 : 1'000'000;
      const u64 cycles = n < 100 ? static_cast<u64>(n) : rng.below(most);
      const sc_core::sc_time t = clock.time_of(cycles);
      ASSERT_EQ(clock.cycles_at(t), cycles) << hz;
      if (cycles > 0) {
        ASSERT_EQ(clock.cycles_at(sc_core::sc_time::from_value(t.value() - 1)), cycles - 1)
            << hz << ": one step before";
      }
    }
  }
}

TEST(Clock, seconds_are_frequency_many_cycles) {
  const Clock clock(3'400'000'000);
  EXPECT_EQ(clock.time_of(3'400'000'000), sc_core::sc_time(1, sc_core::SC_SEC));
  EXPECT_EQ(clock.time_of(0), sc_core::SC_ZERO_TIME);
  EXPECT_EQ(clock.cycles_at(sc_core::sc_time(1, sc_core::SC_US)), 3400u);
}

TEST(Clock, durations_round_up_to_whole_cycles) {
  const Clock clock(1'000'000'000);
  EXPECT_EQ(clock.cycles_in(sc_core::SC_ZERO_TIME), 0u);
  EXPECT_EQ(clock.cycles_in(sc_core::sc_time(1, sc_core::SC_PS)), 1u);
  EXPECT_EQ(clock.cycles_in(sc_core::sc_time(1000, sc_core::SC_PS)), 1u);
  EXPECT_EQ(clock.cycles_in(sc_core::sc_time(1001, sc_core::SC_PS)), 2u);
}

TEST(Clock, refuses_frequencies_finer_than_time) {
  EXPECT_THROW(Clock(0), Error);
  EXPECT_THROW(Clock(1'000'000'000'001), Error);
}

}  // namespace
}  // namespace lastbranch::kernel
