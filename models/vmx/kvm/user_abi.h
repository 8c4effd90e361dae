#pragma once
// User space's ioctls around the registers: CPUID, capabilities of the VM, how far a list of MSRs is
// processed. Results are the ioctl's: 0 or a count, or a negative errno. Source: kvm-lbr-semantics.md,
// "Userspace ABI", "Capability clamp".
#include "models/vmx/kvm/op.h"

namespace lastbranch::kvm {

inline constexpr u64 kPmuCapDisable = 1;   ///< KVM_PMU_CAP_DISABLE
inline constexpr unsigned kMaxMsrs = 256;  ///< entries of one KVM_SET_MSRS or KVM_GET_MSRS, and one more

/// kvm_intel's load: fills the module's state from its parameters and the host.
void module_init(Op& op, ModuleState& module);
/// A vCPU after KVM_CREATE_VCPU: no CPUID yet.
void create_vcpu(Op& op);
/// KVM_SET_CPUID2.
int set_cpuid(Op& op, const GuestCpuid& cpuid);
/// KVM_ENABLE_CAP with KVM_CAP_PMU_CAPABILITY; `vm` is op.vm.
int enable_pmu_cap(Op& op, u64 flags);
/// KVM_CHECK_EXTENSION of it.
[[nodiscard]] u64 check_pmu_cap(const ModuleState& module);
/// Whether a list of `count` MSRs is taken: 0 or -E2BIG.
int check_msr_count(Op& op, std::size_t count);
/// Leaves 1 (PDCM, DTES64, DS), 7 and 0AH of KVM_GET_SUPPORTED_CPUID.
[[nodiscard]] GuestCpuid supported_cpuid(Op& op);

}  // namespace lastbranch::kvm
