#pragma once
// Runs code on the host's own processor from a given state, and returns the state after it.
//
// Entry is a trap whose handler replaces the interrupted context by the wanted one, so that the kernel's
// return from the signal loads all registers at once; exit is the exception that ends the code, caught on a
// signal stack of its own, which is why even RSP may hold anything. The first exception ends the run. Not
// covered: FS base (it is the process's own), RFLAGS.AC, code that loops for ever or makes system calls.
#include "tests/cpu/machine_state.h"

namespace lastbranch::host {

class NativeCpu {
 public:
  /// Maps the windows and installs the handlers; one instance a process.
  static NativeCpu& instance();
  NativeCpu(const NativeCpu&) = delete;
  NativeCpu& operator=(const NativeCpu&) = delete;

  /// Runs from `before` until an exception, at full speed; `executed` stays 0.
  void run(const Image& before, Outcome& out);
  /// Runs at most `limit` instructions one at a time with RFLAGS.TF and counts them; a repeated string
  /// instruction is one. PUSHF shows the set TF, and POPF ends the stepping, so leave both to run().
  void step(const Image& before, u64 limit, Outcome& out);

 private:
  NativeCpu();
  void enter(const Image& before, u64 limit, Outcome& out);
};

}  // namespace lastbranch::host
