#include "bindings/python/src/interrupts.h"

#include <atomic>

#include <signal.h>
#include <unistd.h>

#include "sim/machine/machine.h"

namespace lastbranch::python {
namespace {

// A signal handler has no arguments of ours. Only the main thread writes these.
std::atomic<Machine*> running_machine{nullptr};
std::atomic<bool> seen{false};
struct sigaction python_action;

void on_interrupt(int number) {
  seen.store(true);
  if (Machine* machine = running_machine.load(); machine != nullptr) machine->request_stop();
  python_action.sa_handler(number);
}

}  // namespace

StopOnInterrupt::StopOnInterrupt(Machine& machine) {
  if (::gettid() != ::getpid()) return;
  struct sigaction now {};
  ::sigaction(SIGINT, nullptr, &now);
  const bool has_handler =
      (now.sa_flags & SA_SIGINFO) == 0 && now.sa_handler != SIG_DFL && now.sa_handler != SIG_IGN;
  if (!has_handler) return;
  python_action = now;
  seen.store(false);
  running_machine.store(&machine);
  struct sigaction ours = now;
  ours.sa_handler = on_interrupt;
  ::sigaction(SIGINT, &ours, nullptr);
  installed_ = true;
}

StopOnInterrupt::~StopOnInterrupt() {
  if (!installed_) return;
  ::sigaction(SIGINT, &python_action, nullptr);
  running_machine.store(nullptr);
}

bool StopOnInterrupt::happened() const {
  return installed_ && seen.load();
}

}  // namespace lastbranch::python
