#pragma once
// What the rule tables of this model have in common: every row says what it is and where it comes from, and
// a watcher sees which rows decide. The tables are op_rules.h, checks.h, exits.h and
// switch_rules.h; fields, controls and
// capability registers are data, whose rows name their source too.
#include <span>
#include <string_view>
#include <vector>

#include "sim/base/units.h"

namespace lastbranch::vmx {

/// A row as tools list it.
struct RuleRow {
  std::string_view table;
  std::string_view rule;    ///< in words
  std::string_view source;  ///< "SDM vol. 3C, VM Entries: Loading MSRs"
};

/// Every row of every rule table, in the order in which it is read.
[[nodiscard]] std::vector<RuleRow> all_rules();

/// Sees every row that is looked at: coverage.
class RuleWatcher {
 public:
  virtual ~RuleWatcher() = default;
  virtual void looked(std::string_view table, std::string_view rule, bool decided) = 0;
};

/// Sets who sees every row from now on in this thread; nullptr: nobody.
void watch_rules(RuleWatcher* watcher);

/// For the tables themselves: tells the watcher, if there is one, and returns `decided`.
bool looked_at(std::string_view table, std::string_view rule, bool decided);

/// Names of the tables, as RuleRow and RuleWatcher have them.
namespace table {
inline constexpr std::string_view kOps = "VMX instructions", kControls = "checks of controls",
                                  kHost = "checks of the host state", kGuest = "checks of the guest state",
                                  kInstructions = "instructions", kEvents = "events",
                                  kWindows = "other exits", kLists = "MSR lists", kEntry = "VM entry",
                                  kSave = "VM exit: saving", kLoad = "VM exit: loading";
}  // namespace table

}  // namespace lastbranch::vmx
