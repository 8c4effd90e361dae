// What counting and sampling cost: the same loop with nothing counted; with eight events and LBRs; and
// sampled besides, every 10,007 taken branches with a branch stack. Items are guest instructions. Ratios of
// these rows are the figures; one row alone says little.
#include <algorithm>
#include <array>
#include <string>
#include <utility>
#include <vector>

#include <benchmark/benchmark.h>

#include "benchmarks/bare_hart.h"
#include "benchmarks/guest_loops.h"
#include "models/pmu/counter.h"
#include "sim/machine/perf_driver.h"
#include "sim/machine/processor.h"

namespace lastbranch::bench {
namespace {

constexpr u64 kSlice = 1'000'000;
constexpr u64 kQuantum = 10'000;
constexpr u64 kPeriod = 10'007;

enum class Monitoring { kNothing, kEight, kSampled };

/// With the sampled one eight; three of them have fixed counters.
const std::vector<std::string> kEvents = {"instructions:u",
                                          "cycles:u",
                                          "ref-cycles:u",
                                          "branches:u",
                                          "br_inst_retired.conditional:u",
                                          "mem_inst_retired.all_loads:u",
                                          "mem_inst_retired.all_stores:u"};

class MonitoredHart {
 public:
  MonitoredHart(const GuestLoop& loop, Monitoring what)
      : memory_(BareHart::kRam),
        map_(BareHart::kRam),
        processor_(part(), {.memory = memory_, .walker = map_, .pmi = driver_}) {
    driver_.attach(processor_);
    for (std::size_t i = 0; i < loop.code.size(); ++i) *memory_.host(BareHart::kCode + i) = loop.code[i];
    cpu::Cpu& c = processor_.cpu();
    c.rip = BareHart::kCode;
    c.r[cpu::kRsi] = BareHart::kData;
    c.r[cpu::kRsp] = BareHart::kStack;
    if (what == Monitoring::kNothing) return;
    driver_.record_branches(any_user_branch());
    for (const std::string& event : kEvents) driver_.add(spec(event));
    const pmu::EventSpec taken = spec("br_inst_retired.near_taken:u");
    const u64 period = what == Monitoring::kSampled ? kPeriod : 0;
    driver_.add(taken, period, [this](const PerfSample&) { read_ += processor_.hub.lbr.read(stack_); });
  }

  void run(u64 instructions) {
    const u64 end = processor_.cpu().retired() + instructions;
    while (processor_.cpu().retired() < end) {
      Horizon horizon;
      horizon.within(std::min(kQuantum, end - processor_.cpu().retired()));
      driver_.limit(horizon);
      processor_.run(horizon);
      processor_.serve_counters();
      driver_.serve();
    }
  }
  /// Branch records that samples have read.
  [[nodiscard]] u64 read() const { return read_; }
  [[nodiscard]] bool multiplexing() const { return driver_.multiplexing(); }

 private:
  /// With the general counters of a core without a sibling thread.
  static cpu::Uarch part() {
    cpu::Uarch part = cpu::uarch(cpu::kDefaultUarch);
    cpu::override_field(part, "pmu_gp_counters", 8);
    return part;
  }
  [[nodiscard]] pmu::EventSpec spec(const std::string& text) const {
    const cpu::Uarch& part = processor_.part;
    return pmu::parse_event(part.pmu.events, part.name, text);
  }

  PhysMem memory_;
  IdentityMap map_;
  PerfDriver driver_;
  Processor processor_;
  std::array<lbr::Entry, lbr::Lbr::kMaxDepth> stack_{};
  u64 read_ = 0;
};

void monitor(benchmark::State& state, const GuestLoop& loop, Monitoring what) {
  MonitoredHart hart(loop, what);
  hart.run(kSlice);
  if (hart.multiplexing()) state.SkipWithError("the events do not fit on the counters");
  for (auto _ : state) hart.run(kSlice);
  if (what == Monitoring::kSampled && hart.read() == 0) state.SkipWithError("nothing was sampled");
  state.SetItemsProcessed(state.iterations() * static_cast<i64>(kSlice));
}

[[maybe_unused]] const bool kRegistered = [] {
  constexpr std::pair<const char*, Monitoring> kRows[] = {{"nothing", Monitoring::kNothing},
                                                          {"eight+lbr", Monitoring::kEight},
                                                          {"sampled", Monitoring::kSampled}};
  for (const std::string loop : {"jcc_random", "call_ret", "jmp_switch"}) {
    for (const auto& [name, what] : kRows) {
      benchmark::RegisterBenchmark(("BM_Monitor/" + loop + "/" + name).c_str(), monitor, guest_loop(loop),
                                   what)
          ->Unit(benchmark::kMicrosecond);
    }
  }
  return true;
}();

}  // namespace
}  // namespace lastbranch::bench
