// Why bits of DEBUGCTL were dropped or refused: which row would have made each legal.
#include <algorithm>

#include <fmt/format.h>

#include "models/vmx/kvm/offence_finder.h"
#include "sim/base/debugctl.h"

namespace lastbranch::kvm::offending {
namespace {

constexpr u64 kDropped = debugctl::kBtf | debugctl::kLbr;
constexpr std::string_view kDropTable = "DEBUGCTL bits that are dropped";

/// The bits that a row of the legal bits would add.
u64 legal_part(const Rule& rule, const Op& of) {
  Trial trial(of, 0);
  rule.then(trial.op);
  return trial.op.supported;
}

const Rule* drop_rule(Kernel kernel) {
  const auto& rules = table(kDropTable).rules;
  return &*std::ranges::find_if(rules, [&](const Rule& r) { return r.kernels.contains(kernel); });
}

}  // namespace

std::string Finder::debugctl_facts(u64 bits, Rules& rules) {
  Op& op = trial_.op;
  const bool ask_guest = op.guest() || !with_patch(4).contains(kernel());
  const auto both = [&](std::string_view what, bool host, bool guest) {
    return fmt::format("the host has {}: {}", what, yes_no(host)) +
           (ask_guest ? fmt::format("; the guest's CPUID has it: {}", yes_no(guest)) : "");
  };
  const GuestCpuid& cpuid = op.vcpu.cpuid;
  if ((bits & debugctl::kBusLockDetect) != 0)
    return both("bus-lock detection", op.host.bus_lock_detect, cpuid.bus_lock_detect());
  if ((bits & debugctl::kRtmDebug) != 0) return both("RTM", op.host.rtm, cpuid.rtm());
  if ((bits & (debugctl::kLbr | debugctl::kFreezeLbrsOnPmi)) == 0) return {};
  std::string text = caps_facts(op, perfcap::kLbrFmt, rules);
  return ask_guest ? text + "; " + lbr_facts(op, rules) : text;
}

/// Some of the bits may be dropped while others make the write fail.
void Finder::debugctl_group(u64 bits, const std::string& why, const Rules& legal_by) {
  const Rule& refused = row("legality of a DEBUGCTL value", "debugctl-invalid");
  for (const auto& [part, by] :
       {std::pair{bits & kDropped, drop_rule(kernel())}, std::pair{bits & ~kDropped, &refused}}) {
    if (part == 0) continue;
    Rules rules{by};
    rules.insert(rules.end(), legal_by.begin(), legal_by.end());
    add(part, (by == &refused ? "refused, and the write with it: " : "dropped and logged: ") + why,
        std::move(rules));
  }
}

void Finder::debugctl_bits() {
  const u64 supported = supported_debugctl(trial_.op);
  u64 left = data_ & ~supported;
  const bool drops_both = !kDebugctlRework.contains(kernel()) && (left & kDropped) != 0;
  const auto& rules = table("legal DEBUGCTL bits").rules;
  const auto group = [&](bool of_this_kernel, const Rule& rule) {
    if (rule.kernels.contains(kernel()) != of_this_kernel) return;
    // Rows for the guest and for user space are one rule each: the other's does not count.
    const bool other_side = rule.id.ends_with(asked_.guest() ? "-user" : "-guest");
    const u64 bits = left & legal_part(rule, asked_);
    if (bits == 0 || other_side) return;
    left &= ~bits;
    Rules legal_by{&rule};
    const std::string why = of_this_kernel ? "its rule does not hold: " + debugctl_facts(bits, legal_by)
                                           : fmt::format("no rule of this kernel makes it legal; {} only",
                                                         describe(rule.kernels));
    debugctl_group(bits, why, legal_by);
  };
  for (const Rule& rule : rules) group(true, rule);
  for (const Rule& rule : rules) group(false, rule);
  if (left != 0) debugctl_group(left, "no kernel's rules make it legal", {});
  if (drops_both && (data_ & supported & kDropped) != 0)
    add(data_ & supported & kDropped, "legal, yet taken out with the bit that is not", {drop_rule(kernel())});
}

}  // namespace lastbranch::kvm::offending
