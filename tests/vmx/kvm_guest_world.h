#pragma once
/// A host, a VM, a vCPU and the hart it runs on, for tests.
#include <algorithm>
#include <string>

#include "sim/machine/kvm_guest.h"
#include "sim/machine/kvm_host.h"

namespace lastbranch::test {

/// Enough for every program, and little enough to end one that hangs.
inline constexpr u64 kGuestLimit = 1'000'000;

inline std::string kvm_image(const std::string& name, unsigned depth = 32) {
  return std::string(LASTBRANCH_KVM_GUESTS) + "/" + name + "_" + std::to_string(depth) + ".elf";
}

inline kvm::HostState host_state(const std::string& uarch, kvm::Kernel kernel) {
  kvm::HostState state = host_state_of(uarch);
  state.kernel = kernel;
  return state;
}

struct KvmWorld {
  explicit KvmWorld(kvm::HostState state, KvmGuestConfig config = {}, kvm::ModuleParams params = {})
      : host(std::move(state), params),
        vm(host.create_vm()),
        vcpu(vm->create_vcpu(host.supported_cpuid())),
        guest(*vcpu, std::move(config)) {}
  explicit KvmWorld(kvm::Kernel kernel, KvmGuestConfig config = {})
      : KvmWorld(host_state(config.uarch, kernel), config) {}

  KvmRun run(const std::string& program, unsigned depth = 32) {
    guest.load_file(kvm_image(program, depth));
    return guest.run(kGuestLimit);
  }
  /// What a check of the guest found and expected, and how it ended.
  [[nodiscard]] std::string trouble(const KvmRun& run) const {
    const KvmRegisters r = guest.registers();
    return fmt::format("{}, {} {}: found {:#x}, expected {:#x}, rip {:#x}", name(run.how), run.why,
                       run.status, r.gpr[15], r.gpr[14], r.rip);
  }

  kvm::Host host;
  std::unique_ptr<kvm::Vm> vm;
  std::unique_ptr<kvm::Vcpu> vcpu;
  KvmGuest guest;
};

/// RDMSR and WRMSR exits of registers from `first` to `last`.
inline std::size_t msr_exits(const KvmRun& run, u32 first, u32 last) {
  return static_cast<std::size_t>(std::ranges::count_if(run.exits, [&](const KvmExit& e) {
    const bool msr = e.reason == vmx::Reason::kRdmsr || e.reason == vmx::Reason::kWrmsr;
    return msr && e.index >= first && e.index <= last;
  }));
}
/// ... of the records.
inline std::size_t record_exits(const KvmRun& run) {
  return msr_exits(run, 0x680, 0x6ff);
}

}  // namespace lastbranch::test
