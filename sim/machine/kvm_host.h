#pragma once
// A host for the KVM model from a microarchitecture's record: what its CPUID and registers say, and what
// Linux perf knows of it; and the names of the registers that KVM answers for.
//
// Modelled: perf's view as its drivers set it up at boot; its probe of the LBR registers is kvm::Host's. Not:
// what a user of the host does with them later (fields of the state). Sources: kvm-lbr-semantics.md, "Host
// side: the perf facade"; Linux 6.12 arch/x86/events/intel (core.c, ds.c, lbr.c) for what perf takes from
// CPUID and which parts have EPT-friendly PEBS; SDM vol. 4 for names.
#include <string>
#include <string_view>
#include <vector>

#include "models/cpu/uarch/uarch.h"
#include "models/vmx/kvm/kvm.h"

namespace lastbranch {

/// What KVM and host perf find on that part, on bare metal; the kernel is the model's standard one. Perf has
/// its Intel code and trusts the LBR registers.
[[nodiscard]] kvm::HostState host_state_of(const cpu::Uarch& part);
/// The same by the part's name. Throws Error that lists the known ones.
[[nodiscard]] kvm::HostState host_state_of(std::string_view uarch);

/// Number of the register of that name on a host whose records are where `perf` says: the manual's name or
/// the short one of `lastbranch kvm`, in any case of letters ("IA32_DEBUGCTL", "debugctl", "IA32_PMC3",
/// "MSR_LASTBRANCH_31_TO_IP"). Throws Error.
[[nodiscard]] u32 kvm_msr(std::string_view name, const kvm::PerfLbr& perf);
/// The manual's name; in hexadecimal where none is known here.
[[nodiscard]] std::string kvm_msr_name(u32 index, const kvm::PerfLbr& perf);
/// The short one, with the same exception.
[[nodiscard]] std::string kvm_msr_brief(u32 index, const kvm::PerfLbr& perf);

}  // namespace lastbranch
