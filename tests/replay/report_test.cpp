// Reports: counting, the verdict, and the three forms.
#include "sim/replay/report.h"

#include <gtest/gtest.h>

#include <boost/json/parse.hpp>

#include "sim/replay/report_html.h"
#include "sim/replay/report_json.h"
#include "sim/replay/report_text.h"

namespace lastbranch::replay {
namespace {

Report example(Cause cause) {
  Report report;
  report.capture = "a<b>&\"c\".data";
  report.processor = "skx";
  report.chosen_by = "CPUID GenuineIntel,6,85,4";
  report.recorded = "32 entries";
  report.samples = 1234;
  report[Check::kRing].held = 1233;
  report.disagree({.check = Check::kRing,
                   .cause = cause,
                   .sample = 7,
                   .entry = 3,
                   .from = 0xffff'ffff'8100'0000,
                   .to = 0x400,
                   .words = "expected <this>\x1b[2J\nfound \"that\" \xff \xc3\xa9"});
  report.notes.emplace_back("3 records passed over");
  return report;
}

/// Every tag is closed, in order, and entities are whole: what a browser needs of the page.
void expect_well_formed(const std::string& html) {
  std::vector<std::string> open;
  std::size_t at = html.find("<html");
  ASSERT_NE(at, std::string::npos);
  while ((at = html.find('<', at)) != std::string::npos) {
    const std::size_t end = html.find('>', at);
    ASSERT_NE(end, std::string::npos);
    const std::string tag = html.substr(at + 1, end - at - 1);
    at = end;
    if (tag.ends_with('/')) continue;
    if (tag.starts_with('/')) {
      ASSERT_FALSE(open.empty()) << tag;
      EXPECT_EQ(open.back(), tag.substr(1));
      open.pop_back();
    } else {
      open.push_back(tag.substr(0, tag.find_first_of(" \n")));
    }
  }
  EXPECT_TRUE(open.empty());
}

TEST(Report, counts_all_and_keeps_the_first) {
  Report report;
  for (u64 n = 0; n < 100; ++n) {
    report.disagree({.check = Check::kRing, .cause = Cause::kKernel, .sample = n});
    report.disagree(
        {.check = Check::kStraightLine, .cause = Cause::kUnexplained, .sample = n, .from = n % 3});
  }
  EXPECT_EQ(report[Check::kRing].of(Cause::kKernel), 100u);
  ASSERT_EQ(report.examples.size(), 2 * kExamplesKept);
  EXPECT_EQ(report.examples.back().sample, kExamplesKept - 1);
  const auto worst = report.worst_edges(2);
  ASSERT_EQ(worst.size(), 2u) << "known ways of hardware blame nobody";
  EXPECT_EQ(worst[0].count, 34u);
  EXPECT_EQ(worst[0].from, 0u);
  EXPECT_EQ(worst[1].count, 33u);
}

TEST(Report, counts_many_of_one_kind_at_once) {
  Report report;
  constexpr u64 kMany = 3'000'000'000'000;
  report.disagree({.check = Check::kWindow, .cause = Cause::kUnexplained, .from = 1}, kMany);
  EXPECT_EQ(report[Check::kWindow].of(Cause::kUnexplained), kMany);
  EXPECT_EQ(report.examples.size(), 1u);
  EXPECT_EQ(report.worst_edges(1).at(0).count, kMany);
}

TEST(Report, checks_that_were_not_made_are_left_out) {
  const Report report = example(Cause::kKernel);
  EXPECT_TRUE(report.made(Check::kRing));
  EXPECT_FALSE(report.made(Check::kMispredictRate));
  for (const std::string& text : {report_text(report), report_json(report), report_html(report)}) {
    EXPECT_NE(text.find("ring"), std::string::npos);
    EXPECT_EQ(text.find(name_of(Check::kMispredictRate)), std::string::npos);
    EXPECT_EQ(text.find(name_of(Check::kEdgeCycles)), std::string::npos);
  }
}

TEST(Report, edges_that_are_blamed_are_bounded) {
  Report report;
  for (u64 n = 0; n < 3 * kEdgesKept; ++n) report.disagree({.cause = Cause::kUnexplained, .from = n});
  EXPECT_EQ(report.blamed.size(), kEdgesKept);
  EXPECT_EQ(report[Check::kRing].of(Cause::kUnexplained), 3 * kEdgesKept);
}

TEST(Report, only_riddles_and_what_finds_no_room_disagree) {
  for (std::size_t c = 0; c < static_cast<std::size_t>(Cause::kCount); ++c) {
    const auto cause = static_cast<Cause>(c);
    const bool agrees = cause != Cause::kUnexplained && cause != Cause::kNotRepresentable;
    const Report report = example(cause);
    EXPECT_EQ(report.agrees(), agrees) << name_of(cause);
    EXPECT_EQ(verdict(report).starts_with("agrees"), agrees);
    EXPECT_NE(report_text(report).find(name_of(cause)), std::string::npos);
  }
}

TEST(Report, text_holds_the_figures_and_no_control_characters) {
  const std::string text = report_text(example(Cause::kUnexplained));
  for (const char* part :
       {"1,234 with branch stacks", "1,233", "1 unexplained", "0xffffffff81000000 -> 0x400", "worst edges",
        "3 records passed over", "\\x1b[2J", "\\xff", "\xc3\xa9"}) {
    EXPECT_NE(text.find(part), std::string::npos) << part << '\n' << text;
  }
  EXPECT_EQ(text.find('\x1b'), std::string::npos);
}

TEST(Report, json_reads_back) {
  const auto all = boost::json::parse(report_json(example(Cause::kUnexplained))).as_object();
  EXPECT_EQ(all.at("schema").as_string(), "lastbranch-replay");
  EXPECT_EQ(all.at("version").to_number<unsigned>(), kReportSchemaVersion);
  EXPECT_EQ(all.at("capture").as_string(), "a<b>&\"c\".data");
  EXPECT_FALSE(all.at("agrees").as_bool());
  const auto& ring = all.at("checks").as_array().at(0).as_object();
  EXPECT_EQ(ring.at("check").as_string(), "ring");
  EXPECT_EQ(ring.at("held").to_number<u64>(), 1233u);
  EXPECT_EQ(ring.at("causes").as_object().at("unexplained").to_number<u64>(), 1u);
  EXPECT_EQ(all.at("checks").as_array().size(), 1u) << "only those that were made";
  EXPECT_EQ(all.at("examples").as_array().at(0).as_object().at("from").as_string(), "0xffffffff81000000");
  EXPECT_EQ(all.at("worst_edges").as_array().at(0).as_object().at("count").to_number<u64>(), 1u);
}

TEST(Report, the_page_is_whole_and_needs_nothing_else) {
  Report foreign;
  foreign.foreign = true;
  foreign.chosen_by = "CPUID AuthenticAMD,25,17,0";
  Report edited = example(Cause::kEdited);
  edited.edited.emplace_back("2 comment lines <b>");
  for (const Report& report : {example(Cause::kUnexplained), foreign, edited, Report{}}) {
    const std::string html = report_html(report);
    expect_well_formed(html);
    for (const char* outside : {"http://", "https://", "src=", "@import", "<script", "url("}) {
      const std::size_t at = html.find(outside);
      // The name of the page's language is an address that nobody fetches.
      if (at != std::string::npos) {
        EXPECT_EQ(html.find("http://www.w3.org/1999/xhtml"), at) << outside;
      }
    }
    EXPECT_NE(html.find("prefers-color-scheme: dark"), std::string::npos);
  }
  const std::string html = report_html(example(Cause::kUnexplained));
  for (const char* part :
       {"a&lt;b&gt;&amp;&quot;c&quot;.data", "expected &lt;this&gt;\\x1b[2J", "Worst edges"}) {
    EXPECT_NE(html.find(part), std::string::npos) << part;
  }
}

}  // namespace
}  // namespace lastbranch::replay
