#pragma once
// The registers through which software sees an Lbr: one set of MSR rows for parts with the legacy ring, one
// for architectural records.
#include <vector>

#include "sim/base/lbr_params.h"
#include "sim/base/msr.h"

namespace lastbranch::lbr {

class Lbr;

struct LegacyFace {
  struct Access;
  [[nodiscard]] static std::vector<MsrDef> rows(const LbrParams& params, u64 select_writable);
};

struct ArchFace {
  struct Access;
  [[nodiscard]] static std::vector<MsrDef> rows(const LbrParams& params);
};

/// IA32_DEBUGCTL, which both have.
[[nodiscard]] MsrDef debugctl_row(const LbrParams& params);

}  // namespace lastbranch::lbr
