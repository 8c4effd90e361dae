// The version 6 addresses of the counters: four registers for each, of which the PMU has the counter and the
// select; CFG_B is reserved, CFG_C belongs to architectural PEBS.
// Source: Linux 6.12 arch/x86/include/asm/msr-index.h.
#include <array>
#include <string_view>

#include "models/pmu/pmu.h"
#include "models/pmu/pmu_rows.h"

namespace lastbranch::pmu {
namespace {

constexpr u32 kGeneralBase = 0x1900;
constexpr u32 kFixedBase = 0x1980;
constexpr u32 kStride = 4;
constexpr u32 kCounter = 0;
constexpr u32 kConfigA = 1;

constexpr std::array<std::string_view, 10> kGpNames = {
    "IA32_PMC_GP0_CTR", "IA32_PMC_GP1_CTR", "IA32_PMC_GP2_CTR", "IA32_PMC_GP3_CTR", "IA32_PMC_GP4_CTR",
    "IA32_PMC_GP5_CTR", "IA32_PMC_GP6_CTR", "IA32_PMC_GP7_CTR", "IA32_PMC_GP8_CTR", "IA32_PMC_GP9_CTR"};
constexpr std::array<std::string_view, 10> kSelectNames = {
    "IA32_PMC_GP0_CFG_A", "IA32_PMC_GP1_CFG_A", "IA32_PMC_GP2_CFG_A", "IA32_PMC_GP3_CFG_A",
    "IA32_PMC_GP4_CFG_A", "IA32_PMC_GP5_CFG_A", "IA32_PMC_GP6_CFG_A", "IA32_PMC_GP7_CFG_A",
    "IA32_PMC_GP8_CFG_A", "IA32_PMC_GP9_CFG_A"};
constexpr std::array<std::string_view, 7> kFixedNames = {
    "IA32_PMC_FX0_CTR", "IA32_PMC_FX1_CTR", "IA32_PMC_FX2_CTR", "IA32_PMC_FX3_CTR",
    "IA32_PMC_FX4_CTR", "IA32_PMC_FX5_CTR", "IA32_PMC_FX6_CTR"};

}  // namespace

template <u32 N>
MsrDef PmuRows::gp_alias(u64 mask) {
  return {.index = kGeneralBase + kStride * N + kCounter,
          .name = kGpNames[N],
          .writable = mask,
          .read = [](const void* self, u32) { return read_gp(self, N); },
          .write = [](void* self, u32, u64 value) { return write_gp(self, N, value); }};
}

template <u32 N>
MsrDef PmuRows::select_alias(u64 bits) {
  return {.index = kGeneralBase + kStride * N + kConfigA,
          .name = kSelectNames[N],
          .writable = bits,
          .read = [](const void* self, u32) { return read_select(self, N); },
          .write = [](void* self, u32, u64 value) { return write_select(self, N, value); }};
}

template <u32 I>
MsrDef PmuRows::fixed_alias(u64 mask) {
  return {.index = kFixedBase + kStride * I + kCounter,
          .name = kFixedNames[I],
          .writable = mask,
          .read = [](const void* self, u32) { return read_fixed(self, I); },
          .write = [](void* self, u32, u64 value) { return write_fixed(self, I, value); }};
}

void PmuRows::aliases(const Pmu& pmu, std::vector<MsrDef>& rows) {
  [&]<u32... N>(std::integer_sequence<u32, N...>) {
    const auto add = [&]<u32 M>() {
      if (M >= pmu.gp_.size() || !has_gp(&pmu, M)) return;
      rows.push_back(gp_alias<M>(pmu.gp_[M].mask()));
      rows.push_back(select_alias<M>(pmu.evtsel_bits(M)));
    };
    (add.template operator()<N>(), ...);
  }
  (std::make_integer_sequence<u32, kGpNames.size()>());
  [&]<u32... I>(std::integer_sequence<u32, I...>) {
    const auto add = [&]<u32 M>() {
      if (M < pmu.fixed_.size() && has_fixed(&pmu, M)) rows.push_back(fixed_alias<M>(pmu.fixed_[M].mask()));
    };
    (add.template operator()<I>(), ...);
  }
  (std::make_integer_sequence<u32, kFixedNames.size()>());
}

}  // namespace lastbranch::pmu
