// Files of perf stat -x, as perf prints them with its options.
#include "sim/replay/stat_file.h"

#include <filesystem>
#include <fstream>

#include <gtest/gtest.h>

#include "sim/base/error.h"

namespace lastbranch::replay {
namespace {

class StatFileTest : public testing::Test {
 protected:
  std::string write(const std::string& text) {
    std::ofstream(path_) << text;
    return path_;
  }
  void TearDown() override { std::filesystem::remove(path_); }

  std::string path_ = (std::filesystem::path(testing::TempDir()) /
                       (std::string(testing::UnitTest::GetInstance()->current_test_info()->name()) + ".csv"))
                          .string();
};

struct Line {
  const char* what;
  const char* text;
  const char* event;
  std::optional<double> value;
  double variance = 0, running = 100;
};

// Each printed by perf 6.1, but the event's own syntax.
constexpr Line kLines[] = {
    {"plain", "1234,,cycles:u,799594,100.00,3.400,GHz", "cycles:u", 1234},
    {"with a unit", "0.80,msec,task-clock,799594,100.00,0.454,CPUs utilized", "task-clock", 0.80},
    {"not supported", "<not supported>,,cycles:u,0,100.00,,", "cycles:u", std::nullopt},
    {"repeated", "49,,page-faults,1.25%,570254,100.00,76.016,K/sec", "page-faults", 49, 1.25},
    {"interval", "     0.100228123,90,,branches,897869,100.00,0.009,M/sec", "branches", 90},
    {"by socket", "S0,2,27,,context-switches,204521612,100.00,132.015,/sec", "context-switches", 27},
    {"by processor", "CPU3,27,,cycles,204521612,100.00,,", "cycles", 27},
    {"multiplexed", "500,,branch-misses,3000,42.50,1.00,of all branches", "branch-misses", 500, 0, 42.5},
    {"commas in the event", "7,,cpu/event=0xc4,umask=0x20/u,3000,100.00,,", "cpu/event=0xc4,umask=0x20/u", 7},
    {"semicolons", "7;;instructions;3000;100.00;;", "instructions", 7},
    {"blanks", "0.72 msec task-clock 721818 100.00 0.168 CPUs utilized", "task-clock", 0.72},
    {"blanks without a unit", "     0.1002 90  branches:u 897869 100.00 0.009 M/sec", "branches:u", 90},
    {"another separator", "7@@cycles@1.50%@3000@100.00@@", "cycles", 7, 1.5},
    {"by core, repeated", "S0-D0-C1,1,107.91,msec,task-clock,0.25%,107908765,100.00,1.079,CPUs utilized",
     "task-clock", 107.91, 0.25},
    {"by thread", "bash-3695,<not counted>,msec,task-clock,0,100.00,,", "task-clock", std::nullopt},
    {"interval that was not counted", "1.0,<not counted>,,cycles,0,0.00,,", "cycles", std::nullopt, 0, 0},
    {"tabulators", "7\t\tinstructions\t3000\t100.00\t\t", "instructions", 7},
};

TEST_F(StatFileTest, reads_a_line_of_each_kind) {
  for (const Line& line : kLines) {
    SCOPED_TRACE(line.what);
    const std::string path = write(std::string("# started on Sun\n\n") + line.text + "\n");
    EXPECT_TRUE(is_stat_file(path));
    const StatFile file = read_stat_file(path);
    ASSERT_EQ(file.counts.size(), 1u);
    EXPECT_EQ(file.counts[0].event, line.event);
    EXPECT_EQ(file.counts[0].value, line.value);
    EXPECT_EQ(file.counts[0].variance_percent, line.variance);
    EXPECT_EQ(file.counts[0].running_percent, line.running);
  }
}

TEST_F(StatFileTest, lines_of_one_event_are_added_up) {
  const StatFile file = read_stat_file(
      write("1.0,10,,cycles,5,100.00,,\n1.0,3,,branches,5,100.00,,\n2.0,<not counted>,,cycles,0,0.00,,\n"
            "3.0,32,,cycles,5,80.00,,\n"));
  ASSERT_EQ(file.counts.size(), 2u);
  EXPECT_EQ(file.counts[0].value, 42);
  EXPECT_EQ(file.counts[0].lines, 3u);
  EXPECT_EQ(file.counts[0].running_percent, 0);
  EXPECT_EQ(file.counts[1].value, 3);
}

TEST_F(StatFileTest, many_events_take_no_longer_each) {
  std::string text;
  for (int n = 0; n < 100'000; ++n) text += "1,,event" + std::to_string(n) + ",5,100.00,,\n";
  EXPECT_EQ(read_stat_file(write(text)).counts.size(), 100'000u);
}

TEST_F(StatFileTest, lines_of_metrics_are_counted) {
  const StatFile file = read_stat_file(write("10,,cycles,5,100.00,,\n,,,,,0.25,stalled cycles per insn\n"));
  EXPECT_EQ(file.metric_lines, 1u);
}

TEST_F(StatFileTest, a_line_of_another_kind_is_refused_by_number) {
  const std::string path = write("10,,cycles,5,100.00,,\nhello, world\n");
  try {
    static_cast<void>(read_stat_file(path));
    FAIL() << "expected an error";
  } catch (const Error& error) {
    EXPECT_NE(std::string(error.what()).find("line 2: expected value"), std::string::npos) << error.what();
  }
}

TEST_F(StatFileTest, files_of_other_kinds_are_told_apart) {
  EXPECT_FALSE(is_stat_file(write("PERFILE2\0\0\0")));
  EXPECT_FALSE(is_stat_file(write(" 400540 0x40062f/0x4005b0/P/-/-/9  0x40064d/0x400590/P/-/-/1 \n")));
  EXPECT_FALSE(
      is_stat_file(write(" 10003 cycles: main 0x40062f/0x4005b0/P/-/-/9  0x40064d/0x400590/P/-/-/1 \n")));
  EXPECT_FALSE(is_stat_file(write("0.75::msec::task-clock::750391::100.00\n"))) << "two characters";
  EXPECT_FALSE(is_stat_file(write("nan,,cycles,5,100.00,,\n")));
  EXPECT_FALSE(is_stat_file(write("")));
  EXPECT_THROW(static_cast<void>(read_stat_file(write("# only comments\n"))), Error);
  EXPECT_THROW(static_cast<void>(read_stat_file("/nonexistent/stat.csv")), Error);
}

}  // namespace
}  // namespace lastbranch::replay
