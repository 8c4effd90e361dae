#include "sim/kernel/sim_context.h"

#include <utility>

#include "sim/base/assert.h"
#include "sim/base/error.h"
#include "sim/kernel/asan_stack.h"

/// libsystemc has a main() that calls this; ours comes first, yet the symbol must exist where the library is
/// loaded.
extern "C" [[gnu::visibility("default")]] int sc_main(int /*argc*/, char* /*argv*/[]) {
  return 0;
}

#ifdef __SANITIZE_ADDRESS__
/// A context that dies while a thread waits for a time leaks that notification, 16 bytes of a pool of
/// SystemC's own: it has no door by which to cancel it.
extern "C" [[gnu::visibility("default")]] const char* __lsan_default_suppressions();
extern "C" const char* __lsan_default_suppressions() {
  return "leak:sc_core::sc_event_timed::allocate";
}
#endif

namespace lastbranch::kernel {
namespace {

/// Guards sc_curr_simcontext and everything that reaches it. Recursive: a Scope may be open when a machine is
/// built.
std::recursive_mutex& lock() {
  static std::recursive_mutex mutex;
  return mutex;
}

/// Whether a run is going on; only touched under the lock.
bool running = false;

/// What SystemC would print about runs that are none of the user's business.
void silence() {
  sc_core::sc_report_handler::set_actions(sc_core::SC_ID_NO_SC_START_ACTIVITY_, sc_core::SC_DO_NOTHING);
}

}  // namespace

SimContext::Scope::Scope(SimContext& context)
    : lock_(lock()), before_(std::exchange(sc_core::sc_curr_simcontext, context.context_.get())) {}

SimContext::Scope::~Scope() {
  sc_core::sc_curr_simcontext = before_;
}

SimContext::SimContext() {
  const std::unique_lock held(lock());
  // The constructor of a context makes objects that look at the current one: let that be itself.
  sc_core::sc_simcontext* before = sc_core::sc_curr_simcontext;
  context_ = std::make_unique<sc_core::sc_simcontext>();
  sc_core::sc_curr_simcontext = before;
  silence();
}

SimContext::~SimContext() {
  const Scope scope(*this);
  LASTBRANCH_CHECK(!running || scope.before() != context_.get(), "a machine destroyed by its own run");
  context_.reset();
}

template <class Start>
void SimContext::guarded(Start start) {
  const Scope scope(*this);
  if (running) throw Error("machine: expected one simulation at a time, found a run within a run");
  running = true;
  struct Running {
    ~Running() { running = false; }
  } const reset;
  {
    const HostStack host;
    start();
  }
  if (error_ != nullptr) std::rethrow_exception(std::exchange(error_, nullptr));
}

void SimContext::run(const sc_core::sc_time& duration) {
  guarded([&] { sc_core::sc_start(duration, sc_core::SC_RUN_TO_TIME); });
}

void SimContext::run() {
  guarded([] { sc_core::sc_start(); });
}

void SimContext::pause() {
  LASTBRANCH_CHECK(running && sc_core::sc_curr_simcontext == context_.get(), "pause outside of a run");
  sc_core::sc_pause();
}

void SimContext::fail(std::exception_ptr error) {
  if (error_ == nullptr) error_ = std::move(error);
  pause();
}

sc_core::sc_time SimContext::now() const {
  const std::unique_lock held(lock());
  return context_->time_stamp();
}

}  // namespace lastbranch::kernel
