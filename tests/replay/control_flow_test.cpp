// The rules of control flow on the shared captures, whose figures are known, and one by one on captures made
// here against a table made here.
#include "sim/replay/control_flow.h"

#include <algorithm>

#include <gtest/gtest.h>

#include "sim/base/error.h"
#include "tests/replay/fixture.h"
#include "tests/replay/listed_source.h"

namespace lastbranch::replay {
namespace {

using testing::Folder;
using testing::judge;
using testing::Judged;

struct Figures {
  const char* capture;
  const char* table;
  const char* uarch;
  u64 from, direct, returns, straight, duplicated, interrupts, outside, walked;
};

// From the captures' manifest: at least as many checks of each kind; outside: entries set aside.
constexpr Figures kFigures[] = {
    {"/propeller_sample_1.eb928881.perfdata", "/propeller_sample_1.eb928881.cfg.csv", "skx", 119'419, 103'761,
     15'658, 114'721, 966, 0, 5, 3'732},
    {"/hierarchical_discriminator_test.x86_64.perf.data", "/hierarchical_discriminator_test.cfg.csv",
     "haswell", 2'046, 2'027, 19, 1'919, 0, 1, 273, 127},
    {"/perfscript/cs-preinline-cost.perfscript", "/perfscript/cs-preinline-cost.cfg.csv", "haswell", 15'920,
     15'920, 0, 14'925, 0, 0, 16, 995},
    {"/perfscript/inline-noprobe2.perfscript", "/perfscript/inline-noprobe2.cfg.csv", "skylake", 267, 206, 37,
     260, 0, 0, 149, 13},
};

TEST(ControlFlow, shared_captures_follow_their_code) {
  const auto folder = testing::captures();
  if (!folder) GTEST_SKIP() << "the shared captures are not there; LASTBRANCH_SHARED may say where";
  for (const Figures& f : kFigures) {
    const Judged j = testing::judge_file(*folder + f.capture, {.tables = {*folder + f.table}}, f.uarch);
    EXPECT_EQ(j.unexplained(), 0u) << f.capture << ": " << j.first();
    EXPECT_GE(j.held(Check::kFromBranch), f.from) << f.capture;
    EXPECT_GE(j.held(Check::kDirectTarget), f.direct) << f.capture;
    EXPECT_GE(j.held(Check::kReturn), f.returns) << f.capture;
    EXPECT_GE(j.held(Check::kStraightLine), f.straight) << f.capture;
    EXPECT_EQ(j.of(Check::kStraightLine, Cause::kDuplicatedTop), f.duplicated) << f.capture;
    EXPECT_EQ(j.of(Check::kFromBranch, Cause::kInterrupt), f.interrupts) << f.capture;
    EXPECT_EQ(j.of(Check::kFromBranch, Cause::kKernel) + j.of(Check::kFromBranch, Cause::kIret) +
                  j.of(Check::kFromBranch, Cause::kUnknownMapping),
              f.outside)
        << f.capture;
    EXPECT_GE(j.held(Check::kWalk), f.walked) << f.capture;
  }
}

/// Equal neighbours on a core without the erratum are loops, never duplicates.
TEST(ControlFlow, no_duplicated_tops_without_the_erratum) {
  const auto folder = testing::captures();
  if (!folder) GTEST_SKIP() << "the shared captures are not there; LASTBRANCH_SHARED may say where";
  const Figures& f = kFigures[0];
  const Judged j = testing::judge_file(*folder + f.capture, {.tables = {*folder + f.table}}, "haswell");
  EXPECT_EQ(j.of(Check::kStraightLine, Cause::kDuplicatedTop), 0u);
  EXPECT_EQ(j.of(Check::kStraightLine, Cause::kUnexplained), 966u);
}

TEST(ControlFlow, taken_ratios_of_a_shared_capture_are_those_it_is_known_for) {
  const auto folder = testing::captures();
  if (!folder) GTEST_SKIP() << "the shared captures are not there; LASTBRANCH_SHARED may say where";
  const Figures& f = kFigures[0];
  const Judged j = testing::judge_file(*folder + f.capture, {.tables = {*folder + f.table}}, f.uarch);
  // edges.json has the counts of taken edges, duplicated tops dropped; captures.md, fact 9, the 64 %.
  EXPECT_EQ(j.outcomes.at({0, 0x19de}).taken, 10'506u);
  EXPECT_EQ(j.outcomes.at({0, 0x1982}).taken, 15'660u);
  const Outcomes& o = j.outcomes.at({0, 0x18e3});
  EXPECT_EQ(o.taken, 9'786u);
  EXPECT_NEAR(static_cast<double>(o.taken) / static_cast<double>(o.taken + o.not_taken), 0.64, 0.01);
}

TEST(ControlFlow, text_that_was_edited_by_hand_never_crashes) {
  const auto folder = testing::captures();
  if (!folder) GTEST_SKIP() << "the shared captures are not there; LASTBRANCH_SHARED may say where";
  u64 edited = 0;
  for (const auto& file : std::filesystem::directory_iterator(*folder + "/perfscript")) {
    if (file.path().extension() == ".csv" || file.path().extension() == ".json") continue;
    for (const Figures& f : kFigures) {
      FlowOptions options{.tables = {*folder + f.table}};
      const auto source = perfdata::open_source(file.path(), {.keep_going = true});
      const Judged j = judge(*source, options, "skylake");
      for (const Tally& tally : j.report.checks) edited += tally.of(Cause::kEdited);
    }
  }
  EXPECT_GT(edited, 0u) << "invalid-range has a line that leads backwards";
}

// A loop with a call in it, at link-time addresses from 0x1000 on:
//   1000 cond 1010; 1002 call 1020; 1007 other; 1008 jump 1000; 100a gap
//   1010 indirect jump; 1012 other; 1014 system call; 1016 return
//   1020 other; 1022 return;            gap; 1030 cond 1030 (to itself); 1032 jump 1000
constexpr const char* kTable =
    "# elf-type PIE\n"
    "# exec-segment file_offset=0x0 vaddr=0x1000 size=0x100\n"
    "vaddr,len,kind,target\n"
    "0x1000,2,COND,0x1010\n0x1002,5,CALL,0x1020\n0x1007,1,OTHER,0x0\n0x1008,2,JMP,0x1000\n"
    "0x1010,2,IJMP,0x0\n0x1012,2,OTHER,0x0\n0x1014,2,FAR,0x0\n0x1016,1,RET,0x0\n"
    "0x1020,2,OTHER,0x0\n0x1022,1,RET,0x0\n0x1030,2,COND,0x1030\n0x1032,2,JMP,0x1000\n";
constexpr u64 kBias = 0x555555554000;
constexpr u64 kKernel = 0xffffffff81000000;

using Stack = std::vector<std::pair<u64, u64>>;  // newest first; small addresses are link-time ones

u64 runtime(u64 address) {
  return address < 0x10000 && address != 0 ? address + kBias : address;
}

perfdata::SampleRecord sample_of(const Stack& stack, u64 flags = 0) {
  perfdata::SampleRecord s;
  s.pid = s.tid = 1;
  for (const auto& [from, to] : stack) s.branches.push_back({runtime(from), runtime(to), flags});
  return s;
}

perfdata::Record mapping(u32 pid = 1) {
  perfdata::MmapRecord map;
  map.pid = map.tid = pid;
  map.addr = kBias + 0x1000;
  map.len = 0x1000;
  map.prot = 5;
  map.filename = "/bin/loop";
  perfdata::Record record = record_of(map);
  record.header.type = static_cast<u32>(perfdata::RecordType::kMmap2);
  return record;
}

class Made : public ::testing::Test {
 protected:
  Judged judged(const perfdata::SampleRecord& sample, const std::string& uarch = "haswell") {
    ListedSource source({mapping(), record_of(sample)});
    source.events_[0].attr.branch_sample_type = bits;
    source.events_[0].attr.flags = flags;
    return judge(source, {.tables = {table_}}, uarch);
  }
  Judged judged(const Stack& stack, const std::string& uarch = "haswell") {
    return judged(sample_of(stack), uarch);
  }

  u64 bits = perfdata::kBranchUser | perfdata::kBranchAny;
  u64 flags = perfdata::kAttrExcludeKernel;

 private:
  Folder folder_;
  std::string table_ = folder_.write("loop.csv", kTable);
};

const Stack kHonest = {
    {0x1008, 0x1000}, {0x1022, 0x1007}, {0x1002, 0x1020}, {0x1008, 0x1000}, {0x1022, 0x1007}};

TEST_F(Made, honest_stack_holds_in_every_check) {
  const Judged j = judged(kHonest);
  EXPECT_EQ(j.unexplained(), 0u) << j.first();
  EXPECT_EQ(j.held(Check::kFromBranch), 5u);
  EXPECT_EQ(j.held(Check::kDirectTarget), 3u);
  EXPECT_EQ(j.held(Check::kReturn), 2u);
  EXPECT_EQ(j.held(Check::kStraightLine), 4u);
  EXPECT_EQ(j.held(Check::kWalk), 1u);
  const Outcomes& o = j.outcomes.at({0, 0x1000});
  EXPECT_EQ(o.taken, 0u);
  EXPECT_EQ(o.not_taken, 1u);
}

TEST_F(Made, from_must_be_a_branch) {
  Stack stack = kHonest;
  stack[2].first = 0x1007;
  EXPECT_EQ(judged(stack).of(Check::kFromBranch, Cause::kUnexplained), 1u);
  stack[2].first = 0x1003;  // within the call
  const Judged j = judged(stack);
  EXPECT_EQ(j.of(Check::kFromBranch, Cause::kUnexplained), 1u);
  const auto words = std::ranges::find(j.report.examples, Check::kFromBranch, &Example::check);
  ASSERT_NE(words, j.report.examples.end());
  EXPECT_NE(words->words.find("within the instruction at 0x1002"), std::string::npos) << words->words;
}

TEST_F(Made, direct_branches_go_where_they_say) {
  Stack stack = kHonest;
  stack[2].second = 0x1022;
  const Judged j = judged(stack);
  EXPECT_EQ(j.of(Check::kDirectTarget, Cause::kUnexplained), 1u);
  EXPECT_EQ(j.of(Check::kWalk, Cause::kUnexplained), 1u) << "the walk goes to the instruction's own target";
}

TEST_F(Made, returns_go_behind_calls) {
  Stack stack = kHonest;
  stack[1].second = 0x1008;
  EXPECT_EQ(judged(stack).of(Check::kReturn, Cause::kUnexplained), 1u);
  stack[1].second = 0x10f0;  // of the file, but not in the table
  EXPECT_EQ(judged(stack).of(Check::kReturn, Cause::kUnknownMapping), 1u);
}

TEST_F(Made, lines_hold_no_unconditional_branch) {
  Stack stack = kHonest;
  stack.erase(stack.begin() + 2);  // the call is missing: 0x1000 runs into it
  const Judged j = judged(stack);
  EXPECT_EQ(j.of(Check::kStraightLine, Cause::kUnexplained), 1u);
  EXPECT_EQ(j.of(Check::kWalk, Cause::kUnexplained), 1u);
  EXPECT_NE(j.first().find("direct call"), std::string::npos) << j.first();
  Stack swapped = kHonest;
  std::swap(swapped[1], swapped[2]);
  EXPECT_GE(judged(swapped).of(Check::kStraightLine, Cause::kUnexplained), 1u);
}

TEST_F(Made, duplicated_top_is_known_on_skylake_only) {
  Stack stack = kHonest;
  stack.insert(stack.begin(), stack.front());
  const Judged skylake = judged(stack, "skylake");
  EXPECT_EQ(skylake.unexplained(), 0u) << skylake.first();
  EXPECT_EQ(skylake.of(Check::kStraightLine, Cause::kDuplicatedTop), 1u);
  EXPECT_EQ(skylake.held(Check::kWalk), 1u);
  EXPECT_EQ(judged(stack, "haswell").of(Check::kStraightLine, Cause::kUnexplained), 1u);
  // A branch to itself is a loop, wherever.
  const Judged loop = judged({{0x1030, 0x1030}, {0x1030, 0x1030}, {0x1030, 0x1030}}, "skylake");
  EXPECT_EQ(loop.held(Check::kStraightLine), 2u);
  EXPECT_EQ(loop.of(Check::kStraightLine, Cause::kDuplicatedTop), 0u);
}

TEST_F(Made, duplicates_are_decided_by_the_code) {
  Report report;
  const Folder folder;
  ControlFlow flow({.tables = {folder.write("loop.csv", kTable)}}, report);
  flow.record(mapping(), 0, false);
  EXPECT_EQ(flow.duplicated(sample_of({{0x1030, 0x1030}, {0x1030, 0x1030}})), false);
  EXPECT_EQ(flow.duplicated(sample_of({{0x1008, 0x1000}, {0x1008, 0x1000}})), true) << "a call is between";
  EXPECT_EQ(flow.duplicated(sample_of({{0x1000, 0x1010}, {0x1000, 0x1010}})), true) << "leads backwards";
  EXPECT_EQ(flow.duplicated(sample_of({{0x1008, 0x1000}, {0x1022, 0x1007}})), false);
  EXPECT_EQ(flow.duplicated(sample_of({{0x7f0000000010, 0x7f0000000000}, {0x7f0000000010, 0x7f0000000000}})),
            std::nullopt);
  EXPECT_EQ(flow.duplicated(sample_of({{0x1008, 0x1000}})), false);
}

TEST_F(Made, empty_records_at_the_end_are_a_reset) {
  Stack stack = kHonest;
  stack.insert(stack.end(), 3, {0, 0});
  const Judged j = judged(stack);
  EXPECT_EQ(j.unexplained(), 0u) << j.first();
  EXPECT_EQ(j.of(Check::kFromBranch, Cause::kZeroTail), 3u);
  EXPECT_EQ(j.held(Check::kStraightLine), 4u);
  stack.push_back({0x1008, 0x1000});  // with an older one they are not
  EXPECT_EQ(judged(stack).of(Check::kFromBranch, Cause::kEdited), 3u);
}

TEST_F(Made, kernel_entries_are_set_aside) {
  // The kernel comes back into a line of the program, in records of user mode only.
  Stack stack = {{0x1008, 0x1000}, {kKernel, 0x1007}, {0x1022, 0x1007}};
  const Judged back = judged(stack);
  EXPECT_EQ(back.unexplained(), 0u) << back.first();
  EXPECT_EQ(back.of(Check::kFromBranch, Cause::kIret), 1u);
  EXPECT_EQ(back.of(Check::kStraightLine, Cause::kIret), 1u);
  EXPECT_EQ(back.held(Check::kWalk), 1u);
  // With the kernel's records: an interrupt, and code of the kernel.
  bits |= perfdata::kBranchKernel;
  flags = 0;
  stack = {
      {0x1008, 0x1000}, {kKernel + 4, 0x1007}, {kKernel, kKernel + 2}, {0x1007, kKernel}, {0x1022, 0x1007}};
  const Judged both = judged(stack);
  EXPECT_EQ(both.unexplained(), 0u) << both.first();
  EXPECT_EQ(both.of(Check::kFromBranch, Cause::kInterrupt), 1u);
  EXPECT_EQ(both.of(Check::kFromBranch, Cause::kKernel), 2u);
  EXPECT_EQ(both.held(Check::kFromBranch), 2u);
  // A line that does not fit is a seam there.
  EXPECT_EQ(judged({{0x1008, 0x1000}, {0x1008, 0x1000}, {kKernel, kKernel + 2}})
                .of(Check::kStraightLine, Cause::kKernelSeam),
            1u);
}

TEST_F(Made, system_calls_lie_on_lines_of_user_mode) {
  const Judged j = judged({{0x1016, 0x1007}, {0x1010, 0x1012}});
  EXPECT_EQ(j.held(Check::kStraightLine), 1u);
  EXPECT_EQ(j.unexplained(), 0u) << j.first();
  // One that comes back elsewhere, as sigreturn does; perf drops the record of it.
  EXPECT_EQ(judged({{0x1008, 0x1000}, {0x1010, 0x1012}}).of(Check::kStraightLine, Cause::kIret), 1u);
  // With the kernel's records it would have been recorded.
  bits |= perfdata::kBranchKernel;
  flags = 0;
  EXPECT_EQ(judged({{0x1016, 0x1007}, {0x1010, 0x1012}, {kKernel, kKernel + 2}})
                .of(Check::kStraightLine, Cause::kKernelSeam),
            1u);
}

TEST_F(Made, other_mappings_are_set_aside) {
  const Judged j = judged({{0x7f0000000000, 0x1007}, {0x1010, 0x7f0000000000}, {0x1000, 0x1010}});
  EXPECT_EQ(j.unexplained(), 0u) << j.first();
  EXPECT_EQ(j.of(Check::kFromBranch, Cause::kUnknownMapping), 1u);
  EXPECT_EQ(j.of(Check::kStraightLine, Cause::kUnknownMapping), 1u);
  EXPECT_EQ(j.held(Check::kStraightLine), 1u);
  EXPECT_EQ(j.held(Check::kWalk), 1u);
  EXPECT_EQ(judged({{0x1040, 0x1000}}).of(Check::kFromBranch, Cause::kUnknownMapping), 1u) << "not covered";
  EXPECT_EQ(judged({{u64{1} << 60, 0x1000}}).of(Check::kFromBranch, Cause::kEdited), 1u) << "no address";
}

TEST_F(Made, saved_types_must_fit) {
  const auto typed = [&](perfdata::BranchType type) {
    return judged(
        sample_of({{0x1002, 0x1020}}, perfdata::BranchFlags{.predicted = true, .type = type}.pack()));
  };
  EXPECT_EQ(typed(perfdata::BranchType::kCall).held(Check::kFromBranch), 1u);
  EXPECT_EQ(typed(perfdata::BranchType::kUnknown).held(Check::kFromBranch), 1u);
  const Judged wrong = typed(perfdata::BranchType::kCond);
  EXPECT_EQ(wrong.of(Check::kFromBranch, Cause::kUnexplained), 1u);
  EXPECT_NE(wrong.first().find("saved type"), std::string::npos);
}

TEST_F(Made, filters_keep_their_kinds_only) {
  bits = perfdata::kBranchUser | perfdata::kBranchAnyCall;
  const Judged calls = judged({{0x1002, 0x1020}, {0x1002, 0x1020}});
  EXPECT_EQ(calls.held(Check::kFromBranch), 2u);
  EXPECT_EQ(calls.held(Check::kStraightLine), 0u);
  EXPECT_EQ(calls.unexplained(), 0u) << calls.first();
  EXPECT_EQ(judged({{0x1008, 0x1000}}).of(Check::kFromBranch, Cause::kUnexplained), 1u);
}

TEST_F(Made, call_stacks_are_frames) {
  bits = perfdata::kBranchUser | perfdata::kBranchCallStack;
  const Judged j = judged({{0x1002, 0x1020}, {0x1002, 0x1020}});
  EXPECT_EQ(j.unexplained(), 0u) << j.first();
  EXPECT_EQ(j.of(Check::kStraightLine, Cause::kCallStack), 1u);
  EXPECT_EQ(j.held(Check::kWalk), 0u);
  EXPECT_EQ(judged({{0x1022, 0x1007}}).of(Check::kFromBranch, Cause::kUnexplained), 1u) << "a return";
}

TEST_F(Made, addresses_of_samples_may_skid) {
  perfdata::SampleRecord s = sample_of(kHonest);
  flags |= u64{2} << perfdata::kAttrPreciseIpShift;
  s.ip = runtime(0x1002);
  Judged j = judged(s);
  EXPECT_EQ(j.of(Check::kStraightLine, Cause::kSkid), 0u);
  ASSERT_EQ(j.report.notes.size(), 1u);
  EXPECT_NE(j.report.notes[0].find("1 of 1 precise"), std::string::npos);
  s.ip = runtime(0x1008);  // the branch itself
  EXPECT_EQ(judged(s).of(Check::kStraightLine, Cause::kSkid), 0u);
  s.ip = runtime(0x1020);
  j = judged(s);
  EXPECT_EQ(j.of(Check::kStraightLine, Cause::kSkid), 1u);
  EXPECT_EQ(j.unexplained(), 0u);
}

TEST_F(Made, samples_wait_for_maps_of_another_processors_buffer) {
  const Folder folder;
  perfdata::SampleRecord s = sample_of(kHonest);
  s.time = 20;
  perfdata::Record late = mapping();
  std::get<perfdata::MmapRecord>(late.body).sample_id.time = 10;
  perfdata::MmapRecord other;
  other.pid = 2;
  other.addr = 0x1000;
  other.len = 0x1000;
  other.prot = 5;
  other.filename = "/bin/other";
  ListedSource source({record_of(other), record_of(s), late});
  const Judged j = judge(source, {.tables = {folder.write("loop.csv", kTable)}}, "haswell");
  EXPECT_EQ(j.held(Check::kFromBranch), 5u);
  EXPECT_EQ(j.held(Check::kWalk), 1u);
}

TEST_F(Made, sums_of_branches_and_ranges_are_judged) {
  const Folder folder;
  const auto edge = [](u64 from, u64 to) {
    return record_of(perfdata::EdgeRecord{.from = from, .to = to, .count = 10, .mispredicted = 0});
  };
  const auto range = [](u64 start, u64 end) {
    return record_of(perfdata::RangeRecord{.start = start, .end = end, .count = 7, .external = false});
  };
  ListedSource source({edge(0x1000, 0x1010), edge(0x1022, 0x1007), edge(0x1008, 0x1002),
                       range(0x1000, 0x1002), range(0x1000, 0x1008)});
  const Judged j = judge(source, {.tables = {folder.write("loop.csv", kTable)}}, "");
  EXPECT_EQ(j.held(Check::kFromBranch), 3u);
  EXPECT_EQ(j.held(Check::kDirectTarget), 1u);
  EXPECT_EQ(j.of(Check::kDirectTarget, Cause::kUnexplained), 1u);
  EXPECT_EQ(j.held(Check::kReturn), 1u);
  EXPECT_EQ(j.held(Check::kStraightLine), 1u);
  EXPECT_EQ(j.of(Check::kStraightLine, Cause::kUnexplained), 1u);
  const Outcomes& o = j.outcomes.at({0, 0x1000});
  EXPECT_EQ(o.taken, 10u);
  EXPECT_EQ(o.not_taken, 7u);
}

TEST(ControlFlow, a_binary_of_another_build_is_refused_with_both_ids) {
  const Folder folder;
  const std::string program = testing::compile(folder, "program", "int main(void) { return 0; }", "");
  perfdata::MmapRecord map;
  map.pid = 1;
  map.addr = 0x400000;
  map.len = 0x1000;
  map.prot = 5;
  map.filename = "/elsewhere/program";
  map.build_id.emplace();
  map.build_id->size = 20;
  map.build_id->bytes.fill(0xab);
  perfdata::Record record = record_of(map);
  record.header.type = static_cast<u32>(perfdata::RecordType::kMmap2);
  const std::string theirs = map.build_id->hex();
  const std::string ours = perfdata::read_build_id(program)->hex();
  perfdata::SampleRecord sample;
  sample.pid = 1;
  sample.branches = {{0x400010, 0x400020, 0}};
  ListedSource source({record, record_of(sample)});
  try {
    static_cast<void>(judge(source, {.binaries = {program}}, ""));
    ADD_FAILURE() << "taken without complaint";
  } catch (const Error& e) {
    EXPECT_EQ(std::string(e.what()), program + ": expected the capture's binary with build-id " + theirs +
                                         ", found build-id " + ours);
  }
  // In the features it is known before the first record.
  ListedSource early({});
  perfdata::BuildIdEntry entry;
  entry.build_id = *map.build_id;
  entry.filename = "/elsewhere/program";
  early.features_.build_ids = {entry};
  EXPECT_THROW(static_cast<void>(judge(early, {.binaries = {program}}, "")), Error);
  // Under any name with the same build-id it is the one.
  std::get<perfdata::MmapRecord>(record.body).build_id = perfdata::read_build_id(program);
  std::get<perfdata::MmapRecord>(record.body).filename = "/elsewhere/renamed";
  ListedSource renamed({record, record_of(sample)});
  EXPECT_NO_THROW(static_cast<void>(judge(renamed, {.binaries = {program}}, "")));
}

}  // namespace
}  // namespace lastbranch::replay
