// The PERF_CAPABILITIES that KVM supports, the feature MSR, and the value a vCPU starts with.
#include <utility>

#include "models/vmx/kvm/subjects.h"

namespace lastbranch::kvm {
namespace {

constexpr KernelSet kOnUse = ~with_patch(5);
constexpr KernelSet kHasStuffQuirk = Kernel::k6_12_117 | KernelSet(Kernel::k7_3);

bool always(const Op&) {
  return true;
}
int nothing(Op&) {
  return kOk;
}
int give_nothing(Op& op) {
  op.value = 0;
  return kOk;
}

constexpr Rule kEnablePmuRules[] = {
    {"pmu-param-off", "module parameter enable_pmu is off", "2", kAllKernels,
     [](const Op& op) { return !op.module.params.enable_pmu; }, give_nothing},
    {"pmu-host-none", "the host has no architectural PMU or no general counters: enable_pmu is forced off",
     "2", kAllKernels, [](const Op& op) { return op.host.pmu_version == 0 || op.host.num_gp == 0; },
     give_nothing},
    {"pmu-host-hybrid", "the host is a hybrid part: enable_pmu is forced off", "2", kLate,
     [](const Op& op) { return op.host.hybrid; }, give_nothing},
    {"pmu-on", "the vPMU can be used", "2", kAllKernels, always,
     [](Op& op) -> int {
       op.value = 1;
       return kOk;
     }},
};
constexpr RuleTable kEnablePmu{"enable_pmu", false, kEnablePmuRules};

u64 host_caps(const Op& op) {
  return op.host.pdcm ? op.host.perf_capabilities : 0;
}

/// What perf tells; where the old stub fails, nothing.
LbrRecordSet record_of(const Op& op) {
  Op call = op;
  call.trace = nullptr;
  LbrRecordSet record;
  return x86_perf_get_lbr(call, record) < 0 ? LbrRecordSet{} : record;
}

int add_format(Op& op) {
  op.value |= host_caps(op) & perfcap::kLbrFmt;
  return kOk;
}

constexpr Rule kFormatRules[] = {
    {"caps-fmt-unconditional", "LBR_FMT is the host's, whether or not perf has records", "2", ~with_patch(2),
     always, add_format},
    {"caps-fmt-no-records", "perf has no records (probe failed, or the stub): no LBR_FMT", "2", with_patch(2),
     [](const Op& op) { return record_of(op).nr == 0; }, nothing},
    {"caps-fmt-arch-lbr", "the host has architectural LBRs: no LBR_FMT", "2", kLate,
     [](const Op& op) { return op.host.arch_lbr; }, nothing},
    {"caps-fmt-no-callstack", "perf cannot record call stacks: no LBR_FMT", "2", kFrom612,
     [](const Op& op) { return !record_of(op).has_callstack; }, nothing},
    {"caps-fmt-mediated", "the PMU is mediated: no LBR_FMT", "2", k73,
     [](const Op& op) { return op.module.params.mediated_pmu; }, nothing},
    {"caps-fmt", "LBR_FMT is the host's, since perf has records", "2", with_patch(2), always, add_format},
};
constexpr RuleTable kFormat{"supported LBR_FMT", false, kFormatRules};

bool has_pebs(const Op& op) {
  return op.host.pebs_feature && op.host.pebs_ept;
}

constexpr Rule kPebsRules[] = {
    {"caps-pebs-none", "the host has no PEBS, or perf cannot let guests use it: no PEBS bits", "2",
     kAllKernels, [](const Op& op) { return !has_pebs(op); }, nothing},
    {"caps-pebs-late", "PEBS bits are the host's, but never PEBS_BASELINE: adaptive PEBS is not offered", "2",
     kLate, always,
     [](Op& op) -> int {
       op.value |= host_caps(op) & perfcap::pebs_mask(op.host.kernel) & ~perfcap::kPebsBaseline;
       return kOk;
     }},
    {"caps-pebs-format0",
     "PEBS bits are the host's without PEBS_BASELINE, as the format field in place is below 4: it is 0", "2",
     ~kLate, [](const Op& op) { return (host_caps(op) & perfcap::kPebsFormat) < 4; },
     [](Op& op) -> int {
       op.value |= host_caps(op) & perfcap::kPebsMask & ~perfcap::kPebsBaseline;
       return kOk;
     }},
    {"caps-pebs", "PEBS bits are the host's, PEBS_BASELINE included", "2", ~kLate, always,
     [](Op& op) -> int {
       op.value |= host_caps(op) & perfcap::kPebsMask;
       return kOk;
     }},
};
constexpr RuleTable kPebs{"supported PEBS bits", false, kPebsRules};

constexpr Rule kStartRules[] = {
    {"caps-svm", "an SVM host: nothing is supported", "2", kAllKernels,
     [](const Op& op) { return !op.host.vmx; }, give_nothing},
    {"caps-pmu-off", "enable_pmu is off: nothing is supported", "2", kAllKernels,
     [](const Op& op) { return !op.module.enable_pmu; }, give_nothing},
    {"caps-fw-writes", "FW_WRITES always, whether or not the host has it", "2", kAllKernels, always,
     [](Op& op) -> int {
       op.value = perfcap::kFwWrites;
       decide(kFormat, op);
       return decide(kPebs, op);
     }},
};
constexpr RuleTable kStart{"supported PERF_CAPABILITIES", false, kStartRules};

constexpr Rule kWhenRules[] = {
    {"caps-on-use", "computed on every use, from the current CPU's MSR and perf's records of now", "2",
     kOnUse, always,
     [](Op& op) -> int {
       op.value = compute_supported_caps(op);
       return kOk;
     }},
    {"caps-once", "computed once, when the module was loaded", "2", with_patch(5), always,
     [](Op& op) -> int {
       op.value = op.module.supported_perf_cap;
       return kOk;
     }},
};
constexpr RuleTable kWhen{"when supported PERF_CAPABILITIES are computed", false, kWhenRules};

constexpr Rule kFeatureRules[] = {
    {"feature-perf-caps-vendor", "feature MSR 345H: vendor code answers the supported value", "2",
     ~with_patch(7), [](const Op& op) { return op.msr == msr::kPerfCapabilities; },
     [](Op& op) -> int {
       op.value = supported_caps(op);
       return kOk;
     }},
    {"feature-perf-caps-common", "feature MSR 345H: common code answers the supported value", "2",
     with_patch(7), [](const Op& op) { return op.msr == msr::kPerfCapabilities; },
     [](Op& op) -> int {
       op.value = supported_caps(op);
       return kOk;
     }},
    {"feature-unknown-ignored", "an unknown feature MSR reads 0 with ignore_msrs", "2", kAllKernels,
     [](const Op& op) { return op.module.params.ignore_msrs; },
     [](Op& op) -> int {
       op.value = 0;
       if (op.module.params.report_ignored_msrs) ++op.did.log_lines;
       return kOk;
     }},
    {"feature-unknown", "an unknown feature MSR is unsupported", "2", kAllKernels, always,
     [](Op& op) -> int {
       op.value = 0;
       return kUnsupported;
     }},
};
constexpr RuleTable kFeature{"feature MSRs", false, kFeatureRules};

constexpr Rule kInitialRules[] = {
    {"initial-caps-quirk-off", "quirk STUFF_FEATURE_MSRS is off: a vCPU starts with 0", "2", kHasStuffQuirk,
     [](const Op& op) { return !op.vm.stuff_feature_msrs; }, give_nothing},
    {"initial-caps-vendor", "Intel's PMU init gives a vCPU the supported value", "2", ~with_patch(6), always,
     [](Op& op) -> int {
       op.value = supported_caps(op);
       return kOk;
     }},
    {"initial-caps-common", "creating a vCPU gives it the supported value, before vendor code runs", "2",
     with_patch(6), always,
     [](Op& op) -> int {
       op.value = supported_caps(op);
       return kOk;
     }},
};
constexpr RuleTable kInitial{"initial PERF_CAPABILITIES", false, kInitialRules};

/// The value a table leaves, without disturbing the operation it is asked for.
u64 value_of(const RuleTable& table, Op& op) {
  const u64 kept = op.value;
  decide(table, op);
  return std::exchange(op.value, kept);
}

}  // namespace

bool effective_enable_pmu(Op& op) {
  return value_of(kEnablePmu, op) != 0;
}

u64 compute_supported_caps(Op& op) {
  return value_of(kStart, op);
}

u64 supported_caps(Op& op) {
  return value_of(kWhen, op);
}

int feature_msr(Op& op) {
  return decide(kFeature, op);
}

u64 initial_caps(Op& op) {
  return value_of(kInitial, op);
}

RuleTables supported_caps_tables() {
  static constexpr const RuleTable* kTables[] = {&kEnablePmu, &kStart,   &kFormat, &kPebs,
                                                 &kWhen,      &kFeature, &kInitial};
  return kTables;
}

}  // namespace lastbranch::kvm
