/// What the kernel's own selftests check, each as a test named after it: on the kernels where it passes, and
/// failing on those that answer otherwise. Source: kvm-lbr-semantics.md, "Kernel selftests".
#include <functional>

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "tests/vmx/kvm_world.h"

namespace lastbranch::kvm {
namespace {

constexpr u32 kCaps = msr::kPerfCapabilities;

/// What a selftest found wrong; empty: it passes.
class Findings {
 public:
  void check(bool good, std::string what) {
    if (!good) wrong_.push_back(std::move(what));
  }
  [[nodiscard]] const std::vector<std::string>& wrong() const { return wrong_; }

 private:
  std::vector<std::string> wrong_;
};

HostState pebs_host() {
  HostState state;
  state.perf_capabilities = 0x34c5;
  state.pebs_feature = state.pebs_ept = true;
  return state;
}

/// Runs a selftest on every kernel: it must pass on `passes`, and find something on all others.
void on_all_kernels(KernelSet passes, const std::function<void(Kernel, Findings&)>& test) {
  for (const KernelName& k : kernel_names()) {
    Findings findings;
    test(k.kernel, findings);
    const std::string first = findings.wrong().empty() ? "" : findings.wrong().front();
    EXPECT_EQ(findings.wrong().empty(), passes.contains(k.kernel)) << k.name << ": " << first;
  }
}

/// What KVM_SET_MSRS returns for one entry.
int set_msrs_processed(World& w, u64 value) {
  const MsrEntry entry{kCaps, value};
  return w.vcpu().set_msrs({&entry, 1});
}

TEST(KvmSelftest, vmx_pmu_caps_test_of_6_1) {
  on_all_kernels(kAllKernels, [](Kernel kernel, Findings& f) {
    World w(kernel);
    f.check(w.write(kCaps, 0x2000) && w.read(kCaps) == 0x2000, "FW_WRITES is stored");
    f.check(!w.guest_write(kCaps, 0x3f) && w.read(kCaps) == 0x2000, "the guest cannot change it");
    f.check(w.write(kCaps, 0) && w.read(kCaps) == 0, "0 is stored");
    for (u64 format = 1; format < 64; ++format)
      f.check(set_msrs_processed(w, format) == (format == 5 ? 1 : 0), fmt::format("format {}", format));
    f.check(w.read(kCaps) == 5, "the host's format is stored");
  });
}

TEST(KvmSelftest, vmx_pmu_caps_test_guest_wrmsr_and_immutability_after_run) {
  on_all_kernels(kFrom612, [](Kernel kernel, Findings& f) {
    World w(kernel, pebs_host());
    const u64 all = w.capabilities();
    MsrEntry feature{kCaps, 0};
    f.check(w.host.get_feature_msrs({&feature, 1}) == 1 && feature.value == all, "the feature MSR");
    f.check((all & perfcap::kFwWrites) != 0 && w.write(kCaps, all), "all that is supported is stored");
    w.vcpu().enter();
    f.check(!w.guest_write(kCaps, all) && !w.guest_write(kCaps, 0), "guest writes fail");
    for (unsigned bit = 0; bit < 64; ++bit)
      f.check(!w.guest_write(kCaps, all ^ (u64{1} << bit)), fmt::format("guest writes bit {}", bit));
    f.check(w.read(kCaps) == all && w.write(kCaps, all), "unchanged, and may be written again");
    f.check(!w.write(kCaps, 0), "0 after a run");
    for (unsigned bit = 0; bit < 64; ++bit)
      f.check(!w.write(kCaps, all ^ (u64{1} << bit)), fmt::format("bit {} after a run", bit));
  });
}

TEST(KvmSelftest, vmx_pmu_caps_test_basic_and_fungible_bits) {
  on_all_kernels(kAllKernels, [](Kernel kernel, Findings& f) {
    World w(kernel, pebs_host());
    const u64 all = w.capabilities();
    f.check(w.write(kCaps, 0) && w.write(kCaps, all), "0, then all");
    const u64 fixed = perfcap::kLbrFmt | perfcap::pebs_mask(kernel);
    for (unsigned bit = 0; bit < 64; ++bit) {
      const u64 one = u64{1} << bit;
      if ((all & one) == 0 || (fixed & one) != 0) continue;
      f.check(w.write(kCaps, one) && w.write(kCaps, all & ~one), fmt::format("fungible bit {}", bit));
    }
  });
}

TEST(KvmSelftest, vmx_pmu_caps_test_immutable_bits_and_formats) {
  on_all_kernels(kAllKernels, [](Kernel kernel, Findings& f) {
    World w(kernel, pebs_host());
    const u64 all = w.capabilities();
    const u64 formats = perfcap::kLbrFmt | perfcap::kPebsFormat;
    for (unsigned bit = 0; bit < 64; ++bit) {
      const u64 one = u64{1} << bit;
      if ((formats & one) == 0 && one != perfcap::kFwWrites)
        f.check(!w.write(kCaps, all ^ one), fmt::format("bit {} toggled", bit));
    }
    for (u64 format = 1; format < 64; ++format)
      if (format != (all & perfcap::kLbrFmt))
        f.check(!w.write(kCaps, (all & ~perfcap::kLbrFmt) | format), fmt::format("LBR format {}", format));
    for (u64 format = 1; format < 16; ++format)
      if (format << 8 != (all & perfcap::kPebsFormat))
        f.check(!w.write(kCaps, (all & ~perfcap::kPebsFormat) | format << 8),
                fmt::format("PEBS format {}", format));
  });
}

TEST(KvmSelftest, vmx_pmu_caps_test_lbr_msr_without_leaf_0a) {
  on_all_kernels(kFrom612, [](Kernel kernel, Findings& f) {
    World w(kernel);
    f.check(w.write(kCaps, w.capabilities()) && w.write(msr::kLbrTos, 7), "LBR_TOS is there");
    GuestCpuid cpuid = w.host.supported_cpuid();
    cpuid.has_leaf_0a = false;
    f.check(w.vcpu().set_cpuid(cpuid) == 0, "leaf 0AH is removed");
    f.check(!w.write(msr::kLbrTos, 7), "LBR_TOS is gone");
  });
}

TEST(KvmSelftest, vmx_pmu_caps_test_without_pdcm) {
  on_all_kernels(k73, [](Kernel kernel, Findings& f) {
    World w(kernel);
    f.check(w.write(kCaps, w.capabilities()) && w.read(kCaps) == w.capabilities(), "all is stored");
    GuestCpuid cpuid = w.host.supported_cpuid();
    cpuid.set_pdcm(false);
    w.vcpu().set_cpuid(cpuid);
    f.check(w.vcpu().get_msr(kCaps).code == kOk && w.read(kCaps) == 0, "reads 0");
    f.check(w.write(kCaps, 0), "0 may be written");
    for (unsigned bit = 0; bit < 64; ++bit)
      f.check(!w.write(kCaps, u64{1} << bit), fmt::format("bit {}", bit));
  });
}

void count_arch_events(World& w, Findings& f) {
  constexpr u64 kInstructions = 10 * 6 + 5, kBranches = 10;
  const auto run = [&] {
    w.vcpu().count(0xc0, 0, kInstructions);
    w.vcpu().count(0xc4, 0, kBranches);
  };
  const bool global = w.vcpu().state.pmu.version > 1;
  for (const auto& [code, n] : {std::pair<u64, u64>{0xc0, kInstructions}, {0xc4, kBranches}}) {
    w.guest_write(msr::kPmc0, 0);
    f.check(w.guest_write(msr::kEvtsel0, 0x430000 | code), "EVNTSEL0");
    f.check(!global || w.guest_write(msr::kGlobalCtrl, 1), "GLOBAL_CTRL");
    run();
    f.check(w.vcpu().guest_rdmsr(msr::kPmc0).value == n, fmt::format("event {:#x} counts exactly", code));
    w.guest_write(msr::kEvtsel0, code);
    w.guest_write(msr::kPmc0, 0xdead);
    run();
    f.check(w.vcpu().guest_rdmsr(msr::kPmc0).value == 0xdead, "not when disabled");
  }
}

/// `base` is C1H, or 4C1H for the full-width aliases.
void check_gp_counters(World& w, u32 base, unsigned n, Findings& f) {
  for (unsigned i = 0; i < 8; ++i) {
    const u32 index = base + i;
    const bool legacy = base == msr::kPmc0 && i >= n && i < 2;
    f.check(w.guest_write(index, 0xffff) == (i < n || legacy), fmt::format("WRMSR of {:#x}", index));
    const GuestAnswer read = w.vcpu().guest_rdmsr(index);
    f.check(read.gp != (i < n || legacy) && read.value == (i < n ? 0xffff : 0),
            fmt::format("RDMSR of {:#x}", index));
    const GuestAnswer rdpmc = w.vcpu().rdpmc(i);
    f.check(rdpmc.gp == (i >= n) && rdpmc.value == (i < n ? 0xffff : 0),
            fmt::format("RDPMC of counter {}", i));
    f.check(w.vcpu().rdpmc(i | u32{1} << 31).gp, fmt::format("RDPMC of counter {} with bit 31", i));
  }
}

void check_fixed_counters(World& w, bool global, unsigned n, Findings& f) {
  for (unsigned i = 0; i < 3; ++i) {
    f.check(w.guest_write(msr::kFixed0 + i, 0xffff) == (i < n), fmt::format("fixed counter {}", i));
    const GuestAnswer read = w.vcpu().guest_rdmsr(msr::kFixed0 + i);
    f.check(read.gp == (i >= n) && read.value == (i < n ? 0xffff : 0), fmt::format("RDMSR of fixed {}", i));
    const GuestAnswer rdpmc = w.vcpu().rdpmc(0x40000000 | i);
    f.check(rdpmc.gp == (i >= n) && rdpmc.value == (i < n ? 0xffff : 0), fmt::format("RDPMC of fixed {}", i));
    f.check(w.guest_write(msr::kFixedCtrCtrl, u64{3} << 4 * i) == (i < n),
            fmt::format("FIXED_CTR_CTRL {}", i));
    f.check(w.guest_write(msr::kGlobalCtrl, u64{1} << (32 + i)) == (i < n), fmt::format("GLOBAL_CTRL {}", i));
  }
  for (const u32 index : {msr::kFixedCtrCtrl, msr::kGlobalCtrl})
    f.check(w.guest_write(index, 0) == global, fmt::format("{:#x} takes 0", index));
}

/// What a guest may be: the PMU's version, its counters, its capabilities, the events it lacks.
struct GuestPmu {
  unsigned version, gp, fixed;
  u64 caps;
  u32 unavailable;
};

void check_guest_pmu(Kernel kernel, const GuestPmu& pmu, Findings& f) {
  World w(kernel);
  GuestCpuid cpuid = w.host.supported_cpuid();
  cpuid.set_pmu(pmu.version, pmu.gp, pmu.fixed);
  cpuid.leaf0a_ebx = pmu.unavailable;
  w.vcpu().set_cpuid(cpuid);
  const bool any = pmu.version != 0, global = pmu.version > 1;
  if (any) f.check(w.write(kCaps, pmu.caps), "PERF_CAPABILITIES");
  const unsigned gp = any ? pmu.gp : 0;
  if (global) f.check(w.read(msr::kGlobalCtrl) == (u64{1} << gp) - 1, "GLOBAL_CTRL after RESET");
  check_gp_counters(w, msr::kPmc0, gp, f);
  const bool full_width = any && pmu.caps == perfcap::kFwWrites;
  for (unsigned i = 0; i < 8; ++i)
    f.check(w.guest_write(msr::kFullPmc0 + i, 0) == (full_width && i < gp), fmt::format("full width {}", i));
  if (full_width) check_gp_counters(w, msr::kFullPmc0, gp, f);
  check_fixed_counters(w, global, global ? pmu.fixed : 0, f);
  if (gp != 0) count_arch_events(w, f);
}

TEST(KvmSelftest, pmu_counters_test) {
  on_all_kernels(kFrom612, [](Kernel kernel, Findings& f) {
    for (unsigned version = 0; version <= 5; ++version)
      for (unsigned counters = 0; counters <= 8; ++counters)
        for (const u64 caps : {u64{0}, perfcap::kFwWrites})
          for (const u32 unavailable : {0u, 0x7fu})
            check_guest_pmu(kernel, {version, counters, std::min(counters, 3u), caps, unavailable}, f);
  });
}

TEST(KvmSelftest, pmu_counters_test_first_finding_on_6_1_is_what_the_specification_says) {
  World w(Kernel::kS8);
  EXPECT_EQ(w.read(msr::kGlobalCtrl), 0u) << "0 at creation";
  Findings f;
  check_gp_counters(w, msr::kPmc0, 8, f);
  EXPECT_EQ(f.wrong(),
            std::vector<std::string>({"RDPMC of counter 0 with bit 31", "RDPMC of counter 1 with bit 31",
                                      "RDPMC of counter 2 with bit 31", "RDPMC of counter 3 with bit 31",
                                      "RDPMC of counter 4 with bit 31", "RDPMC of counter 5 with bit 31",
                                      "RDPMC of counter 6 with bit 31", "RDPMC of counter 7 with bit 31"}));
}

/// The guest of pmu_event_filter_test: branches and instructions as it counts them.
std::pair<u64, u64> run_filtered(World& w, Findings& f) {
  constexpr u64 kBranches = 42, kInstructions = 200;
  for (const u32 i : {0u, 1u}) w.guest_write(msr::kPmc0 + i, 0);
  f.check(w.guest_write(msr::kEvtsel0, 0x4300c4) && w.guest_write(msr::kEvtsel0 + 1, 0x4300c0), "selects");
  f.check(w.guest_write(msr::kGlobalCtrl, 3), "GLOBAL_CTRL");
  w.vcpu().count(0xc4, 0, kBranches);
  w.vcpu().count(0xc0, 0, kInstructions);
  return {w.vcpu().rdpmc(0).value, w.vcpu().rdpmc(1).value};
}

TEST(KvmSelftest, pmu_event_filter_test) {
  on_all_kernels(kAllKernels, [](Kernel kernel, Findings& f) {
    World w(kernel);
    const auto sees = [&](const EventFilter& filter, bool branches, std::string_view what) {
      f.check(w.vm->set_event_filter(filter) == 0, fmt::format("{}: taken", what));
      const auto [b, i] = run_filtered(w, f);
      f.check(b == (branches ? 42 : 0), fmt::format("{}: {} branches", what, b));
      f.check((i > 0) == branches, fmt::format("{}: {} instructions", what, i));
    };
    for (const auto& [index, bits] :
         {std::pair<u32, u64>{msr::kGlobalCtrl, 1}, {msr::kEvtsel0, 0xffff}, {msr::kPmc0, 0xffff}}) {
      const u64 old = w.vcpu().guest_rdmsr(index).value;
      f.check(w.guest_write(index, old ^ bits) && w.vcpu().guest_rdmsr(index).value == (old ^ bits),
              fmt::format("the guest can flip bits of {:#x}", index));
      f.check(w.guest_write(index, old) && w.vcpu().guest_rdmsr(index).value == old, "and flip them back");
    }
    f.check(run_filtered(w, f) == std::pair<u64, u64>{42, 200}, "without a filter");
    sees({.action = EventFilter::kAllow, .events = {0xc4, 0xc0}}, true, "allowed");
    sees({.action = EventFilter::kAllow, .events = {0x3c}}, false, "not allowed");
    sees({.action = EventFilter::kDeny, .events = {0xc4, 0xc0}}, false, "denied");
    sees({.action = EventFilter::kDeny, .events = {0x3c}}, true, "not denied");
    f.check(w.vm->set_event_filter({.action = 7}) != 0, "invalid action");
    f.check(w.vm->set_event_filter({.flags = 8}) != 0, "invalid flags");
    EventFilter many;
    many.events.assign(301, 0x3c);
    f.check(w.vm->set_event_filter(many) == -kE2big, "too many events");
    f.check(w.vm->set_event_filter({.fixed_counter_bitmap = 0xffffffff}) == 0,
            "a bitmap beyond the counters");
  });
}

/// Whatever the events of a filter are, its bitmap decides for the fixed counters.
TEST(KvmSelftest, pmu_event_filter_test_fixed_counters) {
  on_all_kernels(kAllKernels, [](Kernel kernel, Findings& f) {
    for (unsigned counter = 0; counter < 3; ++counter) {
      for (const u32 action : {EventFilter::kAllow, EventFilter::kDeny}) {
        for (u32 bitmap = 0; bitmap < 16; ++bitmap) {
          World w(kernel);
          f.check(w.vm->set_event_filter(
                      {.action = action, .fixed_counter_bitmap = bitmap, .events = {0xc0, 0x3c, 0x300}}) == 0,
                  "taken, also for counters that are not there");
          f.check(w.guest_write(msr::kFixedCtrCtrl, u64{3} << 4 * counter), "enabled");
          f.check(w.guest_write(msr::kGlobalCtrl, u64{1} << (32 + counter)), "globally");
          constexpr std::pair<u8, u8> kEvents[] = {{0xc0, 0}, {0x3c, 0}, {0, 3}};
          w.vcpu().count(kEvents[counter].first, kEvents[counter].second, 100);
          const bool counts = ((bitmap >> counter & 1) != 0) == (action == EventFilter::kAllow);
          f.check(w.vcpu().guest_rdmsr(msr::kFixed0 + counter).value == (counts ? 100 : 0),
                  fmt::format("fixed counter {} with action {} and bitmap {:#x}", counter, action, bitmap));
        }
      }
    }
  });
}

TEST(KvmSelftest, pmu_event_filter_test_masked_events) {
  on_all_kernels(kFrom612, [](Kernel kernel, Findings& f) {
    World w(kernel);
    const auto masked = [](u8 event, u8 mask, u8 match, bool exclude) {
      return event | u64{match} << 8 | u64{exclude} << 55 | u64{mask} << 56;
    };
    f.check(w.vm->set_event_filter(
                {.action = EventFilter::kAllow, .flags = 1, .events = {masked(0xc4, 0xff, 0, false)}}) == 0,
            "masked events are taken");
    f.check(run_filtered(w, f) == std::pair<u64, u64>{42, 0}, "allowed by its mask");
    w.vm->set_event_filter({.action = EventFilter::kAllow,
                            .flags = 1,
                            .events = {masked(0xc4, 0, 0, false), masked(0xc4, 0xff, 0, true)}});
    f.check(run_filtered(w, f) == std::pair<u64, u64>{0, 0}, "excluded again");
    f.check(w.vm->set_event_filter({.flags = 1, .events = {u64{1} << 20}}) == -kEinval,
            "bits that mean nothing");
  });
}

TEST(KvmSelftest, pmu_event_filter_test_vm_without_pmu) {
  on_all_kernels(kAllKernels, [](Kernel kernel, Findings& f) {
    World w(kernel);
    f.check(w.vm->enable_pmu_capability(kPmuCapDisable) == 0, "the VM's PMU is disabled");
    f.check(!w.guest_write(msr::kGlobalCtrl, 1) && w.vcpu().rdpmc(0).gp, "the guest's access faults");
  });
}

TEST(KvmSelftest, feature_msrs_test) {
  const KernelSet has_quirk = Kernel::k6_12_117 | KernelSet(Kernel::k7_3);
  on_all_kernels(has_quirk, [](Kernel kernel, Findings& f) {
    World w(kernel);
    f.check(w.read(kCaps) == w.capabilities(), "starts with the supported value");
    f.check(w.write(kCaps, w.capabilities()), "which may be written");
    World off(kernel);
    off.vm->state.stuff_feature_msrs = false;
    f.check(off.read(kCaps) == 0, "starts with 0 when the quirk is off");
    f.check(off.write(kCaps, off.capabilities()), "and the supported value may be written");
  });
}

TEST(KvmSelftest, msrs_test_unsupported_advertised_registers) {
  on_all_kernels(kLate, [](Kernel kernel, Findings& f) {
    World w(kernel);
    w.vm->enable_pmu_capability(kPmuCapDisable);
    for (const u32 index : {msr::kGlobalCtrl, msr::kFixed0, msr::kPmc0 + 4, msr::kPebsEnable}) {
      const GuestAnswer read = w.vcpu().get_msr(index);
      f.check(read.code == kOk && read.value == 0, fmt::format("{:#x} reads 0", index));
      f.check(w.write(index, 0), fmt::format("{:#x} takes 0", index));
      f.check(!w.write(index, 1), fmt::format("{:#x} takes 1", index));
      f.check(!w.guest_write(index, 0) && w.vcpu().guest_rdmsr(index).gp, fmt::format("{:#x} faults", index));
    }
  });
}

}  // namespace
}  // namespace lastbranch::kvm
