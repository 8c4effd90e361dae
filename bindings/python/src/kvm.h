#pragma once
// KVM's objects as Python holds them.
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <pybind11/pybind11.h>

#include "sim/machine/kvm_guest.h"
#include "sim/machine/kvm_host.h"

namespace lastbranch::python {

/// A host and its CPU's registers.
struct KvmHost {
  KvmHost(const kvm::HostState& state, kvm::ModuleParams params, kvm::LbrRegisters registers)
      : hardware(kvm::make_hardware(registers)), host(state, params, hardware.get()) {}

  std::unique_ptr<kvm::HardwareMsrs> hardware;
  kvm::Host host;
};

/// What a guest runs on.
struct KvmSetting {
  std::string uarch{};
  std::vector<std::pair<std::string, u64>> overrides{};
  u64 memory = 0, slice = 0;
  std::string lbr_user{};
  bool operator==(const KvmSetting&) const = default;
};

/// A vCPU, and from its first image on what its guest runs on.
struct KvmVcpu {
  explicit KvmVcpu(kvm::Vm& vm) : vcpu(vm) {}

  /// Throws Error before the first image.
  [[nodiscard]] KvmGuest& guest() const;

  kvm::Vcpu vcpu;
  std::string output;  ///< of the guest, since it was taken last
  KvmSetting setting;
  std::unique_ptr<KvmGuest> running;  ///< behind the vCPU, which it must not outlive
};

/// Rows as Python gets them: (id, words, section, kernels).
[[nodiscard]] pybind11::list kvm_rows(const kvm::Trace& trace);

/// Adds what runs a guest.
void bind_kvm_run(pybind11::class_<KvmVcpu>& c);

}  // namespace lastbranch::python
