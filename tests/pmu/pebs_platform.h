#pragma once
// A PEBS unit of some part on the fakes, with a DS area set up as a kernel would.
#include <memory>

#include <gtest/gtest.h>

#include "models/pmu/pebs.h"
#include "sim/base/msr_bus.h"
#include "tests/pmu/pebs_fakes.h"

namespace lastbranch::pmu::test {

inline PmuParams part(unsigned format, EventList events) {
  PmuParams p;
  p.version = format >= 4 ? 5 : 3;
  p.gp_counters = format >= 4 ? 8 : 4;
  p.gp_width = p.fixed_width = 48;
  p.fixed_counters = format >= 4 ? 4 : 3;
  p.pebs_format = format;
  p.pebs_counters = format >= 4 ? 0xf'0000'00ff : 0xf;
  p.perf_capabilities = u64{format} << 8 | 0x20c0;
  if (format >= 4) p.perf_capabilities |= 0x4000;
  p.events = events;
  p.ds_area = true;
  p.load_latency = true;
  p.frontend_msr = events == EventList::kSkylake || format >= 4;
  if (format < 4) p.pebs_enable_extra = 0xf'0000'0000;
  return p;
}
inline PmuParams nehalem() {
  return part(1, EventList::kNehalem);
}
inline PmuParams sandybridge() {
  PmuParams p = part(1, EventList::kSandyBridge);
  p.pdist_counters = 0x2;
  p.pebs_enable_extra |= u64{1} << 63;
  return p;
}
inline PmuParams haswell() {
  PmuParams p = part(2, EventList::kHaswell);
  p.pdist_counters = 0x2;
  return p;
}
inline PmuParams skylake() {
  PmuParams p = part(3, EventList::kSkylake);
  p.pdist_counters = 0x2;
  return p;
}
inline PmuParams icelake() {
  PmuParams p = part(4, EventList::kIceLake);
  p.pdist_counters = 0x1'0000'0000;
  return p;
}
inline PmuParams sapphire_rapids(unsigned format = 4) {
  PmuParams p = part(format, EventList::kSapphireRapids);
  p.pdist_counters = 0x1'0000'0001;
  p.perf_capabilities |= 0x2'0000;
  return p;
}
inline PmuParams goldmont() {
  PmuParams p = part(3, EventList::kGoldmont);
  p.version = 4;
  p.pebs_counters = p.pdist_counters = 1;
  p.pebs_enable_extra = 0;
  return p;
}

inline constexpr u64 kDs = 0xffff'8800'0000'0000;
inline constexpr u64 kBuffer = kDs + 0x1000;
inline constexpr u64 kOvf = u64{1} << 62;
/// Reset value of general counter n and of fixed counter i.
constexpr u64 reset_value(unsigned slot) {
  return 0xffff'ffff'f000 + slot;
}

/// `room`: records the buffer holds; `threshold`: records after which it interrupts.
struct Platform {
  explicit Platform(const PmuParams& params, u64 record_size, unsigned room = 8, unsigned threshold = 8,
                    const PebsOptions& options = {})
      : pebs(params, {&counters, &source, &memory, &ds, &debug}, options) {
    bus.attach(pebs.rows(), &pebs);
    ds.set_base(kDs);
    memory.set_word(kDs + 0x20, kBuffer);
    memory.set_word(kDs + 0x28, kBuffer);
    memory.set_word(kDs + 0x30, kBuffer + record_size * room);
    memory.set_word(kDs + 0x38, kBuffer + record_size * threshold);
    for (unsigned slot = 0; slot < 48; ++slot) memory.set_word(kDs + 0x40 + 8 * slot, reset_value(slot));
  }

  void enable(u64 bits) { ASSERT_EQ(bus.write(0x3f1, bits), MsrFault::kNone) << std::hex << bits; }
  /// The counter goes through 0 at `rip`, as the Pmu says it.
  void overflow(CounterBit c, u64 rip) {
    counters.status_bits |= u64{1} << c;
    counters.values[c] = 0;
    if (pebs.takes(c)) pebs.overflow(c, rip);
    pebs.assist();
  }
  /// The counter counts one more event at `rip`.
  void occurrence(CounterBit c, u64 rip) {
    ++counters.values[c];
    if (pebs.wants_next(c)) pebs.occurrence(c, rip);
    pebs.assist();
  }
  /// Overflow and the next event.
  void sample(CounterBit c, u64 rip) {
    overflow(c, rip - 1);
    occurrence(c, rip);
  }

  [[nodiscard]] u64 index() const { return memory.word(kDs + 0x28); }
  [[nodiscard]] u64 word(std::size_t offset) const { return memory.word(kBuffer + offset); }
  [[nodiscard]] bool nothing_written() const { return index() == kBuffer && pebs.records() == 0; }

  FakeCounters counters;
  FakeSource source;
  FakeMemory memory{kDs, 0x3000};
  FakeDebug debug;
  DsArea ds;
  Pebs pebs;
  MsrBus bus;
};

}  // namespace lastbranch::pmu::test
