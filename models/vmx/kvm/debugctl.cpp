// DEBUGCTL (1D9H): which bits are legal, what a write does, what a read gives.
#include "sim/base/debugctl.h"

#include "models/vmx/kvm/subjects.h"

namespace lastbranch::kvm {
namespace {

constexpr u64 kLbrBits = debugctl::kLbr | debugctl::kFreezeLbrsOnPmi;
constexpr u64 kDropped = debugctl::kBtf | debugctl::kLbr;
constexpr KernelSet kUserByHost = with_patch(4);  ///< user space is limited by the host alone

bool always(const Op&) {
  return true;
}
int nothing(Op&) {
  return kOk;
}
int allow_bus_lock(Op& op) {
  op.supported |= debugctl::kBusLockDetect;
  return kOk;
}
int allow_lbr(Op& op) {
  op.supported |= kLbrBits;
  return kOk;
}
bool caps_have_format(const Op& op) {
  Op call = op;
  call.trace = nullptr;
  return (supported_caps(call) & perfcap::kLbrFmt) != 0;
}

constexpr Rule kSupportedRules[] = {
    {"debugctl-bus-lock-user", "BUS_LOCK_DETECT for user space: the host has it", "4.1", kUserByHost,
     [](const Op& op) { return !op.guest() && op.host.bus_lock_detect; }, allow_bus_lock},
    {"debugctl-bus-lock-guest", "BUS_LOCK_DETECT for the guest: the host and its CPUID have it", "4.1",
     kUserByHost,
     [](const Op& op) { return op.guest() && op.host.bus_lock_detect && op.vcpu.cpuid.bus_lock_detect(); },
     allow_bus_lock},
    {"debugctl-bus-lock-any", "BUS_LOCK_DETECT, whoever asks: the host and the guest's CPUID have it", "4.1",
     ~kUserByHost, [](const Op& op) { return op.host.bus_lock_detect && op.vcpu.cpuid.bus_lock_detect(); },
     allow_bus_lock},
    {"debugctl-lbr-user", "LBR and FREEZE_LBRS for user space: KVM supports an LBR format", "4.1",
     kUserByHost, [](const Op& op) { return !op.guest() && caps_have_format(op); }, allow_lbr},
    {"debugctl-lbr-guest", "LBR and FREEZE_LBRS for the guest: KVM supports a format, and the vCPU has LBRs",
     "4.1", kUserByHost, [](const Op& op) { return op.guest() && caps_have_format(op) && vlbr_enabled(op); },
     allow_lbr},
    {"debugctl-lbr-any", "LBR and FREEZE_LBRS, whoever asks: KVM supports a format, and the vCPU has LBRs",
     "4.1", ~kUserByHost, [](const Op& op) { return caps_have_format(op) && vlbr_enabled(op); }, allow_lbr},
    {"debugctl-rtm", "RTM_DEBUG: the host has RTM, and so has the guest's CPUID unless user space asks",
     "4.1", kDebugctlRework, [](const Op& op) { return op.host.rtm && (!op.guest() || op.vcpu.cpuid.rtm()); },
     [](Op& op) -> int {
       op.supported |= debugctl::kRtmDebug;
       return kOk;
     }},
};
constexpr RuleTable kSupported{"legal DEBUGCTL bits", true, kSupportedRules};

bool wants_dropped(const Op& op) {
  return (op.invalid & kDropped) != 0;
}
void log(Op& op) {
  if (op.module.params.report_ignored_msrs) ++op.did.log_lines;
}

constexpr Rule kDropRules[] = {
    {"debugctl-drop-both",
     "BTF or LBR is not legal: logged, and both are taken out of the value, also a legal LBR", "4.2 step a",
     ~kDebugctlRework, wants_dropped,
     [](Op& op) -> int {
       log(op);
       op.data &= ~kDropped;
       op.invalid &= ~kDropped;
       return kOk;
     }},
    {"debugctl-drop-illegal", "BTF or LBR is not legal: logged, and those that are not legal are taken out",
     "4.2 step a", kDebugctlRework, wants_dropped,
     [](Op& op) -> int {
       log(op);
       op.invalid &= ~kDropped;
       return kOk;
     }},
};
constexpr RuleTable kDrop{"DEBUGCTL bits that are dropped", true, kDropRules};

constexpr Rule kLegalRules[] = {
    {"debugctl-invalid", "another bit is not legal", "4.2 step b", kAllKernels,
     [](const Op& op) { return op.invalid != 0; }, [](Op&) -> int { return kInvalid; }},
    {"debugctl-legal", "what is left is legal", "4.2 step c", ~kDebugctlRework, always, nothing},
    {"debugctl-masked", "the legal bits of the value are taken", "4.2 step c", kDebugctlRework, always,
     [](Op& op) -> int {
       op.data &= op.supported;
       return kOk;
     }},
};
constexpr RuleTable kLegal{"legality of a DEBUGCTL value", false, kLegalRules};

constexpr Rule kStoreRules[] = {
    {"debugctl-vmcs12", "L2 runs and vmcs12 saves debug controls at its exits: vmcs12 gets the value too",
     "4.2 (1)", kAllKernels, [](const Op& op) { return op.vcpu.in_l2 && op.vcpu.vmcs12_saves_debugctl; },
     [](Op& op) -> int {
       op.vcpu.vmcs12_debugctl = op.data;
       return kOk;
     }},
    {"debugctl-store", "the VMCS gets the value", "4.2 (2)", ~kDebugctlRework, always,
     [](Op& op) -> int {
       op.vcpu.vmcs_debugctl = op.data;
       return kOk;
     }},
    {"debugctl-store-host-bit", "the VMCS gets the value with the host's FREEZE_WHILE_SMM", "4.2 (2)",
     kDebugctlRework, always,
     [](Op& op) -> int {
       op.vcpu.vmcs_debugctl = op.data | host_owned_debugctl(op);
       return kOk;
     }},
    {"debugctl-event",
     "LBR is set, the vCPU has LBRs and no event yet: an event is tried; its failure is ignored", "4.2 (3)",
     kAllKernels,
     [](const Op& op) { return vlbr_enabled(op) && !op.vcpu.lbr_event && (op.data & debugctl::kLbr) != 0; },
     [](Op& op) -> int {
       create_lbr_event(op);
       return kOk;
     }},
};
constexpr RuleTable kStore{"a DEBUGCTL value's way", true, kStoreRules};

constexpr Rule kReadRules[] = {
    {"debugctl-read", "the VMCS field, whoever asks", "4.3", ~kDebugctlRework, always,
     [](Op& op) -> int {
       op.value = op.vcpu.vmcs_debugctl;
       return kOk;
     }},
    {"debugctl-read-guest-bits", "the VMCS field without the host's FREEZE_WHILE_SMM, whoever asks", "4.3",
     kDebugctlRework, always,
     [](Op& op) -> int {
       op.value = op.vcpu.vmcs_debugctl & ~debugctl::kFreezeWhileSmm;
       return kOk;
     }},
};
constexpr RuleTable kRead{"RDMSR DEBUGCTL", false, kReadRules};

}  // namespace

u64 supported_debugctl(Op& op) {
  op.supported = 0;
  decide(kSupported, op);
  return op.supported;
}

u64 host_owned_debugctl(const Op& op) {
  return op.is(kDebugctlRework) ? op.host.debugctl & debugctl::kFreezeWhileSmm : 0;
}

int filter_debugctl(Op& op) {
  op.invalid = op.data & ~supported_debugctl(op);
  decide(kDrop, op);
  return decide(kLegal, op);
}

int write_debugctl(Op& op) {
  const int code = filter_debugctl(op);
  return code != kOk ? code : decide(kStore, op);
}

int read_debugctl(Op& op) {
  return decide(kRead, op);
}

RuleTables debugctl_tables() {
  static constexpr const RuleTable* kTables[] = {&kSupported, &kDrop, &kLegal, &kStore, &kRead};
  return kTables;
}

}  // namespace lastbranch::kvm
