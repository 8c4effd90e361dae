#pragma once
// KVM's objects as Python holds them.
#include <memory>
#include <span>
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

/// A VM. While a guest of it runs, other Python threads do, too.
struct KvmVm {
  explicit KvmVm(kvm::Host& host) : vm(host) {}

  /// For what a guest that runs reads. Throws Error while one does.
  [[nodiscard]] kvm::Vm& idle();

  kvm::Vm vm;
  unsigned running = 0;  ///< vCPUs; under the interpreter's lock
};

/// A vCPU, and from its first image on what its guest runs on.
class KvmVcpu {
 public:
  explicit KvmVcpu(KvmVm& vm) : vm_(vm), vcpu_(vm.vm) {}

  /// Throws Error while the guest runs in another thread.
  [[nodiscard]] kvm::Vcpu& vcpu();
  /// The same, and Error before the first image.
  [[nodiscard]] KvmGuest& guest();
  /// Gives the guest an image, and the vCPU a new CPU if it has none or another setting. Throws Error.
  void load(std::span<const u8> image, u64 base, const KvmSetting& setting);
  /// In pieces, between which Python looks at its signals. Throws Error without an image or after an end, and
  /// what Python's signal handlers raise.
  KvmRun run(u64 instructions, u64 exits);
  /// What the guest has written since the last time.
  [[nodiscard]] std::string take_output() { return std::exchange(output_, {}); }

 private:
  KvmVm& vm_;
  kvm::Vcpu vcpu_;
  bool busy_ = false;  ///< running; under the interpreter's lock
  std::string output_;
  KvmSetting setting_;
  std::unique_ptr<KvmGuest> guest_;  ///< behind the vCPU, which it must not outlive
};

/// Rows as Python gets them: (id, words, section, kernels).
[[nodiscard]] pybind11::list kvm_rows(const kvm::Trace& trace);

/// Adds what runs a guest.
void bind_kvm_run(pybind11::class_<KvmVcpu>& c);

}  // namespace lastbranch::python
