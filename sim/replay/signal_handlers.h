#pragma once
/// Signal handlers of the programs in a capture, by what their entries and returns leave in the records.
///
/// The kernel enters a handler from wherever the program is, and records of user mode need not show that: a
/// straight line ends early and goes on at a function's first instruction. Whether that function is a handler
/// shows where it returns: to the code that calls rt_sigreturn, which nobody calls. One window seldom holds
/// both, so such entries wait until the capture has ended. Not known here: handlers that never return
/// (siglongjmp), functions without symbols.
/// Source: Linux 6.12, arch/x86/kernel/signal_64.c (the frame's return address is sa_restorer).
#include <map>
#include <utility>
#include <vector>

#include "sim/base/units.h"
#include "sim/replay/control_flow.h"
#include "sim/replay/report.h"

namespace lastbranch::replay {

class SignalHandlers {
 public:
  /// The function that begins at `function` was seen to return to rt_sigreturn.
  void found(const Site& function) { of(function).handler = true; }
  /// A line broke and went on in `function`. Its cause is that of `example`, unless the function turns out to
  /// be a handler. False: there are too many of them to remember.
  [[nodiscard]] bool entered(const Site& function, Example example);
  /// Reports what has waited.
  void finish(Report& report);

 private:
  static constexpr std::size_t kMostFunctions = 4096;

  struct Entries {
    u64 count = 0;
    std::vector<Example> first;  ///< as many as a report keeps
  };
  struct Function {
    bool handler = false;
    std::map<Cause, Entries> waiting;  ///< by what they are if it is none
  };
  [[nodiscard]] Function& of(const Site& site) { return functions_[{site.code, site.address}]; }

  std::map<std::pair<u32, u64>, Function> functions_;
};

}  // namespace lastbranch::replay
