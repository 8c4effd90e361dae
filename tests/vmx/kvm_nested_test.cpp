/// Nested entries and exits by the vCPU's methods: the table of the specification's section on nested guests.
#include <gtest/gtest.h>

#include "sim/base/debugctl.h"
#include "tests/vmx/kvm_world.h"

namespace lastbranch::kvm {
namespace {

constexpr KernelSet kFilters = kDebugctlRework;

bool decided(const Vcpu& vcpu, std::string_view id) {
  for (const Rule* rule : vcpu.rules().rules())
    if (rule->id == id) return true;
  return false;
}

std::vector<Kernel> every_kernel() {
  std::vector<Kernel> kernels;
  for (const KernelName& k : kernel_names()) kernels.push_back(k.kernel);
  return kernels;
}

TEST(KvmNested, enters_with_vmcs12s_debugctl_and_leaves_l1_with_0) {
  for (const Kernel kernel : every_kernel()) {
    World w(kernel);
    Vcpu& vcpu = w.vcpu();
    ASSERT_FALSE(vcpu.guest_wrmsr(msr::kDebugctl, 0x801).gp);
    vcpu.state.vmcs12_debugctl = 0x800;
    ASSERT_EQ(vcpu.nested_enter({}), 0) << name(kernel);
    EXPECT_TRUE(vcpu.state.in_l2);
    EXPECT_EQ(vcpu.guest_rdmsr(msr::kDebugctl).value, 0x800u) << name(kernel);
    vcpu.nested_exit();
    EXPECT_FALSE(vcpu.state.in_l2);
    EXPECT_TRUE(decided(vcpu, kFilters.contains(kernel) ? "nested-exit-host-bit" : "nested-exit"));
    EXPECT_EQ(vcpu.guest_rdmsr(msr::kDebugctl).value, 0u) << name(kernel);
  }
}

/// A bit that no guest may set: unfiltered in old kernels, the end of the entry in new ones.
TEST(KvmNested, checks_vmcs12s_debugctl_since_the_rework) {
  for (const Kernel kernel : every_kernel()) {
    World w(kernel);
    Vcpu& vcpu = w.vcpu();
    vcpu.state.vmcs12_debugctl = debugctl::kTr;
    const bool fails = kFilters.contains(kernel);
    EXPECT_EQ(vcpu.nested_enter({}), fails ? -kEinval : 0) << name(kernel);
    EXPECT_EQ(vcpu.state.in_l2, !fails);
    EXPECT_EQ(w.read(msr::kDebugctl), fails ? 0u : debugctl::kTr);
    EXPECT_TRUE(fails || vcpu.state.vmcs12_saves_debugctl);
  }
}

TEST(KvmNested, drops_btf_since_the_rework_and_logs_it) {
  for (const Kernel kernel : every_kernel()) {
    World w(kernel);
    Vcpu& vcpu = w.vcpu();
    vcpu.state.vmcs12_debugctl = debugctl::kBtf | debugctl::kLbr;
    ASSERT_EQ(vcpu.nested_enter({}), 0) << name(kernel);
    const bool filters = kFilters.contains(kernel);
    EXPECT_EQ(vcpu.last().did.log_lines, filters ? 1u : 0u);
    EXPECT_EQ(w.read(msr::kDebugctl), filters ? debugctl::kLbr : debugctl::kBtf | debugctl::kLbr);
  }
}

TEST(KvmNested, refuses_a_dr7_with_high_bits_if_the_entry_loads_it) {
  for (const Kernel kernel : every_kernel()) {
    World w(kernel);
    EXPECT_EQ(w.vcpu().nested_enter({.dr7_valid = false}), -kEinval);
    EXPECT_TRUE(decided(w.vcpu(), "nested-check-dr7"));
    EXPECT_FALSE(w.vcpu().state.in_l2);
    EXPECT_EQ(w.vcpu().nested_enter({.loads_debugctl = false, .dr7_valid = false}), 0);
  }
}

/// Without the control, and for nested state that user space restores, L2 has what L1 had.
TEST(KvmNested, inherits_l1s_debugctl_where_nothing_is_loaded) {
  for (const Kernel kernel : every_kernel()) {
    for (const NestedEntry entry : {NestedEntry{.loads_debugctl = false}, NestedEntry{.fresh = false}}) {
      World w(kernel);
      Vcpu& vcpu = w.vcpu();
      ASSERT_FALSE(vcpu.guest_wrmsr(msr::kDebugctl, 0x801).gp);
      vcpu.state.vmcs12_debugctl = 0;
      ASSERT_EQ(vcpu.nested_enter(entry), 0);
      EXPECT_TRUE(decided(vcpu, "nested-inherit"));
      EXPECT_EQ(w.read(msr::kDebugctl), 0x801u) << name(kernel);
    }
  }
}

/// The host's FREEZE_WHILE_SMM is in the running value, never in the guest's, where the kernel owns it.
TEST(KvmNested, keeps_the_hosts_freeze_while_smm) {
  for (const Kernel kernel : every_kernel()) {
    HostState state;
    state.debugctl = debugctl::kFreezeWhileSmm;
    World w(kernel, state);
    Vcpu& vcpu = w.vcpu();
    vcpu.state.vmcs12_debugctl = 0x801;
    ASSERT_EQ(vcpu.nested_enter({}), 0);
    const u64 host = kFilters.contains(kernel) ? debugctl::kFreezeWhileSmm : 0;
    EXPECT_EQ(vcpu.state.vmcs_debugctl, 0x801 | host) << name(kernel);
    EXPECT_EQ(w.read(msr::kDebugctl), 0x801u);
    vcpu.nested_exit();
    EXPECT_EQ(vcpu.state.vmcs_debugctl, host);
  }
}

TEST(KvmNested, tolerates_freeze_while_smm_in_vmcs12_by_a_quirk) {
  for (const bool quirk : {false, true}) {
    for (const Kernel kernel : {Kernel::k6_1_192, Kernel::k6_12_117, Kernel::k7_3}) {
      World w(kernel);
      w.vm->state.allow_freeze_in_smm = quirk;
      w.vcpu().state.vmcs12_debugctl = debugctl::kFreezeWhileSmm;
      const bool taken = quirk && kernel != Kernel::k6_1_192;
      EXPECT_EQ(w.vcpu().nested_enter({}), taken ? 0 : -kEinval) << name(kernel) << quirk;
    }
  }
}

/// L2's own write of DEBUGCTL reaches vmcs12 where L1 asked for it.
TEST(KvmNested, saves_what_l2_writes_if_l1_asked_for_it) {
  for (const bool saves : {false, true}) {
    World w(Kernel::kS8);
    Vcpu& vcpu = w.vcpu();
    vcpu.state.vmcs12_debugctl = 0;
    ASSERT_EQ(vcpu.nested_enter({.saves_debugctl = saves}), 0);
    ASSERT_FALSE(vcpu.guest_wrmsr(msr::kDebugctl, 0x801).gp);
    EXPECT_EQ(vcpu.state.vmcs12_debugctl, saves ? 0x801u : 0u);
    vcpu.nested_exit();
    EXPECT_EQ(vcpu.state.vmcs12_debugctl, saves ? 0x801u : 0u);
  }
}

TEST(KvmNested, exit_without_l2_changes_nothing) {
  World w(Kernel::kS8);
  ASSERT_TRUE(w.guest_write(msr::kDebugctl, 0x801));
  w.vcpu().nested_exit();
  EXPECT_EQ(w.read(msr::kDebugctl), 0x801u);
}

}  // namespace
}  // namespace lastbranch::kvm
