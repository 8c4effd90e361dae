// PEBS's registers: which a part has, which of their bits exist, what they refuse.
#include <algorithm>
#include <string_view>
#include <utility>

#include "models/pmu/pebs.h"
#include "models/pmu/pebs_bits.h"
#include "models/pmu/pebs_frontend.h"

namespace lastbranch::pmu {

/// The functions of the rows.
struct PebsMsrs {
  static const Pebs& self(const void* pebs) { return *static_cast<const Pebs*>(pebs); }
  static Pebs& self(void* pebs) { return *static_cast<Pebs*>(pebs); }

  /// A register that is one member, and takes any value of its writable bits.
  template <auto Member>
  static MsrDef plain(u32 index, std::string_view name, u64 writable) {
    return {.index = index,
            .name = name,
            .writable = writable,
            .read = [](const void* pebs, u32) { return self(pebs).*Member; },
            .write =
                [](void* pebs, u32, u64 value) {
                  self(pebs).*Member = value;
                  return MsrFault::kNone;
                }};
  }
  /// A bank of them.
  template <auto Member>
  static MsrDef bank(u32 index, u32 count, std::string_view name, u64 writable) {
    return {.index = index,
            .count = count,
            .name = name,
            .writable = writable,
            .read = [](const void* pebs, u32 i) { return (self(pebs).*Member).at(i); },
            .write =
                [](void* pebs, u32 i, u64 value) {
                  (self(pebs).*Member).at(i) = value;
                  return MsrFault::kNone;
                }};
  }

  static MsrFault write_enable(void* pebs, u32, u64 value) {
    if (PebsOutput::get(value) > kOutputTrace) return MsrFault::kValue;
    Pebs& p = self(pebs);
    p.enable_ = value;
    p.armed_ &= p.enabled();
    return MsrFault::kNone;
  }

  template <CounterBit Counter>
  static MsrDef config_c(u32 index, std::string_view name, u64 writable) {
    return {.index = index,
            .name = name,
            .writable = writable,
            .read = [](const void* pebs, u32) { return self(pebs).config_c(Counter); },
            .write =
                [](void* pebs, u32, u64 value) {
                  Pebs& p = self(pebs);
                  p.config_c(Counter) = value;
                  p.armed_ &= p.enabled();
                  return MsrFault::kNone;
                }};
  }
};

namespace {

constexpr std::array<std::string_view, 16> kGpNames = {
    "IA32_PMC_GP0_CFG_C",  "IA32_PMC_GP1_CFG_C",  "IA32_PMC_GP2_CFG_C",  "IA32_PMC_GP3_CFG_C",
    "IA32_PMC_GP4_CFG_C",  "IA32_PMC_GP5_CFG_C",  "IA32_PMC_GP6_CFG_C",  "IA32_PMC_GP7_CFG_C",
    "IA32_PMC_GP8_CFG_C",  "IA32_PMC_GP9_CFG_C",  "IA32_PMC_GP10_CFG_C", "IA32_PMC_GP11_CFG_C",
    "IA32_PMC_GP12_CFG_C", "IA32_PMC_GP13_CFG_C", "IA32_PMC_GP14_CFG_C", "IA32_PMC_GP15_CFG_C"};
constexpr std::array<std::string_view, 8> kFixedNames = {
    "IA32_PMC_FX0_CFG_C", "IA32_PMC_FX1_CFG_C", "IA32_PMC_FX2_CFG_C", "IA32_PMC_FX3_CFG_C",
    "IA32_PMC_FX4_CFG_C", "IA32_PMC_FX5_CFG_C", "IA32_PMC_FX6_CFG_C", "IA32_PMC_FX7_CFG_C"};

constexpr u64 ones(unsigned width) {
  return width >= 64 ? ~u64{0} : bit(width) - 1;
}

}  // namespace

void Pebs::build_rows() {
  using Msrs = PebsMsrs;
  const auto add = [this](const MsrDef& row) { rows_.push_back(row); };
  if (params_.load_latency) add(Msrs::plain<&Pebs::threshold_>(0x3f6, "MSR_PEBS_LD_LAT_THRESHOLD", 0xffff));
  if (params_.frontend_msr) {
    add(Msrs::plain<&Pebs::frontend_>(0x3f7, "MSR_PEBS_FRONTEND", frontend_writable(params_.events)));
  }
  if (params_.pebs_counters == 0) return;
  if (options_.architectural != 0) {
    build_arch_rows();
    return;
  }
  const bool trace = (params_.perf_capabilities & kCapOutputTrace) != 0;
  add({.index = 0x3f1,
       .name = "IA32_PEBS_ENABLE",
       .writable = params_.pebs_counters | params_.pebs_enable_extra |
                   (trace ? PebsOutput::kMask | kPmiAfterEach : 0),
       .read = [](const void* pebs, u32) { return static_cast<const Pebs*>(pebs)->enable_; },
       .write = Msrs::write_enable});
  if (params_.pebs_format >= 4 && (params_.perf_capabilities & kCapBaseline) != 0) {
    const u64 groups = params_.pebs_format >= 6 ? data_cfg::kGroups6 : data_cfg::kGroups4;
    add(Msrs::plain<&Pebs::data_config_>(0x3f2, "MSR_PEBS_DATA_CFG", groups));
  }
  if (!trace) return;
  const u32 gp = std::min(params_.gp_counters, kMaxGp);
  const u32 fixed = std::min(params_.fixed_counters, kMaxFixed);
  if (gp != 0) {
    add(Msrs::bank<&Pebs::gp_reload_>(0x14c1, gp, "MSR_RELOAD_PMC#", ones(params_.gp_width)));
  }
  if (fixed != 0) {
    add(Msrs::bank<&Pebs::fixed_reload_>(0x1309, fixed, "MSR_RELOAD_FIXED_CTR#", ones(params_.fixed_width)));
  }
}

void Pebs::build_arch_rows() {
  constexpr u64 kBaseBits = Field<51, 12>::kMask | Field<4, 0>::kMask;
  constexpr u64 kIndexBits = Field<26, 4>::kMask | Field<32, 31>::kMask | Field<58, 36>::kMask;
  rows_.push_back(PebsMsrs::plain<&Pebs::base_>(0x3f4, "IA32_PEBS_BASE", kBaseBits));
  rows_.push_back(PebsMsrs::plain<&Pebs::index_>(0x3f5, "IA32_PEBS_INDEX", kIndexBits));
  const u64 writable = u64{options_.architectural} << 32 | cfg_c::kEnable | cfg_c::kReload;
  [&]<std::size_t... N>(std::index_sequence<N...>) {
    const auto add = [&](unsigned n, const MsrDef& row) {
      if (((params_.pebs_counters >> n) & 1) != 0) rows_.push_back(row);
    };
    (add(N, PebsMsrs::config_c<N>(0x1903 + 4 * N, kGpNames[N], writable)), ...);
  }
  (std::make_index_sequence<kMaxGp>());
  [&]<std::size_t... I>(std::index_sequence<I...>) {
    const auto add = [&](unsigned n, const MsrDef& row) {
      if (((params_.pebs_counters >> (kFixed + n)) & 1) != 0) rows_.push_back(row);
    };
    (add(I, PebsMsrs::config_c<kFixed + I>(0x1983 + 4 * I, kFixedNames[I], writable)), ...);
  }
  (std::make_index_sequence<kMaxFixed>());
}

}  // namespace lastbranch::pmu
