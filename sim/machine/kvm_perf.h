#pragma once
// Host perf's share in a vCPU's LBRs: whose records the ring holds.
//
// Modelled: a first user of the LBRs finds an empty ring; the ring and MSR_LBR_SELECT are saved and restored
// when the CPU changes between the vCPU's task and another one, if the vCPU has an active LBR event; another
// task's own records; a pinned event of the whole CPU, which leaves the guest's event in error. Not modelled:
// events that share the ring with the guest's, sampling of the host. A vCPU that sets its LBR bit while the
// host has a pinned event records into the host's ring, as the CPU does it: KVM only warns.
// Sources: kvm-lbr-semantics.md, "LBR MSRs, event, pass-through"; Linux 6.12 arch/x86/events/intel/lbr.c
// for what is saved and when the ring is emptied.
#include <vector>

#include "sim/base/debugctl.h"
#include "sim/machine/kvm_cpu.h"
#include "sim/machine/kvm_guest.h"

namespace lastbranch {

class KvmPerf {
 public:
  KvmPerf(KvmCpu& cpu, kvm::Vcpu& vcpu, HostLbr host);

  /// Follows the vCPU's LBR event: a new one that is active empties the ring.
  void follow_event();
  /// What the host has in IA32_DEBUGCTL behind a VM exit, while the vCPU's task runs.
  [[nodiscard]] u64 host_debugctl() const;
  /// The vCPU's task is scheduled out, another one runs for a while, and the vCPU's comes back.
  void switch_tasks();
  /// The host's own records, newest first: of the other task, or what the ring holds for a pinned event.
  [[nodiscard]] std::vector<LbrRecord> host_records() const;

 private:
  /// Values of the ring's registers, in the order of registers_.
  using Ring = std::vector<u64>;
  [[nodiscard]] Ring save();
  void restore(const Ring& ring);
  [[nodiscard]] bool guest_has_ring() const;

  KvmCpu& cpu_;
  kvm::Vcpu& vcpu_;
  HostLbr host_;
  std::vector<u32> registers_;
  Ring task_;  ///< the other task's
  std::vector<LbrRecord> task_records_;
  bool known_ = false;  ///< the vCPU's event has been seen
};

}  // namespace lastbranch
