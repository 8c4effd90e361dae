// Every row of every rule table has a case in which it decides and one in which it does not, and says what it
// is and where it comes from.
#include <map>
#include <set>

#include <gtest/gtest.h>

#include "models/vmx/controls.h"
#include "tests/vmx/vmx_cases.h"
#include "tests/vmx/vmx_world.h"

namespace lastbranch::vmx::test {
namespace {

using Key = std::pair<std::string_view, std::string_view>;

/// The rows that are looked at while it lives, and those that decide.
class Watching : public RuleWatcher {
 public:
  Watching() { watch_rules(this); }
  ~Watching() override { watch_rules(nullptr); }
  void looked(std::string_view table, std::string_view rule, bool decided) override {
    looked_.insert({table, rule});
    if (decided) decided_.insert({table, rule});
  }
  [[nodiscard]] bool looked_at(const Key& row) const { return looked_.contains(row); }
  [[nodiscard]] bool decides(const Key& row) const { return decided_.contains(row); }

 private:
  std::set<Key> looked_, decided_;
};

/// Rows without a condition: whenever they are looked at they decide. In their case in which they do not they
/// are not even looked at.
const std::set<Key> kUnconditional = {
    {table::kOps, "VMCALL calls nobody in VMX root operation"},
    {table::kEntry, "CR0 is loaded, but for ET, CD, NW and what is reserved"},
    {table::kEntry, "CR3 is loaded"},
    {table::kEntry, "CR4 is loaded"},
    {table::kEntry, "segment registers are loaded, hidden parts included"},
    {table::kEntry, "GDTR and IDTR are loaded"},
    {table::kEntry, "RSP, RIP and RFLAGS are loaded"},
    {table::kEntry, "the guest is halted if its activity state is HLT"},
    {table::kEntry, "blocking by STI, MOV SS and NMI is loaded"},
    {table::kEntry, "IA32_SYSENTER_CS, ESP and EIP are loaded"},
    {table::kInstructions, "CPUID always exits"},
    {table::kInstructions, "INVD always exits"},
    {table::kInstructions, "VMX instructions always exit"},
    {table::kEvents, "INT n does not exit"},
    {table::kWindows, "a triple fault exits"},
    {table::kSave, "CR0, CR3 and CR4 are saved"},
    {table::kSave, "IA32_SYSENTER_CS, ESP and EIP are saved"},
    {table::kSave, "segment registers are saved, hidden parts included"},
    {table::kSave, "GDTR and IDTR are saved"},
    {table::kSave, "RSP, RIP and RFLAGS are saved"},
    {table::kSave, "the activity state is saved"},
    {table::kSave, "blocking by STI, MOV SS and NMI is saved"},
    {table::kSave, "no debug exception is left pending"},
    {table::kLoad, "CR0 is loaded, but for ET, CD, NW and what is reserved"},
    {table::kLoad, "CR3 is loaded"},
    {table::kLoad, "CR4 is loaded"},
    {table::kLoad, "DR7 is set to 400H"},
    {table::kLoad, "IA32_DEBUGCTL is cleared: no more records"},
    {table::kLoad,
     "segment registers get the host's selectors and FS, GS and TR bases, else fixed hidden parts"},
    {table::kLoad, "GDTR and IDTR get the host's bases and limit FFFFH"},
    {table::kLoad, "RSP and RIP are loaded, RFLAGS is 2"},
    {table::kLoad, "the processor is active"},
    {table::kLoad, "nothing is blocked by STI or MOV SS"},
    {table::kLoad, "IA32_SYSENTER_CS, ESP and EIP are loaded"},
};

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
    {
      const Watching watching;
      c.decides();
      with += watching.decides(row) ? 1 : 0;
    }
    const Watching watching;
    c.does_not();
    const bool as_it_should = watching.looked_at(row) != kUnconditional.contains(row);
    without += as_it_should && !watching.decides(row) ? 1 : 0;
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

TEST(VmxRules, do_not_count_as_not_deciding_where_nobody_looks_at_them) {
  const auto decides = [] {
    World world;
    world.add(Field::kProcControls, proc::kRdtsc);
    static_cast<void>(instruction_rule({world.vmcs(), world.memory, {.what = VmxSensitive::kRdtsc}}));
  };
  const Key row{table::kInstructions, "RDTSC exits by RDTSC exiting"};
  const Found found = play({{row.first, row.second, decides, [] {}}});
  EXPECT_EQ(found.at(row), std::pair(1, 0));
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
