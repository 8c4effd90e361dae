// The ring level on stacks whose making is known: what must come back does, what was tampered with is found.
#include <gtest/gtest.h>

#include "sim/base/error.h"
#include "tests/replay/ring_support.h"

namespace lastbranch::replay::test {
namespace {

TEST(RingReplay, full_and_partly_filled_rings_come_back_on_every_part) {
  for (const cpu::Uarch& part : cpu::uarchs()) {
    SCOPED_TRACE(part.name);
    const bool arch = part.lbr.arch.depth_mask != 0;
    const bool flags = arch || lbr::has_misprediction(part.lbr.format) || part.lbr.quirks.fmt1_with_mispred;
    Program program(arch || lbr::has_cycles(part.lbr.format));
    Replayed replayed(part.name);
    const unsigned depth = part.lbr.depth;
    u64 samples = 0;
    for (const std::size_t length : {1u, depth / 2, depth - 1, depth, depth}) {
      program.run(1000);
      SampleRecord s = program.sample(length);
      if (!flags) {
        for (BranchEntry& e : s.branches) e.flags = 0;
      }
      replayed.take(s);
      s.branches.resize(depth, entry(0, 0));  // a tail of empty entries, which read as predicted
      if (!flags) {
        for (BranchEntry& e : s.branches) e.flags = 0;
      }
      replayed.take(s);
      samples += 2;
    }
    EXPECT_EQ(replayed.held(), samples);
    EXPECT_TRUE(replayed.report().agrees());
    EXPECT_EQ(replayed.report().zero_tails, 3u);
  }
}

TEST(RingReplay, flags_cycles_and_kernel_addresses_come_back) {
  Replayed replayed("skylake", event(kUserAny | perfdata::kBranchKernel));
  SampleRecord s;
  BranchFlags tx{.predicted = true, .in_tx = true, .abort = true, .cycles = 0xffff};
  s.branches = {{0xffff'ffff'8100'1000, 0xffff'ffff'8100'2000, tx.pack()},
                entry(0xffff'8000'0000'0000, 0x7fff'ffff'fff0, 17),
                entry(0x7fff'ffff'ffff, 0xffff'ffff'ffff'fff0, 0),
                entry(0x1000, 0, 9, true)};
  replayed.take(s);
  EXPECT_EQ(replayed.held(), 1u) << replayed.report().examples.at(0).words;
}

TEST(RingReplay, types_that_the_kernel_adds_do_not_matter) {
  Replayed replayed("haswell", event(kUserAny | perfdata::kBranchTypeSave));
  SampleRecord s;
  BranchFlags call{.predicted = true, .type = perfdata::BranchType::kCall, .priv = 1};
  s.branches = {{0x401000, 0x402000, call.pack()}};
  replayed.take(s);
  EXPECT_EQ(replayed.held(), 1u);
}

TEST(RingReplay, skylakes_duplicated_top_comes_back_by_the_erratum) {
  Program program(true);
  program.run(100);
  SampleRecord s = program.sample(32);
  // The branch after the newest: its addresses are lost, its cycles and prediction are not.
  const BranchEntry twin = entry(0x401000, 0x401080, 1);
  s.branches[1] = twin;
  s.branches[0] = entry(twin.from, twin.to, 12, true);
  Replayed skylake("skx");
  EXPECT_TRUE(skylake.take(s)) << "a branch forward cannot run again at once";
  EXPECT_EQ(skylake.held(), 1u);
  EXPECT_EQ(skylake.report().duplicated_tops, 1u);

  s.branches[0].from = s.branches[1].from = 0x401090;
  EXPECT_FALSE(skylake.take(s)) << "one backward can: a loop";
  EXPECT_EQ(skylake.held(), 2u);
  RingOptions with_code;
  with_code.duplicated = [](const SampleRecord&) { return true; };
  Replayed known("skx", event(kUserAny), with_code);
  EXPECT_TRUE(known.take(s)) << "unless the code says otherwise";
  EXPECT_EQ(known.held(), 1u);
}

TEST(RingReplay, other_parts_have_no_duplicated_tops) {
  SampleRecord s;
  s.branches = {entry(0x401000, 0x401080), entry(0x401000, 0x401080), entry(0x400800, 0x400f00)};
  RingOptions with_code;
  with_code.duplicated = [](const SampleRecord&) { return true; };
  for (const char* part : {"westmere", "sandybridge", "haswell", "broadwell", "icelake", "icx", "tigerlake",
                           "rocketlake", "sapphirerapids", "goldmont"}) {
    Replayed replayed(part, event(kUserAny), with_code);
    EXPECT_FALSE(replayed.take(s)) << part;
    EXPECT_EQ(replayed.report().duplicated_tops, 0u);
    EXPECT_EQ(replayed.held(), 1u);
    EXPECT_EQ(replayed.of(Cause::kUnexplained, Check::kStraightLine), 1u) << "a line that leads backwards";
  }
}

TEST(RingReplay, parts_that_are_skylake_to_their_records_duplicate_tops) {
  SampleRecord s;
  s.branches = {entry(0x401000, 0x401080), entry(0x401000, 0x401080), entry(0x400800, 0x400f00)};
  for (const char* part : {"skylake", "kabylake", "coffeelake", "cometlake", "skx", "clx", "cpx"}) {
    Replayed replayed(part);
    EXPECT_TRUE(replayed.take(s)) << part;
  }
}

TEST(RingReplay, call_stacks_come_back_as_stacks) {
  const u64 mode = perfdata::kBranchUser | perfdata::kBranchCallStack | perfdata::kBranchNoFlags |
                   perfdata::kBranchNoCycles;
  for (const char* part : {"haswell", "skylake", "icelake", "alderlake-p"}) {
    Replayed replayed(part, event(mode));
    for (const std::size_t frames : {1u, 4u, 15u}) {
      SampleRecord s;
      for (std::size_t n = 0; n < frames; ++n)
        s.branches.push_back({0x401000 + 256 * n, 0x501000 + 256 * n, 0});
      replayed.take(s);
    }
    EXPECT_EQ(replayed.held(), 3u) << part;
  }
  Replayed without("sandybridge", event(mode));
  SampleRecord s;
  s.branches = {{0x401000, 0x402000, 0}};
  EXPECT_THROW(without.take(s), Error);
}

TEST(RingReplay, fewer_records_keep_the_newest_entries) {
  Program program(true);
  program.run(200);
  for (const unsigned depth : {8u, 16u}) {
    RingOptions options;
    options.depth = depth;
    Replayed replayed("skylake", event(kUserAny), options);
    replayed.take(program.sample(32));
    EXPECT_EQ(replayed.held(), 1u) << depth;
  }
  EXPECT_THROW(
      {
        RingOptions options;
        options.depth = 7;
        Replayed replayed("skylake", event(kUserAny), options);
      },
      Error);
}

TEST(RingReplay, a_depth_that_the_capture_says_counts_if_it_can_be) {
  Program program(true);
  program.run(200);
  for (const char* part : {"skylake", "sapphirerapids"}) {
    for (const unsigned said : {0u, 2u, 5u, 8u, 16u, 64u, 4'000'000'000u}) {
      RingOptions options;
      options.recorded_depth = said;
      Replayed replayed(part, event(kUserAny), options);
      const bool counts = said == 8 || said == 16;
      replayed.take(program.sample(counts ? said : 32));
      EXPECT_EQ(replayed.held(), 1u) << part << ' ' << said;
      EXPECT_EQ(replayed.report().shortened, 0u);
    }
  }
}

TEST(RingReplay, filters_drop_what_they_should) {
  using perfdata::BranchType;
  constexpr BranchType kTypes[] = {BranchType::kCond,  BranchType::kUncond, BranchType::kInd,
                                   BranchType::kCall,  BranchType::kRet,    BranchType::kIndCall,
                                   BranchType::kSysret};
  std::mt19937_64 random(7);
  for (const char* part : {"nehalem", "westmere", "sandybridge", "haswell", "skylake", "icelake", "goldmont",
                           "sapphirerapids", "silvermont"}) {
    const LbrParams& lbr = cpu::uarch(part).lbr;
    const bool cycles = lbr.arch.depth_mask != 0 || lbr::has_cycles(lbr.format);
    for (const char* filter : {"any,u", "any,k", "any,u,k", "cond,u", "call,u", "any_call,u", "any_ret,u",
                               "ind_call,u", "ind_jmp,u", "cond,any_ret,u,k"}) {
      SCOPED_TRACE(fmt::format("{} {}", part, filter));
      RingOptions options;
      options.filter = parse_branch_filter(filter, lbr);
      const bool flags = lbr.arch.depth_mask != 0 || lbr::has_misprediction(lbr.format);
      Replayed replayed(part, event(kUserAny | perfdata::kBranchKernel | perfdata::kBranchTypeSave), options);
      for (int k = 0; k < 20; ++k) {
        SampleRecord s;
        for (unsigned n = 0; n < lbr.depth; ++n) {
          const BranchType type = kTypes[random() % std::size(kTypes)];
          const u64 half = random() % 4 == 0 ? 0xffff'ffff'8100'0000 : 0x40'0000;
          BranchFlags f{.predicted = flags, .cycles = cycles ? random() % 30'000 : 0, .type = type};
          s.branches.push_back({(type == BranchType::kSysret ? 0xffff'ffff'8100'0000 : half) + 16 * n,
                                (type == BranchType::kSysret ? 0x40'0000 : half) + 16 * n + 5, f.pack()});
        }
        replayed.take(s);
      }
      EXPECT_EQ(replayed.held(), 20u) << replayed.report().examples.at(0).words;
    }
  }
}

TEST(RingReplay, a_filter_by_kind_needs_kinds) {
  RingOptions options;
  options.filter = parse_branch_filter("cond,u", cpu::uarch("skylake").lbr);
  Replayed replayed("skylake", event(kUserAny), options);
  Program program(true);
  program.run(32);
  EXPECT_THROW(replayed.take(program.sample(32)), Error);
}

// Negative controls.

TEST(RingReplay, a_ring_of_another_depth_is_found) {
  Program program(false);
  program.run(64);
  Replayed shallow("haswell");
  shallow.take(program.sample(32));
  EXPECT_EQ(shallow.held(), 0u);
  EXPECT_EQ(shallow.of(Cause::kUnexplained), 1u);
  EXPECT_FALSE(shallow.report().agrees());
}

TEST(RingReplay, another_format_is_found) {
  Program program(true);
  program.run(64);
  SampleRecord s = program.sample(8);
  for (const char* part : {"haswell", "nehalem", "silvermont"}) {
    Replayed replayed(part);
    replayed.take(s);
    EXPECT_EQ(replayed.of(Cause::kNotRepresentable), 1u) << part;
    EXPECT_FALSE(replayed.report().agrees());
  }
  Replayed transactions("goldmontplus");
  s.branches[3].flags |= BranchFlags{.in_tx = true}.pack();
  transactions.take(s);
  EXPECT_EQ(transactions.of(Cause::kNotRepresentable), 1u);
  Replayed wide("skylake");
  s.branches[0].to = u64{1} << 50;
  wide.take(s);
  EXPECT_EQ(wide.of(Cause::kNotRepresentable), 1u) << "57 bits fit only some";
  Replayed arch("sapphirerapids");
  arch.take(s);
  EXPECT_EQ(arch.held(), 1u);
}

TEST(RingReplay, what_no_processor_writes_is_called_edited) {
  Program program(true);
  program.run(64);
  const SampleRecord good = program.sample(32);
  std::vector<SampleRecord> bad(6, good);
  bad[0].branches[5].from = 0;
  bad[1].branches[5] = entry(0, 0);
  bad[2].branches[5].to = 0x5541'f689'4956'41d7;
  bad[3].branches[5].flags |= 3;
  bad[4].branches[5].flags &= ~u64{3};
  bad[5].branches.push_back(good.branches[0]);
  Replayed replayed("skylake");
  for (const SampleRecord& s : bad) replayed.take(s);
  EXPECT_EQ(replayed.of(Cause::kEdited), bad.size());
  EXPECT_EQ(replayed.held(), 0u);
}

TEST(RingReplay, lines_backwards_are_edited_text_and_a_riddle_in_records) {
  SampleRecord s;
  s.branches = {entry(0x401000, 0x402000), entry(0x400900, 0x401800)};
  for (const bool text : {false, true}) {
    RingOptions options;
    options.text = text;
    Replayed replayed("haswell", event(kUserAny), options);
    replayed.take(s);
    EXPECT_EQ(replayed.of(text ? Cause::kEdited : Cause::kUnexplained, Check::kStraightLine), 1u);
  }
  Replayed kernel("haswell", event(kUserAny | perfdata::kBranchKernel));
  kernel.take(s);
  EXPECT_EQ(kernel.of(Cause::kKernelSeam, Check::kStraightLine), 1u);
  EXPECT_TRUE(kernel.report().agrees());
}

TEST(RingReplay, text_that_may_be_filtered_is_judged_as_a_whole) {
  perfdata::EventInfo unknown = event(kUserAny | perfdata::kBranchKernel, 0);
  unknown.attr.flags = 0;
  SampleRecord bad;
  bad.branches = {entry(0x401000, 0x402000), entry(0x400900, 0x401800)};
  SampleRecord good;
  good.branches = {entry(0x401900, 0x402000), entry(0x400900, 0x401800)};
  for (const unsigned of_100 : {2u, 50u, 100u}) {
    RingOptions options;
    options.text = true;
    Replayed replayed("haswell", unknown, options);
    for (unsigned n = 0; n < 100; ++n) replayed.take(n < of_100 ? bad : good);
    EXPECT_EQ(replayed.of(Cause::kEdited, Check::kStraightLine), 0u) << "not before the end";
    replayed.ring().finish();
    EXPECT_EQ(replayed.of(Cause::kEdited, Check::kStraightLine), of_100 == 2 ? 2u : 0u);
    EXPECT_EQ(replayed.report().notes.size(), of_100 == 2 ? 0u : 1u);
  }
  RingOptions options;
  options.text = true;
  Replayed few("haswell", unknown, options);
  for (int n = 0; n < 3; ++n) few.take(bad);
  few.ring().finish();
  EXPECT_EQ(few.of(Cause::kEdited, Check::kStraightLine), 3u) << "too few for a filter";
}

}  // namespace
}  // namespace lastbranch::replay::test
