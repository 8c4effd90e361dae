#include "sim/user/signals.h"

#include <csignal>

#include <gtest/gtest.h>

namespace lastbranch::user {
namespace {

SigInfo info(int number, u64 value = 0) {
  return {.number = number, .second = value};
}
SigAction handler() {
  return {.handler = 0x1000};
}

TEST(Signals, faults_come_before_lower_numbers) {
  Signals s;
  for (const int n : {SIGHUP, SIGSEGV, SIGUSR1}) s.set_action(n, handler());
  s.send(info(SIGUSR1));
  s.send(info(SIGHUP));
  s.send(info(SIGSEGV));
  EXPECT_EQ(s.next()->number, SIGSEGV);
  EXPECT_EQ(s.next()->number, SIGHUP);
  EXPECT_EQ(s.next()->number, SIGUSR1);
  EXPECT_FALSE(s.next().has_value());
}

TEST(Signals, standard_signals_are_pending_once_and_real_time_ones_queue) {
  Signals s;
  s.set_mask(~u64{0});
  for (u64 i = 0; i < 3; ++i) {
    s.send(info(SIGUSR1, i));
    s.send(info(40, i));
  }
  s.set_action(SIGUSR1, handler());
  s.set_action(40, handler());
  s.set_mask(0);
  EXPECT_EQ(s.next()->second, 0u);
  for (u64 i = 0; i < 3; ++i) EXPECT_EQ(s.next()->second, i);
  EXPECT_FALSE(s.next().has_value());
}

TEST(Signals, kill_and_stop_are_never_blocked) {
  Signals s;
  s.set_mask(~u64{0});
  EXPECT_EQ(s.mask() & (Signals::bit(SIGKILL) | Signals::bit(SIGSTOP)), 0u);
  s.send(info(SIGKILL));
  EXPECT_EQ(s.next()->number, SIGKILL);
}

TEST(Signals, ignoring_forgets_what_is_pending) {
  Signals s;
  s.set_mask(Signals::bit(SIGUSR1));
  s.send(info(SIGUSR1));
  s.set_action(SIGUSR1, {.handler = Signals::kIgnore});
  EXPECT_EQ(s.pending(), 0u);
  s.set_mask(0);
  s.send(info(SIGUSR1));
  s.send(info(SIGCHLD));
  EXPECT_EQ(s.pending(), 0u) << "ignored ones do not become pending";
}

TEST(Signals, a_forced_signal_overrides_mask_and_ignore) {
  Signals s;
  s.set_action(SIGSEGV, {.handler = Signals::kIgnore});
  s.force(info(SIGSEGV));
  EXPECT_EQ(s.action(SIGSEGV).handler, Signals::kDefault);
  EXPECT_EQ(s.next()->number, SIGSEGV);

  s.set_action(SIGFPE, handler());
  s.set_mask(Signals::bit(SIGFPE));
  s.force(info(SIGFPE));
  EXPECT_EQ(s.action(SIGFPE).handler, Signals::kDefault) << "blocked: it kills";
  EXPECT_EQ(s.next()->number, SIGFPE);
}

TEST(Signals, default_fates_are_those_of_signal_7) {
  for (const int n : {SIGCHLD, SIGCONT, SIGURG, SIGWINCH})
    EXPECT_EQ(Signals::default_fate(n), Signals::Fate::kIgnore) << n;
  for (const int n : {SIGSTOP, SIGTSTP, SIGTTIN, SIGTTOU})
    EXPECT_EQ(Signals::default_fate(n), Signals::Fate::kStop) << n;
  for (const int n : {SIGHUP, SIGINT, SIGABRT, SIGKILL, SIGUSR1, SIGIO, SIGSYS, 40}) {
    EXPECT_EQ(Signals::default_fate(n), Signals::Fate::kDie) << n;
  }
}

}  // namespace
}  // namespace lastbranch::user
