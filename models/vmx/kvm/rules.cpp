#include "models/vmx/kvm/rules.h"

#include <fmt/format.h>

#include "models/vmx/kvm/op.h"
#include "models/vmx/kvm/subjects.h"
#include "sim/base/assert.h"

namespace lastbranch::kvm {
namespace {

thread_local RuleWatcher* watcher = nullptr;

}  // namespace

int decide(const RuleTable& table, Op& op) {
  bool decided = false;
  int code = kOk;
  for (const Rule& rule : table.rules) {
    if (decided && !table.cumulative) {
      if (watcher == nullptr) break;
      watcher->passed(table, rule, Passed::kEarlier);
      continue;
    }
    const bool of_kernel = rule.kernels.contains(op.host.kernel);
    if (!of_kernel || !rule.when(op)) {
      if (watcher != nullptr)
        watcher->passed(table, rule, of_kernel ? Passed::kCondition : Passed::kOtherKernel);
      continue;
    }
    if (watcher != nullptr) watcher->looked(table, rule, true);
    if (op.trace != nullptr) op.trace->add(rule);
    const int answer = rule.then(op);
    if (!table.cumulative) code = answer;
    decided = true;
  }
  LASTBRANCH_ASSERT(decided || table.cumulative, "kvm table {}: no row decides", table.name);
  return code;
}

void watch_rules(RuleWatcher* new_watcher) {
  watcher = new_watcher;
}

std::vector<std::string> Trace::words() const {
  std::vector<std::string> lines;
  lines.reserve(rules_.size());
  for (const Rule* rule : rules_)
    lines.push_back(fmt::format("{}: {} [section {}; {}]", rule->id, rule->words, rule->section,
                                describe(rule->kernels)));
  return lines;
}

std::span<const RuleTable* const> all_rule_tables() {
  static const std::vector<const RuleTable*> kTables = [] {
    std::vector<const RuleTable*> tables;
    for (const auto& list :
         {host_perf_tables(), supported_caps_tables(), perf_capabilities_tables(), refresh_tables(),
          debugctl_tables(), lbr_msr_tables(), lbr_event_tables(), pmi_tables(), vpmu_mask_tables(),
          vpmu_msr_tables(), rdpmc_tables(), nested_tables(), msr_access_tables(), user_abi_tables(),
          event_filter_tables(), reset_tables()})
      tables.insert(tables.end(), list.begin(), list.end());
    return tables;
  }();
  return kTables;
}

}  // namespace lastbranch::kvm
