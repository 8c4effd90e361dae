/// Why a write was not taken: the bits, and the rows that made them illegal.
#include <algorithm>

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "models/vmx/kvm/offences.h"
#include "tests/vmx/kvm_world.h"

namespace lastbranch::kvm {
namespace {

struct Refusal {
  u64 bits;
  std::string_view names;
  std::string_view rule;        ///< that refused or dropped them
  std::string_view other = {};  ///< that would have made them legal
  std::string_view says = {};   ///< a part of the reason in words
};

struct OffenceCase {
  Kernel kernel;
  u32 index;
  u64 data;
  Who who;
  std::vector<Refusal> refusals;
  void (*host)(HostState&) = nullptr;
  void (*guest)(GuestCpuid&) = nullptr;
  void (*vcpu)(Vcpu&) = nullptr;
};

std::vector<Offence> offences_of(const OffenceCase& c) {
  HostState state;
  if (c.host != nullptr) c.host(state);
  SelectingMsrs cpu;
  World w(c.kernel, state, {}, &cpu);
  GuestCpuid cpuid = w.host.supported_cpuid();
  if (c.guest != nullptr) c.guest(cpuid);
  const auto vcpu = w.vm->create_vcpu(cpuid);
  if (c.vcpu != nullptr) c.vcpu(*vcpu);
  const int code =
      c.who == Who::kGuest ? vcpu->guest_wrmsr(c.index, c.data).code : vcpu->set_msr(c.index, c.data);
  return offences(vcpu->last(), c.data, code);
}

void check(const OffenceCase& c) {
  SCOPED_TRACE(fmt::format("{}: {:#x}={:#x} by {}", name(c.kernel), c.index, c.data,
                           c.who == Who::kGuest ? "the guest" : "user space"));
  const std::vector<Offence> found = offences_of(c);
  std::string all;
  for (const Offence& o : found) all += "\n" + o.words();
  ASSERT_EQ(found.size(), c.refusals.size()) << all;
  for (std::size_t i = 0; i < found.size(); ++i) {
    const Refusal& expected = c.refusals[i];
    EXPECT_EQ(found[i].bits, expected.bits) << all;
    EXPECT_EQ(found[i].names, expected.names);
    ASSERT_FALSE(found[i].rules.empty());
    EXPECT_EQ(found[i].rules[0]->id, expected.rule) << all;
    if (!expected.other.empty()) {
      EXPECT_TRUE(std::ranges::any_of(found[i].rules, [&](const Rule* r) { return r->id == expected.other; }))
          << all;
    }
    EXPECT_NE(found[i].words().find(expected.says), std::string::npos) << all;
    EXPECT_NE(found[i].words().find(expected.rule), std::string::npos);
  }
}

void no_lbr(HostState& h) {
  h.perf.nr = 0;
}
void bus_lock(HostState& h) {
  h.bus_lock_detect = true;
}
void no_bus_lock(GuestCpuid& c) {
  c.set_bus_lock_detect(false);
}
void no_pdcm(GuestCpuid& c) {
  c.set_pdcm(false);
}
void no_leaf(GuestCpuid& c) {
  c.has_leaf_0a = false;
}
void other_model(GuestCpuid& c) {
  c.leaf1_eax ^= 0x10;
}
void pebs(HostState& h) {
  h.perf_capabilities = 0x34c5;
  h.pebs_feature = h.pebs_ept = true;
}
void rtm(HostState& h) {
  h.rtm = true;
}
void no_rtm(GuestCpuid& c) {
  c.leaf7_ebx = 1;
}
void no_tsx(GuestCpuid& c) {
  c.leaf7_ebx = 0;
}
void four_fixed_two(GuestCpuid& c) {
  c.set_pmu(2, 4, 2);
}

constexpr Who kGuest = Who::kGuest, kHost = Who::kHost;

const OffenceCase kDebugctlCases[] = {
    {Kernel::kS3, msr::kDebugctl, 0x801, kGuest, {}},
    {Kernel::kS0, msr::kDebugctl, 0x40, kGuest, {{0x40, "TR", "debugctl-invalid", {}, "no kernel's rules"}}},
    {Kernel::kS8,
     msr::kDebugctl,
     0x803,
     kGuest,
     {{2, "BTF", "debugctl-drop-both", {}, "dropped and logged"},
      {1, "LBR", "debugctl-drop-both", {}, "legal, yet"}}},
    {Kernel::k6_12_117, msr::kDebugctl, 0x803, kGuest, {{2, "BTF", "debugctl-drop-illegal"}}},
    {Kernel::kS8,
     msr::kDebugctl,
     0x801,
     kGuest,
     {{1, "LBR", "debugctl-drop-both", "debugctl-lbr-guest", "vlbr-no-format"},
      {0x800, "FREEZE_LBRS_ON_PMI", "debugctl-invalid", "debugctl-lbr-guest", "the vCPU has no LBRs"}},
     nullptr,
     no_pdcm},
    {Kernel::kS3,
     msr::kDebugctl,
     0x800,
     kHost,
     {{0x800, "FREEZE_LBRS_ON_PMI", "debugctl-invalid", "debugctl-lbr-any", "vlbr-model"}},
     nullptr,
     other_model},
    {Kernel::kS4, msr::kDebugctl, 0x800, kHost, {}, nullptr, other_model},
    {Kernel::kS4,
     msr::kDebugctl,
     0x800,
     kHost,
     {{0x800, "FREEZE_LBRS_ON_PMI", "debugctl-invalid", "debugctl-lbr-user", "caps-fmt-no-records"}},
     no_lbr},
    {Kernel::kS8,
     msr::kDebugctl,
     0x4,
     kGuest,
     {{4, "BUS_LOCK_DETECT", "debugctl-invalid", "debugctl-bus-lock-guest",
       "the host has bus-lock detection: no"}}},
    {Kernel::kS8,
     msr::kDebugctl,
     0x4,
     kGuest,
     {{4, "BUS_LOCK_DETECT", "debugctl-invalid", "debugctl-bus-lock-guest", "the guest's CPUID has it: no"}},
     bus_lock,
     no_bus_lock},
    {Kernel::kS3,
     msr::kDebugctl,
     0x4,
     kHost,
     {{4, "BUS_LOCK_DETECT", "debugctl-invalid", "debugctl-bus-lock-any", "the guest's CPUID has it: no"}},
     bus_lock,
     no_bus_lock},
    {Kernel::kS4, msr::kDebugctl, 0x4, kHost, {}, bus_lock, no_bus_lock},
    {Kernel::kS8,
     msr::kDebugctl,
     0x8000,
     kHost,
     {{0x8000, "RTM_DEBUG", "debugctl-invalid", "debugctl-rtm", "6.1.192, 6.12.117, 7.3-rc7 only"}},
     rtm},
    {Kernel::k7_3,
     msr::kDebugctl,
     0x8000,
     kGuest,
     {{0x8000, "RTM_DEBUG", "debugctl-invalid", "debugctl-rtm", "the guest's CPUID has it: no"}},
     rtm,
     no_rtm},
};

const OffenceCase kCapabilityCases[] = {
    {Kernel::kS8, msr::kPerfCapabilities, 0x2005, kHost, {}},
    {Kernel::kS8,
     msr::kPerfCapabilities,
     0x2006,
     kHost,
     {{6, "LBR_FMT", "perfcap-fmt-differs", {}, "LBR format 6; KVM supports 0x2005"},
      {2, "LBR_FMT", "perfcap-unsupported-bits"}}},
    {Kernel::kS2,
     msr::kPerfCapabilities,
     0x2005,
     kHost,
     {{5, "LBR_FMT", "perfcap-fmt-differs", {}, "caps-fmt-no-records"},
      {5, "LBR_FMT", "perfcap-unsupported-bits"}},
     no_lbr},
    {Kernel::kS1, msr::kPerfCapabilities, 0x2005, kHost, {}, no_lbr},
    {Kernel::kS8,
     msr::kPerfCapabilities,
     0x5,
     kHost,
     {{5, "LBR_FMT", "perfcap-fmt-model"}},
     nullptr,
     other_model},
    {Kernel::kS8,
     msr::kPerfCapabilities,
     0x2005,
     kHost,
     {{0, "", "perfcap-no-pmu", {}, "refresh-no-leaf"}},
     nullptr,
     no_leaf},
    {Kernel::k7_3, msr::kPerfCapabilities, 0x2005, kHost, {}, nullptr, no_leaf},
    {Kernel::kS8,
     msr::kPerfCapabilities,
     0x2485,
     kHost,
     {{0x40, "PEBS_TRAP", "perfcap-pebs-differs", {}, "differ from the supported ones, 0x4c0"}},
     pebs},
    {Kernel::kS8,
     msr::kPerfCapabilities,
     0x24c0,
     kHost,
     {{0x400, "PEBS_FORMAT", "perfcap-pebs-cpuid", {}, "DS: no, DTES64: yes"}},
     pebs,
     [](GuestCpuid& c) { c.set_ds(false); }},
    {Kernel::k6_12_8, msr::kPerfCapabilities, 0x2000, kGuest, {{0, "", "perfcap-guest"}}},
    {Kernel::k7_3, msr::kPerfCapabilities, 0x2000, kGuest, {{0, "", "perfcap-guest-unsupported"}}},
    {Kernel::k6_12_8,
     msr::kPerfCapabilities,
     0x2000,
     kHost,
     {{5, "LBR_FMT", "perfcap-frozen", {}, "the vCPU has run with 0x2005"}},
     nullptr,
     nullptr,
     [](Vcpu& v) { v.enter(); }},
    {Kernel::k7_3, msr::kPerfCapabilities, 0x2000, kHost, {{0, "", "perfcap-no-pdcm"}}, nullptr, no_pdcm},
    {Kernel::kS8,
     msr::kPerfCapabilities,
     0x3000,
     kHost,
     {{0x1000, "SMM_FREEZE", "perfcap-unsupported-bits", {}, "KVM supports 0x2005"}}},
};

const OffenceCase kRegisterCases[] = {
    {Kernel::kS8, msr::kLbrSelect, 0x1ff, kGuest, {}},
    {Kernel::kS8,
     msr::kLbrSelect,
     0x1c00,
     kGuest,
     {{0x1c00, "bits without a name", "lbr-hardware-write", {}, "does not look"}}},
    {Kernel::k7_3,
     msr::kLbrSelect,
     0x801,
     kGuest,
     {{0x800, "a bit without a name", "lbr-hardware-write-safe", {}, "sees the fault"}}},
    {Kernel::kS8, msr::kLbrSelect, 1, kHost, {{0, "", "lbr-off", {}, "vlbr-no-format"}}, nullptr, no_pdcm},
    {Kernel::kS8,
     msr::kLbrSelect,
     1,
     kGuest,
     {{0, "", "lbr-no-event", {}, "dropped"}},
     nullptr,
     nullptr,
     [](Vcpu& v) { v.state.event_create_errno = -2; }},
    {Kernel::k6_12_8,
     msr::kLbrSelect,
     1,
     kGuest,
     {{0, "", "lbr-event-idle", {}, "dropped"}},
     nullptr,
     nullptr,
     [](Vcpu& v) { v.state.event_state = EventState::kError; }},
    {Kernel::kS8, msr::kGlobalCtrl, 0x7000000ff, kGuest, {}},
    {Kernel::kS8,
     msr::kGlobalCtrl,
     0x8000001ff,
     kGuest,
     {{0x800000100, "general counter 8, fixed counter 3", "vpmu-control-reserved", "mask-global-ctrl",
       "8 general and 3 fixed counters"}}},
    {Kernel::k6_12_117,
     msr::kGlobalCtrl,
     0x10,
     kHost,
     {{0x10, "general counter 4", "vpmu-control-reserved", "mask-global-ctrl", "4 general and 2 fixed"}},
     nullptr,
     four_fixed_two},
    {Kernel::kS8,
     msr::kGlobalCtrl,
     1,
     kGuest,
     {{0, "", "vpmu-global", {}, "version 1"}},
     nullptr,
     [](GuestCpuid& c) { c.set_pmu(1, 8, 3); }},
    {Kernel::kS8,
     msr::kGlobalCtrl,
     1,
     kGuest,
     {{0, "", "vpmu-global", {}, "refresh-no-leaf"}},
     nullptr,
     no_leaf},
    {Kernel::kS8,
     msr::kFixedCtrCtrl,
     0x4333,
     kGuest,
     {{0x4000, "ANY of fixed counter 3", "vpmu-control-reserved", "mask-fixed"}}},
    {Kernel::kS8,
     msr::kFixedCtrCtrl,
     0x304,
     kGuest,
     {{0x304, "ANY of fixed counter 0, OS of fixed counter 2, USR of fixed counter 2",
       "vpmu-control-reserved", "mask-fixed", "2 fixed counters"}},
     nullptr,
     four_fixed_two},
    {Kernel::kS8,
     msr::kFixedCtrCtrl,
     u64{1} << 32,
     kGuest,
     {{u64{1} << 32, "ADAPTIVE of fixed counter 0", "vpmu-control-reserved", "mask-pebs-baseline"}}},
    {Kernel::kS8, msr::kEvtsel0, 0x4300c4, kGuest, {}},
    {Kernel::kS8,
     msr::kEvtsel0,
     0x8006300c4,
     kGuest,
     {{0x800200000, "ANY, a bit without a name", "vpmu-control-reserved", {}, "reserved on every kernel"}}},
    {Kernel::kS8,
     msr::kEvtsel0,
     0x1004300c4,
     kGuest,
     {{u64{1} << 32, "IN_TX", "vpmu-control-reserved", "mask-tsx"}},
     rtm,
     no_tsx},
    {Kernel::kS8, msr::kEvtsel0, 0x1004300c4, kGuest, {}, rtm, no_rtm},
    {Kernel::kS8,
     msr::kEvtsel0 + 2,
     0x2004300c4,
     kGuest,
     {{u64{1} << 33, "IN_TXCP", "vpmu-control-reserved", "mask-tsx"}}},
    {Kernel::kS8,
     msr::kEvtsel0 + 1,
     0x2004300c4,
     kGuest,
     {{u64{1} << 33, "IN_TXCP", "vpmu-control-reserved", {}, "reserved on every kernel"}},
     rtm},
    {Kernel::kS8,
     msr::kEvtsel0,
     0x4004300c4,
     kGuest,
     {{u64{1} << 34, "ADAPTIVE", "vpmu-control-reserved", "mask-pebs-baseline"}}},
    {Kernel::k6_12_8, msr::kEvtsel0 + 8, 1, kGuest, {{0, "", "vpmu-none", {}, "8 general"}}},
    {Kernel::kS8,
     msr::kOvfCtrl,
     u64{1} << 55,
     kGuest,
     {{u64{1} << 55, "TRACE_TOPA_PMI", "vpmu-ovf-reserved", "mask-global-status-pt"}}},
    {Kernel::kS8, msr::kGlobalStatus, 1, kGuest, {{0, "", "vpmu-status-guest"}}},
    {Kernel::kS8,
     msr::kPebsEnable,
     0x100,
     kGuest,
     {{0x100, "general counter 8", "vpmu-control-reserved", "mask-pebs-gp"}},
     pebs},
    {Kernel::kS8,
     msr::kFullPmc0,
     u64{1} << 48,
     kGuest,
     {{u64{1} << 48, "a bit without a name", "vpmu-full-width-bits", {}, "wider than the counter"}}},
    {Kernel::kS8,
     msr::kDsArea,
     u64{1} << 47,
     kGuest,
     {{u64{1} << 47, "a bit without a name", "vpmu-ds-canonical"}},
     pebs},
};

TEST(KvmOffences, of_debugctl) {
  for (const OffenceCase& c : kDebugctlCases) check(c);
}
TEST(KvmOffences, of_perf_capabilities) {
  for (const OffenceCase& c : kCapabilityCases) check(c);
}
TEST(KvmOffences, of_lbr_and_vpmu_registers) {
  for (const OffenceCase& c : kRegisterCases) check(c);
}

/// Every bit of every value on every kernel: there is an offence exactly if the write fails or the value that
/// is stored is another, and its bits are of the value (or of what the value lacks).
TEST(KvmOffences, exist_exactly_where_a_write_is_not_taken) {
  unsigned refused = 0;
  for (const KernelName& k : kernel_names()) {
    for (const u32 index : {msr::kDebugctl, msr::kPerfCapabilities, msr::kLbrSelect, msr::kGlobalCtrl,
                            msr::kFixedCtrCtrl, msr::kEvtsel0, msr::kEvtsel0 + 2, msr::kPebsEnable}) {
      for (unsigned bit = 0; bit < 64; ++bit) {
        for (const Who who : {kGuest, kHost}) {
          SelectingMsrs cpu;
          World w(k.kernel, {}, {}, &cpu);
          const u64 data = u64{1} << bit;
          const int code =
              who == kGuest ? w.vcpu().guest_wrmsr(index, data).code : w.vcpu().set_msr(index, data);
          const auto found = offences(w.vcpu().last(), data, code);
          const bool taken = code == kOk && w.read(index) == data;
          EXPECT_EQ(found.empty(), taken) << k.name << ' ' << index << ' ' << bit;
          for (const Offence& o : found) EXPECT_TRUE(o.bits == 0 || !o.names.empty()) << o.words();
          refused += found.empty() ? 0 : 1;
        }
      }
    }
  }
  EXPECT_GT(refused, 8000u);
}

TEST(KvmOffences, leave_the_state_alone_and_read_as_a_line) {
  World w(Kernel::kS3);
  const int code = w.vcpu().guest_wrmsr(msr::kDebugctl, 0x41).code;
  const u64 before = w.vcpu().state.vmcs_debugctl;
  const auto found = offences(w.vcpu().last(), 0x41, code);
  EXPECT_EQ(w.vcpu().state.vmcs_debugctl, before);
  ASSERT_EQ(found.size(), 1u);
  EXPECT_EQ(
      found[0].words(),
      "0x40 (TR): refused, and the write with it: no kernel's rules make it legal; debugctl-invalid: another "
      "bit is not legal [section 4.2 step b; all]");
}

}  // namespace
}  // namespace lastbranch::kvm
