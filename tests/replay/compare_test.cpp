// Two captures side by side: overlap, shares, missed branches, cycles.
#include "sim/replay/compare.h"

#include <cmath>
#include <random>

#include <gtest/gtest.h>

#include "sim/base/error.h"
#include "tests/replay/listed_source.h"

namespace lastbranch::replay {
namespace {

using perfdata::BranchEntry;
using perfdata::BranchFlags;
using perfdata::Record;

Record mapping(u64 start, u64 pgoff, std::string file, u8 build_id = 0) {
  perfdata::MmapRecord map;
  map.pid = map.tid = 7;
  map.addr = start;
  map.len = 0x10000;
  map.pgoff = pgoff;
  map.prot = 5;
  map.filename = std::move(file);
  if (build_id != 0) map.build_id = {.bytes = {build_id}, .size = 20};
  return record_of(std::move(map));
}

Record sample(std::vector<BranchEntry> branches, u64 repeat = 1) {
  perfdata::SampleRecord s;
  s.pid = s.tid = 7;
  s.repeat = repeat;
  s.branches = std::move(branches);
  return record_of(std::move(s));
}

BranchEntry branch(u64 from, u64 to, bool missed = false, u64 cycles = 0) {
  return {from, to, BranchFlags{.mispredicted = missed, .predicted = !missed, .cycles = cycles}.pack()};
}

EdgeProfile profile_of(std::vector<Record> records) {
  ListedSource source(std::move(records));
  return EdgeProfile(source);
}

/// `count` samples each of the edges 0x10 -> 0x100 n, n times the weight, from `base`.
std::vector<Record> weighted(u64 base, const std::vector<u64>& weights) {
  std::vector<Record> records{mapping(base, 0x1000, "/bin/prog")};
  for (u64 n = 0; n < weights.size(); ++n) {
    for (u64 i = 0; i < weights[n]; ++i) records.push_back(sample({branch(base + 0x10 * n, base + 0x100)}));
  }
  return records;
}

TEST(Compare, equal_captures_overlap_whole_wherever_the_program_lies) {
  const EdgeProfile a = profile_of(weighted(0x400000, {30, 10, 60})),
                    b = profile_of(weighted(0x7f0000400000, {30, 10, 60}));
  const Comparison c = compare(a, b);
  EXPECT_DOUBLE_EQ(c.overlap.value, 1);
  EXPECT_EQ(c.sides[0].samples, 100u);
  EXPECT_EQ(c.sides[1].edges, 3u);
  ASSERT_EQ(c.edges.size(), 3u);
  EXPECT_EQ(c.edges[0].from.file, "/bin/prog");
  EXPECT_GE(c.edges[0].from.offset, 0x1000u);
  EXPECT_TRUE(c.notes.empty());
}

// By hand: shares (.5 .5 0) and (.25 .5 .25): smaller .75, larger 1.25.
TEST(Compare, overlap_is_the_weighted_jaccard_index) {
  const EdgeProfile a = profile_of(weighted(0x400000, {50, 50})),
                    b = profile_of(weighted(0x400000, {25, 50, 25}));
  const Comparison c = compare(a, b);
  EXPECT_DOUBLE_EQ(c.overlap.value, 0.75 / 1.25);
  EXPECT_LE(c.overlap.low, c.overlap.value);
  EXPECT_GE(c.overlap.high, c.overlap.value);
  EXPECT_DOUBLE_EQ(std::abs(c.edges.front().difference()), 0.25);
  EXPECT_TRUE(c.edges.front().share[0].apart_from(c.edges.front().share[1]));
}

TEST(Compare, programs_without_a_common_edge_do_not_overlap) {
  const EdgeProfile a = profile_of({sample({branch(1, 2)})}), b = profile_of({sample({branch(3, 4)})});
  const Comparison c = compare(a, b);
  EXPECT_EQ(c.overlap.value, 0);
  EXPECT_EQ(c.edges.size(), 2u);
}

/// What one sample or two hold says next to nothing of a program.
TEST(Compare, few_samples_prove_no_difference) {
  const std::vector<BranchEntry> loop(32, branch(16, 32, false, 7)), other(32, branch(48, 64, true, 9));
  for (const std::size_t samples : {1u, 2u}) {
    const EdgeProfile a = profile_of(std::vector<Record>(samples, sample(loop)));
    const EdgeProfile b = profile_of(std::vector<Record>(samples, sample(other)));
    const Comparison apart = compare(a, b);
    EXPECT_EQ(apart.overlap.value, 0);
    EXPECT_EQ(apart.overlap.high, samples == 1 ? 1 : 0);
    for (const EdgeRow& row : apart.edges) {
      EXPECT_FALSE(row.share[0].apart_from(row.share[1]));
      EXPECT_GT(std::max(row.share[0].high - row.share[0].low, row.share[1].high - row.share[1].low), 0.6);
    }
    const Comparison same = compare(a, a);
    EXPECT_EQ(same.overlap.value, 1);
    EXPECT_EQ(same.overlap.low, samples == 1 ? 0 : 1);
    EXPECT_EQ(same.edges[0].cycles[0].value().value, 7);
    EXPECT_EQ(std::isinf(same.edges[0].cycles[0].value().high), samples == 1);
  }
}

TEST(Compare, many_samples_of_two_programs_are_apart) {
  const EdgeProfile a = profile_of(std::vector<Record>(40, sample({branch(16, 32)})));
  const EdgeProfile b = profile_of(std::vector<Record>(40, sample({branch(48, 64)})));
  const Comparison c = compare(a, b);
  EXPECT_EQ(c.overlap.high, 0);
  for (const EdgeRow& row : c.edges) EXPECT_TRUE(row.share[0].apart_from(row.share[1]));
}

TEST(Compare, halves_show_what_sampling_alone_scatters) {
  std::mt19937 random(3);
  std::discrete_distribution<u64> pick{8, 4, 2, 1, 1};
  std::vector<Record> records;
  for (int n = 0; n < 4000; ++n) records.push_back(sample({branch(0x1000 + pick(random), 0x2000)}));
  const EdgeProfile a = profile_of(records), b = profile_of(weighted(0, {8, 4, 2, 1, 1}));
  const Comparison c = compare(a, b);
  ASSERT_TRUE(c.sides[0].halves.has_value());
  EXPECT_GT(*c.sides[0].halves, 0.9);
  EXPECT_LT(*c.sides[0].halves, 1);
}

TEST(Compare, mispredictions_and_cycles_stand_beside_their_edges) {
  std::vector<Record> records;
  for (u64 n = 0; n < 64; ++n) records.push_back(sample({branch(16, 32, n % 4 == 0, 6 + n % 3)}));
  const EdgeProfile a = profile_of(records);
  const EdgeProfile b = profile_of({sample({{16, 32, 0}})});  // says neither
  const Comparison c = compare(a, b);
  ASSERT_EQ(c.edges.size(), 1u);
  EXPECT_DOUBLE_EQ(c.edges[0].missed[0].value().value, 0.25);
  EXPECT_NEAR(c.edges[0].cycles[0].value().value, 7, 0.05);
  EXPECT_FALSE(c.edges[0].missed[1].has_value());
  EXPECT_FALSE(c.edges[0].cycles[1].has_value());
}

TEST(Compare, a_branch_adds_up_its_edges) {
  const EdgeProfile a =
      profile_of({sample({branch(16, 32), branch(16, 48, true)}), sample({branch(20, 32)})});
  const EdgeProfile b = profile_of({sample({branch(16, 32)})});
  const Comparison c = compare(a, b);
  ASSERT_EQ(c.branches.size(), 2u);
  const BranchRow& row = c.branches[0].at.offset == 16 ? c.branches[0] : c.branches[1];
  EXPECT_EQ(row.targets, (Both<u64>{2, 1}));
  EXPECT_EQ(row.taken, (Both<u64>{2, 1}));
  EXPECT_DOUBLE_EQ(row.missed[0].value().value, 0.5);
}

TEST(Compare, aggregated_counts_weigh_as_the_samples_they_stand_for) {
  std::vector<Record> alone;
  for (int n = 0; n < 40; ++n) alone.push_back(sample({branch(16, 32, n < 10)}));
  const EdgeProfile a = profile_of(alone),
                    b = profile_of({sample({branch(16, 32, true)}, 10), sample({branch(16, 32)}, 30)});
  const EdgeProfile edges = profile_of({record_of(perfdata::EdgeRecord{16, 32, 40, 10})});
  for (const EdgeProfile* other : {&b, &edges}) {
    const Comparison c = compare(a, *other);
    EXPECT_EQ(c.edges[0].taken, (Both<u64>{40, 40}));
    EXPECT_DOUBLE_EQ(c.edges[0].missed[1].value().value, 0.25);
  }
}

TEST(Compare, empty_ends_of_rings_are_no_branches) {
  const EdgeProfile a = profile_of({sample({branch(16, 32), {0, 0, 0}})});
  EXPECT_EQ(total(a.taken()), 1u);
}

TEST(Compare, what_keeps_equal_code_apart_is_said) {
  const EdgeProfile a = profile_of({mapping(0x1000, 0, "/a/prog", 1), sample({branch(0x1010, 0x1020)})});
  const EdgeProfile other_build =
      profile_of({mapping(0x1000, 0, "/b/prog", 2), sample({branch(0x1010, 0x1020)})});
  const EdgeProfile unmapped = profile_of({sample({branch(0x1010, 0x1020)})});
  const EdgeProfile partly = profile_of(
      {mapping(0x1000, 0, "/a/prog", 1), sample({branch(0x1010, 0x1020), branch(0x999010, 0x1020)})});
  const auto first_note = [&](const EdgeProfile& b) { return compare(a, b).notes.at(0); };
  EXPECT_NE(first_note(other_build).find("equal offsets are not equal code"), std::string::npos);
  EXPECT_NE(first_note(unmapped).find("has no maps"), std::string::npos);
  EXPECT_NE(first_note(partly).find("outside of all mapped files"), std::string::npos);
}

TEST(Compare, files_are_the_same_by_their_build_ids_whatever_their_names) {
  const EdgeProfile a = profile_of({mapping(0x1000, 0, "/a/prog", 1), sample({branch(0x1010, 0x1020)})});
  const EdgeProfile renamed = profile_of({mapping(0x7000, 0, "/run/x", 1), sample({branch(0x7010, 0x7020)})});
  const EdgeProfile deleted =
      profile_of({mapping(0x7000, 0, "/a/prog (deleted)"), sample({branch(0x7010, 0x7020)})});
  for (const EdgeProfile* b : {&renamed, &deleted}) {
    EXPECT_EQ(compare(a, *b).overlap.value, 1);
    EXPECT_TRUE(compare(a, *b).notes.empty());
  }
  // Listed among the features, not in the mapping.
  ListedSource listed({mapping(0x1000, 0, "/b/prog"), sample({branch(0x1010, 0x1020)})});
  listed.features_.build_ids.resize(1);
  listed.features_.build_ids[0].filename = "/b/prog";
  listed.features_.build_ids[0].build_id = {.bytes = {2}, .size = 20};
  EXPECT_NE(compare(a, EdgeProfile(listed)).notes.at(0).find("not equal code"), std::string::npos);
  const EdgeProfile other = profile_of({mapping(0x1000, 0, "/a/tool"), sample({branch(0x1010, 0x1020)})});
  EXPECT_EQ(compare(a, other).overlap.value, 0);
  EXPECT_EQ(compare(a, other).notes, std::vector<std::string>{"no edge is in both captures"});
}

TEST(Compare, more_edges_than_are_kept_apart_are_in_the_sums) {
  ListedSource source({sample({branch(16, 32), branch(48, 64), branch(80, 96), branch(16, 32)})});
  const EdgeProfile few(source, 2);
  EXPECT_EQ(few.edges().size(), 2u);
  EXPECT_EQ(total(few.taken()), 4u);
  ASSERT_EQ(few.notes().size(), 1u);
  EXPECT_EQ(few.notes()[0], "1 branches of more than 2 different edges are in no row");
  EXPECT_DOUBLE_EQ(compare(few, few).edges[0].share[0].value + compare(few, few).edges[1].share[0].value,
                   0.75);
}

TEST(Compare, a_capture_without_branches_is_refused) {
  const EdgeProfile a = profile_of({sample({branch(16, 32)})}), none = profile_of({sample({})});
  EXPECT_THROW(static_cast<void>(compare(a, none)), Error);
}

}  // namespace
}  // namespace lastbranch::replay
