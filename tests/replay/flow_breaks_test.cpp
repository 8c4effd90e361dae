// Lines that end early and returns that nobody called: what signals, retpolines and switches of contexts
// leave in the records is known for what it is, and nothing else passes for it.
#include <algorithm>
#include <map>

#include <gtest/gtest.h>

#include "sim/load/file_reader.h"
#include "sim/load/symbols.h"
#include "tests/replay/fixture.h"
#include "tests/replay/listed_source.h"

namespace lastbranch::replay {
namespace {

using testing::Folder;
using testing::Judged;

// Symbols that end in "_" are places within functions: without a size, so that they begin none.
constexpr const char* kProgram = R"c(
__asm__(R"asm(
.macro begin name
.globl \name
.type \name, @function
\name:
.endm
.macro end name
.size \name, . - \name
.endm
.text
begin _start
  nop
begin loop_
  nop
begin back_
  jne loop_
begin call_
  call leaf
begin called_
  syscall
begin after_
  jmp loop_
end _start
begin leaf
  nop
begin leaf_ret_
  ret
end leaf
begin handler
  nop
begin handler_call_
  call leaf
begin handler_called_
  nop
begin handler_jne_
  jne handler_ret_
begin handler_ret_
  ret
end handler
begin tailed
  nop
begin tailed_jmp_
  jmp tail
end tailed
begin tail
  nop
begin tail_ret_
  ret
end tail
begin restorer
  mov $15, %eax
  syscall
end restorer
  nop
begin pushes
  lea leaf(%rip), %rax
  push %rax
  mov %rax, %rcx
begin pushes_ret_
  ret
end pushes
begin pops
  push %rax
  pop %rax
begin pops_ret_
  ret
end pops
begin spills
  sub $8, %rsp
  mov %rax, (%rsp)
  add $8, %rsp
begin spills_ret_
  ret
end spills
begin retpoline
  call slot_
begin capture_
  pause
  jmp capture_
begin slot_
  mov %rdi, (%rsp)
begin retpoline_ret_
  ret
end retpoline
begin jump
  jmp *%rax
end jump
begin __start_context
  nop
end __start_context
)asm");
)c";

class Breaks : public ::testing::Test {
 protected:
  using Names = std::vector<std::pair<std::string, std::string>>;  // FROM and TO, newest first

  [[nodiscard]] u64 at(const std::string& name) const {
    const auto& all = symbols_.symbols();
    const auto it = std::ranges::find(all, name, &load::SymbolTable::Symbol::name);
    if (it == all.end()) throw std::runtime_error("no symbol " + name);
    return it->address;
  }
  [[nodiscard]] perfdata::SampleRecord sample(const Names& names) const {
    perfdata::SampleRecord s;
    s.pid = s.tid = 1;
    for (const auto& [from, to] : names) s.branches.push_back({at(from), at(to), 0});
    return s;
  }
  [[nodiscard]] Judged judged(const std::vector<Names>& stacks) const {
    std::vector<perfdata::Record> records;
    for (const Names& names : stacks) records.push_back(record_of(sample(names)));
    ListedSource source(std::move(records));
    source.events_[0].attr.branch_sample_type = bits_;
    source.events_[0].attr.flags = perfdata::kAttrExcludeKernel;
    return testing::judge(source, {.binaries = {program_}}, "haswell");
  }

  u64 bits_ = perfdata::kBranchUser | perfdata::kBranchAny;

  Folder folder_;
  std::string program_ = testing::compile(folder_, "program", kProgram, "-nostdlib -static -no-pie");

 private:
  load::SymbolTable symbols_{load::FileReader(program_)};
};

// A signal strikes in the loop: nothing is recorded of it until the handler's first branch.
const std::vector<std::pair<std::string, std::string>> kStruck = {
    {"handler_call_", "leaf"}, {"back_", "loop_"}, {"back_", "loop_"}};
const std::vector<std::pair<std::string, std::string>> kEnded = {
    {"handler_ret_", "restorer"}, {"leaf_ret_", "handler_called_"}, {"handler_call_", "leaf"}};

TEST_F(Breaks, a_line_that_goes_on_in_a_handler_is_a_signal) {
  // One window shows where it is entered, another, later or not, that it returns as handlers do.
  for (const auto& stacks : {std::vector{kStruck, kEnded}, std::vector{kEnded, kStruck}}) {
    const Judged j = judged(stacks);
    EXPECT_EQ(j.unexplained(), 0u) << j.first();
    EXPECT_EQ(j.of(Check::kStraightLine, Cause::kIret), 1u);
    EXPECT_EQ(j.held(Check::kStraightLine), 3u);
    EXPECT_EQ(j.held(Check::kReturn), 2u);
    EXPECT_EQ(j.held(Check::kWalk), 2u);
  }
}

TEST_F(Breaks, a_function_that_returns_to_a_call_is_no_handler) {
  Judged j = judged({kStruck});
  EXPECT_EQ(j.of(Check::kStraightLine, Cause::kUnexplained), 1u) << "nothing shows a handler";
  EXPECT_NE(j.first().find("found on it"), std::string::npos) << j.first();
  auto ended = kEnded;
  ended.front().second = "called_";
  j = judged({kStruck, ended});
  EXPECT_EQ(j.of(Check::kStraightLine, Cause::kUnexplained), 1u);
  // Of another function it proves nothing.
  j = judged({{{"tail_ret_", "called_"}, {"back_", "loop_"}}, kEnded});
  EXPECT_EQ(j.of(Check::kStraightLine, Cause::kUnexplained), 1u);
  EXPECT_EQ(j.of(Check::kStraightLine, Cause::kIret), 0u);
}

TEST_F(Breaks, signals_enter_handlers_at_their_first_instruction) {
  // The line goes on behind the handler's call: an entry is missing.
  const Judged j = judged({{{"handler_jne_", "handler_ret_"}, {"back_", "loop_"}}, kEnded});
  EXPECT_EQ(j.of(Check::kStraightLine, Cause::kUnexplained), 1u);
}

TEST_F(Breaks, handlers_may_end_in_another_function) {
  const std::vector<std::pair<std::string, std::string>> whole = {
      {"tail_ret_", "restorer"}, {"tailed_jmp_", "tail"}, {"back_", "loop_"}};
  const Judged j = judged({whole});
  EXPECT_EQ(j.unexplained(), 0u) << j.first();
  EXPECT_EQ(j.of(Check::kStraightLine, Cause::kIret), 1u);
}

TEST_F(Breaks, sigreturn_comes_back_anywhere_and_other_calls_at_first_instructions) {
  EXPECT_EQ(judged({{{"back_", "loop_"}, {"handler_ret_", "restorer"}}}).unexplained(), 0u);
  // Behind a call of the system: on, or into a handler, known or not.
  EXPECT_EQ(judged({{{"after_", "loop_"}, {"leaf_ret_", "called_"}}}).held(Check::kStraightLine), 1u);
  const Judged handler = judged({{{"handler_call_", "leaf"}, {"leaf_ret_", "called_"}}});
  EXPECT_EQ(handler.of(Check::kStraightLine, Cause::kIret), 1u);
  const Judged within = judged({{{"handler_jne_", "handler_ret_"}, {"leaf_ret_", "called_"}}});
  EXPECT_EQ(within.of(Check::kStraightLine, Cause::kUnexplained), 1u);
}

TEST_F(Breaks, returns_to_what_the_code_itself_put_there_are_jumps) {
  for (const auto& [from, start] :
       {std::pair{"pushes_ret_", "pushes"}, std::pair{"retpoline_ret_", "slot_"}}) {
    for (const char* to : {"leaf", "loop_"}) {
      for (const Names& stack : {Names{{from, to}, {"jump", start}}, Names{{from, to}}}) {
        const Judged j = judged({stack});
        EXPECT_EQ(j.unexplained(), 0u) << j.first();
        EXPECT_EQ(j.held(Check::kReturn), 0u) << "it is none";
      }
    }
  }
  for (const std::string function : {"pops", "spills"}) {
    EXPECT_EQ(judged({{{function + "_ret_", "leaf"}}}).of(Check::kReturn, Cause::kUnexplained), 1u)
        << function;
    const Judged j = judged({{{function + "_ret_", "leaf"}, {"call_", function}}});
    EXPECT_EQ(j.of(Check::kReturn, Cause::kUnexplained), 1u) << function;
  }
}

TEST_F(Breaks, returns_go_to_calls_to_the_end_of_a_signal_or_of_a_context) {
  EXPECT_EQ(judged({{{"leaf_ret_", "called_"}}}).held(Check::kReturn), 1u);
  EXPECT_EQ(judged({{{"leaf_ret_", "restorer"}}}).held(Check::kReturn), 1u);
  EXPECT_EQ(judged({{{"leaf_ret_", "__start_context"}}}).held(Check::kReturn), 1u);
  for (const char* to : {"leaf", "loop_", "handler", "after_", "_start"})
    EXPECT_EQ(judged({{{"leaf_ret_", to}}}).of(Check::kReturn, Cause::kUnexplained), 1u) << to;
}

/// Text without a header, of a real capture, from which one entry of each stack is taken.
TEST(TextWithoutHeader, missing_entries_are_found_where_nothing_says_what_was_recorded) {
  const auto folder = testing::captures();
  if (!folder) GTEST_SKIP() << "the shared captures are not there; LASTBRANCH_SHARED may say where";
  const FlowOptions options{.tables = {*folder + "/perfscript/cs-preinline-cost.cfg.csv"}};
  std::ifstream in(*folder + "/perfscript/cs-preinline-cost.perfscript");
  const Folder own;
  std::string cut, line;
  while (std::getline(in, line)) {
    if (line.starts_with(" 0x")) {
      std::size_t at = 0;
      for (int entry = 0; entry < 5; ++entry) at = line.find(" 0x", at + 1);
      line.erase(at, line.find(" 0x", at + 1) - at);
    }
    cut += line + "\n";
  }
  const Judged j = testing::judge_file(own.write("cut.perfscript", cut), options, "haswell");
  EXPECT_GT(j.of(Check::kStraightLine, Cause::kUnexplained) + j.of(Check::kStraightLine, Cause::kEdited),
            50u);
  EXPECT_EQ(j.of(Check::kStraightLine, Cause::kKernelSeam), 0u) << "no kernel code is in it";
}

/// Stacks of one branch again and again, as text.
class Text : public Breaks {
 protected:
  [[nodiscard]] Judged judged_text(const std::vector<Names>& stacks, const std::string& more = "") {
    std::string text;
    for (const Names& names : stacks) {
      text += fmt::format(" {:x}", at(names.front().second));
      for (const auto& [from, to] : names) text += fmt::format(" {:#x}/{:#x}/P/-/-/0 ", at(from), at(to));
      text += "\n";
    }
    return testing::judge_file(own_.write("text", text + more), {.binaries = {program_}}, "haswell");
  }

 private:
  Folder own_;
};

TEST_F(Text, filtered_branches_are_known_by_the_kinds_that_are_missing) {
  const Names calls(10, {"call_", "leaf"});
  const Judged filtered = judged_text(std::vector(10, calls));
  EXPECT_EQ(filtered.unexplained(), 0u) << filtered.first();
  EXPECT_EQ(filtered.held(Check::kStraightLine), 0u);
  EXPECT_EQ(filtered.of(Check::kStraightLine, Cause::kEdited), 0u);
  ASSERT_FALSE(filtered.report.notes.empty());
  EXPECT_NE(filtered.report.notes.front().find("look filtered"), std::string::npos);
  // With a return and a jump among them, nothing was.
  const Names others = {{"leaf_ret_", "called_"}, {"call_", "leaf"}, {"after_", "loop_"}};
  std::vector stacks(10, calls);
  stacks.push_back(others);
  const Judged whole = judged_text(stacks);
  EXPECT_EQ(whole.of(Check::kStraightLine, Cause::kEdited) + whole.unexplained(), 90u);
  EXPECT_GT(whole.held(Check::kStraightLine), 0u);
  // Of a few branches kinds may be missing by chance.
  EXPECT_EQ(judged_text({calls}).of(Check::kStraightLine, Cause::kEdited), 9u);
}

TEST_F(Text, seams_are_where_the_kernel_is) {
  const Names broken = {{"back_", "loop_"}, {"leaf_ret_", "handler_jne_"}};
  EXPECT_EQ(judged_text({broken}).of(Check::kStraightLine, Cause::kKernelSeam), 0u);
  const std::string kernel = " ffffffff81000010 0xffffffff81000000/0xffffffff81000010/P/-/-/0 \n";
  const Judged j = judged_text({broken}, kernel);
  EXPECT_EQ(j.of(Check::kStraightLine, Cause::kKernelSeam), 1u);
  EXPECT_EQ(j.of(Check::kStraightLine, Cause::kEdited), 0u);
}

}  // namespace
}  // namespace lastbranch::replay
