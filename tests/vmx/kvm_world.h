#pragma once
/// A host with KVM, one VM and one vCPU, for tests.
#include <string_view>

#include "models/vmx/kvm/kvm.h"
#include "models/vmx/kvm/subjects.h"

namespace lastbranch::kvm {

struct World {
  explicit World(Kernel kernel, HostState state = {}, ModuleParams params = {},
                 HardwareMsrs* hardware = nullptr)
      : host(with_kernel(state, kernel), params, hardware), vm(host.create_vm()) {}

  /// The vCPU with what KVM supports as its CPUID, made on first use.
  Vcpu& vcpu() {
    if (!vcpu_) vcpu_ = vm->create_vcpu(host.supported_cpuid());
    return *vcpu_;
  }
  /// An operation on the vCPU, for functions that have no ioctl.
  Op& op() { return vcpu().operation(); }
  bool write(u32 index, u64 value) { return vcpu().set_msr(index, value) == kOk; }
  bool guest_write(u32 index, u64 value) { return !vcpu().guest_wrmsr(index, value).gp; }
  u64 read(u32 index) { return vcpu().get_msr(index).value; }
  u64 capabilities() { return host.supported_perf_capabilities(); }

  Host host;
  std::unique_ptr<Vm> vm;

 private:
  static HostState with_kernel(HostState state, Kernel kernel) {
    state.kernel = kernel;
    return state;
  }
  std::unique_ptr<Vcpu> vcpu_;
};

}  // namespace lastbranch::kvm
