#pragma once
// What KVM does about each VM exit of a vCPU, and what it injects before the next entry.
//
// Modelled: RDMSR, WRMSR and RDPMC by the model's rules, with #GP where it says so; registers that KVM has
// for every guest and the local APIC's few beside the model; CPUID; HLT; two debug ports; VMCALL; MOV CR4.
// Other VMX instructions raise #UD. What is left is for user space, which is not there: the run ends and
// names it. Sources: kvm-lbr-semantics.md, "WRMSR / RDMSR of PERF_CAPABILITIES" to "RDPMC"; Linux 6.1
// arch/x86/kvm/vmx/vmx.c (kvm_vmx_exit_handlers).
#include <functional>
#include <string>

#include "sim/machine/kvm_apic.h"
#include "sim/machine/kvm_counts.h"
#include "sim/machine/kvm_cpu.h"
#include "sim/machine/kvm_guest.h"

namespace lastbranch {

class KvmExits {
 public:
  KvmExits(KvmCpu& cpu, kvm::Vcpu& vcpu, KvmApic& apic, KvmCounts& counts,
           std::function<void(std::string_view)> output)
      : cpu_(cpu), vcpu_(vcpu), apic_(apic), counts_(counts), output_(std::move(output)) {}

  /// Deals with the exit that `exit` names. True: the run is over, `run` says how.
  bool handle(KvmExit& exit, KvmRun& run);
  /// Before an entry: the exception, NMI or interrupt that is due, or the wish to hear when it can be.
  void inject();
  /// Something is pending that ends HLT.
  [[nodiscard]] bool wakes() const;
  void reset();
  /// Instructions that KVM completed for the guest.
  [[nodiscard]] u64 completed() const { return completed_; }

 private:
  void read_msr(KvmExit& exit);
  void write_msr(KvmExit& exit);
  void rdpmc(KvmExit& exit);
  void cpuid(KvmExit& exit);
  bool io(KvmExit& exit, KvmRun& run);
  bool halt(KvmRun& run);
  bool control_register(KvmExit& exit, KvmRun& run);
  bool vmx_instruction(KvmExit& exit, KvmRun& run);

  /// The model's answer, with its rules.
  void take(KvmExit& exit, const kvm::GuestAnswer& answer);
  /// Completes the instruction, or injects #GP(0) at it.
  void finish(const KvmExit& exit);
  void skip();
  void exception(Vector vector, bool has_error);
  bool unhandled(KvmRun& run, std::string why);
  [[nodiscard]] u64& gpr(unsigned n) { return cpu_.processor.cpu().r[n]; }
  void set_edx_eax(u64 value);

  KvmCpu& cpu_;
  kvm::Vcpu& vcpu_;
  KvmApic& apic_;
  KvmCounts& counts_;
  std::function<void(std::string_view)> output_;
  u64 completed_ = 0;
  u32 exception_ = 0;  ///< interruption information of what is to be injected next; 0: nothing
};

}  // namespace lastbranch
