#pragma once
// The cases of every rule of models/vmx: one in which the row decides and one in which it does not, each with
// what must come of it. The files that have them test them in detail; vmx_rules_test.cpp sees that no row is
// without.
#include <functional>
#include <string_view>
#include <vector>

namespace lastbranch::vmx::test {

struct RuleCase {
  std::string_view table, rule;
  std::function<void()> decides, does_not;
};
[[nodiscard]] std::vector<RuleCase> op_cases();
[[nodiscard]] std::vector<RuleCase> check_cases();
[[nodiscard]] std::vector<RuleCase> exit_cases();
[[nodiscard]] std::vector<RuleCase> switch_cases();

}  // namespace lastbranch::vmx::test
