#include "sim/machine/recorder.h"

#include <algorithm>
#include <array>
#include <bit>
#include <filesystem>
#include <map>
#include <utility>

#include "sim/base/error.h"
#include "sim/base/kernel_half.h"
#include "sim/user/layout.h"

namespace lastbranch {
namespace {

using perfdata::BranchEntry;
using perfdata::BranchFlags;

/// Addresses in a callchain, as the kernel's own limit (kernel.perf_event_max_stack).
constexpr u16 kCallchainMax = 127;
/// Bits of one counter's events in a record.
constexpr unsigned kBitsPerCounter = 2;

/// Periods are chosen as if the event happened once a cycle: exact for cycles, a bound for all others.
u64 default_period(const Machine& machine) {
  return std::max<u64>(1, machine.uarch().frequency_hz / kDefaultFrequency);
}

perfdata::EventAttr attribute(const SampledEvent& event, u64 period, const RecordConfig& config) {
  perfdata::EventAttr attr;
  attr.name = event.spec.text;
  attr.type = event.spec.perf_type;
  attr.config = event.spec.perf_config;
  attr.period = period;
  attr.exclude_user = event.spec.kernel_only;
  attr.exclude_kernel = event.spec.user_only;
  attr.precise_ip = event.spec.precise;
  if (config.branches) attr.branch_sample_type = config.branches->sample_type;
  if (config.callchain) attr.max_stack = kCallchainMax;
  return attr;
}

perfdata::WriterConfig writer_config(const Machine& machine, const RecordConfig& config) {
  const cpu::Uarch& part = machine.uarch();
  perfdata::WriterConfig w;
  w.path = config.path;
  w.stream_fd = config.stream_fd;
  w.compress = config.compress;
  w.attr_size = config.attr_size;
  for (const SampledEvent& event : config.events) {
    w.events.push_back(attribute(event, event.period != 0 ? event.period : default_period(machine), config));
  }
  w.hostname = "lastbranch";
  w.os_release = "6.1.0";
  w.version = kRecorderVersion;
  w.cpu_desc = std::string(part.brand);
  w.cpu_id = part.cpuid_string();
  w.mem_kb = machine.memory_bytes() / 1024;
  w.cmdline = config.cmdline;
  w.pmu_caps = {{"branches", std::to_string(part.lbr.depth)},
                {"max_precise", "0"},
                {"pmu_name", std::string(part.name)}};
  if (config.branches && config.branches->counters()) {
    // What perf needs to take the counts of each branch apart.
    w.one_group = true;
    w.pmu_caps.emplace_back("branch_counter_nr",
                            std::to_string(std::popcount(part.lbr.arch.event_log_counters)));
    w.pmu_caps.emplace_back("branch_counter_width", std::to_string(kBitsPerCounter));
  }
  return w;
}

/// The counts of one record, which are by general counter, as the kernel gives them: by event.
u64 by_event(u8 counts, std::span<const pmu::CounterBit> counters) {
  u64 out = 0;
  for (std::size_t k = 0; k < counters.size(); ++k) {
    constexpr u64 kMask = (1u << kBitsPerCounter) - 1;
    out |= (u64{counts} >> (kBitsPerCounter * counters[k]) & kMask) << (kBitsPerCounter * k);
  }
  return out;
}

}  // namespace

struct Recorder::State {
  Machine& machine;
  RecordConfig config;
  perfdata::Writer writer;
  std::map<std::string, std::optional<perfdata::BuildId>> build_ids;
  std::array<lbr::Entry, lbr::Lbr::kMaxDepth> ring{};
  std::array<BranchEntry, lbr::Lbr::kMaxDepth> stack{};
  std::array<u64, lbr::Lbr::kMaxDepth> counts{};  ///< of each entry of `stack`
  std::vector<std::size_t> numbers;               ///< of the events, as the machine counts them
  std::vector<pmu::CounterBit> counters;          ///< of each event, where records count events
  std::vector<u64> chain;

  State(Machine& m, RecordConfig c) : machine(m), config(std::move(c)), writer(writer_config(m, config)) {}

  const std::optional<perfdata::BuildId>& build_id(const std::string& path) {
    const auto [it, added] = build_ids.try_emplace(path);
    if (added && path.starts_with('/') && !path.starts_with("//")) it->second = perfdata::read_build_id(path);
    return it->second;
  }

  void mapping(const user::ExecMapping& m) {
    writer.mmap2({.pid = user::kPid,
                  .tid = user::kPid,
                  .addr = m.address,
                  .len = m.length,
                  .pgoff = m.pgoff,
                  .prot = m.prot,
                  .flags = m.flags,
                  .filename = m.filename,
                  .build_id = build_id(m.filename),
                  .major = m.major,
                  .minor = m.minor,
                  .inode = m.inode},
                 machine.now_ns());
  }

  /// The ring as perf's driver hands it out, newest first.
  std::span<const BranchEntry> branch_stack() {
    const std::size_t n = machine.lbr().read(ring);
    const LbrFormat format = machine.lbr().params().format;
    const u64 wanted = config.branches->sample_type;
    std::size_t kept = 0;
    for (std::size_t k = 0; k < n; ++k) {
      const lbr::Entry& e = ring[k];
      const bool kernel = in_kernel(e.from);
      if (!config.raw_lbr && !config.branches->keeps(e.kind, kernel)) continue;
      BranchFlags flags;
      if (lbr::has_misprediction(format) && (wanted & perfdata::kBranchNoFlags) == 0) {
        flags.mispredicted = e.mispredicted;
        flags.predicted = !e.mispredicted;
        flags.in_tx = e.in_tx;
        flags.abort = e.abort;
      }
      if ((wanted & perfdata::kBranchNoCycles) == 0) flags.cycles = e.cycles;
      if ((wanted & perfdata::kBranchTypeSave) != 0 && e.kind != BranchKind::kCount) {
        flags.type = perfdata::branch_type(e.kind);
      }
      if ((wanted & perfdata::kBranchPrivSave) != 0) flags.priv = in_kernel(e.to) ? 2 : 1;
      counts[kept] = by_event(e.events, counters);
      stack[kept++] = {.from = e.from, .to = e.to, .flags = flags.pack()};
    }
    return {stack.data(), kept};
  }

  /// The callers by frame pointers, as the kernel walks a user's stack.
  std::span<const u64> callchain(u64 ip) {
    struct Frame {
      u64 next;
      u64 returns_to;
    };
    chain.assign({perfdata::kContextUser, ip});
    user::AddressSpace& memory = machine.process().memory();
    Frame frame{.next = machine.cpu().r[cpu::kRbp], .returns_to = 0};
    while (chain.size() <= kCallchainMax && memory.read(frame.next, frame)) chain.push_back(frame.returns_to);
    return chain;
  }

  /// As the kernel knows it: records that PEBS wrote, and architectural ones, do not tell.
  [[nodiscard]] u64 hw_index(const PerfSample& taken) const {
    constexpr u64 kUnknown = ~u64{0};
    const bool by_hardware = taken.pebs != nullptr && machine.uarch().pmu.pebs_format >= 4;
    return by_hardware ? kUnknown : machine.lbr().tos();
  }

  void sample(const PerfSample& taken, std::size_t event, u64 period) {
    if (config.branches && config.branches->counters() && counters.empty()) find_counters();
    const std::span<const BranchEntry> branches =
        config.branches ? branch_stack() : std::span<const BranchEntry>{};
    writer.sample({.event = event,
                   .ip = taken.ip,
                   .pid = user::kPid,
                   .tid = user::kPid,
                   .time = machine.now_ns(),
                   .cpu = 0,
                   .period = period,
                   .branches = branches,
                   .hw_index = hw_index(taken),
                   .branch_counters = std::span(counts).first(branches.size()),
                   .callchain = config.callchain ? callchain(taken.ip) : std::span<const u64>{}});
  }

  void find_counters() {
    for (const std::size_t event : numbers) counters.push_back(machine.counter_of(event).value());
  }
};

Recorder::Recorder(Machine& machine, RecordConfig config)
    : state_(std::make_unique<State>(machine, std::move(config))) {
  State& s = *state_;
  s.writer.comm(user::kPid, user::kPid, machine.process().name(), true, machine.now_ns());
  for (const user::ExecMapping& m : machine.process().memory().executable_mappings()) s.mapping(m);
  machine.process().memory().observe_executable([&s](const user::ExecMapping& m) { s.mapping(m); });
  if (s.config.branches) machine.enable_lbr(*s.config.branches);
  for (std::size_t k = 0; k < s.config.events.size(); ++k) {
    const SampledEvent& event = s.config.events[k];
    const u64 period = event.period != 0 ? event.period : default_period(machine);
    s.numbers.push_back(machine.sample(
        event.spec, period, [&s, k, period](const PerfSample& p) { s.sample(p, k, period); },
        s.config.pebs ? Sampling::kPebs : Sampling::kInterrupt));
  }
}

Recorder::~Recorder() {
  if (state_) state_->machine.process().memory().observe_executable({});
}

perfdata::WriteSummary Recorder::finish(const RunOutcome& outcome) {
  State& s = *state_;
  if (outcome.ended())
    s.writer.exit(user::kPid, user::kPid, user::kParentPid, user::kParentPid, s.machine.now_ns());
  s.writer.finish();
  return s.writer.summary();
}

}  // namespace lastbranch
