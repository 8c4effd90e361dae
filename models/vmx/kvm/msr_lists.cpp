#include "models/vmx/kvm/msr_lists.h"

#include <algorithm>

namespace lastbranch::kvm {
namespace {

constexpr unsigned kListedGp = 8;

/// A bank of registers that the list names.
struct Listed {
  u32 first;
  unsigned count;
  enum Trim : u8 { kNone, kGp, kFixed } trim;  ///< as many as KVM has counters
  KernelSet kernels;
};

constexpr Listed kListed[] = {
    {msr::kFixed0, 3, Listed::kFixed, kAllKernels},
    {msr::kFixedCtrCtrl, 3, Listed::kNone, kAllKernels},
    {msr::kOvfCtrl, 1, Listed::kNone, k61},
    {msr::kPmc0, kListedGp, Listed::kGp, kAllKernels},
    {msr::kEvtsel0, kListedGp, Listed::kGp, kAllKernels},
    {msr::kPebsEnable, 2, Listed::kNone, kAllKernels},
    {msr::kDsArea, 1, Listed::kNone, kAllKernels},
    {msr::kAmdEvtsel0, 8, Listed::kNone, kAllKernels},
    {msr::kAmdCtl0, 12, Listed::kNone, ~kLate},
    {msr::kPerfCapabilities, 1, Listed::kNone, kAllKernels},
    {msr::kDebugctl, 1, Listed::kNone, k73},
    {msr::kLastBranchFrom, 4, Listed::kNone, k73},
};

unsigned length(const Listed& row, const ModuleState& module) {
  if (row.trim == Listed::kGp) return std::min(row.count, module.num_gp);
  if (row.trim == Listed::kFixed) return std::min(row.count, module.num_fixed);
  return row.count;
}

}  // namespace

bool is_advertised(const Op& op, u32 index) {
  return std::ranges::any_of(kListed, [&](const Listed& row) {
    return row.kernels.contains(op.host.kernel) && index >= row.first &&
           index - row.first < length(row, op.module);
  });
}

std::vector<u32> msr_index_list(const HostState& host, const ModuleState& module) {
  std::vector<u32> list;
  for (const Listed& row : kListed)
    if (row.kernels.contains(host.kernel))
      for (u32 i = 0; i < length(row, module); ++i) list.push_back(row.first + i);
  std::ranges::sort(list);
  return list;
}

std::vector<u32> feature_msr_index_list() {
  return {msr::kPerfCapabilities};
}

}  // namespace lastbranch::kvm
