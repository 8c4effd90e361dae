#pragma once
// A PMU with everything around it that a test looks at.
#include <algorithm>

#include "models/pmu/pmu.h"
#include "sim/base/error.h"
#include "sim/base/msr_bus.h"

namespace lastbranch::pmu {

/// IA32_DEBUGCTL as the PMU sees it.
struct TestDebug final : DebugControl {
  u64 value = 0;
  bool frozen = false;
  unsigned legacy_freezes = 0;

  [[nodiscard]] u64 debugctl() const override { return value; }
  void legacy_freeze() override {
    value &= ~debugctl::kLbr;
    ++legacy_freezes;
  }
  void set_frozen(bool on) override { frozen = on; }
  [[nodiscard]] std::size_t records(std::span<LbrRecord>) const override { return 0; }
};

struct TestTarget final : PmiTarget {
  unsigned pmis = 0;
  void pmi() override { ++pmis; }
};

struct TestPmu {
  Ledger ledger;
  TestDebug debug;
  TestTarget target;
  Pmu pmu;
  MsrBus bus;

  explicit TestPmu(const PmuParams& params, const PmuOptions& options = {}, u32 most_cycles = 1)
      : pmu(params, ledger, {.debug = &debug, .target = &target, .most_cycles = most_cycles}, options) {
    bus.attach(pmu.rows(), &pmu);
  }

  /// WRMSR; whether it was accepted.
  bool write(u32 index, u64 value) { return bus.write(index, value) == MsrFault::kNone; }
  u64 read(u32 index) { return bus.read(index).value; }

  /// Retires `n` instructions of one cycle each, looking only where the PMU wants to.
  void retire(u64 n) {
    while (n != 0) {
      Horizon horizon;
      horizon.within(n);
      pmu.limit(horizon);
      const u64 step = std::max<u64>(1, horizon.instructions());
      ledger.add(Ev::kInstructions, step);
      ledger.add(Ev::kCycles, step);
      pmu.service(step == 1 ? 0x1000 : 0);
      n -= step;
    }
  }
};

namespace msr {
inline constexpr u32 kPmc = 0xc1;
inline constexpr u32 kSelect = 0x186;
inline constexpr u32 kMiscEnable = 0x1a0;
inline constexpr u32 kOffcoreRsp = 0x1a6;
inline constexpr u32 kFixedCtr = 0x309;
inline constexpr u32 kMetrics = 0x329;
inline constexpr u32 kCapabilities = 0x345;
inline constexpr u32 kFixedCtrl = 0x38d;
inline constexpr u32 kStatus = 0x38e;
inline constexpr u32 kGlobalCtrl = 0x38f;
inline constexpr u32 kStatusReset = 0x390;
inline constexpr u32 kStatusSet = 0x391;
inline constexpr u32 kInUse = 0x392;
inline constexpr u32 kFullPmc = 0x4c1;
}  // namespace msr

// Event selects: EN, and who.
inline constexpr u64 kEnableUser = 0x41'0000;
inline constexpr u64 kEnableKernel = 0x42'0000;
inline constexpr u64 kEnableBoth = 0x43'0000;
inline constexpr u64 kInterrupt = 0x10'0000;
inline constexpr u64 kInstructionsEvent = 0xc0;
inline constexpr u64 kCyclesEvent = 0x3c;
inline constexpr u64 kBranchesEvent = 0xc4;

}  // namespace lastbranch::pmu
