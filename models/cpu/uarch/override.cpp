#include "models/cpu/uarch/override.h"

#include <algorithm>
#include <bit>

#include "models/cpu/uarch/fields.h"
#include "models/cpu/uarch/monitoring.h"
#include "sim/base/error.h"

namespace lastbranch::cpu {
namespace {

constexpr u32 kLeafArchLbr = 0x1c;
constexpr u32 kLeafMonitoring = 0x23;

/// Bit n: 8 * (n + 1) records; every power of two up to `depth`.
u32 depths_up_to(unsigned depth) {
  u32 mask = 0;
  for (unsigned d = 8; d <= depth; d *= 2) mask |= 1u << (d / 8 - 1);
  return mask;
}

/// FROM and TO at 40H and 60H have room for eight records before other registers come; formats from 3 on were
/// never there.
void place_ring(LbrParams& lbr) {
  const bool low = lbr.from_base == 0x40 && lbr.depth <= 8 && lbr.format < LbrFormat::kFlags;
  lbr.from_base = low ? 0x40 : 0x680;
  lbr.to_base = low ? 0x60 : 0x6c0;
  lbr.info_base = 0xdc0;
}

void trim_pebs(Uarch& u) {
  const u64 general = (u64{1} << u.pmu.gp_counters) - 1;
  const u64 fixed = u64{u.pmu.fixed_bitmap != 0 ? u.pmu.fixed_bitmap : (1u << u.pmu.fixed_counters) - 1}
                    << 32;
  u.pmu.pebs_counters &= general | fixed;
  u.pmu.pdist_counters &= general | fixed;
}

}  // namespace

void set_frequency(Uarch& u, u64 value) {
  check_range("frequency_hz", value, 1'000'000, 10'000'000'000);
  u.frequency_hz = value;
}

void set_tsx(Uarch& u, u64 value) {
  check_range("tsx", value, 0, 1);
  constexpr IsaSet kTransactions = {Isa::kHle, Isa::kRtm};
  u.isa = value != 0 ? u.isa | kTransactions : u.isa - kTransactions;
  u.lbr.quirks.fmt4_tsx_disabled = value == 0 && u.lbr.format == LbrFormat::kFlagsTsx;
  u = complete(u);
}

void set_lbr_depth(Uarch& u, u64 value) {
  if (u.lbr.arch.depth_mask != 0) {
    if (value < 8 || value > 32 || !std::has_single_bit(value)) {
      throw Error("lbr_depth: expected 8, 16 or 32 architectural records, found {}", value);
    }
    u.lbr.depth = static_cast<unsigned>(value);
    u.lbr.arch.depth_mask = depths_up_to(u.lbr.depth);
    return;
  }
  if (value == 0 || value == 2 || value > 32 || !std::has_single_bit(value)) {
    throw Error("lbr_depth: expected 1, 4, 8, 16 or 32 records, found {}", value);
  }
  u.lbr.depth = static_cast<unsigned>(value);
  place_ring(u.lbr);
}

void set_lbr_format(Uarch& u, u64 value) {
  constexpr u64 kArchitectural = static_cast<u64>(LbrFormat::kNone);
  if (value > 7 && value != kArchitectural) {
    throw Error("lbr_format: expected 0 to 7, or {} for architectural LBRs, found {}", kArchitectural, value);
  }
  const bool was_arch = u.lbr.arch.depth_mask != 0;
  const bool arch = value == kArchitectural;
  if (arch && !was_arch) {
    LbrParams lbr = architectural_lbr(true);
    lbr.depth = std::max(8u, u.lbr.depth);
    lbr.arch.depth_mask = depths_up_to(lbr.depth);
    lbr.va_bits = u.lbr.va_bits;
    lbr.quirks = u.lbr.quirks;
    u.lbr = lbr;
    u.max_leaf = std::max(u.max_leaf, kLeafArchLbr);
  } else if (!arch && was_arch) {
    LbrParams lbr;
    lbr.depth = u.lbr.depth;
    lbr.select_mask = 0x3ff;
    lbr.has_call_stack = true;
    lbr.va_bits = u.lbr.va_bits;
    lbr.quirks = u.lbr.quirks;
    u.lbr = lbr;
  }
  u.lbr.format = static_cast<LbrFormat>(value);
  if (!arch) place_ring(u.lbr);
  u.lbr.quirks.fmt4_tsx_disabled = u.lbr.format == LbrFormat::kFlagsTsx && !has_tsx(u);
  u = complete(u);
}

void set_pmu_version(Uarch& u, u64 value) {
  check_range("pmu_version", value, 1, 6);
  PmuParams& p = u.pmu;
  p.version = static_cast<unsigned>(value);
  if (value == 1) p.fixed_counters = 0;
  if (value >= 5 && p.fixed_bitmap == 0) p.fixed_bitmap = (1u << p.fixed_counters) - 1;
  if (value < 5) p.fixed_bitmap = 0;
  p.any_thread_deprecated = value >= 5;
  p.any_thread = value == 3 || value == 4;
  p.leaf_23h = value >= 6;
  if (p.leaf_23h) u.max_leaf = std::max(u.max_leaf, kLeafMonitoring);
  u.leaves = {};
  trim_pebs(u);
  u = complete(u);
}

void set_gp_counters(Uarch& u, u64 value) {
  check_range("pmu_gp_counters", value, 1, 16);
  u.pmu.gp_counters = static_cast<unsigned>(value);
  u.pmu.gp_bitmap = 0;
  u.leaves.gp_counters.reset();
  trim_pebs(u);
}

void set_fixed_counters(Uarch& u, u64 value) {
  check_range("pmu_fixed_counters", value, 0, u.pmu.version == 1 ? 0 : 4);
  u.pmu.fixed_counters = static_cast<unsigned>(value);
  if (u.pmu.version >= 5) u.pmu.fixed_bitmap = (1u << u.pmu.fixed_counters) - 1;
  u.leaves.fixed_bitmap.reset();
  u.leaves.edx.reset();
  trim_pebs(u);
}

void set_pebs_format(Uarch& u, u64 value) {
  check_range("pebs_format", value, 0, 6);
  u.pmu.pebs_format = static_cast<unsigned>(value);
  if (u.pmu.perf_capabilities != 0) {
    u.pmu.perf_capabilities &= ~perfcap::kBaseline;
    if (value >= 4) u.pmu.perf_capabilities |= perfcap::kBaseline;
  }
  u = complete(u);
}

void set_ds_area(Uarch& u, u64 value) {
  check_range("ds_area", value, 0, 1);
  u.pmu.ds_area = value != 0;
  if (!u.pmu.ds_area) u.pmu.pebs_counters = 0;
  u = complete(u);
}

}  // namespace lastbranch::cpu
