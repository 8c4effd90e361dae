/// Every row of every rule table has a case where it decides and one where it does not: the reference vectors
/// first, then cases of its own for rows that they do not reach.
#include <algorithm>
#include <filesystem>
#include <map>
#include <set>

#include <gtest/gtest.h>

#include "models/vmx/kvm/check/check.h"
#include "tests/vmx/kvm_world.h"

namespace lastbranch::kvm {
namespace {

/// How often a row decided, and how often it did not for each reason.
struct Seen {
  unsigned decided = 0, other_kernel = 0, condition = 0, earlier = 0;
};

class Coverage : public RuleWatcher {
 public:
  Coverage() { watch_rules(this); }
  ~Coverage() override { watch_rules(nullptr); }
  void looked(const RuleTable& /*table*/, const Rule& rule, bool decided) override {
    if (decided) ++seen_[rule.id].decided;
  }
  void passed(const RuleTable& /*table*/, const Rule& rule, Passed why) override {
    Seen& seen = seen_[rule.id];
    ++(why == Passed::kOtherKernel ? seen.other_kernel
       : why == Passed::kCondition ? seen.condition
                                   : seen.earlier);
  }
  [[nodiscard]] bool decided(std::string_view id) const { return of(id).decided != 0; }
  [[nodiscard]] Seen of(std::string_view id) const {
    const auto found = seen_.find(id);
    return found == seen_.end() ? Seen{} : found->second;
  }

 private:
  std::map<std::string_view, Seen> seen_;
};

/// Whether no later row of the table holds for a kernel of this one: the default, which has no condition.
bool is_default(const RuleTable& table, const Rule& rule) {
  KernelSet later;
  for (const Rule& other : table.rules.subspan(static_cast<std::size_t>(&rule - table.rules.data()) + 1))
    later = later | other.kernels;
  return !table.cumulative && (later & rule.kernels).empty();
}

/// What a row lacks; empty: it has a case where it decides, and one where it does not: its condition says no.
/// The default of a deciding table has no condition: an earlier row decides, or the kernel has another
/// default. A row of a gathering table may be unconditional for some kernels, not for all.
std::string_view lacks(const RuleTable& table, const Rule& rule, const Seen& seen) {
  if (seen.decided == 0) return "never decides";
  if (seen.condition != 0) return "";
  if (is_default(table, rule)) return seen.earlier + seen.other_kernel != 0 ? "" : "is the only row";
  if (table.cumulative && seen.other_kernel != 0) return "";
  return "has no case in which its condition does not hold";
}

std::vector<std::string> uncovered(std::span<const RuleTable* const> tables, const Coverage& coverage) {
  std::vector<std::string> lacking;
  for (const RuleTable* table : tables)
    for (const Rule& rule : table->rules)
      if (const std::string_view what = lacks(*table, rule, coverage.of(rule.id)); !what.empty())
        lacking.push_back(std::string(rule.id) + " " + std::string(what));
  return lacking;
}

/// A CPU on which some registers do not keep what is written.
class BrokenMsrs : public HardwareMsrs {
 public:
  explicit BrokenMsrs(std::set<u32> broken) : broken_(std::move(broken)) {}
  std::optional<u64> read(u32 index) override { return values_[index]; }
  bool write(u32 index, u64 value) override {
    if (!broken_.contains(index)) values_[index] = value;
    return true;
  }

 private:
  std::set<u32> broken_;
  std::map<u32, u64> values_;
};

PerfLbr probe(std::set<u32> broken, bool hypervisor = true) {
  HostState state;
  state.hypervisor = hypervisor;
  BrokenMsrs hardware(std::move(broken));
  ModuleState module;
  VmState vm;
  VcpuState vcpu;
  Op op{.host = state, .module = module, .vm = vm, .vcpu = vcpu, .hardware = hardware};
  PerfLbr lbr;
  probe_lbr(op, lbr);
  return lbr;
}

/// Counter 0 is programmed and globally enabled.
struct Counting : World {
  explicit Counting(Kernel kernel, u64 select = 0x4300c4) : World(kernel) {
    EXPECT_TRUE(write(msr::kGlobalCtrl, 1));
    EXPECT_TRUE(write(msr::kEvtsel0, select));
  }
};

/// A row, and a case in which it decides with the outcome that the case checks.
struct RuleCase {
  std::string_view id;
  void (*run)();
};

const RuleCase kCases[] = {
    {"probe-bare-metal", [] { EXPECT_EQ(probe({msr::kLbrTos}, false).nr, 32u); }},
    {"probe-tos", [] { EXPECT_EQ(probe({msr::kLbrTos}).nr, 0u); }},
    {"probe-stack", [] { EXPECT_EQ(probe({0x6df}).nr, 0u); }},
    {"probe-passes",
     [] {
       EXPECT_EQ(probe({}).nr, 32u);
       EXPECT_TRUE(probe({}).has_select);
     }},
    {"probe-select",
     [] {
       const PerfLbr lbr = probe({msr::kLbrSelect});
       EXPECT_EQ(lbr.nr, 32u);
       EXPECT_FALSE(lbr.has_select);
     }},
    {"pmu-host-hybrid",
     [] {
       HostState hybrid;
       hybrid.hybrid = true;
       EXPECT_EQ(World(Kernel::k6_12_8, hybrid).capabilities(), 0u);
       EXPECT_EQ(World(Kernel::kS8, hybrid).capabilities(), 0x2005u);
     }},
    {"caps-svm",
     [] {
       HostState svm;
       svm.vmx = false;
       EXPECT_EQ(World(Kernel::kS8, svm).capabilities(), 0u);
     }},
    {"caps-fmt-mediated",
     [] { EXPECT_EQ(World(Kernel::k7_3, {}, {.mediated_pmu = true}).capabilities(), 0x2000u); }},
    {"feature-unknown-ignored",
     [] {
       World w(Kernel::kS8, {}, {.ignore_msrs = true});
       MsrEntry entry{0x10a, 5};
       EXPECT_EQ(w.host.get_feature_msrs({&entry, 1}), 1);
       EXPECT_EQ(entry.value, 0u);
     }},
    {"feature-unknown",
     [] {
       World w(Kernel::kS8);
       MsrEntry entries[] = {{msr::kPerfCapabilities, 0}, {0x10a, 0}};
       EXPECT_EQ(w.host.get_feature_msrs(entries), 1);
       EXPECT_EQ(entries[0].value, 0x2005u);
     }},
    {"feature-perf-caps-vendor",
     [] {
       World w(Kernel::kS6);
       MsrEntry entries[] = {{msr::kPerfCapabilities, 0}, {msr::kDebugctl, 7}};
       EXPECT_EQ(w.host.get_feature_msrs(entries), 1) << "345H is one, DEBUGCTL is none";
       EXPECT_EQ(entries[0].value, 0x2005u);
     }},
    {"clamp-none",
     [] {
       World w(Kernel::kS8, {}, {.enable_pmu = false});
       EXPECT_EQ(w.host.module.num_gp + w.host.module.num_fixed + w.host.module.gp_width, 0u);
       EXPECT_EQ(w.host.supported_cpuid().leaf0a_eax, 0u);
     }},
    {"perfcap-no-pdcm-zero",
     [] {
       World w(Kernel::k7_3);
       GuestCpuid cpuid = w.host.supported_cpuid();
       cpuid.set_pdcm(false);
       const auto vcpu = w.vm->create_vcpu(cpuid);
       EXPECT_EQ(vcpu->set_msr(msr::kPerfCapabilities, 0), kOk);
       EXPECT_EQ(vcpu->state.perf_capabilities, 0x2005u) << "not stored";
       EXPECT_EQ(vcpu->rules().rules().back()->id, "verdict-owner") << "no matter what is advertised";
     }},
    {"vpmu-control-same",
     [] {
       for (const Kernel kernel : {Kernel::kS8, Kernel::k6_12_8}) {
         World w(kernel);
         w.vcpu().state.pmu.global_ctrl = 0x100001;  // legal for the CPUID that the guest had before
         EXPECT_EQ(w.write(msr::kGlobalCtrl, 0x100001), kernel == Kernel::kS8);
         EXPECT_FALSE(w.write(msr::kGlobalCtrl, 0x100002));
       }
     }},
    {"vpmu-ovf-guest",
     [] {
       World w(Kernel::kS8);
       EXPECT_TRUE(w.write(msr::kGlobalStatus, 7));
       EXPECT_TRUE(w.guest_write(msr::kOvfCtrl, 5));
       EXPECT_EQ(w.read(msr::kGlobalStatus), 2u);
     }},
    {"vpmu-ovf-host",
     [] {
       World w(Kernel::kS8);
       EXPECT_TRUE(w.write(msr::kGlobalStatus, 7));
       EXPECT_TRUE(w.write(msr::kOvfCtrl, 5));
       EXPECT_EQ(w.read(msr::kGlobalStatus), 7u);
     }},
    {"initial-caps-quirk-off",
     [] {
       World w(Kernel::k6_12_117);
       w.vm->state.stuff_feature_msrs = false;
       EXPECT_EQ(w.vcpu().state.perf_capabilities, 0u);
     }},
    {"event-exists",
     [] {
       World w(Kernel::kS8);
       EXPECT_TRUE(w.write(msr::kLbrTos, 7));
       EXPECT_TRUE(w.write(msr::kLbrTos, 9));
       EXPECT_EQ(w.op().did.events_created, 0u);
       EXPECT_EQ(w.vcpu().state.pmu.event_count, 1u);
     }},
    {"slice-counters",
     [] {
       Counting w(Kernel::kS8);
       w.vcpu().count(0xc4, 0, 10);
       EXPECT_EQ(w.vcpu().state.pmu.event_count, 1u);
       EXPECT_TRUE(w.write(msr::kEvtsel0, 0));
       w.vcpu().next_slice();
       EXPECT_EQ(w.vcpu().state.pmu.event_count, 1u) << "touched in the slice that ended";
       w.vcpu().next_slice();
       EXPECT_EQ(w.vcpu().state.pmu.event_count, 0u);
     }},
    {"slice-in-use",
     [] {
       Counting w(Kernel::kS8);
       w.vcpu().count(0xc4, 0, 10);
       EXPECT_TRUE(w.write(msr::kEvtsel0, 0));
       VpmuState& pmu = w.vcpu().state.pmu;
       slice_cleanup(w.op());
       EXPECT_EQ(pmu.in_use, 1u) << "no slice has ended: nothing to clean up";
       pmu.in_use = 0;
       slice_cleanup(w.op());
       EXPECT_EQ(pmu.event_count, 1u);
       pmu.in_use = 1;
       w.vcpu().next_slice();
       EXPECT_EQ(pmu.in_use, 0u);
     }},
    {"entry-host-bit",
     [] {
       for (const Kernel kernel : {Kernel::k6_12_8, Kernel::k6_12_117}) {
         World w(kernel);
         w.write(msr::kDebugctl, 0x801);
         for (const u64 host : {0x4000, 0x4000, 0}) {
           w.host.state.debugctl = host;
           w.vcpu().enter();
           EXPECT_EQ(w.vcpu().state.vmcs_debugctl, 0x801 | (kernel == Kernel::k6_12_117 ? host : 0));
           EXPECT_EQ(w.read(msr::kDebugctl), 0x801u) << "the guest's own bits";
         }
       }
     }},
    {"nested-exit",
     [] {
       World w(Kernel::k6_12_8);
       w.vcpu().state.vmcs_debugctl = 0x801;
       nested_exit(w.op());
       EXPECT_EQ(w.vcpu().state.vmcs_debugctl, 0u);
     }},
    {"nested-exit-host-bit",
     [] {
       HostState smm;
       smm.debugctl = 0x4001;
       World w(Kernel::k7_3, smm);
       w.vcpu().state.vmcs_debugctl = 0x4801;
       nested_exit(w.op());
       EXPECT_EQ(w.vcpu().state.vmcs_debugctl, 0x4000u);
     }},
    {"verdict-ignore",
     [] {
       World w(Kernel::kS8, {}, {.ignore_msrs = true});
       EXPECT_TRUE(w.guest_write(0x12345, 1));
       EXPECT_EQ(w.op().did.log_lines, 1u);
       EXPECT_FALSE(w.guest_write(msr::kDebugctl, 0x40)) << "an invalid value is not an unknown register";
     }},
    {"pmu-cap-off",
     [] { EXPECT_EQ(World(Kernel::kS8, {}, {.enable_pmu = false}).vm->enable_pmu_capability(1), -kEinval); }},
    {"pmu-cap-bits", [] { EXPECT_EQ(World(Kernel::kS8).vm->enable_pmu_capability(2), -kEinval); }},
    {"pmu-cap-vcpu",
     [] {
       World w(Kernel::kS8);
       w.vcpu();
       EXPECT_EQ(w.vm->enable_pmu_capability(kPmuCapDisable), -kEinval);
     }},
    {"pmu-cap",
     [] {
       World w(Kernel::kS8);
       EXPECT_EQ(w.vm->enable_pmu_capability(kPmuCapDisable), 0);
       EXPECT_EQ(w.vcpu().state.pmu.version, 0u);
     }},
    {"msrs-too-many",
     [] {
       World w(Kernel::kS8);
       const std::vector<MsrEntry> entries(256, MsrEntry{msr::kDebugctl, 0});
       EXPECT_EQ(w.vcpu().set_msrs(entries), -kE2big);
     }},
    {"msrs",
     [] {
       World w(Kernel::kS8);
       const MsrEntry entries[] = {{msr::kDebugctl, 1}, {msr::kDebugctl, 0x40}, {msr::kDebugctl, 0}};
       EXPECT_EQ(w.vcpu().set_msrs(entries), 1);
       EXPECT_EQ(w.read(msr::kDebugctl), 1u) << "the third entry is not processed";
     }},
    {"filter-action", [] { EXPECT_EQ(World(Kernel::kS8).vm->set_event_filter({.action = 2}), -kEinval); }},
    {"filter-flags-old", [] { EXPECT_EQ(World(Kernel::kS8).vm->set_event_filter({.flags = 1}), -kEinval); }},
    {"filter-flags", [] { EXPECT_EQ(World(Kernel::k7_3).vm->set_event_filter({.flags = 2}), -kEinval); }},
    {"filter-many",
     [] {
       EventFilter filter;
       filter.events.assign(301, 0xc4);
       EXPECT_EQ(World(Kernel::kS8).vm->set_event_filter(filter), -kE2big);
     }},
    {"filter-masked-bits",
     [] {
       EventFilter filter{.flags = 1, .events = {u64{1} << 20}};
       EXPECT_EQ(World(Kernel::k7_3).vm->set_event_filter(filter), -kEinval);
       filter.events = {0xc4 | u64{0xff} << 56};
       EXPECT_EQ(World(Kernel::k7_3).vm->set_event_filter(filter), 0) << "event and mask";
       EXPECT_EQ(World(Kernel::k7_3).vm->set_event_filter({.events = {u64{1} << 20}}), 0)
           << "no masked events";
     }},
    {"filter-set", [] { EXPECT_EQ(World(Kernel::kS8).vm->set_event_filter({.events = {0xc4}}), 0); }},
    {"count-absent",
     [] {
       for (const unsigned counters : {4u, 8u}) {
         World w(Kernel::kS8);
         GuestCpuid cpuid = w.host.supported_cpuid();
         cpuid.set_pmu(2, counters, 3);
         ASSERT_EQ(w.vcpu().set_cpuid(cpuid), 0);
         w.vcpu().state.pmu.gp[5].select = 0x4300c4;
         w.vcpu().state.pmu.global_ctrl = 0xff;
         EXPECT_EQ(counter_counts(w.op(), 5), counters == 8);
       }
     }},
    {"count-disabled", [] { EXPECT_FALSE(counter_counts(Counting(Kernel::kS8, 0x0300c4).op(), 0)); }},
    {"count-privilege",
     [] {
       Counting user(Kernel::kS8, 0x4100c4), kernel(Kernel::kS8, 0x4200c4);
       EXPECT_FALSE(counter_counts(user.op(), 0));
       EXPECT_TRUE(counter_counts(kernel.op(), 0));
       user.vcpu().state.cpl = kernel.vcpu().state.cpl = 3;
       EXPECT_TRUE(counter_counts(user.op(), 0));
       EXPECT_FALSE(counter_counts(kernel.op(), 0));
     }},
    {"count-global",
     [] {
       Counting w(Kernel::kS8);
       EXPECT_TRUE(w.write(msr::kGlobalCtrl, 2));
       EXPECT_FALSE(counter_counts(w.op(), 0));
     }},
    {"count-unavailable",
     [] {
       for (const Kernel kernel : {Kernel::kS8, Kernel::k6_12_8}) {
         World w(kernel);
         GuestCpuid cpuid = w.host.supported_cpuid();
         cpuid.leaf0a_ebx = 1u << 5;
         ASSERT_EQ(w.vcpu().set_cpuid(cpuid), 0);
         w.write(msr::kGlobalCtrl, 1);
         w.write(msr::kEvtsel0, 0x4300c4);
         EXPECT_EQ(counter_counts(w.op(), 0), kernel == Kernel::k6_12_8);
       }
     }},
    {"count-unfiltered", [] { EXPECT_TRUE(counter_counts(Counting(Kernel::kS8).op(), 0)); }},
    {"count-fixed-bitmap",
     [] {
       World w(Kernel::kS8);
       w.write(msr::kFixedCtrCtrl, 3);
       w.write(msr::kGlobalCtrl, u64{1} << 32);
       w.vm->set_event_filter({.action = EventFilter::kDeny, .fixed_counter_bitmap = 1});
       EXPECT_FALSE(counter_counts(w.op(), 32));
       w.vm->set_event_filter({.action = EventFilter::kDeny, .events = {0xc0}});
       EXPECT_TRUE(counter_counts(w.op(), 32));
     }},
    {"count-listed",
     [] {
       Counting w(Kernel::kS8);
       w.vm->set_event_filter({.action = EventFilter::kDeny, .events = {0xc4}});
       EXPECT_FALSE(counter_counts(w.op(), 0));
     }},
    {"count-unlisted",
     [] {
       Counting w(Kernel::kS8);
       w.vm->set_event_filter({.action = EventFilter::kAllow, .events = {0xc0}});
       EXPECT_FALSE(counter_counts(w.op(), 0));
     }},
    {"overflow",
     [] {
       Counting w(Kernel::kS8, 0x5300c4);
       EXPECT_TRUE(w.write(msr::kPmc0, 0xffffffffffff));
       w.vcpu().count(0xc4, 0, 1);
       EXPECT_EQ(w.vcpu().state.pmu.global_status, 1u);
       EXPECT_EQ(w.op().did.lvtpc, 1u);
       EXPECT_EQ(w.read(msr::kPmc0), 0u);
     }},
    {"overflow-pebs",
     [] {
       Counting w(Kernel::kS8);
       w.vcpu().state.pmu.pebs_enable = 1;
       w.write(msr::kPmc0, 0xffffffffffff);
       w.vcpu().count(0xc4, 0, 1);
       EXPECT_EQ(w.vcpu().state.pmu.global_status, u64{1} << 62);
       EXPECT_EQ(w.op().did.lvtpc, 1u);
     }},
    {"overflow-pebs-again",
     [] {
       Counting w(Kernel::kS8);
       w.vcpu().state.pmu.pebs_enable = 1;
       w.vcpu().state.pmu.global_status = u64{1} << 62;
       w.write(msr::kPmc0, 0xffffffffffff);
       w.vcpu().count(0xc4, 0, 1);
       EXPECT_EQ(w.op().did.lvtpc, 0u);
     }},
    {"init-keeps",
     [] {
       World w(Kernel::kS8);
       w.write(msr::kDebugctl, 0x801);
       w.vcpu().init();
       EXPECT_EQ(w.read(msr::kDebugctl), 0x801u);
       EXPECT_TRUE(w.vcpu().state.lbr_event);
     }},
};

std::vector<std::string> vector_files() {
  std::vector<std::string> files;
  for (const auto& entry : std::filesystem::directory_iterator(LASTBRANCH_SOURCE_DIR "/tests/data/kvm"))
    files.push_back(entry.path());
  return files;
}

TEST(KvmRules, each_case_is_decided_by_its_row) {
  for (const RuleCase& c : kCases) {
    SCOPED_TRACE(std::string(c.id));
    Coverage coverage;
    c.run();
    EXPECT_TRUE(coverage.decided(c.id));
  }
}

void run_everything() {
  for (const std::string& file : vector_files()) {
    const CheckResult result = check_file(file);
    EXPECT_GT(result.rows(), 900u) << file;
    EXPECT_EQ(result.matched(), result.rows()) << file;
  }
  for (const RuleCase& c : kCases) c.run();
}

TEST(KvmRules, every_row_has_a_case_where_it_decides_and_one_where_it_does_not) {
  Coverage coverage;
  run_everything();
  EXPECT_EQ(uncovered(all_rule_tables(), coverage), std::vector<std::string>());
}

TEST(KvmRules, a_row_without_a_case_is_named) {
  Coverage coverage;
  for (const RuleCase& c : kCases) c.run();
  static constexpr Rule kRows[] = {{"new-row", "nobody tests it", "0", kAllKernels,
                                    [](const Op&) { return false; }, [](Op&) -> int { return 0; }},
                                   {"probe-tos", "one that decides", "0", kAllKernels,
                                    [](const Op&) { return true; }, [](Op&) -> int { return 0; }}};
  static constexpr RuleTable kTable{"new", false, kRows};
  static constexpr const RuleTable* kTables[] = {&kTable};
  EXPECT_EQ(uncovered(kTables, coverage), std::vector<std::string>{"new-row never decides"});
  EXPECT_EQ(lacks(kTable, kRows[0], {.decided = 5, .other_kernel = 3}),
            "has no case in which its condition does not hold");
  EXPECT_EQ(lacks(kTable, kRows[1], {.decided = 5}), "is the only row");
}

TEST(KvmRules, rows_have_unique_ids_words_a_section_and_kernels) {
  std::set<std::string_view> ids;
  for (const RuleTable* table : all_rule_tables()) {
    EXPECT_FALSE(table->rules.empty()) << table->name;
    for (const Rule& rule : table->rules) {
      EXPECT_TRUE(ids.insert(rule.id).second) << rule.id;
      EXPECT_FALSE(rule.words.empty() || rule.section.empty() || rule.kernels.empty()) << rule.id;
    }
  }
  EXPECT_GT(ids.size(), 150u);
}

TEST(KvmRules, trace_names_the_row_its_section_and_its_kernels) {
  World w(Kernel::kS3);
  EXPECT_FALSE(w.guest_write(msr::kDebugctl, 0x40));
  const auto trace = w.vcpu().trace();
  EXPECT_EQ(std::count(trace.begin(), trace.end(),
                       "debugctl-invalid: another bit is not legal [section 4.2 step b; all]"),
            1);
}

}  // namespace
}  // namespace lastbranch::kvm
