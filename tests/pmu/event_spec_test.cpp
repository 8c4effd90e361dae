#include "models/pmu/event_spec.h"

#include <gtest/gtest.h>

#include "sim/base/error.h"

namespace lastbranch::pmu {
namespace {

EventSpec parse(std::string_view text) {
  return parse_event(EventList::kSkylake, "skylake", text);
}

std::string error_of(std::string_view text) {
  try {
    (void)parse_events(EventList::kSkylake, "skylake", text);
  } catch (const Error& e) {
    return e.what();
  }
  return {};
}

constexpr CtxSet kHost = 0b0011;
constexpr CtxSet kGuest = 0b1100;
constexpr CtxSet kUser = 0b1010;
constexpr CtxSet kKernel = 0b0101;

TEST(EventSpec, takes_names_aliases_and_codes) {
  const struct {
    std::string_view text, event;
    u32 type;
    u64 config;
  } rows[] = {
      {"cycles", "cpu_clk_unhalted.thread", 0, 0},
      {"instructions", "inst_retired.any", 0, 1},
      {"branch-instructions", "br_inst_retired.all_branches", 0, 4},
      {"inst_retired.any", "inst_retired.any", 4, 0xc0},
      {"cpu_clk_unhalted.thread", "cpu_clk_unhalted.thread", 4, 0x3c},
      {"br_inst_retired.near_taken", "br_inst_retired.near_taken", 4, 0x20c4},
      {"r20c4", "br_inst_retired.near_taken", 4, 0x20c4},
      {"r00C4", "br_inst_retired.all_branches", 4, 0xc4},
      {"cpu/event=0xc4,umask=0x20/", "br_inst_retired.near_taken", 4, 0x20c4},
      {"cpu/event=0xC4/", "br_inst_retired.all_branches", 4, 0xc4},
      {"cpu/cycles/", "cpu_clk_unhalted.thread", 0, 0},
      {"cpu/br_inst_retired.near_call/", "br_inst_retired.near_call", 4, 0x02c4},
  };
  for (const auto& row : rows) {
    const EventSpec spec = parse(row.text);
    EXPECT_EQ(spec.event->name, row.event) << row.text;
    EXPECT_EQ(spec.perf_type, row.type) << row.text;
    EXPECT_EQ(spec.perf_config, row.config) << row.text;
    EXPECT_EQ(spec.text, row.text);
    EXPECT_EQ(spec.contexts, kAllContexts);
  }
}

TEST(EventSpec, modifiers_choose_contexts) {
  const struct {
    std::string_view text;
    CtxSet contexts;
    bool user_only, kernel_only;
    u8 precise;
  } rows[] = {
      {"cycles:u", kUser, true, false, 0},          {"cycles:k", kKernel, false, true, 0},
      {"cycles:uk", kAllContexts, false, false, 0}, {"cycles:H", kHost, false, false, 0},
      {"cycles:G", kGuest, false, false, 0},        {"cycles:Gu", kGuest & kUser, true, false, 0},
      {"cycles:upp", kUser, true, false, 2},        {"cycles:ppp", kAllContexts, false, false, 3},
      {"cycles:P", kAllContexts, false, false, 3},  {"cycles:", kAllContexts, false, false, 0},
      {"cpu/cycles/u", kUser, true, false, 0},      {"cpu/cycles/:k", kKernel, false, true, 0},
  };
  for (const auto& row : rows) {
    const EventSpec spec = parse(row.text);
    EXPECT_EQ(spec.contexts, row.contexts) << row.text;
    EXPECT_EQ(spec.user_only, row.user_only) << row.text;
    EXPECT_EQ(spec.kernel_only, row.kernel_only) << row.text;
    EXPECT_EQ(spec.precise, row.precise) << row.text;
  }
}

TEST(EventSpec, known_events_without_a_model_parse_as_unsupported) {
  EXPECT_FALSE(parse("branch-misses").supported());
  EXPECT_FALSE(parse("cache-misses:u").supported());
  EXPECT_TRUE(parse("cycles").supported());
}

TEST(EventSpec, codes_may_add_modifiers_that_count_by_the_cycle) {
  const struct {
    std::string_view text, event;
    u32 select;
    bool per_cycle;
  } rows[] = {
      {"r20c4", "br_inst_retired.near_taken", 0x20c4, false},
      {"r10020c4", "br_inst_retired.near_taken", 0x0100'20c4, true},
      {"cpu/event=0xc4,umask=0x20,cmask=2,inv/", "br_inst_retired.near_taken", 0x0280'20c4, true},
      {"cpu/event=0xc4,umask=0x20,any/", "br_inst_retired.near_taken", 0x0020'20c4, false},
      {"cpu/event=0x3c,edge,cmask=1/", "cpu_clk_unhalted.ring0_trans", 0x0104'003c, true},
      {"cpu/event=0x3c,cmask=1/", "cpu_clk_unhalted.thread_p", 0x0100'003c, true},
      {"cpu/event=0x0d,umask=1,edge,cmask=1/", "int_misc.clears_count", 0x0104'010d, false},
  };
  for (const auto& row : rows) {
    const EventSpec spec = parse(row.text);
    EXPECT_EQ(spec.event->name, row.event) << row.text;
    EXPECT_EQ(spec.select, row.select) << row.text;
    EXPECT_EQ(spec.per_cycle, row.per_cycle) << row.text;
    EXPECT_EQ(spec.perf_config, row.select) << row.text;
  }
}

TEST(EventSpec, lists_split_at_commas_outside_of_slashes) {
  const auto specs =
      parse_events(EventList::kSkylake, "skylake", "cycles:u,cpu/event=0xc4,umask=0x20/,branches");
  ASSERT_EQ(specs.size(), 3u);
  EXPECT_EQ(specs[1].event->name, "br_inst_retired.near_taken");
  EXPECT_EQ(specs[2].event->name, "br_inst_retired.all_branches");
}

TEST(EventSpec, errors_name_what_is_wrong_and_what_is_close) {
  const struct {
    std::string_view text;
    std::vector<std::string_view> says;
  } rows[] = {
      {"cylces", {"'cylces'", "skylake", "cycles"}},
      {"near_taken", {"br_inst_retired.near_taken"}},
      {"br_inst_retired.near_takne", {"br_inst_retired.near_taken"}},
      {"zzzzzzzzzzzz", {"list events"}},
      {"cycles:x", {"'x'", "u, k, H, G, p or P"}},
      {"cycles:pppp", {"at most three"}},
      {"r1234", {"0x34", "0x12"}},
      {"OFFCORE_RESPONSE.DEMAND_DATA_RD.L3_HIT", {"known and not modelled", "skylake"}},
      {"rffffffffffffffffff", {"no 'rffffffffffffffffff'"}},
      {"cpu/event=0xc4", {"second '/'"}},
      {"cpu/event=0x1ff/", {"event", "0xff"}},
      {"cpu/event=zz/", {"'event=zz'"}},
      {"cpu/foo=1/", {"'foo=1'"}},
      {"cycles,,branches", {"''"}},
      {"", {"''"}},
  };
  for (const auto& row : rows) {
    const std::string error = error_of(row.text);
    EXPECT_NE(error, "") << row.text << " was accepted";
    for (const std::string_view part : row.says) {
      EXPECT_NE(error.find(part), std::string::npos) << row.text << ": " << error << "\nwithout " << part;
    }
    EXPECT_EQ(error.find('\n'), std::string::npos) << "one line";
  }
}

}  // namespace
}  // namespace lastbranch::pmu
