/// Guests that run on a vCPU and check for themselves what they get: their own last branches, whatever the
/// host does with the LBRs, registers passed through and intercepted, counters, interrupts of counters.
#include <gtest/gtest.h>

#include "tests/vmx/kvm_guest_world.h"

namespace lastbranch::test {
namespace {

using How = KvmRun::How;
using kvm::Kernel;

constexpr int kGpStatus = 200 + 13;  ///< of a program that an unexpected #GP ends

void expect_pass(const KvmWorld& world, const KvmRun& run, std::string_view what) {
  EXPECT_EQ(run.how, How::kExited) << what << ": " << world.trouble(run);
  EXPECT_EQ(run.status, 0) << what << ": " << world.trouble(run);
}

std::vector<Kernel> every_kernel() {
  std::vector<Kernel> kernels;
  for (const kvm::KernelName& k : kvm::kernel_names()) kernels.push_back(k.kernel);
  return kernels;
}

TEST(KvmGuestLbr, is_the_guests_own_with_every_kernel) {
  for (const Kernel kernel : every_kernel()) {
    KvmWorld w(kernel);
    const KvmRun run = w.run("kvm_lbr");
    expect_pass(w, run, name(kernel));
    EXPECT_EQ(run.warnings, 0u) << name(kernel);
  }
}

TEST(KvmGuestLbr, is_the_guests_own_on_parts_of_every_shape) {
  for (const char* part : {"haswell", "broadwell", "skx", "cascadelake", "icelake", "icx", "goldmontplus"}) {
    const unsigned depth = part == std::string("haswell") || part == std::string("broadwell") ? 16 : 32;
    KvmWorld w(Kernel::kS8, {.uarch = part});
    const KvmRun run = w.run("kvm_lbr", depth);
    expect_pass(w, run, part);
  }
}

/// The ring is one; perf saves and restores it between the tasks, in the middle of whatever the guest does.
TEST(KvmGuestLbr, survives_another_task_of_the_host_that_is_sampled_with_lbrs) {
  for (const Kernel kernel : every_kernel()) {
    for (const u64 slice : {7, 23, 50}) {
      KvmWorld w(kernel, {.host_lbr = HostLbr::kOtherTask, .slice = slice});
      const KvmRun run = w.run("kvm_lbr_live");
      expect_pass(w, run, name(kernel));
      EXPECT_GT(run.slices, 20u);
      const std::vector<LbrRecord> records = w.guest.host_records();
      ASSERT_EQ(records.size(), 32u);
      for (const LbrRecord& r : records) {
        const auto [first, last] = w.guest.host_code();
        EXPECT_TRUE(r.from >= first && r.from < last && r.to >= first && r.to < last)
            << std::hex << r.from << " -> " << r.to;
      }
    }
  }
}

/// A host event that is pinned to the CPU: the guest's event is in error, so its registers read 0.
TEST(KvmGuestLbr, reads_zeros_while_a_pinned_event_of_the_host_has_the_lbrs) {
  for (const Kernel kernel : {Kernel::kS0, Kernel::kS8, Kernel::k6_12_8, Kernel::k7_3}) {
    KvmWorld w(kernel, {.host_lbr = HostLbr::kPinned});
    const KvmRun run = w.run("kvm_lbr");
    EXPECT_EQ(run.status, 1) << w.trouble(run);
    EXPECT_EQ(w.guest.registers().gpr[15], 0u) << "found in record 0";
    EXPECT_GT(run.warnings, 0u);
    // 32 records cleared and 16 read, each FROM and TO: nothing is ever passed through.
    EXPECT_EQ(record_exits(run), 2u * (32 + 16));
    EXPECT_TRUE(std::ranges::none_of(run.exits, &KvmExit::passed_through));
  }
}

TEST(KvmGuestLbr, of_a_pinned_event_of_the_host_are_the_hosts_if_the_guest_leaves_its_lbr_bit_alone) {
  KvmWorld w(Kernel::kS8, {.host_lbr = HostLbr::kPinned, .slice = 100});
  const KvmRun run = w.run("kvm_no_lbr");
  EXPECT_EQ(run.how, How::kHalted) << w.trouble(run);
  const std::vector<LbrRecord> records = w.guest.host_records();
  ASSERT_EQ(records.size(), 32u);
  const auto [first, last] = w.guest.host_code();
  for (const LbrRecord& r : records) EXPECT_TRUE(r.from >= first && r.from < last) << std::hex << r.from;
}

/// Before the first access there is no event, so it exits; from then on the guest reaches the CPU's registers
/// itself. IA32_DEBUGCTL always exits.
TEST(KvmGuestLbr, registers_are_intercepted_until_there_is_an_event_and_passed_through_from_then_on) {
  for (const Kernel kernel : every_kernel()) {
    KvmWorld w(kernel);
    const KvmRun run = w.run("kvm_lbr");
    ASSERT_EQ(record_exits(run), 1u) << name(kernel);
    EXPECT_EQ(msr_exits(run, kvm::msr::kLbrTos, kvm::msr::kLbrTos), 0u);
    EXPECT_EQ(msr_exits(run, kvm::msr::kDebugctl, kvm::msr::kDebugctl), 2u);
    const KvmExit& first = run.exits.front();
    EXPECT_EQ(first.index, 0x680u) << first.describe();
    EXPECT_FALSE(first.passed_through);
    EXPECT_TRUE(std::ranges::all_of(run.exits.begin() + 1, run.exits.end(), &KvmExit::passed_through));
    const auto decided = [](const kvm::Trace& trace, std::string_view id) {
      return std::ranges::any_of(trace.rules(), [&](const kvm::Rule* r) { return r->id == id; });
    };
    EXPECT_TRUE(decided(first.entry, "entry-no-event"));
    EXPECT_TRUE(decided(first.rules, "event-created"));
    EXPECT_TRUE(decided(run.exits[1].entry, "entry-pass-through"));
  }
}

/// The event is given back at the end of a slice without the guest's LBR bit, and with it the records.
TEST(KvmGuestLbr, is_lost_when_a_slice_ends_between_switching_off_and_reading) {
  KvmWorld w(Kernel::kS8);
  w.guest.load_file(kvm_image("kvm_lbr"));
  KvmRun run = w.guest.run(1);
  while (w.vcpu->state.vmcs_debugctl == 0) run = w.guest.run(1);
  while (w.vcpu->state.vmcs_debugctl != 0) run = w.guest.run(1);
  w.vcpu->next_slice();
  run = w.guest.run(kGuestLimit);
  EXPECT_EQ(run.status, 1) << w.trouble(run);
  EXPECT_EQ(w.guest.registers().gpr[15], 0u);
}

struct Refused {
  const char* what;
  Kernel kernel;
  void (*change)(kvm::HostState&);
  kvm::ModuleParams params{};
};

TEST(KvmGuestLbr, is_not_there_where_kvm_does_not_give_it) {
  const Refused kRefused[] = {
      {"perf without records", Kernel::kS0, [](kvm::HostState& s) { s.perf.nr = 0; }},
      {"perf without records", Kernel::kS8, [](kvm::HostState& s) { s.perf.nr = 0; }},
      {"perf is a stub", Kernel::kS0, [](kvm::HostState& s) { s.perf_built = false; }},
      {"perf is a stub", Kernel::kS8, [](kvm::HostState& s) { s.perf_built = false; }},
      {"no call stack", Kernel::k6_12_8, [](kvm::HostState& s) { s.perf.has_callstack = false; }},
      {"no PDCM", Kernel::kS8, [](kvm::HostState& s) { s.pdcm = false; }},
      {"no PMU", Kernel::kS8, [](kvm::HostState&) {}, {.enable_pmu = false}},
      {"mediated", Kernel::k7_3, [](kvm::HostState&) {}, {.mediated_pmu = true}},
  };
  for (const Refused& r : kRefused) {
    kvm::HostState state = host_state("skylake", r.kernel);
    r.change(state);
    KvmWorld w(state, {}, r.params);
    const KvmRun run = w.run("kvm_lbr");
    EXPECT_EQ(run.status, kGpStatus) << r.what << ", " << name(r.kernel) << ": " << w.trouble(run);
    EXPECT_EQ(run.exits.front().code, kvm::kUnsupported) << run.exits.front().describe();
  }
}

/// Hosts with architectural LBRs: the old kernels offer a record that guests cannot use at the old addresses.
TEST(KvmGuestLbr, is_not_there_on_hosts_with_architectural_lbrs) {
  for (const Kernel kernel : every_kernel()) {
    KvmWorld w(kernel, {.uarch = "sapphirerapids"});
    const KvmRun run = w.run("kvm_lbr");
    EXPECT_EQ(run.status, kGpStatus) << name(kernel) << ": " << w.trouble(run);
  }
}

/// Capabilities taken from the guest, by user space: no PDCM in its CPUID.
TEST(KvmGuestLbr, is_not_there_without_the_guests_capability) {
  kvm::Host host(host_state("skylake", Kernel::kS8));
  const auto vm = host.create_vm();
  kvm::GuestCpuid cpuid = host.supported_cpuid();
  cpuid.set_pdcm(false);
  const auto vcpu = vm->create_vcpu(cpuid);
  KvmGuest guest(*vcpu);
  guest.load_file(kvm_image("kvm_lbr"));
  EXPECT_EQ(guest.run(kGuestLimit).status, kGpStatus);
}

/// Pass-through reaches the CPU, so user space sees by ioctl what the guest has recorded.
TEST(KvmGuestLbr, is_what_user_space_reads_from_the_vcpu) {
  KvmWorld w(Kernel::kS8);
  ASSERT_EQ(w.run("kvm_lbr").status, 0);
  const u64 tos = w.vcpu->get_msr(kvm::msr::kLbrTos).value;
  const u32 from = 0x680 + static_cast<u32>(tos);
  EXPECT_EQ(w.vcpu->get_msr(from).value, w.guest.hardware_msr(from));
  EXPECT_NE(w.vcpu->get_msr(from).value, 0u);
}

/// Since patch 4 user space may set the LBR bit of a vCPU without LBRs: it is live in the CPU, silently,
/// though the guest cannot read a record. Before, the write drops it.
TEST(KvmGuestLbr, bit_of_user_space_is_live_without_lbrs_since_patch_4) {
  for (const Kernel kernel : {Kernel::kS3, Kernel::kS4, Kernel::kS8}) {
    kvm::Host host(host_state("skylake", kernel));
    const auto vm = host.create_vm();
    kvm::GuestCpuid cpuid = host.supported_cpuid();
    cpuid.set_pdcm(false);
    const auto vcpu = vm->create_vcpu(cpuid);
    KvmGuest guest(*vcpu);
    EXPECT_EQ(vcpu->set_msr(kvm::msr::kDebugctl, 1), kvm::kOk);
    guest.load_file(kvm_image("kvm_no_lbr"));
    const KvmRun run = guest.run(kGuestLimit);
    EXPECT_EQ(run.how, How::kHalted);
    EXPECT_EQ(run.warnings, 0u);
    EXPECT_FALSE(vcpu->state.lbr_passthrough);
    const std::size_t recorded = guest.processor().hub.lbr.entries().size();
    EXPECT_EQ(recorded, kernel == Kernel::kS3 ? 0u : 32u) << name(kernel);
  }
}

/// Another CPU, or none, is a migration: the records are the vCPU's.
TEST(KvmGuestLbr, goes_with_the_vcpu_from_cpu_to_cpu) {
  // mov ecx, 0x1d9; mov eax, 1; xor edx, edx; wrmsr; mov ebx, 5; again: dec ebx; jnz again; hlt
  constexpr std::array<u8, 24> kRecord = {0xb9, 0xd9, 0x01, 0, 0, 0xb8, 1, 0,    0,    0,    0x31, 0xd2,
                                          0x0f, 0x30, 0xbb, 5, 0, 0,    0, 0xff, 0xcb, 0x75, 0xfc, 0xf4};
  kvm::Host host(host_state("skylake", Kernel::kS8));
  const auto vm = host.create_vm();
  const auto vcpu = vm->create_vcpu(host.supported_cpuid());
  {
    KvmGuest guest(*vcpu);
    guest.load(kRecord);
    ASSERT_EQ(guest.run(kGuestLimit).how, How::kHalted);
    ASSERT_EQ(vcpu->get_msr(kvm::msr::kLbrTos).value, 4u);
  }
  EXPECT_EQ(vcpu->get_msr(kvm::msr::kLbrTos).value, 4u);
  EXPECT_EQ(vcpu->get_msr(0x684).value, 0x100015u);
  KvmGuest next(*vcpu, {.slice = 5});
  EXPECT_EQ(next.hardware_msr(0x684), 0x100015u);
}

TEST(KvmGuestLbr, does_not_overwrite_a_pinned_ring_of_the_host) {
  kvm::Host host(host_state("skylake", Kernel::kS8));
  const auto vm = host.create_vm();
  const auto vcpu = vm->create_vcpu(host.supported_cpuid());
  ASSERT_EQ(vcpu->set_msr(0x683, 0x1234), kvm::kOk);
  KvmGuest guest(*vcpu, {.host_lbr = HostLbr::kPinned});
  EXPECT_EQ(guest.hardware_msr(0x683), 0u);
}

/// What user space restored before the vCPU had a CPU is what the guest finds.
TEST(KvmGuestLbr, that_user_space_has_restored_moves_to_the_cpu) {
  kvm::Host host(host_state("skylake", Kernel::kS8));
  const auto vm = host.create_vm();
  const auto vcpu = vm->create_vcpu(host.supported_cpuid());
  ASSERT_EQ(vcpu->set_msr(kvm::msr::kDebugctl, 1), kvm::kOk);
  ASSERT_EQ(vcpu->set_msr(kvm::msr::kLbrTos, 3), kvm::kOk);
  ASSERT_EQ(vcpu->set_msr(0x683, 0x1234), kvm::kOk);
  {
    KvmGuest guest(*vcpu);
    EXPECT_EQ(guest.hardware_msr(kvm::msr::kLbrTos), 3u);
    EXPECT_EQ(guest.hardware_msr(0x683), 0x1234u);
    constexpr std::array<u8, 8> kRead = {0xb9, 0x83, 0x06, 0, 0, 0x0f, 0x32, 0xf4};  // mov ecx; rdmsr; hlt
    guest.load(kRead);
    EXPECT_EQ(guest.run(kGuestLimit).how, How::kHalted);
    EXPECT_EQ(guest.registers().gpr[cpu::kRax], 0x1234u);
  }
  EXPECT_EQ(vcpu->get_msr(0x683).value, 0x1234u) << "the registers it had before";
}

/// KVM writes the host's IA32_DEBUGCTL again after each exit; FREEZE_WHILE_SMM is on in the guest, too, in
/// kernels that keep it, and never the guest's to see.
TEST(KvmGuestLbr, leaves_the_host_its_debugctl) {
  for (const Kernel kernel : every_kernel()) {
    kvm::HostState state = host_state("skylake", kernel);
    state.debugctl = debugctl::kFreezeWhileSmm;
    KvmWorld w(state);
    expect_pass(w, w.run("kvm_lbr"), name(kernel));
    EXPECT_EQ(w.guest.hardware_msr(kvm::msr::kDebugctl), debugctl::kFreezeWhileSmm);
    const u64 kept = kvm::kDebugctlRework.contains(kernel) ? debugctl::kFreezeWhileSmm : 0;
    EXPECT_EQ(w.vcpu->state.vmcs_debugctl, kept) << name(kernel);
    EXPECT_EQ(w.vcpu->guest_rdmsr(kvm::msr::kDebugctl).value, 0u);
  }
}

/// The guest's own view of pass-through: what it writes is what the CPU has.
TEST(KvmGuestLbr, passed_through_faults_as_the_cpu_says) {
  KvmWorld w(Kernel::kS8);
  // mov ecx, 0x1c9; rdmsr; mov ecx, 0x680; mov edx, 0x80000000; wrmsr: not canonical.
  constexpr std::array<u8, 19> kWrite = {0xb9, 0xc9, 0x01, 0, 0, 0x0f, 0x32, 0xb9, 0xc0, 0x06,
                                         0,    0,    0xba, 0, 0, 0,    0x80, 0x0f, 0x30};
  w.guest.load(kWrite);
  const KvmRun run = w.guest.run(kGuestLimit);
  EXPECT_EQ(run.how, How::kShutdown) << w.trouble(run);
  EXPECT_EQ(msr_exits(run, 0x6c0, 0x6c0), 0u);
}

TEST(KvmGuestPmu, counts_no_event_that_the_filter_denies) {
  KvmWorld w(Kernel::kS8);
  ASSERT_EQ(w.vm->set_event_filter({.action = kvm::EventFilter::kDeny, .events = {0xc4}}), 0);
  const KvmRun run = w.run("kvm_counts");
  EXPECT_EQ(run.status, 2) << w.trouble(run);
  EXPECT_EQ(w.guest.registers().gpr[15], 0u) << "branches counted";
}

TEST(KvmGuestPmu, counts_by_privilege) {
  KvmWorld w(Kernel::kS8);
  const KvmRun run = w.run("kvm_user");
  expect_pass(w, run, "kvm_user");
}

TEST(KvmGuestPmu, counts_what_the_kernels_own_test_expects) {
  for (const Kernel kernel : every_kernel()) {
    KvmWorld w(kernel);
    const KvmRun run = w.run("kvm_counts");
    expect_pass(w, run, name(kernel));
  }
}

TEST(KvmGuestPmu, interrupts_at_the_instruction_of_the_overflow_with_the_records_frozen) {
  for (const Kernel kernel : every_kernel()) {
    KvmWorld w(kernel);
    const KvmRun run = w.run("kvm_pmi");
    expect_pass(w, run, name(kernel));
    EXPECT_EQ(run.pmis, 1u);
    const auto pmi = std::ranges::find_if(run.exits, &KvmExit::pmi);
    ASSERT_NE(pmi, run.exits.end());
    EXPECT_EQ(pmi->reason, vmx::Reason::kException);
    EXPECT_TRUE(
        std::ranges::any_of(pmi->rules.rules(), [](const kvm::Rule* r) { return r->id == "pmi-freeze"; }));
  }
}

TEST(KvmGuestPmu, interrupt_waits_until_the_guest_takes_it_and_an_nmi_does_not) {
  for (const Kernel kernel : every_kernel()) {
    KvmWorld w(kernel);
    const KvmRun run = w.run("kvm_pmi_held");
    expect_pass(w, run, name(kernel));
    EXPECT_EQ(run.pmis, 3u);
    EXPECT_TRUE(std::ranges::any_of(
        run.exits, [](const KvmExit& e) { return e.reason == vmx::Reason::kInterruptWindow; }));
  }
}

/// A task of the host that runs in the middle does not count for the guest.
TEST(KvmGuestPmu, counts_the_same_whatever_the_host_does_in_between) {
  for (const u64 slice : {1, 2, 5}) {
    KvmWorld w(Kernel::kS8, {.host_lbr = HostLbr::kOtherTask, .slice = slice});
    const KvmRun run = w.run("kvm_counts");
    expect_pass(w, run, "kvm_counts");
    EXPECT_GT(run.slices, 10u);
  }
}

TEST(KvmGuestRun, answers_cpuid_and_what_is_beside_the_model) {
  std::string output;
  KvmWorld w(Kernel::kS8, {.output = [&](std::string_view text) { output += text; }});
  const KvmRun run = w.run("kvm_cpuid");
  expect_pass(w, run, "kvm_cpuid");
  EXPECT_EQ(output, "hi");
}

TEST(KvmGuestRun, goes_on_after_its_budget_and_comes_to_the_same_end) {
  KvmWorld whole(Kernel::kS8), parts(Kernel::kS8);
  const KvmRun run = whole.run("kvm_lbr");
  parts.guest.load_file(kvm_image("kvm_lbr"));
  u64 instructions = 0;
  KvmRun part;
  do {
    part = parts.guest.run(3);
    EXPECT_LE(part.instructions, 3u);
    instructions += part.instructions;
  } while (part.how == How::kBudget);
  EXPECT_EQ(part.how, How::kExited);
  EXPECT_EQ(part.status, 0) << parts.trouble(part);
  EXPECT_EQ(instructions, run.instructions);
  EXPECT_EQ(whole.guest.instructions(), run.instructions);
}

TEST(KvmGuestRun, loads_again) {
  KvmWorld w(Kernel::kS8);
  EXPECT_EQ(w.run("kvm_lbr").status, 0);
  EXPECT_EQ(w.run("kvm_no_lbr").how, How::kHalted);
  const KvmRun again = w.run("kvm_lbr");
  EXPECT_EQ(again.status, 0) << w.trouble(again);
}

TEST(KvmGuestRun, ends_with_a_triple_fault_that_it_names) {
  KvmWorld w(Kernel::kS8);
  constexpr std::array<u8, 2> kUndefined = {0x0f, 0x0b};
  w.guest.load(kUndefined);
  const KvmRun run = w.guest.run(kGuestLimit);
  EXPECT_EQ(run.how, How::kShutdown);
  EXPECT_EQ(run.why, "triple fault at 0x100000");
}

/// The #GP that KVM injects finds no IDT: the entry ends in an exit at once.
TEST(KvmGuestRun, ends_with_a_triple_fault_of_what_is_injected) {
  KvmWorld w(Kernel::kS8);
  constexpr std::array<u8, 4> kUnknownMsr = {0x31, 0xc9, 0x0f, 0x32};  // xor ecx, ecx; rdmsr
  w.guest.load(kUnknownMsr);
  const KvmRun run = w.guest.run(kGuestLimit);
  EXPECT_EQ(run.how, How::kShutdown) << run.why;
  EXPECT_EQ(run.why, "triple fault at 0x100002");
  EXPECT_EQ(run.exits_seen, 2u);
  EXPECT_TRUE(run.exits.front().gp);
}

/// Without EPT the host's pages are within reach; a guest that writes to them ends the run.
TEST(KvmGuestRun, ends_when_the_guest_has_overwritten_the_host) {
  KvmWorld w(Kernel::kS8);
  // mov rbx, rdi; add rbx, 0x4000; mov ecx, 0x800; 1: mov word ptr [rbx], 0xfeeb; add rbx, 2; loop 1b; cpuid
  constexpr std::array<u8, 28> kWrite = {0x48, 0x89, 0xfb, 0x48, 0x81, 0xc3, 0,    0x40, 0,    0,
                                         0xb9, 0x00, 0x08, 0,    0,    0x66, 0xc7, 0x03, 0xeb, 0xfe,
                                         0x48, 0x83, 0xc3, 0x02, 0xe2, 0xf5, 0x0f, 0xa2};
  w.guest.load(kWrite);
  const KvmRun run = w.guest.run(kGuestLimit);
  EXPECT_EQ(run.how, How::kShutdown) << w.trouble(run);
  EXPECT_EQ(run.why, "the host is lost: the guest wrote to the pages behind its memory");
}

TEST(KvmGuestPmu, names_an_event_whose_modifiers_come_later) {
  KvmWorld w(Kernel::kS8);
  // mov ecx, 0x186; mov eax, 0x4300c0; xor edx, edx; wrmsr; mov eax, 0x14300c0; wrmsr; hlt
  constexpr std::array<u8, 22> kSelect = {0xb9, 0x86, 0x01, 0,    0,    0xb8, 0xc0, 0x00, 0x43, 0x00, 0x31,
                                          0xd2, 0x0f, 0x30, 0xb8, 0xc0, 0x00, 0x43, 0x01, 0x0f, 0x30, 0xf4};
  w.vcpu->state.pmu.global_ctrl = 1;
  w.guest.load(kSelect);
  EXPECT_EQ(w.guest.run(4).how, How::kBudget);
  const auto named = [&] {
    const std::vector<std::string> lines = w.guest.unmodelled();
    return std::ranges::count(lines, "event select 0x10000c0 of the guest");
  };
  EXPECT_EQ(named(), 0);
  EXPECT_EQ(w.guest.run(kGuestLimit).how, How::kHalted);
  EXPECT_EQ(named(), 1);
}

/// Numbers that only a user of the library can set.
TEST(KvmGuestPmu, and_lbrs_have_no_more_registers_than_the_state_can_hold) {
  KvmWorld w(Kernel::kS8);
  w.vcpu->state.pmu.nr_gp = w.vcpu->state.pmu.nr_fixed = 100'000;
  w.vcpu->state.lbr.nr = 100'000;
  const KvmRun run = w.run("kvm_lbr");
  expect_pass(w, run, "kvm_lbr");
}

/// Records where no bitmap has a bit.
TEST(KvmGuestRun, never_passes_through_what_no_bitmap_has) {
  KvmWorld w(Kernel::kS8);
  w.vcpu->state.lbr.from = 0x12680;
  const u64 first = 0x12680 & 0x1fff;
  // mov ecx, 0x1d9; mov eax, 1; xor edx, edx; wrmsr; mov ecx, 0x680; rdmsr; hlt
  constexpr std::array<u8, 22> kRead = {0xb9, 0xd9, 0x01, 0,    0,    0xb8, 1, 0, 0,    0,    0x31,
                                        0xd2, 0x0f, 0x30, 0xb9, 0x80, 0x06, 0, 0, 0x0f, 0x32, 0xf4};
  ASSERT_EQ(first, 0x680u) << "what the bit of another register would be";
  w.guest.load(kRead);
  const KvmRun run = w.guest.run(kGuestLimit);
  EXPECT_EQ(msr_exits(run, 0x680, 0x680), 1u);
}

TEST(KvmGuestRun, names_an_exit_that_nobody_handles) {
  KvmWorld w(Kernel::kS8);
  constexpr std::array<u8, 2> kIn = {0xe4, 0x60};  // in al, 0x60
  w.guest.load(kIn);
  const KvmRun run = w.guest.run(kGuestLimit);
  EXPECT_EQ(run.how, How::kUnhandled);
  EXPECT_EQ(run.why, "port input of 1 byte at port 0x60");
}

/// A value of IA32_DEBUGCTL that the CPU does not have, by user space that knows no better.
TEST(KvmGuestRun, names_the_check_that_an_entry_fails) {
  KvmWorld w(Kernel::kS8);
  w.vcpu->state.vmcs_debugctl = u64{1} << 5;
  constexpr std::array<u8, 1> kHlt = {0xf4};
  w.guest.load(kHlt);
  const KvmRun run = w.guest.run(kGuestLimit);
  EXPECT_EQ(run.how, How::kFailedEntry);
  EXPECT_NE(run.why.find("exit reason 33"), std::string::npos) << run.why;
}

TEST(KvmGuestRun, counts_exits_that_it_does_not_keep) {
  KvmWorld w(Kernel::kS8, {.kept_exits = 2});
  const KvmRun run = w.run("kvm_lbr");
  EXPECT_EQ(run.exits.size(), 2u);
  EXPECT_EQ(run.exits_seen, run.entries);
  EXPECT_GT(run.exits_seen, 2u);
}

}  // namespace
}  // namespace lastbranch::test
