// Small C programs, linked statically and dynamically, natively and on the board.
#include <sstream>

#include <gtest/gtest.h>

#include "tests/user/native_compare.h"
#include "tests/user/temp_dir.h"

namespace lastbranch::user {
namespace {

using testing::on_board;
using testing::Outcome;
using testing::run_command;
using testing::TempDir;

std::string guest(const std::string& name) {
  return std::string(LASTBRANCH_GUESTS) + "/" + name;
}

struct GuestTest : ::testing::TestWithParam<const char*> {
  [[nodiscard]] std::string program(const std::string& name) const { return guest(name + "_" + GetParam()); }
};

TEST_P(GuestTest, signals_reach_handlers_or_kill_as_natively) {
  const std::string path = program("signals");
  std::istringstream scenarios(run_command({path}).output);
  int count = 0;
  for (std::string name; std::getline(scenarios, name); ++count) {
    const Outcome native = run_command({path, name});
    const Outcome simulated = run_command(on_board({path, name}));
    EXPECT_EQ(native.output, simulated.output) << name;
    EXPECT_EQ(native.status, simulated.status) << name << ": " << simulated.errors;
    EXPECT_NE(native.status, 99) << name;
  }
  EXPECT_GT(count, 30);
}

TEST_P(GuestTest, file_calls_answer_as_natively) {
  const std::string path = program("files");
  const auto run = [&](bool simulated) {
    const TempDir folder;
    const std::vector<std::string> command{path, folder.path()};
    Outcome outcome = run_command(simulated ? on_board(command) : command, folder.path(), "some input\n");
    // The folder's name is the only thing that may differ.
    for (std::size_t at; (at = outcome.output.find(folder.path())) != std::string::npos;) {
      outcome.output.replace(at, folder.path().size(), "FOLDER");
    }
    const std::size_t slash = folder.path().rfind('/');
    for (std::size_t at; (at = outcome.output.find(folder.path().substr(slash))) != std::string::npos;) {
      outcome.output.replace(at, folder.path().size() - slash, "/FOLDER");
    }
    return outcome;
  };
  const Outcome native = run(false), simulated = run(true);
  EXPECT_EQ(native.output, simulated.output);
  EXPECT_EQ(native.status, simulated.status) << simulated.errors;
  EXPECT_NE(native.output.find("exe right"), std::string::npos) << native.output;
}

TEST_P(GuestTest, stack_is_laid_out_as_natively) {
  const std::vector<std::string> command{program("stack"), "one", "", "three with blanks"};
  const Outcome native = run_command(command), simulated = run_command(on_board(command));
  EXPECT_EQ(native.output, simulated.output);
  EXPECT_EQ(native.status, 0);
}

TEST_P(GuestTest, vdso_answers_as_natively) {
  const Outcome native = run_command({program("vdso")}), simulated = run_command(on_board({program("vdso")}));
  if (native.status == 1) GTEST_SKIP() << "this host has no vDSO";
  EXPECT_EQ(native.output, simulated.output);
  EXPECT_EQ(simulated.status, 0) << simulated.errors;
}

INSTANTIATE_TEST_SUITE_P(Links, GuestTest, ::testing::Values("static", "dynamic", "pie"),
                         [](const auto& row) { return std::string(row.param); });

TEST(GuestRun, two_runs_with_one_seed_are_equal_and_seeds_differ) {
  const std::string path = guest("random_static");
  const Outcome one = run_command(on_board({path})), two = run_command(on_board({path}));
  EXPECT_EQ(one, two);
  EXPECT_NE(one.output, run_command(on_board({path}, {"--seed", "2"})).output);
  EXPECT_EQ(one.status, 0);
}

}  // namespace
}  // namespace lastbranch::user
