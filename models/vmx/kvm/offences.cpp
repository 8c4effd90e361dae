#include "models/vmx/kvm/offences.h"

#include <algorithm>

#include <fmt/format.h>

#include "models/vmx/kvm/subjects.h"
#include "sim/base/assert.h"
#include "sim/base/debugctl.h"

namespace lastbranch::kvm {
namespace {

/// The operation once more, on copies of the states: rows can be tried without a trace.
struct Trial {
  VmState vm;
  VcpuState vcpu;
  Op op;

  Trial(const Op& of, u64 data)
      : vm(of.vm),
        vcpu(of.vcpu),
        op{.host = of.host, .module = of.module, .vm = vm, .vcpu = vcpu, .hardware = of.hardware} {
    op.msr = of.msr;
    op.who = of.who;
    op.write = true;
    op.data = data;
  }
};

const RuleTable& table(std::string_view name) {
  const auto tables = all_rule_tables();
  const auto found = std::ranges::find(tables, name, &RuleTable::name);
  LASTBRANCH_ASSERT(found != tables.end(), "no table {}", name);
  return **found;
}
const Rule& row(std::string_view name, std::string_view id) {
  const auto& rules = table(name).rules;
  const auto found = std::ranges::find(rules, id, &Rule::id);
  LASTBRANCH_ASSERT(found != rules.end(), "no row {}", id);
  return *found;
}
bool holds(const Rule& rule, const Op& op) {
  return rule.kernels.contains(op.host.kernel) && rule.when(op);
}
/// The row of a deciding table that decides now.
const Rule& decider(std::string_view name, const Op& op) {
  for (const Rule& rule : table(name).rules)
    if (holds(rule, op)) return rule;
  LASTBRANCH_ASSERT(false, "table {}: no row decides", name);
  return table(name).rules.front();
}
/// "debugctl-invalid: another bit is not legal [section 4.2 step b; all]".
std::string words_of(const Rule& rule) {
  return fmt::format("{}: {} [section {}; {}]", rule.id, rule.words, rule.section, describe(rule.kernels));
}
std::string_view yes_no(bool yes) {
  return yes ? "yes" : "no";
}

/// Why a vCPU has the PMU, or none.
const Rule& pmu_rule(const Op& op) {
  return decider("the refresh's vPMU", op);
}
using Rules = std::vector<const Rule*>;

/// Why a vCPU has LBRs, or none: its present state decides, not a refresh.
std::string lbr_facts(const Op& op, Rules& rules) {
  if (vlbr_enabled(op)) return fmt::format("the vCPU has {} LBR records", op.vcpu.lbr.nr);
  rules.push_back(&decider("vLBR enablement", op));
  if (op.vcpu.pmu.version == 0) rules.push_back(&pmu_rule(op));
  return "the vCPU has no LBRs";
}
/// What KVM supports, and the rows that made its fields that `bits` are about.
std::string caps_facts(Op& op, u64 bits, Rules& rules) {
  Trace trace;
  op.trace = &trace;
  static_cast<void>(compute_supported_caps(op));
  op.trace = nullptr;
  for (const Rule* rule : trace.rules()) {
    const bool format = rule->id.starts_with("caps-fmt"), pebs = rule->id.starts_with("caps-pebs");
    if (format ? (bits & perfcap::kLbrFmt) != 0 : !pebs || (bits & perfcap::pebs_mask(op.host.kernel)) != 0)
      rules.push_back(rule);
  }
  return fmt::format("KVM supports {:#x}", supported_caps(op));
}

class Finder {
 public:
  Finder(const Op& op, u64 data, int code) : asked_(op), data_(data), code_(code), trial_(op, data) {}

  std::vector<Offence> find() {
    if (asked_.msr == msr::kDebugctl) {
      debugctl_bits();
    } else if (asked_.msr == msr::kPerfCapabilities) {
      capabilities();
    } else if (is_lbr_msr(trial_.op)) {
      lbr_register();
    } else if (is_vpmu_msr(trial_.op)) {
      vpmu_register();
    } else if (code_ != kOk) {
      absent();
    }
    return std::move(found_);
  }

 private:
  void add(u64 bits, std::string why, Rules rules) {
    found_.push_back({bits, bit_names(asked_.msr, bits), std::move(why), std::move(rules)});
  }
  [[nodiscard]] Kernel kernel() const { return asked_.host.kernel; }

  void debugctl_bits();
  void debugctl_group(u64 bits, const std::string& why, const Rules& legal_by);
  std::string debugctl_facts(u64 bits, Rules& rules);
  void capabilities();
  void lbr_register();
  void vpmu_register();
  void reserved_bits(const Rule& refusing, u64 bits);
  [[nodiscard]] std::string counter_facts() const;
  [[nodiscard]] std::string mask_facts(std::string_view id) const;
  void absent();

  const Op& asked_;
  u64 data_;
  int code_;
  Trial trial_;
  std::vector<Offence> found_;
};

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

void Finder::lbr_register() {
  if (asked_.trace != nullptr) {
    for (const Rule* rule : asked_.trace->rules())
      if (rule->id == "lbr-no-event" || rule->id == "lbr-event-idle") return add(0, "dropped", {rule});
  }
  const bool fails = code_ != kOk;
  const u64 bits = asked_.msr == msr::kLbrSelect ? data_ & ~kLbrSelectBits : 0;
  if (bits == 0 && !fails) return;
  add(bits,
      fails ? "the CPU does not take it, and the kernel sees the fault"
            : "the CPU does not take it; the kernel does not look, so the guest is told that it did",
      {&decider("intercepted LBR registers", trial_.op)});
}

/// Which reserved mask a control or select has.
u64 VpmuState::*mask_of(u32 msr) {
  switch (msr) {
    case msr::kFixedCtrCtrl:
      return &VpmuState::fixed_ctr_ctrl_rsvd;
    case msr::kGlobalCtrl:
      return &VpmuState::global_ctrl_rsvd;
    case msr::kGlobalStatus:
    case msr::kOvfCtrl:
      return &VpmuState::global_status_rsvd;
    case msr::kPebsEnable:
      return &VpmuState::pebs_enable_rsvd;
    case msr::kPebsDataCfg:
      return &VpmuState::pebs_data_cfg_rsvd;
    default:
      return &VpmuState::eventsel_rsvd;
  }
}

constexpr u64 kInTxCheckpointed = u64{1} << 33;
constexpr u32 kCheckpointedSelect = msr::kEvtsel0 + 2;

/// The bits that a row of the reserved masks frees in a register's, if it acts. The row for the status is
/// made from the row for the control.
u64 freed_by(const Rule& rule, const Op& of) {
  Trial trial(of, 0);
  u64 VpmuState::*const mask = mask_of(of.msr);
  const VpmuState none;
  VpmuState& pmu = trial.vcpu.pmu;
  pmu.*mask = none.*mask;
  pmu.raw_event_mask = none.raw_event_mask;
  rule.then(trial.op);
  u64 freed = none.*mask & ~(pmu.*mask);
  if (of.msr == kCheckpointedSelect) freed |= pmu.raw_event_mask & kInTxCheckpointed;
  return freed;
}

std::string Finder::counter_facts() const {
  const VpmuState& pmu = asked_.vcpu.pmu;
  return fmt::format("the vPMU has version {}, {} general and {} fixed counters of {} and {} bits",
                     pmu.version, pmu.nr_gp, pmu.nr_fixed, std::popcount(pmu.gp_bitmask),
                     std::popcount(pmu.fixed_bitmask));
}

/// What a row of the reserved masks looks at.
std::string Finder::mask_facts(std::string_view id) const {
  const Op& op = trial_.op;
  if (id == "mask-tsx")
    return fmt::format("the host has HLE or RTM: {}; the guest's CPUID.7 EBX is {:#x}",
                       yes_no(op.host.hle || op.host.rtm), op.vcpu.cpuid.leaf7_ebx);
  if (id.starts_with("mask-pebs"))
    return fmt::format("the capabilities that the guest can see are {:#x}", effective_caps(op));
  if (id == "mask-global-status-pt") return "PT is not in host-guest mode";
  return counter_facts();
}

/// Reserved bits: by the rows that would free them and do not hold; the rest no row frees.
void Finder::reserved_bits(const Rule& refusing, u64 bits) {
  u64 left = bits;
  for (const Rule& rule : table("reserved masks").rules) {
    if (holds(rule, trial_.op) || !rule.kernels.contains(kernel())) continue;
    const u64 freed = left & freed_by(rule, asked_);
    if (freed == 0) continue;
    left &= ~freed;
    add(freed, "reserved, as the rule that frees it does not hold: " + mask_facts(rule.id),
        {&refusing, &rule});
  }
  if (left == 0) return;
  Rules rules{&refusing};
  for (const Rule& rule : table("reserved masks").rules)
    if (holds(rule, trial_.op) && freed_by(rule, asked_) != 0) rules.push_back(&rule);
  const bool counters = asked_.msr >= msr::kFixedCtrCtrl && asked_.msr <= msr::kPebsEnable;
  add(left, counters ? "reserved; " + counter_facts() : "reserved on every kernel", std::move(rules));
}

void Finder::vpmu_register() {
  if (code_ == kOk) return;
  const Rule& refusing = decider("WRMSR of the vPMU", trial_.op);
  const VpmuState& pmu = asked_.vcpu.pmu;
  if (refusing.id == "vpmu-full-width-bits") {
    add(data_ & ~pmu.gp_bitmask, "wider than the counter; " + counter_facts(), {&refusing});
  } else if (refusing.id == "vpmu-ds-canonical") {
    add(data_ & ~((u64{1} << 47) - 1), "not a canonical address", {&refusing});
  } else if (refusing.id == "vpmu-status-guest") {
    add(0, "the write as a whole", {&refusing});
  } else {
    u64 reserved = pmu.*mask_of(asked_.msr);
    if (asked_.msr == kCheckpointedSelect && (pmu.raw_event_mask & kInTxCheckpointed) != 0)
      reserved &= ~kInTxCheckpointed;
    reserved_bits(refusing, data_ & reserved);
  }
}

/// No register of this vCPU: what would have made it one.
void Finder::absent() {
  const bool lbr = asked_.msr == msr::kLbrSelect || asked_.msr == msr::kLbrTos ||
                   (asked_.msr >= asked_.host.perf.from && asked_.msr - asked_.host.perf.from < 32) ||
                   (asked_.msr >= asked_.host.perf.to && asked_.msr - asked_.host.perf.to < 32);
  const std::string not_there = "the register is not there: ";
  Rules rules{&decider(lbr ? "LBR registers" : "the vPMU's registers", trial_.op)};
  if (lbr) {
    const std::string facts = lbr_facts(asked_, rules);
    add(0, not_there + facts, std::move(rules));
    return;
  }
  if (asked_.vcpu.pmu.version == 0) rules.push_back(&pmu_rule(asked_));
  add(0, not_there + counter_facts(), std::move(rules));
}

}  // namespace

std::string Offence::summary() const {
  return (bits == 0 ? "all of it" : fmt::format("{:#x} ({})", bits, names)) + ": " + why;
}

std::vector<std::string> Offence::rule_words() const {
  std::vector<std::string> lines;
  for (const Rule* rule : rules) lines.push_back(words_of(*rule));
  return lines;
}

std::string Offence::words() const {
  std::string text = summary();
  for (const std::string& line : rule_words()) text += "; " + line;
  return text;
}

std::vector<Offence> offences(const Op& op, u64 data, int code) {
  return Finder(op, data, code).find();
}

}  // namespace lastbranch::kvm
