// The real captures, whole: every sample's records come back from the simulated ring of its processor.
#include <gtest/gtest.h>

#include "sim/replay/replay.h"
#include "sim/replay/report_text.h"
#include "tests/replay/fixture.h"

namespace lastbranch::replay {
namespace {

struct Row {
  const char* file;
  const char* table;
  const char* uarch;
  u64 samples;
  u64 duplicated_tops;
  bool call_stack = false;
  // With the table.
  u64 from = 0, direct = 0, returns = 0, straight = 0;
};

constexpr Row kRows[] = {
    {"propeller_sample_1.eb928881.perfdata", "propeller_sample_1.eb928881.cfg.csv", "skx", 3732, 966, false,
     119'419, 103'761, 15'658, 114'721},
    {"hierarchical_discriminator_test.x86_64.perf.data", "hierarchical_discriminator_test.cfg.csv", "haswell",
     145, 0, false, 2046, 2027, 19, 1919},
    {"perf.data.branch-4.14", nullptr, "skylake", 13, 0},
    {"perf.data.branch", nullptr, "sandybridge", 919, 0},
    {"perf.data.raw_callgraph_branch-3.4", nullptr, "sandybridge", 513, 0},
    {"vector_static_gcc.perf.lbr.data", nullptr, "skylake", 21, 0, true},
    {"perfscript/cs-preinline-cost.perfscript", "perfscript/cs-preinline-cost.cfg.csv", "broadwell", 996, 0,
     false, 15'920, 15'920, 0, 14'925},
    {"perfscript/inline-noprobe2.perfscript", "perfscript/inline-noprobe2.cfg.csv", "skylake", 13, 0, false,
     267, 0, 37, 260},
};

#define NEED_CAPTURES()                                          \
  const std::optional<std::string> folder = testing::captures(); \
  if (!folder) GTEST_SKIP() << "the shared captures are not here"

TEST(RingCaptures, every_sample_comes_back) {
  NEED_CAPTURES();
  for (const Row& row : kRows) {
    SCOPED_TRACE(row.file);
    const Report report = replay(*folder + "/" + row.file);
    EXPECT_EQ(report.processor, row.uarch);
    EXPECT_EQ(report[Check::kRing].held, row.samples);
    EXPECT_EQ(report.samples, row.samples);
    EXPECT_EQ(report.recorded.find("call stack") != std::string::npos, row.call_stack);
    EXPECT_TRUE(report.agrees()) << report_text(report);
    EXPECT_TRUE(report.edited.empty()) << report_text(report);
  }
}

TEST(RingCaptures, with_tables_all_levels_hold_and_duplicated_tops_are_counted) {
  NEED_CAPTURES();
  for (const Row& row : kRows) {
    if (row.table == nullptr) continue;
    SCOPED_TRACE(row.file);
    const Report report = replay(*folder + "/" + row.file, {.tables = {*folder + "/" + row.table}});
    EXPECT_TRUE(report.agrees()) << report_text(report);
    EXPECT_EQ(report[Check::kRing].held, row.samples);
    EXPECT_EQ(report.duplicated_tops, row.duplicated_tops);
    EXPECT_EQ(report[Check::kStraightLine].of(Cause::kDuplicatedTop), row.duplicated_tops);
    EXPECT_GE(report[Check::kFromBranch].held, row.from);
    EXPECT_GE(report[Check::kDirectTarget].held, row.direct);
    EXPECT_GE(report[Check::kReturn].held, row.returns);
    EXPECT_GE(report[Check::kStraightLine].held, row.straight);
  }
}

TEST(RingCaptures, other_makers_records_are_told_and_left) {
  NEED_CAPTURES();
  const Report report = replay(*folder + "/perf.data.branch_stack_spec");
  EXPECT_TRUE(report.foreign);
  EXPECT_NE(verdict(report).find("AuthenticAMD,25,17,0"), std::string::npos);
  EXPECT_EQ(report.samples, 0u);
}

TEST(RingCaptures, edited_files_are_called_so) {
  NEED_CAPTURES();
  for (const char* name : {"artificial-branch", "external-address", "invalid-range", "ip-duplication",
                           "noprobe-skid", "cs-invalid-ret-addr"}) {
    const Report report = replay(*folder + "/perfscript/" + name + ".perfscript", {.keep_going = true});
    EXPECT_FALSE(report.edited.empty()) << name;
    EXPECT_NE(verdict(report).find("edited or made by hand"), std::string::npos) << name;
  }
}

TEST(RingCaptures, other_parts_depths_and_formats_are_found) {
  NEED_CAPTURES();
  const std::string skylake = *folder + "/propeller_sample_1.eb928881.perfdata";
  const std::string haswell = *folder + "/hierarchical_discriminator_test.x86_64.perf.data";
  const Report format = replay(skylake, {.uarch = "haswell"});
  EXPECT_FALSE(format.agrees());
  EXPECT_EQ(format[Check::kRing].of(Cause::kNotRepresentable), 3732u);
  const Report depth = replay(haswell, {.uarch = "silvermont"});
  EXPECT_FALSE(depth.agrees());
  EXPECT_EQ(depth[Check::kRing].held, 0u);
  for (const unsigned entries : {8u, 16u}) {
    const Report newest = replay(skylake, {.depth = entries});
    EXPECT_EQ(newest[Check::kRing].held, 3732u) << entries;
    EXPECT_TRUE(newest.agrees());
  }
}

TEST(RingCaptures, privilege_filters_drop_what_they_should) {
  NEED_CAPTURES();
  for (const char* name :
       {"perf.data.branch", "perf.data.branch-4.14", "hierarchical_discriminator_test.x86_64.perf.data"}) {
    const u64 samples = replay(*folder + "/" + name).samples;
    for (const char* filter : {"any,u", "any,k", "any,u,k"}) {
      const Report report = replay(*folder + "/" + name, {.filter = filter});
      EXPECT_EQ(report[Check::kRing].held, samples) << name << ' ' << filter;
    }
  }
}

}  // namespace
}  // namespace lastbranch::replay
