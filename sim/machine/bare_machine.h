#pragma once
// A machine without an operating system: one processor at CPL 0 on an identity map, its local APIC, an exit
// port and an output port, in a SystemC simulation of its own. docs/bare-machine.md is its manual.
//
// Modelled: see sim/board/layout.h for addresses and the state at the start. Not: a firmware, page tables,
// several processors, a PC's devices.
#include <atomic>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "models/vmx/vmx.h"
#include "sim/board/layout.h"
#include "sim/machine/processor.h"

namespace lastbranch {

struct BareConfig {
  std::string uarch = std::string(cpu::kDefaultUarch);  ///< a name or alias of cpu::uarchs()
  /// (field, value) of cpu::uarch_fields() to change in the record.
  std::vector<std::pair<std::string, u64>> overrides{};
  std::string image{};                             ///< a flat image or an ELF executable
  u64 memory_bytes = board::kDefaultMemory;        ///< kLeastMemory..kMostMemory
  u64 timer_hz = 100'000'000;                      ///< rate of the local APIC's undivided timer
  u64 quantum = 10'000;                            ///< core cycles between synchronisations with SystemC
  std::function<void(std::string_view)> output{};  ///< takes what the output port is given
  pmu::PmuOptions pmu{};
  bool vmx = false;  ///< the processor has VMX (CPUID.1:ECX[5])
  vmx::VmxOptions vmx_options{};
};

/// How a run ended, or why it paused.
struct BareOutcome {
  enum class How : u8 {
    kExited,    ///< the exit port was written; `status` is 0..255
    kHalted,    ///< HLT, and nothing is armed that could ever end it
    kShutdown,  ///< triple fault
    kLimit,     ///< the instruction limit; run() continues
    kStopped,   ///< request_stop(); run() continues
  };
  static constexpr int kHaltedStatus = 124, kShutdownStatus = 125;

  How how = How::kLimit;
  int status = 0;

  [[nodiscard]] bool ended() const { return how != How::kLimit && how != How::kStopped; }
  /// The program's status, or the two above; 0 while it has not ended.
  [[nodiscard]] int exit_code() const {
    if (how == How::kHalted) return kHaltedStatus;
    return how == How::kShutdown ? kShutdownStatus : status;
  }
};

class BareMachine {
 public:
  /// Loads the image. Throws Error: unknown names, files that cannot be run.
  explicit BareMachine(BareConfig config);
  ~BareMachine();
  BareMachine(const BareMachine&) = delete;
  BareMachine& operator=(const BareMachine&) = delete;

  static constexpr u64 kNoLimit = ~u64{0};

  /// Simulates up to `max_instructions` more (exactly, unless the program ends). May be called again after
  /// kLimit and kStopped. Throws what a model or the output's sink throws.
  BareOutcome run(u64 max_instructions = kNoLimit);
  /// Ends run() within a quantum; safe in a signal handler and from another thread.
  void request_stop() noexcept { stop_.store(true, std::memory_order_relaxed); }

  [[nodiscard]] Processor& processor();
  [[nodiscard]] PhysMem& memory();
  /// nullptr without BareConfig::vmx.
  [[nodiscard]] const vmx::Vmx* vmx() const;
  [[nodiscard]] u64 instructions() const;
  /// Core cycles since the start, halted ones included.
  [[nodiscard]] u64 cycles() const;
  /// After kShutdown: where and of what it died, in words.
  [[nodiscard]] std::string shutdown_reason() const;
  /// What the program wanted that is not modelled, a line each: ports, MSRs, events, APIC deliveries.
  [[nodiscard]] std::vector<std::string> unmodelled() const;

 private:
  struct Parts;
  std::unique_ptr<Parts> parts_;
  std::atomic<bool> stop_{false};
};

}  // namespace lastbranch
