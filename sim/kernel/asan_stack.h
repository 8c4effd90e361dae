#pragma once
// What SystemC does not tell AddressSanitizer about its coroutines. In other builds nothing is left of it.
//
// SystemC 2.3.4 announces each switch to a thread's stack, but neither the return to the host's stack nor
// that a dead thread's stack memory is free again: exceptions thrown after a run, and new threads on old
// stacks, would be reported as errors. Source: sanitizer/common_interface_defs.h, the fiber functions;
// sc_cor_qt.cpp of SystemC 2.3.4.
#include <cstddef>

#ifdef __SANITIZE_ADDRESS__
#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>
#endif

namespace lastbranch::kernel {

#ifdef __SANITIZE_ADDRESS__

/// The stack that AddressSanitizer believes to be current.
struct BelievedStack {
  const void* bottom = nullptr;
  std::size_t size = 0;

  /// Makes it the believed one.
  void announce() const {
    void* fake = nullptr;
    __sanitizer_start_switch_fiber(&fake, bottom, size);
    __sanitizer_finish_switch_fiber(fake, nullptr, nullptr);
  }
  /// Asks by announcing another and taking it back.
  static BelievedStack current() {
    BelievedStack now;
    void* fake = nullptr;
    __sanitizer_start_switch_fiber(&fake, &now, sizeof now);
    __sanitizer_finish_switch_fiber(fake, &now.bottom, &now.size);
    now.announce();
    return now;
  }
};

/// Around something that switches to coroutines and comes back.
class HostStack {
 public:
  HostStack() : stack_(BelievedStack::current()) {}
  ~HostStack() { stack_.announce(); }
  HostStack(const HostStack&) = delete;
  HostStack& operator=(const HostStack&) = delete;

 private:
  BelievedStack stack_;
};

/// First thing in a thread: a thread that died here before may have left poisoned frames. Itself without any,
/// so that everything below its caller can be cleaned.
[[gnu::noinline, gnu::no_sanitize_address]] inline void forget_dead_frames() {
  const BelievedStack own = BelievedStack::current();
  const auto* bottom = static_cast<const char*>(own.bottom);
  const auto* here = static_cast<const char*>(__builtin_frame_address(0));
  if (bottom < here && here < bottom + own.size) {
    __asan_unpoison_memory_region(bottom, static_cast<std::size_t>(here - bottom));
  }
}

#else

struct HostStack {
  HostStack() {}
  ~HostStack() {}
};
inline void forget_dead_frames() {}

#endif

}  // namespace lastbranch::kernel
