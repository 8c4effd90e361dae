#include "models/vmx/rules.h"

#include "models/vmx/checks.h"
#include "models/vmx/exits.h"
#include "models/vmx/op_rules.h"
#include "models/vmx/switch_rules.h"

namespace lastbranch::vmx {
namespace {

thread_local RuleWatcher* watcher = nullptr;

template <typename Rows>
void append(std::vector<RuleRow>& all, std::string_view name, const Rows& rows) {
  for (const auto& row : rows) all.push_back({name, row.rule, row.source});
}

}  // namespace

std::vector<RuleRow> all_rules() {
  std::vector<RuleRow> all;
  append(all, table::kOps, op_rules());
  append(all, table::kControls, control_checks());
  append(all, table::kHost, host_checks());
  append(all, table::kGuest, guest_checks());
  append(all, table::kEntry, entry_rules());
  append(all, table::kInstructions, instruction_rules());
  append(all, table::kEvents, event_rules());
  append(all, table::kWindows, window_rules());
  append(all, table::kLists, list_rules());
  append(all, table::kSave, save_rules());
  append(all, table::kLoad, host_rules());
  return all;
}

void watch_rules(RuleWatcher* new_watcher) {
  watcher = new_watcher;
}

bool looked_at(std::string_view name, std::string_view rule, bool decided) {
  if (watcher != nullptr) watcher->looked(name, rule, decided);
  return decided;
}

}  // namespace lastbranch::vmx
