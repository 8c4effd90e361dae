/// The library as its users call it: kernels by name, what each patch of the series changes, user space's
/// order of calls, pass-through and time slices.
#include <algorithm>
#include <array>

#include <gtest/gtest.h>

#include "models/vmx/kvm/msr_lists.h"
#include "sim/base/error.h"
#include "tests/vmx/kvm_world.h"

namespace lastbranch::kvm {
namespace {

TEST(KvmKernels, are_known_by_name_tag_and_release) {
  for (const KernelName& k : kernel_names()) {
    EXPECT_EQ(kernel_of(k.name), k.kernel);
    EXPECT_EQ(kernel_of(k.alias), k.kernel);
  }
  EXPECT_EQ(kernel_of("6.2"), Kernel::kS8);
  try {
    static_cast<void>(kernel_of("5.15"));
    FAIL();
  } catch (const Error& error) {
    EXPECT_NE(std::string(error.what()).find("v5-series:0 (s0)"), std::string::npos);
    EXPECT_NE(std::string(error.what()).find("found '5.15'"), std::string::npos);
  }
}

TEST(KvmKernels, sets_describe_themselves) {
  EXPECT_EQ(describe(with_patch(4)), "v5-series:4..8, 6.1.4, 6.1.192, 6.12.8, 6.12.117, 7.3-rc7");
  EXPECT_EQ(describe(~with_patch(1)), "v5-series:0, 6.1.4");
  EXPECT_EQ(describe(kAllKernels), "all");
}

/// Perf found no LBR records that stick.
HostState without_records() {
  HostState state;
  state.perf.nr = 0;
  return state;
}

TEST(KvmHost, probes_the_lbr_registers_when_it_boots_as_a_guest) {
  struct Case {
    bool hypervisor;
    LbrRegisters registers;
    unsigned nr;
    std::string_view decides;
  };
  constexpr Case kCases[] = {{false, LbrRegisters::kStuck, 32, "probe-bare-metal"},
                             {true, LbrRegisters::kWork, 32, "probe-passes"},
                             {true, LbrRegisters::kStuck, 0, "probe-tos"},
                             {true, LbrRegisters::kAbsent, 0, "probe-tos"}};
  for (const Case& c : kCases) {
    HostState state;
    state.hypervisor = c.hypervisor;
    const auto hardware = make_hardware(c.registers);
    World w(Kernel::kS8, state, {}, hardware.get());
    EXPECT_EQ(w.host.state.perf.nr, c.nr);
    EXPECT_EQ(w.host.module.supported_perf_cap, c.nr != 0 ? 0x2005u : 0x2000u);
    EXPECT_EQ(w.host.rules().rules().front()->id, c.decides);
    w.host.reload();
    EXPECT_NE(w.host.rules().rules().front()->id, c.decides) << "a reload is no boot";
  }
}

TEST(KvmVm, names_the_rules_that_decided_its_ioctls) {
  World w(Kernel::kS8);
  EXPECT_EQ(w.vm->check_pmu_capability(), kPmuCapDisable);
  EXPECT_EQ(w.vm->enable_pmu_capability(2), -kEinval);
  EXPECT_EQ(w.vm->rules().rules().back()->id, "pmu-cap-bits");
  EXPECT_EQ(w.vm->set_event_filter({.action = 2}), -kEinval);
  EXPECT_EQ(w.vm->rules().rules().size(), 1u);
  EXPECT_EQ(w.vm->rules().rules().back()->id, "filter-action");
}

TEST(KvmVcpu, keeps_the_rules_and_effects_of_a_whole_list) {
  World w(Kernel::kS8);
  Vcpu& vcpu = w.vcpu();
  const std::array<MsrEntry, 4> entries{
      {{msr::kDebugctl, 0x2}, {msr::kDebugctl, 0x803}, {0x12345, 1}, {msr::kDebugctl, 1}}};
  EXPECT_EQ(vcpu.set_msrs(entries), 2);
  EXPECT_EQ(vcpu.last().did.log_lines, 2u);
  EXPECT_FALSE(vcpu.passes_through(msr::kLbrTos)) << "asks, and disturbs nothing";
  const auto count = [&](std::string_view id) {
    return std::ranges::count(vcpu.rules().rules(), id, &Rule::id);
  };
  EXPECT_EQ(count("debugctl-drop-both"), 2);
  EXPECT_EQ(count("msr-unknown"), 1);
  std::array<MsrEntry, 2> read{{{msr::kDebugctl, 0}, {msr::kLbrTos, 0}}};
  EXPECT_EQ(vcpu.get_msrs(read), 2);
  EXPECT_EQ(read[0].value, 0x800u);
  EXPECT_EQ(vcpu.last().did.log_lines, 0u);
  EXPECT_EQ(vcpu.last().did.events_created, 1u);
  EXPECT_EQ(count("debugctl-read"), 1);
  EXPECT_EQ(vcpu.set_msrs({}), 0);
}

TEST(KvmSeries, patch_1_stub_zeroes_the_record_instead_of_leaving_it) {
  for (const Kernel kernel : {Kernel::kS0, Kernel::kS1}) {
    HostState state;
    state.perf_built = false;
    World w(kernel, state);
    LbrRecordSet record{.nr = 7};
    const int result = w.host.x86_perf_get_lbr(record);
    EXPECT_EQ(w.host.rules().rules().size(), 1u);
    EXPECT_EQ(result, kernel == Kernel::kS0 ? -1 : 0);
    EXPECT_EQ(record.nr, kernel == Kernel::kS0 ? 7u : 0u);
  }
}

TEST(KvmSeries, patch_2_needs_records_for_a_format) {
  EXPECT_EQ(World(Kernel::kS1, without_records()).capabilities(), 0x2005u);
  EXPECT_EQ(World(Kernel::kS2, without_records()).capabilities(), 0x2000u);
  EXPECT_TRUE(World(Kernel::kS1, without_records()).write(msr::kPerfCapabilities, 0x5));
  EXPECT_FALSE(World(Kernel::kS2, without_records()).write(msr::kPerfCapabilities, 0x5));
}

TEST(KvmSeries, patch_4_lets_user_space_restore_debugctl_before_cpuid) {
  for (const Kernel kernel : {Kernel::kS3, Kernel::kS4}) {
    HostState state;
    state.bus_lock_detect = true;
    World w(kernel, state);
    const auto vcpu = w.vm->create_vcpu();
    const bool after = kernel == Kernel::kS4;
    EXPECT_EQ(vcpu->set_msr(msr::kDebugctl, 0x801) == kOk, after);
    EXPECT_EQ(vcpu->set_msr(msr::kDebugctl, 0x4) == kOk, after);
    EXPECT_EQ(vcpu->set_msr(msr::kDebugctl, 0x40), kInvalid);
    EXPECT_TRUE(vcpu->guest_wrmsr(msr::kDebugctl, 0x800).gp);
  }
}

TEST(KvmSeries, patch_5_keeps_what_the_module_computed_when_it_was_loaded) {
  for (const Kernel kernel : {Kernel::kS4, Kernel::kS5}) {
    World w(kernel);
    w.host.state.perf.nr = 0;
    EXPECT_EQ(w.capabilities(), kernel == Kernel::kS5 ? 0x2005u : 0x2000u);
    w.host.reload();
    EXPECT_EQ(w.capabilities(), 0x2000u);
  }
}

TEST(KvmDebugctl, examples_of_the_specification) {
  struct Row {
    u64 written, old_value, new_value;
    bool fails;
    unsigned log_lines;
  };
  for (const Row& row : {Row{0x801, 0x801, 0x801, false, 0}, Row{0x803, 0x800, 0x801, false, 1},
                         Row{0x3, 0, 1, false, 1}, Row{0x43, 0, 0, true, 1}}) {
    for (const Kernel kernel : {Kernel::kS0, Kernel::kS8, Kernel::k6_12_117}) {
      World w(kernel);
      EXPECT_EQ(w.guest_write(msr::kDebugctl, row.written), !row.fails);
      EXPECT_EQ(w.op().did.log_lines, row.log_lines);
      EXPECT_EQ(w.read(msr::kDebugctl), kernel == Kernel::k6_12_117 ? row.new_value : row.old_value);
    }
  }
}

TEST(KvmUserAbi, cpuid_is_fixed_by_the_first_run) {
  World w(Kernel::kS8);
  GuestCpuid cpuid = w.host.supported_cpuid();
  w.vcpu().enter();
  EXPECT_EQ(w.vcpu().set_cpuid(cpuid), 0);
  cpuid.set_pdcm(false);
  EXPECT_EQ(w.vcpu().set_cpuid(cpuid), -kEinval);
}

TEST(KvmUserAbi, get_msrs_stops_at_the_first_that_fails) {
  World w(Kernel::kS8);
  MsrEntry entries[] = {{msr::kPerfCapabilities, 0}, {0x12345, 9}, {msr::kDebugctl, 9}};
  EXPECT_EQ(w.vcpu().get_msrs(entries), 1);
  EXPECT_EQ(entries[0].value, 0x2005u);
  EXPECT_EQ(entries[2].value, 9u);
  std::vector<MsrEntry> many(255, MsrEntry{msr::kDebugctl, 0});
  EXPECT_EQ(w.vcpu().get_msrs(many), 255);
}

TEST(KvmUserAbi, index_lists) {
  const auto has = [](const std::vector<u32>& list, u32 index) {
    return std::ranges::find(list, index) != list.end();
  };
  World old(Kernel::kS8), late(Kernel::k7_3);
  EXPECT_TRUE(has(old.host.msr_index_list(), msr::kPerfCapabilities));
  EXPECT_FALSE(has(old.host.msr_index_list(), msr::kDebugctl));
  EXPECT_TRUE(has(late.host.msr_index_list(), msr::kDebugctl));
  EXPECT_EQ(old.host.feature_msr_index_list(), std::vector<u32>{msr::kPerfCapabilities});
}

TEST(KvmUserAbi, supported_cpuid_offers_ds_only_with_pebs) {
  HostState state;
  EXPECT_FALSE(World(Kernel::kS8, state).host.supported_cpuid().ds());
  state.perf_capabilities = 0x34c5;
  state.pebs_feature = state.pebs_ept = true;
  EXPECT_TRUE(World(Kernel::kS8, state).host.supported_cpuid().dtes64());
  EXPECT_FALSE(World(Kernel::kS8, {}, {.enable_pmu = false}).host.supported_cpuid().pdcm());
}

TEST(KvmLbr, registers_pass_through_while_the_event_is_active) {
  World w(Kernel::kS8);
  ASSERT_TRUE(w.guest_write(msr::kDebugctl, 1));
  EXPECT_FALSE(w.vcpu().passes_through(0x680));
  w.vcpu().enter();
  EXPECT_TRUE(w.vcpu().passes_through(0x680));
  EXPECT_FALSE(w.vcpu().passes_through(msr::kDebugctl));
  w.vcpu().state.event_state = EventState::kError;
  w.vcpu().enter();
  EXPECT_EQ(w.op().did.warnings, 1u);
  EXPECT_FALSE(w.vcpu().passes_through(0x680));
}

TEST(KvmLbr, event_is_given_back_by_a_slice_without_the_guests_lbr_bit) {
  World w(Kernel::kS8);
  w.guest_write(msr::kDebugctl, 1);
  w.vcpu().next_slice();
  EXPECT_TRUE(w.vcpu().state.lbr_event);
  w.guest_write(msr::kDebugctl, 0);
  w.vcpu().next_slice();
  EXPECT_FALSE(w.vcpu().state.lbr_event);
}

TEST(KvmLbr, reset_gives_the_event_back_in_6_1_only_and_init_never) {
  for (const Kernel kernel : {Kernel::kS8, Kernel::k6_12_8}) {
    World w(kernel);
    w.guest_write(msr::kDebugctl, 1);
    w.vcpu().init();
    EXPECT_TRUE(w.vcpu().state.lbr_event);
    w.vcpu().reset();
    EXPECT_EQ(w.vcpu().state.lbr_event, kernel == Kernel::k6_12_8);
    EXPECT_EQ(w.read(msr::kDebugctl), 0u);
  }
}

/// Numbers that no refresh makes: a user of the library has set them.
TEST(KvmVpmu, has_no_more_counters_than_its_state_can_hold) {
  for (const Kernel kernel : {Kernel::kS8, Kernel::k7_3}) {
    World w(kernel);
    VpmuState& pmu = w.vcpu().state.pmu;
    pmu.nr_gp = pmu.nr_fixed = 1000;
    const u32 above = kMaxGp;
    EXPECT_FALSE(w.guest_write(msr::kPmc0 + above, 1));
    EXPECT_FALSE(w.guest_write(msr::kEvtsel0 + above, 0x4300c0));
    EXPECT_FALSE(w.guest_write(msr::kFullPmc0 + above, 1));
    EXPECT_FALSE(w.guest_write(msr::kFixed0 + kMaxFixed, 1));
    EXPECT_TRUE(w.guest_write(msr::kPmc0 + above - 1, 1));
    EXPECT_TRUE(w.vcpu().rdpmc(above).gp);
    EXPECT_TRUE(w.vcpu().rdpmc(0x40000000 | kMaxFixed).gp);
    EXPECT_FALSE(w.vcpu().rdpmc(above - 1).gp);
    EXPECT_FALSE(counter_counts(w.op(), above + kMaxFixed));
    pmu.gp.back().select = 0x4300c0;
    pmu.global_ctrl = ~u64{0};
    w.vcpu().count(0xc0, 0, 5);
    EXPECT_EQ(pmu.gp.back().value, 6u);
  }
}

TEST(KvmVpmu, of_more_than_64_architectural_events_has_them_all) {
  World w(Kernel::kS8);
  w.host.module.num_events = 200;
  GuestCpuid cpuid = w.host.supported_cpuid();
  cpuid.leaf0a_eax = (cpuid.leaf0a_eax & 0xffffff) | 100u << 24;
  cpuid.leaf0a_ebx = 2;
  ASSERT_EQ(w.vcpu().set_cpuid(cpuid), 0);
  EXPECT_EQ(w.vcpu().state.pmu.available_event_types, ~u64{2});
}

TEST(KvmVpmu, reset_gives_the_events_of_counters_back) {
  World w(Kernel::kS8);
  ASSERT_TRUE(w.guest_write(msr::kDebugctl, 1));
  ASSERT_TRUE(w.guest_write(msr::kGlobalCtrl, 1));
  ASSERT_TRUE(w.guest_write(msr::kEvtsel0, 0x4300c0));
  w.vcpu().count(0xc0, 0, 1);
  const VpmuState& pmu = w.vcpu().state.pmu;
  ASSERT_EQ(pmu.event_count, 2u);
  w.vcpu().reset();
  EXPECT_EQ(pmu.events, 0u);
  EXPECT_EQ(pmu.event_count, 0u);
}

TEST(KvmVpmu, events_that_are_given_back_do_not_make_the_count_negative) {
  World w(Kernel::kS8);
  VpmuState& pmu = w.vcpu().state.pmu;
  w.vcpu().state.lbr_event = true;
  pmu.events = 7;
  pmu.event_count = 2;
  w.vcpu().reset();
  EXPECT_EQ(pmu.event_count, 0u);
}

TEST(KvmVpmu, overflow_period_is_what_is_left) {
  World w(Kernel::kS8);
  w.write(msr::kPmc0, 0xfffffffffff0);
  EXPECT_EQ(sample_period(w.vcpu().state.pmu, 0), 16u);
  w.write(msr::kPmc0, 0);
  EXPECT_EQ(sample_period(w.vcpu().state.pmu, 0), u64{1} << 48);
}

}  // namespace
}  // namespace lastbranch::kvm
