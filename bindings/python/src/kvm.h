#pragma once
// KVM's objects as Python holds them: each with the rules that decided its last call.
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <pybind11/pybind11.h>

#include "sim/machine/kvm_guest.h"
#include "sim/machine/kvm_host.h"

namespace lastbranch::python {

using KvmRules = std::vector<const kvm::Rule*>;

/// A host and its CPU's registers.
struct KvmHost {
  KvmHost(const kvm::HostState& state, kvm::ModuleParams params, LbrRegisters registers);

  std::unique_ptr<kvm::HardwareMsrs> hardware;
  kvm::Host host;
  KvmRules rules;
};

struct KvmVm {
  explicit KvmVm(kvm::Host& host) : vm(host) {}

  kvm::Vm vm;
  KvmRules rules;
};

/// What a call did beside its answer; of a list of registers, the sum.
struct KvmTally {
  unsigned log_lines = 0, warnings = 0, events_created = 0, hardware_writes = 0, intercept_updates = 0;
  unsigned lvtpc = 0;
};

/// What a guest runs on.
struct KvmSetting {
  std::string uarch{};
  std::vector<std::pair<std::string, u64>> overrides{};
  u64 memory = 0, slice = 0;
  std::string lbr_user{};
  bool operator==(const KvmSetting&) const = default;
};

class KvmVcpu {
 public:
  explicit KvmVcpu(kvm::Vm& vm);

  [[nodiscard]] kvm::Vcpu& vcpu() { return vcpu_; }
  [[nodiscard]] const KvmRules& rules() const { return rules_; }
  [[nodiscard]] const KvmTally& last() const { return last_; }

  int set_cpuid(const kvm::GuestCpuid& cpuid);
  int set_msrs(const std::vector<std::pair<u32, u64>>& entries);
  /// How many were processed, or a negative errno; their values.
  std::pair<int, std::vector<u64>> get_msrs(const std::vector<u32>& indices);
  kvm::GuestAnswer guest_wrmsr(u32 index, u64 value);
  kvm::GuestAnswer guest_rdmsr(u32 index);
  kvm::GuestAnswer rdpmc(u32 ecx);
  void count(u8 event, u8 umask, u64 n);
  /// A call without an answer: enter, next_slice, pmi, reset, init, nested_exit.
  void call(void (kvm::Vcpu::*what)());
  /// L1 enters L2 with `debugctl` in vmcs12. 0, or a negative errno: the entry fails.
  int nested_entry(u64 debugctl, bool load, bool save, bool fresh, bool dr7_valid);

 private:
  friend class KvmRunner;
  void begin();
  /// Takes over what the vCPU's call left.
  void gather();

  kvm::Vcpu vcpu_;
  KvmRules rules_;
  KvmTally last_;
  // What the guest runs on, from its first image on; behind the vCPU, which it must not outlive.
  std::string output_;
  KvmSetting setting_;
  std::unique_ptr<KvmGuest> guest_;
};

/// A vCPU's guest as it runs.
class KvmRunner {
 public:
  explicit KvmRunner(KvmVcpu& vcpu) : vcpu_(vcpu) {}

  /// Gives the guest an image, and the vCPU a new CPU if it has none or another setting. Throws Error.
  void load(const std::string& image, u64 base, const KvmSetting& setting);
  /// Throws Error without an image or after an end, and what Python's signal handlers raise.
  KvmRun run(std::optional<u64> max_instructions);
  /// What the guest wrote since the last time.
  [[nodiscard]] std::string take_output() { return std::exchange(vcpu_.output_, {}); }
  /// Throws Error without an image.
  [[nodiscard]] KvmGuest& guest();

 private:
  KvmVcpu& vcpu_;
};

/// Rows as Python gets them: (id, words, section, kernels).
[[nodiscard]] pybind11::list kvm_rows(const KvmRules& rules);

/// Adds what runs a guest.
void bind_kvm_run(pybind11::class_<KvmVcpu>& c);

}  // namespace lastbranch::python
