// Whole programs in this process: branches into and out of the kernel, deaths, what is counted.
#include <csignal>

#include <gtest/gtest.h>

#include "tests/user/board.h"
#include "tests/user/kernel_fixture.h"

namespace lastbranch::user {
namespace {

using testing::Board;
using testing::Branches;
using testing::GuestKernel;

ProcessConfig guest(std::vector<std::string> arguments) {
  ProcessConfig config;
  arguments[0] = std::string(LASTBRANCH_GUESTS) + "/" + arguments[0];
  config.arguments = std::move(arguments);
  return config;
}

TEST(Process, every_system_call_is_one_branch_in_and_one_out) {
  const Board board(guest({"signals_static", "ill_dies"}));
  const std::vector<Branches::Far>& far = board.far_branches();

  ASSERT_TRUE(board.finished());
  ASSERT_GT(far.size(), 10u);
  for (std::size_t i = 0; i + 1 < far.size(); i += 2) {
    EXPECT_EQ(far[i].kind, BranchKind::kSyscall);
    EXPECT_EQ(far[i].to, kernel::kSyscallEntry);
    EXPECT_EQ(far[i].cpl_from, 3);
    EXPECT_EQ(far[i].cpl_to, 0);
    EXPECT_EQ(far[i + 1].kind, BranchKind::kSysret);
    EXPECT_EQ(far[i + 1].from, kernel::kSysret);
    EXPECT_EQ(far[i + 1].to, far[i].from + 2) << "SYSCALL is two bytes";
    EXPECT_EQ(far[i + 1].cpl_to, 3);
  }
  EXPECT_EQ(far.back().kind, BranchKind::kException) << "the UD2 that killed it";
  EXPECT_EQ(far.size() % 2, 1u);
  EXPECT_EQ(board.process().system_calls(), far.size() / 2);
}

TEST(Process, death_by_a_fault_tells_where_and_why) {
  const Board board(guest({"signals_static", "segv_dies"}));
  const Death& death = board.process().death();

  EXPECT_EQ(death.signal, SIGSEGV);
  EXPECT_TRUE(death.by_fault);
  EXPECT_EQ(death.fault.vector, Vector::kPF);
  EXPECT_EQ(death.reason, "write at 0x0, not mapped");
  EXPECT_EQ(board.process().exit_status(), 128 + SIGSEGV);
  EXPECT_NE(board.process().describe(death.rip).find("poke+"), std::string::npos)
      << board.process().describe(death.rip);
}

TEST(Process, death_by_its_own_signal_is_no_fault) {
  const Board board(guest({"signals_pie", "term"}));
  EXPECT_EQ(board.process().death().signal, SIGTERM);
  EXPECT_FALSE(board.process().death().by_fault);
  EXPECT_EQ(board.process().exit_status(), 128 + SIGTERM);
}

TEST(Process, running_out_of_simulated_memory_kills) {
  ProcessConfig config = guest({"signals_static", "altstack"});
  config.memory_bytes = u64{64} << 12;
  const Board board(config);
  EXPECT_EQ(board.process().exit_status(), 128 + SIGKILL);
  EXPECT_EQ(board.process().death().reason, "simulated memory is used up");
}

TEST(Process, executable_mappings_cover_program_loader_and_libraries) {
  std::vector<ExecMapping> seen;
  ProcessConfig config = guest({"signals_pie", "term"});
  config.on_executable = [&](const ExecMapping& m) { seen.push_back(m); };
  const Board board(config);
  const auto has = [&](const std::string& part) {
    return std::any_of(seen.begin(), seen.end(), [&](const ExecMapping& m) {
      return m.filename.find(part) != std::string::npos && m.length != 0 && m.inode != 0;
    });
  };
  EXPECT_TRUE(has("signals_pie"));
  EXPECT_TRUE(has("ld-linux"));
  EXPECT_TRUE(has("libc.so.6"));
}

TEST(Syscalls, unknown_and_unsupported_calls_are_counted_by_name) {
  GuestKernel k;
  EXPECT_EQ(k.call(999), -ENOSYS);
  EXPECT_EQ(k.call(999), -ENOSYS);
  EXPECT_EQ(k.call(57), -ENOSYS);
  EXPECT_EQ(k.call(56, {0x3d0f00}), -EAGAIN) << "a thread";
  EXPECT_EQ(k.call(56, {SIGCHLD}), -ENOSYS) << "a process";
  EXPECT_EQ(k.call(41, {1, 1, 0}), -EAFNOSUPPORT);
  EXPECT_EQ(k.call(334), -ENOSYS) << "rseq is as in a kernel without it: not worth a line";

  const std::vector<RefusedCall> rows = k.kernel.tally.rows();
  ASSERT_EQ(rows.size(), 5u);
  EXPECT_EQ(rows[0].name, "socket");
  EXPECT_EQ(rows[1].name, "clone (process)");
  EXPECT_EQ(rows[2].name, "clone (thread)");
  EXPECT_EQ(rows[3].name, "fork");
  EXPECT_EQ(rows[4].name, "system call 999");
  EXPECT_EQ(rows[4].count, 2u);
}

TEST(Syscalls, sleeping_jumps_the_clock) {
  GuestKernel k;
  const std::array<i64, 2> nap{5, 7};
  EXPECT_EQ(k.call(35, {k.bytes(&nap, sizeof nap), 0}), 0);
  EXPECT_EQ(k.kernel.clock.elapsed(), 5'000'000'007u);
  EXPECT_EQ(k.call(201), static_cast<i64>(kEpochSeconds + 5));
  EXPECT_EQ(k.kernel.clock.busy(), 0u);
}

}  // namespace
}  // namespace lastbranch::user
