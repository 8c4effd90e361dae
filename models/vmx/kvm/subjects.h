#pragma once
// What each subject's tables give the others. All of them take an Op; a code is 0 or one of Code.
// Source: kvm-lbr-semantics.md; each function names its section.
#include <span>

#include "models/vmx/kvm/op.h"

namespace lastbranch::kvm {

using RuleTables = std::span<const RuleTable* const>;

/// 1: perf's probe of the LBR registers at init: `lbr` loses its records or its filter.
void probe_lbr(Op& op, PerfLbr& lbr);

/// 1: x86_perf_get_lbr. `record` keeps what it held where the kernel does not write it; returns the kernel's
/// return value, 0 where it has none.
int x86_perf_get_lbr(Op& op, LbrRecordSet& record);

/// 2: enable_pmu after module init, and the capabilities KVM supports as computed now.
[[nodiscard]] bool effective_enable_pmu(Op& op);
[[nodiscard]] u64 compute_supported_caps(Op& op);
/// 2: the supported value as kernel `op.host.kernel` gets it, on use or from module init.
[[nodiscard]] u64 supported_caps(Op& op);
/// 2: KVM_GET_MSRS on the system descriptor: op.msr; the value is in op.value.
int feature_msr(Op& op);
/// 2: MSR 345H of a new vCPU.
[[nodiscard]] u64 initial_caps(Op& op);

/// 3: MSR 345H.
int write_perf_capabilities(Op& op);
int read_perf_capabilities(Op& op);
/// 3: what the vPMU goes by: the stored value if the guest has PDCM, else 0.
[[nodiscard]] u64 effective_caps(const Op& op);
[[nodiscard]] bool model_matches(const Op& op);

/// 3, 6: the vPMU's refresh.
void refresh_vpmu(Op& op);
/// 6.2: reserved masks; called by the refresh.
void refresh_masks(Op& op);
[[nodiscard]] inline bool vlbr_enabled(const Op& op) {
  return op.vcpu.lbr.nr != 0;
}

/// 4: DEBUGCTL.
[[nodiscard]] u64 supported_debugctl(Op& op);
/// 4.2, the first two steps: op.data against op.supported; leaves the value to be stored in op.data.
int filter_debugctl(Op& op);
int write_debugctl(Op& op);
int read_debugctl(Op& op);
/// The bits of DEBUGCTL that the host owns in this kernel, as the running value must have them.
[[nodiscard]] u64 host_owned_debugctl(const Op& op);

/// 5: LBR registers and the event behind them.
[[nodiscard]] bool is_lbr_msr(const Op& op);
int access_lbr_msr(Op& op);
int create_lbr_event(Op& op);
void release_lbr_event(Op& op);
/// `counters`, bits as of VpmuState::events, give their perf events back.
void release_counter_events(VpmuState& pmu, u64 counters);
void prepare_entry(Op& op);  ///< the hook before VM entry
void sched_in(Op& op);       ///< marks the cleanup
void slice_cleanup(Op& op);
void deliver_pmi(Op& op);

/// 6.3: vPMU registers. False: `op.msr` is none of this vCPU's now.
[[nodiscard]] bool is_vpmu_msr(const Op& op);
int access_vpmu_msr(Op& op);
int rdpmc(Op& op);

/// 4.5: nested entry. The check's code; 0 lets nested_load go on.
int nested_check(Op& op);
void nested_load(Op& op);
void nested_exit(Op& op);

/// 7: any MSR, by its subject; what user space's rules make of the answer included.
int access_msr(Op& op);

/// 4.4: RESET (`init` false) and INIT.
void reset_vcpu(Op& op, bool init);

RuleTables host_perf_tables();
RuleTables supported_caps_tables();
RuleTables perf_capabilities_tables();
RuleTables refresh_tables();
RuleTables debugctl_tables();
RuleTables lbr_msr_tables();
RuleTables lbr_event_tables();
RuleTables pmi_tables();
RuleTables vpmu_mask_tables();
RuleTables vpmu_msr_tables();
RuleTables rdpmc_tables();
RuleTables nested_tables();
RuleTables msr_access_tables();
RuleTables user_abi_tables();
RuleTables event_filter_tables();
RuleTables reset_tables();

}  // namespace lastbranch::kvm
