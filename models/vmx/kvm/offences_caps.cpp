// Why a value of PERF_CAPABILITIES was refused: every row that refuses it, with the bits it is about.
#include <algorithm>

#include <fmt/format.h>

#include "models/vmx/kvm/offence_finder.h"

namespace lastbranch::kvm::offending {
namespace {

/// The bits that a refusing row of PERF_CAPABILITIES is about, and the facts behind it.
struct CapabilityReason {
  std::string_view id;
  u64 (*bits)(const Op& op);
  std::string (*facts)(Op& op, u64 bits, Rules& rules);
};
std::string model_facts(const Op& op) {
  return fmt::format("the guest's model is {:#x}, the host's {:#x}", cpu_model(op.vcpu.cpuid.leaf1_eax),
                     cpu_model(op.host.leaf1_eax));
}
u64 pebs_difference(const Op& op) {
  return (op.data ^ op.supported) & perfcap::pebs_mask(op.host.kernel);
}

constexpr CapabilityReason kCapabilityReasons[] = {
    {"perfcap-frozen", [](const Op& op) { return op.data ^ op.value; },
     [](Op& op, u64, Rules&) { return fmt::format("the vCPU has run with {:#x}", op.value); }},
    {"perfcap-no-pmu", [](const Op&) { return u64{0}; },
     [](Op& op, u64, Rules& rules) {
       rules.push_back(&pmu_rule(op));
       return std::string("the guest has no PMU");
     }},
    {"perfcap-fmt-differs", [](const Op& op) { return op.data & perfcap::kLbrFmt; },
     [](Op& op, u64 bits, Rules& rules) {
       return fmt::format("LBR format {}; ", bits) + caps_facts(op, bits, rules);
     }},
    {"perfcap-fmt-model", [](const Op& op) { return op.data & perfcap::kLbrFmt; },
     [](Op& op, u64, Rules&) { return model_facts(op); }},
    {"perfcap-pebs-differs", pebs_difference,
     [](Op& op, u64 bits, Rules& rules) {
       return fmt::format("these PEBS bits differ from the supported ones, {:#x}; ",
                          op.supported & perfcap::pebs_mask(op.host.kernel)) +
              caps_facts(op, bits, rules);
     }},
    {"perfcap-pebs-cpuid", [](const Op& op) { return op.data & perfcap::kPebsFormat; },
     [](Op& op, u64, Rules&) {
       return fmt::format("the guest's CPUID has DS: {}, DTES64: {}; {}", yes_no(op.vcpu.cpuid.ds()),
                          yes_no(op.vcpu.cpuid.dtes64()), model_facts(op));
     }},
    {"perfcap-unsupported-bits", [](const Op& op) { return op.data & ~op.supported; }, caps_facts},
};

}  // namespace

void Finder::capabilities() {
  if (code_ == kOk) return;
  Op& op = trial_.op;
  static_cast<void>(write_perf_capabilities(op));  // leaves what the rows look at
  for (const Rule& rule : table("WRMSR PERF_CAPABILITIES").rules) {
    if (!holds(rule, op)) continue;
    Trial outcome(op, op.data);
    outcome.op.supported = op.supported;
    if (rule.then(outcome.op) == kOk) break;
    const auto* const reason = std::ranges::find(kCapabilityReasons, rule.id, &CapabilityReason::id);
    Rules rules{&rule};
    if (reason == std::end(kCapabilityReasons)) {
      add(0, "the write as a whole", std::move(rules));
      continue;
    }
    const u64 bits = reason->bits(op);
    std::string why = reason->facts(op, bits, rules);
    add(bits, std::move(why), std::move(rules));
  }
}

}  // namespace lastbranch::kvm::offending
