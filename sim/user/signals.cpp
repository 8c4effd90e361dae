#include "sim/user/signals.h"

#include <algorithm>
#include <bit>
#include <csignal>

#include "sim/base/assert.h"

namespace lastbranch::user {
namespace {

constexpr u64 set_of(std::initializer_list<int> signals) {
  u64 set = 0;
  for (const int s : signals) set |= Signals::bit(s);
  return set;
}

constexpr u64 kIgnoredByDefault = set_of({SIGCHLD, SIGURG, SIGWINCH, SIGCONT});
constexpr u64 kStopping = set_of({SIGSTOP, SIGTSTP, SIGTTIN, SIGTTOU});
constexpr u64 kSynchronous = set_of({SIGSEGV, SIGBUS, SIGILL, SIGTRAP, SIGFPE, SIGSYS});
constexpr u64 kNeverBlocked = set_of({SIGKILL, SIGSTOP});
constexpr int kFirstRealTime = 32;
constexpr std::size_t kQueueLimit = 1024;

}  // namespace

Signals::Fate Signals::default_fate(int signal) {
  if ((kIgnoredByDefault & bit(signal)) != 0) return Fate::kIgnore;
  return (kStopping & bit(signal)) != 0 ? Fate::kStop : Fate::kDie;
}

bool Signals::ignored(int signal) const {
  const u64 handler = action(signal).handler;
  return handler == kIgnore || (handler == kDefault && default_fate(signal) == Fate::kIgnore);
}

void Signals::set_action(int signal, const SigAction& action) {
  actions_[index(signal)] = action;
  actions_[index(signal)].mask &= ~kNeverBlocked;
  if (ignored(signal)) std::erase_if(queue_, [&](const SigInfo& i) { return i.number == signal; });
}

void Signals::set_mask(u64 mask) {
  mask_ = mask & ~kNeverBlocked;
}

u64 Signals::pending() const {
  u64 set = 0;
  for (const SigInfo& i : queue_) set |= bit(i.number);
  return set;
}

void Signals::send(const SigInfo& info) {
  LASTBRANCH_ASSERT(info.number >= 1 && info.number <= kSignals, "signal {}", info.number);
  const bool blocked = (mask_ & bit(info.number)) != 0;
  if (!blocked && ignored(info.number)) return;
  const bool standard = info.number < kFirstRealTime;
  if (standard && (pending() & bit(info.number)) != 0) return;
  if (queue_.size() < kQueueLimit) queue_.push_back(info);
}

std::optional<SigInfo> Signals::take(u64 set) {
  const u64 ready = pending() & set;
  const u64 first = (ready & kSynchronous) != 0 ? ready & kSynchronous : ready;
  if (first == 0) return std::nullopt;
  const int number = std::countr_zero(first) + 1;
  const auto it =
      std::find_if(queue_.begin(), queue_.end(), [&](const SigInfo& i) { return i.number == number; });
  const SigInfo info = *it;
  queue_.erase(it);
  return info;
}

std::optional<SigInfo> Signals::next() {
  return take(~mask_);
}

void Signals::force(const SigInfo& info) {
  const bool blocked = (mask_ & bit(info.number)) != 0;
  if (blocked || action(info.number).handler == kIgnore) {
    actions_[index(info.number)] = {};
    mask_ &= ~bit(info.number);
  }
  std::erase_if(queue_, [&](const SigInfo& i) { return i.number == info.number; });
  queue_.push_back(info);
}

}  // namespace lastbranch::user
