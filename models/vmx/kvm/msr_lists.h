#pragma once
// KVM_GET_MSR_INDEX_LIST and KVM_GET_MSR_FEATURE_INDEX_LIST, as far as they name registers of this model.
// The host is assumed to have every register that KVM probes for.
// Source: kvm-lbr-semantics.md, "KVM-supported PERF_CAPABILITIES", "Userspace ABI".
#include <vector>

#include "models/vmx/kvm/op.h"

namespace lastbranch::kvm {

/// Whether KVM_GET_MSR_INDEX_LIST names `index` on this host and kernel.
[[nodiscard]] bool is_advertised(const Op& op, u32 index);
/// All it names, ascending.
[[nodiscard]] std::vector<u32> msr_index_list(const HostState& host, const ModuleState& module);
/// Feature MSRs of this model: 345H, always.
[[nodiscard]] std::vector<u32> feature_msr_index_list();

}  // namespace lastbranch::kvm
