#pragma once
// Signal state of a process: actions, mask, what is pending, the alternate stack. Which signal comes next and
// what its default does; not how a handler's frame looks (signal_frame.h).
//
// Modelled: signals a process raises itself, by faults, kill() and its relatives, SIGPIPE. Not: signals from
// outside, timers, job control stops (they are ignored and counted), queues of more than one per standard
// signal. Sources: signal(7), sigaction(2), sigaltstack(2); Linux kernel/signal.c.
#include <array>
#include <deque>
#include <optional>

#include "sim/base/units.h"

namespace lastbranch::user {

inline constexpr int kSignals = 64;

/// siginfo_t as Linux lays it out.
struct SigInfo {
  i32 number = 0;
  i32 error = 0;
  i32 code = 0;
  i32 pad = 0;
  u64 first = 0;   ///< si_addr; or si_pid (low half) and si_uid (high half)
  u64 second = 0;  ///< si_addr_lsb; or si_value
  std::array<u64, 12> rest{};
};
static_assert(sizeof(SigInfo) == 128);

/// struct sigaction as the system call has it.
struct SigAction {
  u64 handler = 0;  ///< 0 SIG_DFL, 1 SIG_IGN
  u64 flags = 0;
  u64 restorer = 0;
  u64 mask = 0;
};
static_assert(sizeof(SigAction) == 32);

/// stack_t.
struct AltStack {
  u64 base = 0;
  i32 flags = 2;  ///< SS_DISABLE
  i32 pad = 0;
  u64 size = 0;
};
static_assert(sizeof(AltStack) == 24);

namespace si {
inline constexpr i32 kUser = 0, kKernel = 0x80, kQueue = -1, kTkill = -6;
}

class Signals {
 public:
  static constexpr u64 kDefault = 0, kIgnore = 1;
  enum class Fate : u8 { kDie, kIgnore, kStop };

  [[nodiscard]] static constexpr u64 bit(int signal) { return u64{1} << (signal - 1); }
  /// What happens without a handler.
  [[nodiscard]] static Fate default_fate(int signal);

  [[nodiscard]] const SigAction& action(int signal) const { return actions_[index(signal)]; }
  /// Replaces the action. Setting "ignore" forgets what is pending, as POSIX has it.
  void set_action(int signal, const SigAction& action);

  [[nodiscard]] u64 mask() const { return mask_; }
  /// SIGKILL and SIGSTOP are never blocked.
  void set_mask(u64 mask);
  [[nodiscard]] u64 pending() const;

  /// Makes `info` pending, unless its action ignores it.
  void send(const SigInfo& info);
  /// Removes and returns the next pending signal that is not blocked: faults' signals first, then by number.
  [[nodiscard]] std::optional<SigInfo> next();
  /// Removes and returns a pending signal of `set`, for sigtimedwait().
  [[nodiscard]] std::optional<SigInfo> take(u64 set);
  /// A fault's signal: blocked or ignored, its action becomes the default, which kills.
  void force(const SigInfo& info);

  [[nodiscard]] bool ignored(int signal) const;

  AltStack alternate;

 private:
  [[nodiscard]] static std::size_t index(int signal) { return static_cast<std::size_t>(signal); }

  std::array<SigAction, kSignals + 1> actions_{};
  u64 mask_ = 0;
  std::deque<SigInfo> queue_;
};

}  // namespace lastbranch::user
