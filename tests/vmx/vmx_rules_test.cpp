// Every row of every rule table has a case in which it decides and one in which it does not, and says what it
// is and where it comes from.
#include <map>
#include <set>

#include <gtest/gtest.h>

#include "tests/vmx/vmx_cases.h"
#include "tests/vmx/vmx_world.h"

namespace lastbranch::vmx::test {
namespace {

using Key = std::pair<std::string_view, std::string_view>;

/// The rows that decide while it lives.
class Deciding : public RuleWatcher {
 public:
  Deciding() { watch_rules(this); }
  ~Deciding() override { watch_rules(nullptr); }
  void looked(std::string_view table, std::string_view rule, bool decided) override {
    if (decided) rows_.insert({table, rule});
  }
  [[nodiscard]] bool has(const Key& row) const { return rows_.contains(row); }

 private:
  std::set<Key> rows_;
};

bool decides(const std::function<void()>& run, const Key& row) {
  const Deciding deciding;
  run();
  return deciding.has(row);
}

std::vector<RuleCase> all_cases() {
  std::vector<RuleCase> all = check_cases();
  for (const auto& more : {op_cases(), exit_cases(), switch_cases()})
    all.insert(all.end(), more.begin(), more.end());
  return all;
}

/// Cases of a row: how many decide, how many do not.
using Found = std::map<Key, std::pair<int, int>>;

Found play(const std::vector<RuleCase>& cases) {
  Found found;
  for (const RuleCase& c : cases) {
    SCOPED_TRACE(std::string(c.table) + ": " + std::string(c.rule));
    const Key row{c.table, c.rule};
    auto& [with, without] = found[row];
    with += decides(c.decides, row) ? 1 : 0;
    without += decides(c.does_not, row) ? 0 : 1;
  }
  return found;
}

/// Rows that lack a case of either kind.
std::vector<std::string> uncovered(const std::vector<RuleRow>& rows, const Found& found) {
  std::vector<std::string> lacking;
  for (const RuleRow& row : rows) {
    const auto at = found.find({row.table, row.rule});
    if (at == found.end() || at->second.first == 0 || at->second.second == 0)
      lacking.push_back(std::string(row.table) + ": " + std::string(row.rule));
  }
  return lacking;
}

TEST(VmxRules, have_a_case_in_which_they_decide_and_one_in_which_they_do_not) {
  EXPECT_EQ(uncovered(all_rules(), play(all_cases())), std::vector<std::string>());
}

TEST(VmxRules, without_a_case_are_named) {
  std::vector<RuleRow> rows = all_rules();
  rows.push_back({table::kEvents, "a row that nobody tests", "nowhere"});
  EXPECT_EQ(uncovered(rows, play(all_cases())), std::vector<std::string>{"events: a row that nobody tests"});
  Found only_decides = play(all_cases());
  only_decides[{rows[0].table, rows[0].rule}].second = 0;
  EXPECT_EQ(uncovered(all_rules(), only_decides).size(), 1u);
}

TEST(VmxRules, cases_are_about_rows_that_exist) {
  std::set<Key> rows;
  for (const RuleRow& row : all_rules()) EXPECT_TRUE(rows.insert({row.table, row.rule}).second) << row.rule;
  for (const RuleCase& c : all_cases()) EXPECT_TRUE(rows.contains({c.table, c.rule})) << c.rule;
}

/// "SDM vol. 3C, VM Entries: Loading MSRs".
void expect_source(std::string_view source, std::string_view what) {
  EXPECT_TRUE(source.starts_with("SDM vol. 3") || source.starts_with("SDM vol. 4")) << what;
  const std::size_t chapter = source.find(", "), section = source.find(": ");
  EXPECT_TRUE(chapter != std::string_view::npos && section != std::string_view::npos && chapter < section)
      << what << ": " << source;
}

TEST(VmxRules, name_volume_chapter_and_section) {
  for (const RuleRow& row : all_rules()) expect_source(row.source, row.rule);
  for (const ControlDef& control : controls()) expect_source(control.source, control.name);
  for (const FieldDef& field : fields()) expect_source(field.source, field.name);
  for (const CapabilityMsr& msr : Vmx::capabilities()) expect_source(msr.source, msr.name);
}

TEST(VmxRules, are_shown_with_their_source_when_they_decide) {
  World world;
  world.set(Field::kGuestRip, u64{1} << 47);
  world.launch();
  EXPECT_EQ(world.vmx.decided_by(), "RIP is canonical");
  EXPECT_EQ(world.vmx.decided_source(), "SDM vol. 3C, VM Entries: Checks on Guest RIP, RFLAGS, and SSP");
  world.set(Field::kGuestRip, 0);
  world.launch();
  world.vmx.triple_fault();
  EXPECT_EQ(world.vmx.decided_by(), "a triple fault exits");
  EXPECT_EQ(world.vmx.decided_source(), "SDM vol. 3C, VMX Non-Root Operation: Other Causes of VM Exits");
}

}  // namespace
}  // namespace lastbranch::vmx::test
