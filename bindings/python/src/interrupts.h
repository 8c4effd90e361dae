#pragma once
// Lets Ctrl-C end a simulation that waits in a system call of the host, or that is far from its next look.
namespace lastbranch {
class Machine;
}

namespace lastbranch::python {

/// While it lives, SIGINT also asks `machine` to stop, beside what Python's own handler does. Only in the
/// main thread, where Python runs signal handlers, and only where Python handles SIGINT at all.
class StopOnInterrupt {
 public:
  explicit StopOnInterrupt(Machine& machine);
  ~StopOnInterrupt();
  StopOnInterrupt(const StopOnInterrupt&) = delete;
  StopOnInterrupt& operator=(const StopOnInterrupt&) = delete;

  /// Whether SIGINT came.
  [[nodiscard]] bool happened() const;

 private:
  bool installed_ = false;
};

}  // namespace lastbranch::python
