#include "apps/lastbranch/stop_signals.h"

#include <atomic>

#include <unistd.h>

#include "sim/perfdata/temporaries.h"

namespace lastbranch::cli {
namespace {

// A handler reaches nothing but globals.
std::atomic<void*> g_machine = nullptr;
std::atomic<void (*)(void*)> g_request_stop = nullptr;
std::atomic<int> g_received = 0;
static_assert(std::atomic<void*>::is_always_lock_free && std::atomic<int>::is_always_lock_free &&
              std::atomic<void (*)(void*)>::is_always_lock_free);

void stop(int signal) {
  int none = 0;
  if (!g_received.compare_exchange_strong(none, signal)) {
    perfdata::remove_temporaries();
    _exit(128 + signal);
  }
  if (void* machine = g_machine.load()) g_request_stop.load()(machine);
}

}  // namespace

StopSignals::StopSignals(void* machine, void (*request_stop)(void*)) {
  g_received = 0;
  g_request_stop = request_stop;
  g_machine = machine;
  for (std::size_t i = 0; i < kSignals.size(); ++i) {
    const bool only_ignore = kSignals[i] == SIGPIPE || kSignals[i] == SIGXFSZ;
    struct sigaction action {};
    action.sa_handler = only_ignore ? SIG_IGN : stop;
    // Without SA_RESTART: a system call of the program that waits on the host comes back to be stopped.
    sigaction(kSignals[i], nullptr, &before_[i]);
    if (only_ignore || before_[i].sa_handler != SIG_IGN) sigaction(kSignals[i], &action, nullptr);
  }
}

StopSignals::~StopSignals() {
  for (std::size_t i = 0; i < kSignals.size(); ++i) sigaction(kSignals[i], &before_[i], nullptr);
  g_machine = nullptr;
}

int StopSignals::received() const {
  return g_received;
}

}  // namespace lastbranch::cli
