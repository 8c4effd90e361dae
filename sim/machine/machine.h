#pragma once
// The assembly: one hart with its memory, LBR ring, counters and a user process, in a SystemC simulation of
// its own. The one place that knows all models.
//
// Modelled: one user-mode process on one hart. Not: several harts, the bare-metal board (later machines).
#include <atomic>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "models/cpu/cpu.h"
#include "models/cpu/uarch/uarch.h"
#include "models/lbr/lbr.h"
#include "models/pmu/event_spec.h"
#include "sim/base/ledger.h"
#include "sim/base/msr_bus.h"
#include "sim/machine/perf_driver.h"
#include "sim/user/process.h"

namespace lastbranch {

struct MachineConfig {
  std::string uarch = std::string(cpu::kDefaultUarch);  ///< a name or alias of cpu::uarchs()
  /// (field, value) of cpu::uarch_fields() to change in the record: {"lbr_depth", 16}.
  std::vector<std::pair<std::string, u64>> overrides;
  user::ProcessConfig
      process;          ///< program, arguments, environment, limits; the machine sets its clock and processor
  pmu::PmuOptions pmu;  ///< skid and other choices
  u64 quantum = 10'000;  ///< core cycles between synchronisations with the SystemC kernel
};

/// How a run ended, or why it paused.
struct RunOutcome {
  enum class How : u8 {
    kExited,   ///< `status` is the exit status, 0..255
    kKilled,   ///< `status` is the signal number
    kLimit,    ///< the instruction limit; run() continues
    kStopped,  ///< request_stop(); run() continues
  };
  How how = How::kLimit;
  int status = 0;

  [[nodiscard]] bool ended() const { return how == How::kExited || how == How::kKilled; }
  /// As a shell shows it: the status, or 128 + signal; 0 while the program has not ended.
  [[nodiscard]] int exit_code() const {
    return how == How::kKilled ? 128 + status : how == How::kExited ? status : 0;
  }
};

class Machine {
 public:
  /// Loads the program. Throws Error: unknown names, files that cannot be run.
  explicit Machine(MachineConfig config);
  ~Machine();
  Machine(const Machine&) = delete;
  Machine& operator=(const Machine&) = delete;

  static constexpr u64 kNoLimit = ~u64{0};

  /// Simulates up to `max_instructions` more (exactly, unless the program ends). May be called again after
  /// kLimit and kStopped. Throws what a model or callback throws.
  RunOutcome run(u64 max_instructions = kNoLimit);
  /// Ends run() within a quantum; safe in a signal handler and from another thread.
  void request_stop() noexcept { stop_.store(true, std::memory_order_relaxed); }

  /// Adds a counter of `spec` beside the PMU's, running from now; there are as many as one likes. Returns its
  /// number. Throws Error when the event is not supported.
  std::size_t count(const pmu::EventSpec& spec);
  [[nodiscard]] u64 counted(std::size_t n) const;

  /// Counts `spec` on the PMU's counters; with more events than counters they take turns. Returns the event's
  /// number. Throws Error when the event is not supported or no counter takes it.
  std::size_t perf_count(const pmu::EventSpec& spec);
  [[nodiscard]] PerfCount perf_counted(std::size_t event) const;
  /// Samples `spec` every `period` events (>= 1) on one of the PMU's counters: the callback comes after the
  /// skid, for precise events at exactly the instruction that overflows. Returns the event's number. Throws
  /// Error as perf_count(), and when sampling events do not fit on the counters together.
  std::size_t sample(const pmu::EventSpec& spec, u64 period, SampleCallback callback,
                     Sampling sampling = Sampling::kInterrupt);

  /// The counter of the PMU that the event of perf_count() or sample() is on now.
  [[nodiscard]] std::optional<pmu::CounterBit> counter_of(std::size_t event) const;

  /// Switches last-branch records on, as `perf record -b` or -j does.
  void enable_lbr(const BranchFilter& filter = any_user_branch());

  [[nodiscard]] const cpu::Uarch& uarch() const;
  /// The effective configuration in a fixed order, for headers and results.
  [[nodiscard]] std::vector<std::pair<std::string, std::string>> configuration() const;
  [[nodiscard]] lbr::Lbr& lbr();
  [[nodiscard]] const Ledger& ledger() const;
  [[nodiscard]] MsrBus& msrs();
  [[nodiscard]] pmu::Pmu& pmu();
  /// See Processor::unmodelled().
  [[nodiscard]] std::vector<std::string> unmodelled() const;
  [[nodiscard]] cpu::Cpu& cpu();
  [[nodiscard]] user::Process& process();
  /// Retired since the start.
  [[nodiscard]] u64 instructions() const;
  /// Core cycles since the start.
  [[nodiscard]] u64 cycles() const;
  /// Simulated time since the start, in ns: cycles at the part's frequency.
  [[nodiscard]] u64 now_ns() const;
  /// Simulated RAM.
  [[nodiscard]] u64 memory_bytes() const;

 private:
  struct Parts;
  std::unique_ptr<Parts> parts_;
  std::atomic<bool> stop_{false};
};

}  // namespace lastbranch
