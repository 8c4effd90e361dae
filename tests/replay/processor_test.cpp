// Which processor a capture is replayed on.
#include "sim/replay/processor.h"

#include <gtest/gtest.h>

#include "sim/base/error.h"

namespace lastbranch::replay {
namespace {

TEST(Processor, cpuid_decides_first) {
  struct Row {
    const char* cpuid;
    const char* uarch;
  };
  constexpr Row kRows[] = {{"GenuineIntel,6,85,4", "skx"},
                           {"GenuineIntel,6,85,7", "cascadelake"},
                           {"GenuineIntel,6,85,11", "cooperlake"},
                           {"GenuineIntel,6,63,2", "haswell"},
                           {"GenuineIntel,6,158,13", "skylake"},
                           {"GenuineIntel,6,78,3", "skylake"},
                           {"GenuineIntel,6,44,2", "westmere"},
                           {"GenuineIntel,6,26,5", "nehalem"},
                           {"GenuineIntel,6,45,7", "sandybridge"},
                           {"GenuineIntel,6,62,4", "ivybridge"},
                           {"GenuineIntel,6,79,1", "bdx"},
                           {"GenuineIntel,6,106,6", "icx"},
                           {"GenuineIntel,6,143,8", "sapphirerapids"},
                           {"GenuineIntel,6,151,2", "alderlake-p"},
                           {"GenuineIntel,6,92,9", "goldmont"},
                           {"GenuineIntel,6,87,1", "knightslanding"},
                           {"GenuineIntel-6-55-4", "skx"},
                           {"GenuineIntel,6,173,1", "graniterapids"}};
  for (const Row& row : kRows) {
    perfdata::Features features;
    features.cpu_id = row.cpuid;
    features.cpu_desc = "Intel(R) Core(TM) i7-2600 CPU @ 3.40GHz";
    EXPECT_TRUE(known_by_features(features));
    const ProcessorChoice choice = choose_processor("", features, {});
    ASSERT_NE(choice.part, nullptr) << row.cpuid;
    EXPECT_EQ(choice.part->name, row.uarch) << row.cpuid;
    EXPECT_EQ(choice.chosen_by, std::string("CPUID ") + row.cpuid);
  }
  for (const cpu::Uarch& part : cpu::uarchs()) {
    const cpu::Uarch* found = part_of_cpuid(part.cpuid_string());
    ASSERT_NE(found, nullptr) << part.name;
    EXPECT_EQ(found->lbr.depth, part.lbr.depth) << part.name;
    EXPECT_EQ(found->lbr.format, part.lbr.format) << part.name;
    EXPECT_EQ(found->lbr.arch.depth_mask, part.lbr.arch.depth_mask) << part.name;
  }
}

TEST(Processor, the_name_decides_where_there_is_no_cpuid) {
  struct Row {
    const char* name;
    const char* uarch;
  };
  constexpr Row kRows[] = {
      {"Intel(R) Celeron(R) CPU 867 @ 1.30GHz", "sandybridge"},
      {"Intel(R) Core(TM) i5-2467M CPU @ 1.60GHz", "sandybridge"},
      {"Intel(R) Core(TM)2 Duo CPU     E8400  @ 3.00GHz", "core2"},
      {"Intel(R) Core(TM)2 CPU          6600  @ 2.40GHz", "merom"},
      {"Intel(R) Core(TM) i7 CPU         920  @ 2.67GHz", "nehalem"},
      {"Intel(R) Core(TM) i5 CPU       M 520  @ 2.40GHz", "westmere"},
      {"Intel(R) Core(TM) i7 CPU       X 980  @ 3.33GHz", "westmere"},
      {"Intel(R) Core(TM) i7 CPU       X 965  @ 3.20GHz", "nehalem"},
      {"Intel(R) Xeon(R) CPU           X5570  @ 2.93GHz", "nehalem"},
      {"Intel(R) Xeon(R) CPU           X5680  @ 3.33GHz", "westmere"},
      {"Intel(R) Xeon(R) CPU E5-2680 0 @ 2.70GHz", "sandybridge"},
      {"Intel(R) Xeon(R) CPU E5-2697 v2 @ 2.70GHz", "ivybridge"},
      {"Intel(R) Xeon(R) CPU E5-2699 v3 @ 2.30GHz", "haswell"},
      {"Intel(R) Xeon(R) CPU E5-2699 v4 @ 2.20GHz", "bdx"},
      {"Intel(R) Xeon(R) CPU E3-1270 v6 @ 3.80GHz", "skylake"},
      {"Intel(R) Core(TM) i7-3770 CPU @ 3.40GHz", "ivybridge"},
      {"Intel(R) Core(TM) i7-3960X CPU @ 3.30GHz", "sandybridge"},
      {"Intel(R) Core(TM) i7-5820K CPU @ 3.30GHz", "haswell"},
      {"Intel(R) Core(TM) i7-5775C CPU @ 3.30GHz", "broadwell"},
      {"Intel(R) Core(TM) m7-6Y75 CPU @ 1.20GHz", "skylake"},
      {"Intel(R) Core(TM) i7-9700 CPU @ 3.00GHz", "skylake"},
      {"Intel(R) Core(TM) i7-10710U CPU @ 1.10GHz", "skylake"},
      {"Intel(R) Core(TM) i7-1065G7 CPU @ 1.30GHz", "icelake"},
      {"11th Gen Intel(R) Core(TM) i7-1165G7 @ 2.80GHz", "tigerlake"},
      {"11th Gen Intel(R) Core(TM) i9-11900K @ 3.50GHz", "rocketlake"},
      {"12th Gen Intel(R) Core(TM) i9-12900K", "alderlake-p"},
      {"Intel(R) Core(TM) Ultra 7 155H", "meteorlake-p"},
      {"Intel(R) Core(TM) Ultra 5 225U", "meteorlake-p"},
      {"Intel(R) Core(TM) Ultra 9 285K", "lunarlake-p"},
      {"Intel(R) Xeon(R) Platinum 8173M CPU @ 2.00GHz", "skx"},
      {"Intel(R) Xeon(R) Gold 6248 CPU @ 2.50GHz", "cascadelake"},
      {"Intel(R) Xeon(R) Platinum 8380 CPU @ 2.30GHz", "icx"},
      {"Intel(R) Xeon(R) Platinum 8380H CPU @ 2.90GHz", "cooperlake"},
      {"Intel(R) Xeon(R) Platinum 8480+", "sapphirerapids"},
      {"Intel(R) Xeon Phi(TM) CPU 7210 @ 1.30GHz", "knightslanding"},
      {"Intel(R) Atom(TM) CPU D2700   @ 2.13GHz", "saltwell"},
      {"Intel(R) Pentium(R) CPU N4200 @ 1.10GHz", "goldmont"},
  };
  for (const Row& row : kRows) {
    perfdata::Features features;
    features.cpu_desc = row.name;
    const ProcessorChoice choice = choose_processor("", features, {});
    ASSERT_NE(choice.part, nullptr) << row.name;
    EXPECT_EQ(choice.part->name, row.uarch) << row.name;
    EXPECT_NE(choice.chosen_by.find("CPUDESC"), std::string::npos);
    EXPECT_TRUE(known_by_features(features)) << row.name;
  }
  EXPECT_EQ(part_of_name("Intel(R) Something(TM) 9000"), nullptr);
  EXPECT_EQ(part_of_name(""), nullptr);
}

/// What a stack shows, and the record it leads to.
TEST(Processor, without_names_the_stacks_decide_and_it_is_said) {
  struct Row {
    RecordShape shape;
    const char* uarch;
  };
  const Row rows[] = {
      {{.stacks = 1, .deepest = 32, .cycles = true, .prediction = true}, "skylake"},
      {{.stacks = 1, .deepest = 32, .prediction = true}, "skylake"},
      {{.stacks = 1, .deepest = 4, .cycles = true, .prediction = true}, "skylake"},
      {{.stacks = 1, .deepest = 16, .prediction = true}, "broadwell"},
      {{.stacks = 1, .deepest = 16, .prediction = true, .transactions = true}, "haswell"},
      {{.stacks = 1, .deepest = 3, .call_stack = true}, "haswell"},
      {{.stacks = 1, .deepest = 4}, "core2"},
      {{.stacks = 1, .deepest = 8}, "bonnell"},
      {{.stacks = 1, .deepest = 32, .cycles = true, .prediction = true, .counters = true}, "lunarlake-p"},
  };
  for (const Row& row : rows) {
    const ProcessorChoice choice = choose_processor("", {}, row.shape);
    ASSERT_NE(choice.part, nullptr);
    EXPECT_EQ(choice.part->name, row.uarch);
    EXPECT_NE(choice.chosen_by.find("names no processor"), std::string::npos) << choice.chosen_by;
    EXPECT_NE(choice.chosen_by.find(std::to_string(row.shape.deepest) + " entries"), std::string::npos);
  }
}

TEST(Processor, an_unknown_model_goes_by_its_stacks_and_it_is_said) {
  perfdata::Features features;
  features.cpu_id = "GenuineIntel";
  EXPECT_NE(choose_processor("", features, {.stacks = 1, .deepest = 16}).part, nullptr) << "but Intel's";
  features.cpu_id = "GenuineIntel,6,250,1";
  EXPECT_FALSE(known_by_features(features));
  const ProcessorChoice choice =
      choose_processor("", features, {.stacks = 1, .deepest = 32, .cycles = true, .prediction = true});
  ASSERT_NE(choice.part, nullptr);
  EXPECT_EQ(choice.part->name, "skylake");
  EXPECT_NE(choice.chosen_by.find("GenuineIntel,6,250,1 is no model known here"), std::string::npos);
}

TEST(Processor, others_than_intels_are_told_by_what_is_there) {
  const auto told = [](auto change) {
    perfdata::Features features;
    RecordShape shape{.stacks = 1, .deepest = 16, .prediction = true};
    change(features, shape);
    return choose_processor("", features, shape);
  };
  const ProcessorChoice choices[] = {
      told([](auto& f, auto&) { f.cpu_id = "AuthenticAMD,25,17,0"; }),
      told([](auto& f, auto&) { f.cpu_id = "0x00000000410fd0c0"; }),
      told([](auto& f, auto&) { f.arch = "aarch64"; }),
      told([](auto& f, auto&) { f.cpu_desc = "AMD Eng Sample: 100-000000479-13"; }),
      told([](auto&, auto& s) { s.speculation = true; }),
  };
  for (const ProcessorChoice& choice : choices) {
    EXPECT_EQ(choice.part, nullptr) << choice.chosen_by;
    EXPECT_FALSE(choice.chosen_by.empty());
  }
  EXPECT_EQ(told([](auto& f, auto&) { f.arch = "i686"; }).part->name, "broadwell");
}

TEST(Processor, the_user_decides_before_all) {
  perfdata::Features features;
  features.cpu_id = "AuthenticAMD,25,17,0";
  const ProcessorChoice choice = choose_processor("hsw", features, {});
  ASSERT_NE(choice.part, nullptr);
  EXPECT_EQ(choice.part->name, "haswell");
  EXPECT_EQ(choice.chosen_by, "--uarch");
  EXPECT_THROW(static_cast<void>(choose_processor("pentium", {}, {})), Error);
}

TEST(Processor, the_shape_of_records_sums_up_all_samples) {
  RecordShape shape;
  perfdata::SampleRecord sample;
  shape.add(sample, {});
  EXPECT_EQ(shape.stacks, 0u);
  using perfdata::BranchFlags;
  sample.branches = {{1, 2, BranchFlags{.predicted = true}.pack()}, {3, 4, BranchFlags{.cycles = 7}.pack()}};
  shape.add(sample, {});
  sample.branches = {{1, 2, BranchFlags{.in_tx = true, .spec = 2}.pack()}};
  perfdata::Attr attr;
  attr.branch_sample_type = perfdata::kBranchCallStack;
  shape.add(sample, attr);
  EXPECT_EQ(shape.stacks, 2u);
  EXPECT_EQ(shape.deepest, 2u);
  EXPECT_TRUE(shape.prediction && shape.cycles && shape.transactions && shape.speculation &&
              shape.call_stack);
  EXPECT_FALSE(shape.counters);
}

}  // namespace
}  // namespace lastbranch::replay
