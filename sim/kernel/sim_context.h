#pragma once
// A SystemC simulation context of its own for each machine.
//
// SystemC elaborates once per context: in the default one, no module could be built after the first sc_start.
// Contexts are process-wide state, so one lock guards them: one thread at a time builds, runs or destroys
// anything of SystemC's. Runs in parallel are processes. Source: IEEE 1666-2011, clause 4.3 "Running
// elaboration and simulation"; sc_simcontext of Accellera's SystemC 2.3.4.
#include <exception>
#include <memory>
#include <mutex>
#include <systemc>

#include "sim/base/units.h"

namespace lastbranch::kernel {

class SimContext {
 public:
  /// Makes a context current while it lives, and holds the process-wide lock: around building and destroying
  /// modules.
  class [[nodiscard]] Scope {
   public:
    explicit Scope(SimContext& context);
    ~Scope();
    Scope(const Scope&) = delete;
    Scope& operator=(const Scope&) = delete;
    /// What was current outside of the scope.
    [[nodiscard]] const sc_core::sc_simcontext* before() const { return before_; }

   private:
    std::unique_lock<std::recursive_mutex> lock_;
    sc_core::sc_simcontext* before_;
  };

  /// Waits while another thread uses SystemC: let nobody wait who holds a lock that a running simulation may
  /// want (as Python's is). The same holds for every function here and for Scope.
  SimContext();
  /// Modules must be gone by now.
  ~SimContext();
  SimContext(const SimContext&) = delete;
  SimContext& operator=(const SimContext&) = delete;

  /// Runs for `duration` of simulated time, or until pause(); the first run elaborates. Throws what was given
  /// to fail() as it is, and SystemC's own errors (sc_report). After either the context can only be
  /// destroyed. Throws Error when called from within a run, of whatever context: coroutines do not nest.
  void run(const sc_core::sc_time& duration);
  /// The same until pause(), or until nothing is left to happen.
  void run();

  /// From within a run: ends it after the current delta cycle; another run() continues.
  void pause();
  /// From within a run: ends it, and run() throws `error`.
  void fail(std::exception_ptr error);

  /// Simulated time so far.
  [[nodiscard]] sc_core::sc_time now() const;

 private:
  template <class Start>
  void guarded(Start start);

  std::unique_ptr<sc_core::sc_simcontext> context_;
  std::exception_ptr error_;
};

}  // namespace lastbranch::kernel
