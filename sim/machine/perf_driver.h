#pragma once
// What an operating system's perf driver does with a PMU: programs counters through their MSRs, re-arms them
// at each overflow, and shares them out when there are more events than counters.
//
// Modelled: counting and sampling by period, precise samples, freezing LBRs on a PMI, multiplexing by turns
// of 4 ms. Not: groups, frequencies that adapt. It runs between two instructions and costs the program
// nothing. Source: Linux 6.12 kernel/events/core.c and arch/x86/events/core.c for how counts are scaled and
// periods kept.
#include <functional>
#include <optional>
#include <span>
#include <vector>

#include "models/pmu/event_spec.h"
#include "sim/base/debugctl.h"
#include "sim/base/horizon.h"
#include "sim/machine/pebs_buffer.h"
#include "sim/machine/processor.h"
#include "sim/perfdata/branch_filter.h"

namespace lastbranch {

/// One overflow of a sampling event.
struct PerfSample {
  std::size_t event;  ///< number of the event
  u64 ip;             ///< the next instruction; with two or three p's the one that overflowed
  const pmu::PebsSample* pebs = nullptr;  ///< the record, where PEBS wrote one; valid during the call
};

/// How samples are taken.
enum class Sampling : u8 {
  kInterrupt,  ///< a PMI; of precise events at exactly the instruction that overflows
  kPebs,       ///< through the PEBS buffer, with the part's own rule of which instruction is sampled
};

/// Called between two instructions.
using SampleCallback = std::function<void(const PerfSample&)>;

/// An event's count, and for how much of the time it was on a counter.
struct PerfCount {
  u64 value = 0;    ///< as counted
  u64 enabled = 0;  ///< core clocks since it was added
  u64 running = 0;  ///< core clocks of these on a counter

  /// What it would have been on a counter all the time, as perf estimates it.
  [[nodiscard]] u64 scaled() const;
};

class PerfDriver final : public PmiTarget {
 public:
  /// `processor` and its MSRs must outlive it.
  void attach(Processor& processor) { processor_ = &processor; }

  /// Counts `spec` from now on, with a `period` (>= 1) also samples it. Returns its number. Throws Error: no
  /// counter of the part takes the event, sampling events do not fit on the counters together, or PEBS cannot
  /// sample the event.
  std::size_t add(const pmu::EventSpec& spec, u64 period = 0, SampleCallback callback = {},
                  Sampling sampling = Sampling::kInterrupt);
  /// The memory behind the DS area, for the processor's ports.
  [[nodiscard]] GuestMemory& ds_memory() { return pebs_; }
  [[nodiscard]] PerfCount count(std::size_t event) const;
  [[nodiscard]] std::size_t events() const { return events_.size(); }
  /// The counter that the event is on now.
  [[nodiscard]] std::optional<pmu::CounterBit> counter_of(std::size_t event) const;
  /// Some events wait for a counter now.
  [[nodiscard]] bool multiplexing() const { return active_.size() < events_.size(); }

  /// Switches last-branch records on, frozen while a PMI is handled where the part can and call stacks
  /// allow it. Records that count events keep the events that are added later on counters that can.
  void record_branches(const BranchFilter& filter);

  /// Core clocks of a turn.
  [[nodiscard]] u64 turn() const;

  // The hart's side.
  void limit(Horizon& horizon) const;
  void pmi() override { pmi_ = true; }
  /// After each run, counters served: handles a PMI, ends a turn that is over.
  void serve();

 private:
  struct Event {
    pmu::EventSpec spec;
    u64 period;
    SampleCallback callback;
    bool pebs = false;
    u64 value = 0;     ///< counted up to the last look
    u64 last = 0;      ///< the counter's value at the last look
    u64 left = 0;      ///< sampling: events to go to the next sample when the counter was last armed
    u64 added_at = 0;  ///< core clock
    u64 running = 0;   ///< core clocks on a counter, up to started_at
    u64 started_at = 0;
  };
  /// An event on its counter.
  struct Active {
    std::size_t event;
    pmu::CounterBit counter;
  };

  [[nodiscard]] static bool is_precise(const Event& e) {
    return e.period != 0 && e.spec.precise >= 1 && !e.pebs;
  }
  void schedule();
  void unschedule();
  void start(const Active& active);
  void stop(const Active& active);
  void arm(const Active& active);
  void collect(const Active& active);
  void overflow(const Active& active);
  void handle_pmi();
  void take_record(const pmu::PebsSample& record, std::span<const Active> active);
  void set_counter(pmu::CounterBit counter, u64 value);
  void write(u32 msr, u64 value);
  [[nodiscard]] u64 max_period(pmu::CounterBit counter) const;

  Processor* processor_ = nullptr;
  PebsBuffer pebs_;
  std::vector<Event> events_;
  std::vector<Active> active_;
  std::size_t first_ = 0;    ///< whose turn it is to be placed first
  u64 turn_ends_ = 0;        ///< core clock
  u64 fixed_control_ = 0;    ///< IA32_FIXED_CTR_CTRL as last written
  u64 pebs_enable_ = 0;      ///< IA32_PEBS_ENABLE as last written
  bool log_events_ = false;  ///< records count the events that happen between them
  u64 debugctl_ = 0;         ///< IA32_DEBUGCTL as it is to be outside of a PMI's handling
  bool pmi_ = false;
};

}  // namespace lastbranch
