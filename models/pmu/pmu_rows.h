#pragma once
// The PMU's registers as rows: which of them a part has, their bits, and what reading and writing them does.
#include <vector>

#include "sim/base/msr.h"
#include "sim/base/pmu_params.h"
#include "sim/base/units.h"

namespace lastbranch::pmu {

class Pmu;

struct PmuRows {
  /// The rows of `pmu`'s part; their functions take it as `self`.
  [[nodiscard]] static std::vector<MsrDef> make(const Pmu& pmu);
  /// IA32_MISC_ENABLE after RESET: fast strings, what monitoring there is, nothing else.
  [[nodiscard]] static u64 misc_enable_reset(const PmuParams& params);

 private:
  static void counters(const Pmu& pmu, std::vector<MsrDef>& rows);
  static void global(const Pmu& pmu, std::vector<MsrDef>& rows);
  static void others(const Pmu& pmu, std::vector<MsrDef>& rows);
  static void aliases(const Pmu& pmu, std::vector<MsrDef>& rows);

  static bool has_gp(const void* self, u32 n);
  static bool has_fixed(const void* self, u32 i);
  static u64 read_gp(const void* self, u32 n);
  static u64 read_fixed(const void* self, u32 i);
  static u64 read_select(const void* self, u32 n);
  static MsrFault write_gp(void* self, u32 n, u64 value);
  static MsrFault write_gp_legacy(void* self, u32 n, u64 value);
  static MsrFault write_fixed(void* self, u32 i, u64 value);
  static MsrFault write_select(void* self, u32 n, u64 value);
  static MsrFault write_fixed_ctrl(void* self, u32 i, u64 value);
  static MsrFault write_global_ctrl(void* self, u32 i, u64 value);
  static MsrFault write_status_reset(void* self, u32 i, u64 value);
  static MsrFault write_status_set(void* self, u32 i, u64 value);

  template <u32 N>
  static MsrDef gp_alias(u64 mask);
  template <u32 N>
  static MsrDef select_alias(u64 bits);
  template <u32 I>
  static MsrDef fixed_alias(u64 mask);
};

}  // namespace lastbranch::pmu
