// KVM's answers by the model alone, and the same by way of a hart: VM exit, answer, VM entry.
#include <array>

#include <benchmark/benchmark.h>

#include "sim/machine/kvm_guest.h"
#include "sim/machine/kvm_host.h"

namespace lastbranch {
namespace {

struct World {
  explicit World(kvm::Kernel kernel)
      : host(state_of(kernel)), vm(host.create_vm()), vcpu(vm->create_vcpu(host.supported_cpuid())) {}

  kvm::Host host;
  std::unique_ptr<kvm::Vm> vm;
  std::unique_ptr<kvm::Vcpu> vcpu;

 private:
  static kvm::HostState state_of(kvm::Kernel kernel) {
    kvm::HostState state = host_state_of("skylake");
    state.kernel = kernel;
    return state;
  }
};

kvm::Kernel kernel_of(const benchmark::State& state) {
  return static_cast<kvm::Kernel>(state.range(0));
}
void kernels(benchmark::internal::Benchmark* b) {
  b->ArgName("kernel");
  for (const kvm::Kernel k : {kvm::Kernel::kS0, kvm::Kernel::kS8, kvm::Kernel::k6_12_117})
    b->Arg(static_cast<int>(k));
}

void guest_wrmsr(benchmark::State& state) {
  World w(kernel_of(state));
  u64 value = 0;
  for (auto _ : state) benchmark::DoNotOptimize(w.vcpu->guest_wrmsr(kvm::msr::kDebugctl, value ^= 1).gp);
  state.SetItemsProcessed(state.iterations());
}
BENCHMARK(guest_wrmsr)->Apply(kernels);

void guest_rdmsr_of_a_record(benchmark::State& state) {
  World w(kernel_of(state));
  for (auto _ : state) benchmark::DoNotOptimize(w.vcpu->guest_rdmsr(0x680).value);
  state.SetItemsProcessed(state.iterations());
}
BENCHMARK(guest_rdmsr_of_a_record)->Apply(kernels);

void pmu_refresh(benchmark::State& state) {
  World w(kernel_of(state));
  const kvm::GuestCpuid cpuid = w.host.supported_cpuid();
  for (auto _ : state) benchmark::DoNotOptimize(w.vcpu->set_cpuid(cpuid));
  state.SetItemsProcessed(state.iterations());
}
BENCHMARK(pmu_refresh)->Apply(kernels);

void vm_entry(benchmark::State& state) {
  World w(kernel_of(state));
  w.vcpu->guest_wrmsr(kvm::msr::kDebugctl, 1);
  for (auto _ : state) {
    w.vcpu->enter();
    benchmark::DoNotOptimize(w.vcpu->state.lbr_passthrough);
  }
  state.SetItemsProcessed(state.iterations());
}
BENCHMARK(vm_entry)->Apply(kernels);

// Guests that do one thing for ever; the branch back is the one instruction that retires in each turn.
constexpr std::array<u8, 6> kCpuid = {0x31, 0xc0, 0x0f, 0xa2, 0xeb, 0xfa};  // xor eax, eax; cpuid; jmp
constexpr std::array<u8, 13> kWrmsrDebugctl = {0xb9, 0xd9, 0x01, 0,    0,    0x31, 0xc0,
                                               0x31, 0xd2, 0x0f, 0x30, 0xeb, 0xfc};        // ... wrmsr; jmp
constexpr std::array<u8, 9> kRdmsrTos = {0xb9, 0xc9, 0x01, 0, 0, 0x0f, 0x32, 0xeb, 0xfc};  // ... rdmsr; jmp

/// Exits or instructions a second of a guest, in pieces of some thousand instructions.
void run_guest(benchmark::State& state, std::span<const u8> image, bool exits) {
  constexpr u64 kPiece = 4096;
  World w(kernel_of(state));
  KvmGuest guest(*w.vcpu, {.kept_exits = 0});
  guest.load(image);
  u64 items = 0;
  for (auto _ : state) {
    const KvmRun run = guest.run(kPiece);
    items += exits ? run.exits_seen : run.instructions;
  }
  state.SetItemsProcessed(static_cast<int64_t>(items));
}

void hart_cpuid_exit(benchmark::State& state) {
  run_guest(state, kCpuid, true);
}
BENCHMARK(hart_cpuid_exit)->Apply(kernels);

void hart_guest_wrmsr(benchmark::State& state) {
  run_guest(state, kWrmsrDebugctl, true);
}
BENCHMARK(hart_guest_wrmsr)->Apply(kernels);

void hart_rdmsr_passed_through(benchmark::State& state) {
  run_guest(state, kRdmsrTos, false);
}
BENCHMARK(hart_rdmsr_passed_through)->Apply(kernels);

}  // namespace
}  // namespace lastbranch
