#pragma once
// Rules as rows: an id, the rule in words, where the specification has it, the kernels it holds for, when it
// applies and what follows. A table is read in order; in a deciding table the first row that applies gives
// the answer and names itself in the trace, in a cumulative one every row that applies adds its part.
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "models/vmx/kvm/kernels.h"
#include "sim/base/units.h"

namespace lastbranch::kvm {

struct Op;

struct Rule {
  std::string_view id;       ///< "debugctl-write-btf"
  std::string_view words;    ///< the rule
  std::string_view section;  ///< of kvm-lbr-semantics.md
  KernelSet kernels;
  bool (*when)(const Op& op);
  int (*then)(Op& op);  ///< the answer's code; a cumulative table ignores it
};

struct RuleTable {
  std::string_view name;
  bool cumulative = false;
  std::span<const Rule> rules;
};

/// Every table of the model, for tools and the test that each row is covered.
[[nodiscard]] std::span<const RuleTable* const> all_rule_tables();

/// Why a row did not decide.
enum class Passed : u8 {
  kOtherKernel,  ///< it does not hold for this one
  kCondition,    ///< its `when` said no
  kEarlier,      ///< an earlier row decided
};

/// Sees every row that is looked at: coverage.
class RuleWatcher {
 public:
  virtual ~RuleWatcher() = default;
  virtual void looked(const RuleTable& table, const Rule& rule, bool decided) = 0;
  /// A row that did not decide, with the reason.
  virtual void passed(const RuleTable& table, const Rule& rule, Passed /*why*/) {
    looked(table, rule, false);
  }
};

/// The rows that decided the last call's answer, oldest first.
class Trace {
 public:
  void clear() { rules_.clear(); }
  void add(const Rule& rule) { rules_.push_back(&rule); }
  [[nodiscard]] const std::vector<const Rule*>& rules() const { return rules_; }
  /// One line a rule: "debugctl-write-btf: BTF is ... [4.2; v5-series:0..8]".
  [[nodiscard]] std::vector<std::string> words() const;

 private:
  std::vector<const Rule*> rules_;
};

/// Reads a table for `op`: the code of the row that decides; 0 for a cumulative table.
int decide(const RuleTable& table, Op& op);

/// Sets who sees every row from now on in this thread; nullptr: nobody.
void watch_rules(RuleWatcher* watcher);

}  // namespace lastbranch::kvm
