#pragma once
// KVM's state as plain structs with standard values: what a test, the vector check or Python sets directly.
// Modelled: what decides the answers for PERF_CAPABILITIES, DEBUGCTL, the LBR and vPMU registers.
// Not modelled: scheduling by host perf (its outcome, the event's state, is a field), printk rate limits, the
// user-space MSR filter, the mediated vPMU's context switches.
// Source: kvm-lbr-semantics.md, "Host side: the perf facade" to "Userspace ABI".
#include <algorithm>
#include <array>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "models/vmx/kvm/kernels.h"

namespace lastbranch::kvm {

inline constexpr unsigned kMaxGp = 32;       ///< counters a table of this model can hold
inline constexpr unsigned kMaxFixed = 3;     ///< fixed counters KVM offers at most
inline constexpr unsigned kMaxRecords = 32;  ///< last-branch records of any part
inline constexpr unsigned kVlbrIndex = 58;   ///< the counter index that stands for the guest's LBR event

/// Kernel error numbers that cross the user ABI.
inline constexpr int kEinval = 22;
inline constexpr int kE2big = 7;

/// What an MSR access answers: 0 or one of these; -22 where user space sees -EINVAL.
enum Code : int { kOk = 0, kInvalid = 1, kUnsupported = 2, kEinvalCode = -kEinval };

enum class Who : u8 { kGuest, kHost };  ///< the guest's instruction, or user space by ioctl

/// One record of perf's facade: what x86_perf_get_lbr hands to KVM.
struct LbrRecordSet {
  unsigned nr = 0;
  u32 from = 0, to = 0, info = 0;
  bool has_callstack = false;
  bool operator==(const LbrRecordSet&) const = default;
};

/// What host perf knows of the LBRs after its probe.
struct PerfLbr {
  unsigned nr = 32;
  u32 from = 0x680, to = 0x6c0, info = 0xdc0;
  unsigned format = 5;
  bool has_callstack = true;
  bool has_select = true;
};

struct HostState {
  Kernel kernel = Kernel::kS8;
  bool vmx = true;          ///< false: SVM
  bool hypervisor = false;  ///< CPUID's HYPERVISOR bit: the host itself runs as a guest
  bool perf_built = true;   ///< perf's Intel code is built; false: the inline stub
  PerfLbr perf{};
  bool pdcm = true;
  u64 perf_capabilities = 0x32c5;  ///< the host's MSR 345H on the current CPU
  bool arch_lbr = false;
  bool pebs_feature = false;  ///< X86_FEATURE_PEBS
  bool pebs_ept = false;      ///< perf can let guests use PEBS with EPT
  bool hybrid = false;
  bool bus_lock_detect = false;
  bool rtm = false, hle = false;
  bool pt_host_guest = false;  ///< kvm_intel's pt_mode is host-guest
  unsigned pmu_version = 5;
  unsigned num_gp = 8, num_fixed = 3, gp_width = 48, fixed_width = 48;
  unsigned num_events = 7;     ///< architectural events CPUID 0AH enumerates
  u32 unavailable_events = 0;  ///< CPUID.0AH:EBX
  u32 leaf1_eax = 0x000506e3;  ///< family, model, stepping; the model is what KVM compares
  u64 debugctl = 0;            ///< snapshot KVM took of the host's IA32_DEBUGCTL

  [[nodiscard]] bool freeze_in_smm() const { return ((debugctl >> 14) & 1) != 0; }
};

/// Parameters of the modules kvm and kvm_intel.
struct ModuleParams {
  bool enable_pmu = true;
  bool ignore_msrs = false;
  bool report_ignored_msrs = true;
  bool mediated_pmu = false;  ///< 7.x
};

/// KVM's module-wide state, made by module_init().
struct ModuleState {
  ModuleParams params;
  bool enable_pmu = true;  ///< the parameter, unless the host has no usable PMU
  unsigned version = 0, num_gp = 0, num_fixed = 0, gp_width = 0, fixed_width = 0, num_events = 0;
  u32 unavailable_events = 0;
  u64 supported_perf_cap = 0;  ///< as of module init; kernels before patch 5 compute it on use
  LbrRecordSet lbr;            ///< as of module init; used since 6.12
};

/// The guest's CPUID as far as KVM looks at it here.
struct GuestCpuid {
  bool present = false;  ///< KVM_SET_CPUID2 has been called with leaf 1
  u32 leaf1_eax = 0, leaf1_ecx = 0, leaf1_edx = 0, leaf7_ebx = 0, leaf7_ecx = 0;
  bool has_leaf_0a = false;
  u32 leaf0a_eax = 0, leaf0a_ebx = 0, leaf0a_edx = 0;
  bool operator==(const GuestCpuid&) const = default;

  [[nodiscard]] bool pdcm() const { return ((leaf1_ecx >> 15) & 1) != 0; }
  [[nodiscard]] bool dtes64() const { return ((leaf1_ecx >> 2) & 1) != 0; }
  [[nodiscard]] bool ds() const { return ((leaf1_edx >> 21) & 1) != 0; }
  [[nodiscard]] bool rtm() const { return ((leaf7_ebx >> 11) & 1) != 0; }
  [[nodiscard]] bool pt() const { return ((leaf7_ebx >> 25) & 1) != 0; }
  [[nodiscard]] bool bus_lock_detect() const { return ((leaf7_ecx >> 24) & 1) != 0; }

  void set_pdcm(bool on) { leaf1_ecx = (leaf1_ecx & ~(1u << 15)) | (u32{on} << 15); }
  void set_dtes64(bool on) { leaf1_ecx = (leaf1_ecx & ~(1u << 2)) | (u32{on} << 2); }
  void set_ds(bool on) { leaf1_edx = (leaf1_edx & ~(1u << 21)) | (u32{on} << 21); }
  void set_rtm(bool on) { leaf7_ebx = (leaf7_ebx & ~(1u << 11)) | (u32{on} << 11); }
  void set_bus_lock_detect(bool on) { leaf7_ecx = (leaf7_ecx & ~(1u << 24)) | (u32{on} << 24); }
  /// Leaf 0AH as a hypervisor would give it.
  void set_pmu(unsigned version, unsigned gp, unsigned fixed, unsigned width = 48, unsigned events = 7);
};

/// Model of leaf 1's EAX with the extended part: what KVM compares between guest and host.
[[nodiscard]] constexpr unsigned cpu_model(u32 leaf1_eax) {
  return ((leaf1_eax >> 4) & 0xf) | ((leaf1_eax >> 12) & 0xf0);
}

/// KVM_SET_PMU_EVENT_FILTER.
struct EventFilter {
  enum Action : u32 { kAllow = 0, kDeny = 1 };
  u32 action = kDeny;
  u32 flags = 0;  ///< bit 0: masked events
  u32 fixed_counter_bitmap = 0;
  std::vector<u64> events = {};
};

struct VmState {
  bool pmu_enabled = true;  ///< false after KVM_CAP_PMU_CAPABILITY with KVM_PMU_CAP_DISABLE
  bool in_kernel_apic = true;
  bool stuff_feature_msrs = true;   ///< quirk STUFF_FEATURE_MSRS (since 6.12.117)
  bool allow_freeze_in_smm = true;  ///< quirk VMCS12_ALLOW_FREEZE_IN_SMM
  bool has_vcpu = false;
  std::optional<EventFilter> filter;
};

/// State of the perf event that stands for the guest's use of the LBRs.
enum class EventState : i8 { kError = -2, kOff = -1, kInactive = 0, kActive = 1 };

struct Counter {
  u64 value = 0;
  u64 select = 0;  ///< general counters only
};

/// The vPMU after its refresh, and its registers. A set bit of a `_rsvd` mask is reserved.
struct VpmuState {
  unsigned version = 0, nr_gp = 0, nr_fixed = 0;  ///< counters that there are: use gp_count(), fixed_count()
  u64 gp_bitmask = 0, fixed_bitmask = 0;
  u64 available_event_types = 0;
  u64 global_ctrl_rsvd = ~u64{0}, global_status_rsvd = ~u64{0}, fixed_ctr_ctrl_rsvd = ~u64{0};
  u64 eventsel_rsvd = 0xffffffff00200000, raw_event_mask = 0xff84ffff;
  u64 pebs_enable_rsvd = ~u64{0}, pebs_data_cfg_rsvd = ~u64{0};
  u64 valid_pmc_bitmap = 0;

  u64 global_ctrl = 0, global_status = 0, fixed_ctr_ctrl = 0, pebs_enable = 0, pebs_data_cfg = 0, ds_area = 0;
  std::array<Counter, kMaxGp> gp{};
  std::array<Counter, kMaxFixed> fixed{};
  u64 in_use = 0;            ///< pmc_in_use: bit per counter, bit 58 for the LBRs
  u64 events = 0;            ///< counters that have a perf event, as the bits of in_use
  unsigned event_count = 0;  ///< perf events of this vCPU, the LBR's included
  bool need_cleanup = false;

  /// The numbers of counters, which whoever sets the state may have made larger than it can hold.
  [[nodiscard]] unsigned gp_count() const { return std::min(nr_gp, kMaxGp); }
  [[nodiscard]] unsigned fixed_count() const { return std::min(nr_fixed, kMaxFixed); }
};

struct VcpuState {
  GuestCpuid cpuid;
  bool has_run = false;
  u64 perf_capabilities = 0;  ///< the stored value of MSR 345H
  LbrRecordSet lbr;           ///< nr != 0: the vCPU has been given the LBRs
  bool lbr_event = false;
  EventState event_state = EventState::kActive;  ///< of the event that exists, and of the next one
  int event_create_errno = 0;                    ///< != 0: perf refuses the next event
  bool lbr_passthrough = false;
  u64 vmcs_debugctl = 0;  ///< the running VMCS's GUEST_IA32_DEBUGCTL, the host's bit 14 included
  bool in_l2 = false;
  bool vmcs12_saves_debugctl = false;
  u64 vmcs12_debugctl = 0;
  unsigned cpl = 0;
  bool cr4_pce = false, cr0_pe = true;
  VpmuState pmu;
};

}  // namespace lastbranch::kvm
