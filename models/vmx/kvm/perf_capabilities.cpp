// Reads and writes of PERF_CAPABILITIES (345H) by guest and user space.
#include "models/vmx/kvm/subjects.h"

namespace lastbranch::kvm {
namespace {

constexpr KernelSet kImmutable = kFrom612;

bool always(const Op&) {
  return true;
}
int fail(Op&) {
  return kInvalid;
}
int ok(Op&) {
  return kOk;
}

bool has_format(const Op& op) {
  return (op.data & perfcap::kLbrFmt) != 0;
}
bool has_pebs_format(const Op& op) {
  return (op.data & perfcap::kPebsFormat) != 0;
}

constexpr Rule kWriteRules[] = {
    {"perfcap-frozen",
     "the vCPU has run; user space may not change a feature MSR any more (the value it reads goes on "
     "through the other rules): -EINVAL",
     "3, row 0", kImmutable,
     [](const Op& op) { return !op.guest() && op.vcpu.has_run && op.data != op.value; },
     [](Op&) -> int { return kEinvalCode; }},
    {"perfcap-no-pmu", "a value other than 0, and the guest has no PMU", "3, row 1", ~k73,
     [](const Op& op) { return op.data != 0 && op.vcpu.pmu.version == 0; }, fail},
    {"perfcap-fmt-differs", "LBR_FMT is neither 0 nor the supported one", "3, row 2", kAllKernels,
     [](const Op& op) { return has_format(op) && ((op.data ^ op.supported) & perfcap::kLbrFmt) != 0; }, fail},
    {"perfcap-fmt-model", "LBR_FMT, and the guest's model is not the host's", "3, row 3", kAllKernels,
     [](const Op& op) { return has_format(op) && !model_matches(op); }, fail},
    {"perfcap-pebs-differs", "a PEBS format, and the PEBS bits are not exactly the supported ones",
     "3, row 4", kAllKernels,
     [](const Op& op) {
       return has_pebs_format(op) && ((op.data ^ op.supported) & perfcap::pebs_mask(op.host.kernel)) != 0;
     },
     fail},
    {"perfcap-pebs-cpuid", "a PEBS format, and the guest lacks DS or DTES64 or has another model", "3, row 5",
     kAllKernels,
     [](const Op& op) {
       return has_pebs_format(op) && (!op.vcpu.cpuid.ds() || !op.vcpu.cpuid.dtes64() || !model_matches(op));
     },
     fail},
    {"perfcap-guest", "the guest may not write it", "3, row 6", ~k73, [](const Op& op) { return op.guest(); },
     fail},
    {"perfcap-guest-unsupported", "the guest may not write it: unsupported", "3, row 6", k73,
     [](const Op& op) { return op.guest(); }, [](Op&) -> int { return kUnsupported; }},
    {"perfcap-no-pdcm-zero", "the guest lacks PDCM; user space writes 0: accepted and not stored", "3, row 7",
     k73, [](const Op& op) { return !op.vcpu.cpuid.pdcm() && op.data == 0; }, ok},
    {"perfcap-no-pdcm", "the guest lacks PDCM: only 0 is accepted", "3, row 7", k73,
     [](const Op& op) { return !op.vcpu.cpuid.pdcm(); }, [](Op&) -> int { return kUnsupported; }},
    {"perfcap-unsupported-bits", "a bit that KVM does not support", "3, row 8", kAllKernels,
     [](const Op& op) { return (op.data & ~op.supported) != 0; }, fail},
    {"perfcap-same", "the value it has: nothing happens, the vPMU is not refreshed", "3, row 9", kFrom612,
     [](const Op& op) { return op.data == op.vcpu.perf_capabilities; }, ok},
    {"perfcap-store", "stored, and the vPMU refreshed", "3, row 9", kAllKernels, always,
     [](Op& op) -> int {
       op.vcpu.perf_capabilities = op.data;
       refresh_vpmu(op);
       return kOk;
     }},
};
constexpr RuleTable kWrite{"WRMSR PERF_CAPABILITIES", false, kWriteRules};

int stored(Op& op) {
  op.value = op.vcpu.perf_capabilities;
  return kOk;
}

constexpr Rule kReadRules[] = {
    {"perfcap-read-no-pdcm-host",
     "user space, guest without PDCM: an advertised MSR that is not there reads 0", "3", k73,
     [](const Op& op) { return !op.guest() && !op.vcpu.cpuid.pdcm(); },
     [](Op& op) -> int {
       op.value = 0;
       return kOk;
     }},
    {"perfcap-read-host", "user space reads the stored value, with or without PDCM", "3", kAllKernels,
     [](const Op& op) { return !op.guest(); }, stored},
    {"perfcap-read-no-pdcm-unsupported", "the guest lacks PDCM: unsupported", "3", k73,
     [](const Op& op) { return !op.vcpu.cpuid.pdcm(); }, [](Op&) -> int { return kUnsupported; }},
    {"perfcap-read-no-pdcm", "the guest lacks PDCM", "3", ~k73,
     [](const Op& op) { return !op.vcpu.cpuid.pdcm(); }, fail},
    {"perfcap-read", "the guest reads the stored value", "3", kAllKernels, always, stored},
};
constexpr RuleTable kRead{"RDMSR PERF_CAPABILITIES", false, kReadRules};

}  // namespace

bool model_matches(const Op& op) {
  return op.vcpu.cpuid.present && cpu_model(op.vcpu.cpuid.leaf1_eax) == cpu_model(op.host.leaf1_eax);
}

u64 effective_caps(const Op& op) {
  return op.vcpu.cpuid.pdcm() ? op.vcpu.perf_capabilities : 0;
}

int write_perf_capabilities(Op& op) {
  op.supported = supported_caps(op);
  if (op.is(kImmutable) && !op.guest() && op.vcpu.has_run) decide(kRead, op);
  return decide(kWrite, op);
}

int read_perf_capabilities(Op& op) {
  return decide(kRead, op);
}

RuleTables perf_capabilities_tables() {
  static constexpr const RuleTable* kTables[] = {&kWrite, &kRead};
  return kTables;
}

}  // namespace lastbranch::kvm
