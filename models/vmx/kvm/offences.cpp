#include "models/vmx/kvm/offences.h"

#include <algorithm>

#include <fmt/format.h>

#include "models/vmx/kvm/offence_finder.h"
#include "sim/base/assert.h"

namespace lastbranch::kvm {
namespace offending {

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
const Rule& decider(std::string_view name, const Op& op) {
  for (const Rule& rule : table(name).rules)
    if (holds(rule, op)) return rule;
  LASTBRANCH_ASSERT(false, "table {}: no row decides", name);
  return table(name).rules.front();
}
std::string_view yes_no(bool yes) {
  return yes ? "yes" : "no";
}

const Rule& pmu_rule(const Op& op) {
  return decider("the refresh's vPMU", op);
}
std::string lbr_facts(const Op& op, Rules& rules) {
  if (vlbr_enabled(op)) return fmt::format("the vCPU has {} LBR records", op.vcpu.lbr.nr);
  rules.push_back(&decider("vLBR enablement", op));
  if (op.vcpu.pmu.version == 0) rules.push_back(&pmu_rule(op));
  return "the vCPU has no LBRs";
}
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

}  // namespace offending

namespace {

/// "debugctl-invalid: another bit is not legal [section 4.2 step b; all]".
std::string words_of(const Rule& rule) {
  return fmt::format("{}: {} [section {}; {}]", rule.id, rule.words, rule.section, describe(rule.kernels));
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
  return offending::Finder(op, data, code).find();
}

}  // namespace lastbranch::kvm
