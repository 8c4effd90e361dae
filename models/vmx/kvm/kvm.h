#pragma once
// KVM as a library: a host with its kernel, VMs, vCPUs, and the ioctls and guest instructions that concern
// PERF_CAPABILITIES, DEBUGCTL, the LBRs and the vPMU. Shaped like /dev/kvm.
// Modelled: what user space and the guest get back, and why: trace() names the rules that decided.
// Not modelled: the guest's code itself (a vCPU that runs executes on a hart, which the machine provides).
// Source: kvm-lbr-semantics.md, all sections.
#include <memory>
#include <span>

#include "models/vmx/kvm/event_filter.h"
#include "models/vmx/kvm/hardware.h"
#include "models/vmx/kvm/user_abi.h"

namespace lastbranch::kvm {

struct MsrEntry {
  u32 index = 0;
  u64 value = 0;
};

/// A guest's access: a value, or #GP(0).
struct GuestAnswer {
  bool gp = false;
  u64 value = 0;
  int code = 0;  ///< KVM's own: 0, or one of Code
};

/// What vmcs12 asks for, beside its IA32_DEBUGCTL.
struct NestedEntry {
  bool loads_debugctl = true;  ///< entry control "load debug controls"
  bool saves_debugctl = true;  ///< exit control "save debug controls"
  bool dr7_valid = true;       ///< bits 63:32 of vmcs12's DR7 are 0
  bool fresh = true;  ///< VMLAUNCH or VMRESUME of L1; false: nested state that user space has restored
};

class Vm;
class Vcpu;

/// A machine with kvm and kvm_intel loaded.
class Host {
 public:
  /// Boots: perf probes the LBR registers, which matters where the host is itself a guest, and the modules
  /// are loaded; the trace has the rules of both. `hardware`: the CPU's registers, which must outlive the
  /// vCPUs; nullptr: the host's own, which keep what is written.
  explicit Host(HostState state = {}, ModuleParams params = {}, HardwareMsrs* hardware = nullptr);
  Host(const Host&) = delete;
  Host& operator=(const Host&) = delete;

  HostState state;
  ModuleState module;

  /// The CPU's registers.
  [[nodiscard]] HardwareMsrs& hardware() { return *hardware_; }
  /// Loads the modules again: after a change of `state` that a booted kernel would not have seen.
  void reload();
  /// Calls perf's function of that name with a caller's `record`: the kernel's return value, 0 where it has
  /// none.
  int x86_perf_get_lbr(LbrRecordSet& record);
  [[nodiscard]] u64 supported_perf_capabilities();
  /// KVM_GET_MSRS on /dev/kvm: how many were read.
  int get_feature_msrs(std::span<MsrEntry> entries);
  [[nodiscard]] std::vector<u32> msr_index_list() const;
  [[nodiscard]] std::vector<u32> feature_msr_index_list() const;
  [[nodiscard]] GuestCpuid supported_cpuid();
  /// The VM must not outlive the host.
  [[nodiscard]] std::unique_ptr<Vm> create_vm();
  /// What decided the last call, in words, one line a rule; at first, the boot.
  [[nodiscard]] std::vector<std::string> trace() const { return trace_.words(); }
  [[nodiscard]] const Trace& rules() const { return trace_; }

 private:
  StoredMsrs own_;
  HardwareMsrs* hardware_;
  Trace trace_;
};

class Vm {
 public:
  explicit Vm(Host& host) : host_(host) {}
  Vm(const Vm&) = delete;
  Vm& operator=(const Vm&) = delete;

  VmState state;

  /// KVM_CHECK_EXTENSION of KVM_CAP_PMU_CAPABILITY: the flags that can be enabled.
  [[nodiscard]] u64 check_pmu_capability() const;
  /// KVM_ENABLE_CAP: 0 or -EINVAL.
  int enable_pmu_capability(u64 flags);
  /// KVM_SET_PMU_EVENT_FILTER: 0, -EINVAL or -E2BIG.
  int set_event_filter(const EventFilter& filter);
  [[nodiscard]] std::unique_ptr<Vcpu> create_vcpu();
  [[nodiscard]] std::unique_ptr<Vcpu> create_vcpu(const GuestCpuid& cpuid);
  [[nodiscard]] Host& host() { return host_; }
  /// What decided the last call, in words, one line a rule.
  [[nodiscard]] std::vector<std::string> trace() const { return trace_.words(); }
  [[nodiscard]] const Trace& rules() const { return trace_; }

 private:
  Host& host_;
  Trace trace_;
};

class Vcpu {
 public:
  explicit Vcpu(Vm& vm);
  Vcpu(const Vcpu&) = delete;
  Vcpu& operator=(const Vcpu&) = delete;

  VcpuState state;

  /// KVM_SET_CPUID2: 0 or a negative errno.
  int set_cpuid(const GuestCpuid& cpuid);
  /// KVM_SET_MSRS: how many were processed, or -E2BIG.
  int set_msrs(std::span<const MsrEntry> entries);
  /// KVM_GET_MSRS: how many were processed; those have their values.
  int get_msrs(std::span<MsrEntry> entries);
  int set_msr(u32 index, u64 value);  ///< one entry; its code, 0 if it was taken
  GuestAnswer get_msr(u32 index);

  GuestAnswer guest_wrmsr(u32 index, u64 value);
  GuestAnswer guest_rdmsr(u32 index);
  GuestAnswer rdpmc(u32 ecx);
  /// Events that the guest's code causes.
  void count(u8 event, u8 umask, u64 n);

  /// KVM_RUN up to the entry: CPUID and feature MSRs are fixed from now on, LBRs passed through or
  /// intercepted.
  void enter();
  /// The vCPU's time slice ends and the next begins.
  void next_slice();
  void pmi();
  void reset();
  void init();

  /// A guest hypervisor enters L2: vmcs12's IA32_DEBUGCTL is `state.vmcs12_debugctl`. 0, or -EINVAL: the
  /// entry's check fails, nothing has changed. Otherwise L2 runs with what its VMCS has then.
  int nested_enter(const NestedEntry& entry);
  /// L2 exits to L1. Nothing where no L2 runs.
  void nested_exit();

  /// From now on the vCPU runs on that CPU, which must outlive it or be replaced. Returns the one before.
  HardwareMsrs& attach(HardwareMsrs& hardware);

  /// What decided the last call, in words, one line a rule; of a list of registers, the rules of each entry.
  [[nodiscard]] std::vector<std::string> trace() const { return trace_.words(); }
  [[nodiscard]] const Trace& rules() const { return trace_; }
  /// The last call's operation, of a list that of its last entry; `did` is what the whole call did: log
  /// lines, warnings, events made.
  [[nodiscard]] const Op& last() const { return op_; }
  [[nodiscard]] Op& operation() { return op_; }
  /// Whether the guest's access of `index` reaches the CPU without an exit.
  [[nodiscard]] bool passes_through(u32 index) const;

 private:
  /// For a new call.
  Op& fresh();
  /// For the next entry of a list: what has been done and the trace stay.
  Op& next();
  int write(Op& op, Who who, u32 index, u64 value);
  GuestAnswer read(Op& op, Who who, u32 index);

  Trace trace_;
  Op op_;
};

}  // namespace lastbranch::kvm
