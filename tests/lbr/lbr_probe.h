#pragma once
// Parts as the LBR tests want them, and a part with its bus.
#include <map>
#include <memory>
#include <vector>

#include "models/lbr/lbr.h"
#include "sim/base/msr_bus.h"

namespace lastbranch::lbr {

inline constexpr u32 kDebugctl = 0x1d9;
inline constexpr u32 kTos = 0x1c9;
inline constexpr u32 kSelect = 0x1c8;
inline constexpr u64 kUser = 0x0000'5555'5540'1136;
inline constexpr u64 kKernel = 0xffff'ffff'8100'1234;
/// MSR_LBR_SELECT for call-stack mode: JCC, JMPs and far branches suppressed.
inline constexpr u64 kStackSelect = 0x3c4;
/// IA32_LBR_CTL: enable, both privileges, every class.
inline constexpr u64 kCtlAll = 0x7f'0007;

/// A legacy part that has everything legacy.
inline LbrParams legacy_part(unsigned depth = 32, LbrFormat format = LbrFormat::kInfo) {
  LbrParams p;
  p.depth = depth;
  p.format = format;
  p.select_mask = 0x3ff;
  p.has_call_stack = true;
  p.debugctl_mask = 0xffc3;
  return p;
}

/// An architectural part with records of 8, 16 and 32.
inline LbrParams arch_part(u32 event_log_counters = 0) {
  LbrParams p;
  p.depth = 32;
  p.format = LbrFormat::kNone;
  p.debugctl_mask = 0xffc2;
  p.arch.depth_mask = 0xb;
  p.arch.event_log_counters = event_log_counters;
  return p;
}

inline RetiredBranch branch(u64 from, u64 to, u64 time, BranchKind kind = BranchKind::kJcc, u8 cpl_from = 3,
                            u8 cpl_to = 3) {
  return {.from = from,
          .to = to,
          .time = time,
          .kind = kind,
          .length = 2,
          .cpl_from = cpl_from,
          .cpl_to = cpl_to};
}

/// An Lbr on a bus of its own, recording.
struct Probe {
  explicit Probe(const LbrParams& p, bool on = true) : lbr(p) {
    bus.attach(lbr.rows(), &lbr);
    if (on) lbr.enable(true);
  }
  u64 read(u32 index) {
    const MsrValue v = bus.read(index);
    return v.ok() ? v.value : 0xdead'dead'dead'dead;
  }
  MsrFault write(u32 index, u64 value) { return bus.write(index, value); }
  /// A branch of user code from `from`, 10 cycles after the one before.
  void take(u64 from, BranchKind kind = BranchKind::kJcc) {
    lbr.push(branch(from, from + 0x100, time += 10, kind));
  }
  /// FROMs newest first.
  std::vector<u64> froms() {
    std::vector<u64> all;
    for (const Entry& e : lbr.entries()) all.push_back(e.from);
    return all;
  }

  Lbr lbr;
  MsrBus bus;
  u64 time = 0;
};

}  // namespace lastbranch::lbr
