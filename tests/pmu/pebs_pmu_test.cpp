// PEBS on the Pmu itself: every record is about the very instruction that the rules name, at any period.
#include <random>

#include "models/pmu/pmu.h"
#include "tests/pmu/pebs_platform.h"

namespace lastbranch::pmu {
namespace {

using test::kBuffer;
using test::kDs;

constexpr u64 kCode = 0x40'0000;
constexpr u64 kUserEnable = 0x41'0000;
constexpr u64 kPrecDist = 0x01c0, kNearTaken = 0x20c4;
constexpr u64 kWidthMask = 0xffff'ffff'ffff;
constexpr std::size_t kRoom = 4096;

/// Where the program stands, for records: `rip` is the next instruction.
struct Position final : PebsSource {
  u64 rip = kCode;
  void fill(PebsSample& s) const override { s.rip = rip; }
};

/// A part that runs a stream of instructions of 4 bytes, some of which are taken branches.
struct Machine {
  explicit Machine(const PmuParams& params)
      : memory(kDs, 0x1000 + kRoom * 256),
        pmu(params, ledger, {}),
        pebs(params, {.counters = &pmu, .source = &position, .memory = &memory, .ds = &ds}) {
    pmu.connect(&pebs);
    bus.attach(pmu.rows(), &pmu);
    bus.attach(pebs.rows(), &pebs);
    ledger.enter(Ctx::kHostUser);
    ds.set_base(kDs);
    memory.set_word(kDs + 0x20, kBuffer);
    memory.set_word(kDs + 0x28, kBuffer);
    memory.set_word(kDs + 0x30, kBuffer + kRoom * 200);
    memory.set_word(kDs + 0x38, ~u64{0});
  }
  void write(u32 index, u64 value) { ASSERT_EQ(bus.write(index, value), MsrFault::kNone) << index; }

  /// Counts `event` on a general counter from 2^48 - period on.
  void program(unsigned counter, u64 event, u64 period) {
    write(0x38f, 0);
    memory.set_word(kDs + 0x40 + 8 * counter, (0 - period) & kWidthMask);
    write(0x4c1 + counter, (0 - period) & kWidthMask);
    write(0x186 + counter, kUserEnable | event);
    write(0x3f1, bus.read(0x3f1).value | u64{1} << counter);
    write(0x38f, (u64{1} << params().gp_counters) - 1);
  }
  [[nodiscard]] const PmuParams& params() const { return pmu.params(); }

  /// Runs the stream, whose entries say whether the instruction is a taken branch.
  void run(const std::vector<bool>& taken) {
    for (std::size_t at = 0; at < taken.size();) {
      Horizon horizon;
      horizon.within(taken.size() - at);
      pmu.limit(horizon);
      const u64 step = std::max<u64>(1, horizon.instructions());
      for (u64 i = 0; i < step; ++i, ++at) {
        ledger.add(Ev::kInstructions);
        ledger.add(Ev::kCycles);
        if (taken[at]) {
          ledger.add(Ev::kBranches);
          ledger.add(Ev::kTakenBranches);
        }
      }
      position.rip = kCode + 4 * at;
      pmu.service(step == 1 ? position.rip - 4 : 0);
    }
  }

  /// Eventing IPs of all records, as instruction numbers.
  [[nodiscard]] std::vector<u64> sampled() const {
    const std::size_t size = fixed_record_size(params().pebs_format);
    std::vector<u64> numbers;
    for (u64 at = kBuffer; at < memory.word(kDs + 0x28); at += size) {
      const auto record = decode_fixed(pebs.layout(), memory.at(at));
      EXPECT_EQ(record->sample.rip, record->sample.eventing_ip + 4);
      numbers.push_back((record->sample.eventing_ip - kCode) / 4);
    }
    return numbers;
  }

  Ledger ledger;
  test::FakeMemory memory;
  DsArea ds;
  Position position;
  Pmu pmu;
  Pebs pebs;
  MsrBus bus;
};

/// The rule said naively: events are counted one by one; the one of number `period`, or the next, is sampled,
/// and counting starts anew after it.
std::vector<u64> expected(const std::vector<bool>& event, u64 period, bool exact) {
  std::vector<u64> numbers;
  u64 counted = 0;
  for (std::size_t i = 0; i < event.size(); ++i) {
    if (!event[i]) continue;
    if (++counted == period + (exact ? 0 : 1)) {
      numbers.push_back(i);
      counted = 0;
    }
  }
  return numbers;
}

std::vector<bool> stream(unsigned seed, std::size_t length) {
  std::mt19937 random(seed);
  std::vector<bool> taken(length);
  for (auto&& t : taken) t = random() % 5 == 0;
  return taken;
}

// Rows: pebs-6.1-next-occurrence, pebs-6.5-plain
TEST(PebsOnPmu, plain_counters_sample_the_event_after_the_overflow_at_any_period) {
  const std::vector<bool> taken = stream(1, 3000);
  for (const u64 period : {1, 2, 3, 7, 100}) {
    SCOPED_TRACE(period);
    Machine m(test::skylake());
    m.program(0, kNearTaken, period);
    m.run(taken);
    EXPECT_EQ(m.sampled(), expected(taken, period, false));
  }
}

// Rows: pebs-6.5-pdir
TEST(PebsOnPmu, pdir_samples_the_overflowing_instruction_at_any_period) {
  const std::vector<bool> every(2000, true);
  for (const PmuParams& params : {test::haswell(), test::skylake()}) {
    for (const u64 period : {1, 2, 3, 10, 999}) {
      SCOPED_TRACE(period);
      Machine m(params);
      m.program(1, kPrecDist, period);
      m.run(every);
      EXPECT_EQ(m.sampled(), expected(every, period, true));
    }
  }
}

// Rows: pebs-6.5-reduced-skid
TEST(PebsOnPmu, goldmont_samples_the_overflowing_taken_branch) {
  constexpr u64 kAllTaken = 0x80c4;
  const std::vector<bool> taken = stream(2, 3000);
  for (const u64 period : {1, 4, 50}) {
    SCOPED_TRACE(period);
    Machine m(test::goldmont());
    m.program(0, kAllTaken, period);
    m.run(taken);
    EXPECT_EQ(m.sampled(), expected(taken, period, true));
  }
}

TEST(PebsOnPmu, two_counters_sample_independently) {
  const std::vector<bool> taken = stream(3, 4000);
  const std::vector<bool> every(taken.size(), true);
  Machine m(test::skylake());
  m.program(0, kNearTaken, 13);
  m.program(1, kPrecDist, 17);
  m.run(taken);

  std::vector<u64> of[2];
  for (u64 at = kBuffer; at < m.memory.word(kDs + 0x28); at += 200) {
    const PebsSample s = decode_fixed(m.pebs.layout(), m.memory.at(at))->sample;
    for (const unsigned c : {0u, 1u}) {
      if (((s.applicable >> c) & 1) != 0) of[c].push_back((s.eventing_ip - kCode) / 4);
    }
  }
  EXPECT_EQ(of[0], expected(taken, 13, false));
  EXPECT_EQ(of[1], expected(every, 17, true));
}

// Rows: pebs-6.1-int-bit
TEST(PebsOnPmu, a_counter_without_int_interrupts_only_at_the_threshold) {
  struct Target final : PmiTarget {
    unsigned pmis = 0;
    void pmi() override { ++pmis; }
  } target;
  Machine m(test::skylake());
  Pmu pmu(test::skylake(), m.ledger, {.target = &target});
  Pebs pebs(test::skylake(), {.counters = &pmu, .source = &m.position, .memory = &m.memory, .ds = &m.ds});
  pmu.connect(&pebs);
  MsrBus bus;
  bus.attach(pmu.rows(), &pmu);
  bus.attach(pebs.rows(), &pebs);
  m.memory.set_word(kDs + 0x38, kBuffer + 3 * 200);
  m.memory.set_word(kDs + 0x40, kWidthMask);
  for (const auto& [index, value] : {std::pair<u32, u64>{0x4c1, kWidthMask},
                                     {0x186, kUserEnable | kNearTaken},
                                     {0x3f1, 0x1},
                                     {0x38f, 0x1}}) {
    ASSERT_EQ(bus.write(index, value), MsrFault::kNone) << index;
  }
  for (unsigned event = 1; event <= 6; ++event) {
    m.ledger.add(Ev::kInstructions);
    m.ledger.add(Ev::kBranches);
    m.ledger.add(Ev::kTakenBranches);
    pmu.service(kCode);
    EXPECT_EQ(target.pmis, event < 6 ? 0u : 1u) << "overflow at odd events, record at even ones";
  }
  EXPECT_EQ(bus.read(0x38e).value, u64{1} << 62);
}

}  // namespace
}  // namespace lastbranch::pmu
