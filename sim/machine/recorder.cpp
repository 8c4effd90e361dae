#include "sim/machine/recorder.h"

#include <algorithm>
#include <array>
#include <filesystem>
#include <map>
#include <utility>

#include "sim/base/error.h"
#include "sim/user/layout.h"

namespace lastbranch {
namespace {

using perfdata::BranchEntry;
using perfdata::BranchFlags;

/// Kernel addresses are the upper half.
bool in_kernel(u64 address) {
  return static_cast<i64>(address) < 0;
}

/// Periods are chosen as if the event happened once a cycle: exact for cycles, a bound for all others.
u64 default_period(const Machine& machine) {
  return std::max<u64>(1, machine.uarch().frequency_hz / kDefaultFrequency);
}

perfdata::EventAttr attribute(const SampledEvent& event, u64 period,
                              const std::optional<BranchFilter>& branches) {
  perfdata::EventAttr attr;
  attr.name = event.spec.text;
  attr.type = event.spec.perf_type;
  attr.config = event.spec.perf_config;
  attr.period = period;
  attr.exclude_user = event.spec.kernel_only;
  attr.exclude_kernel = event.spec.user_only;
  attr.precise_ip = event.spec.precise;
  if (branches) attr.branch_sample_type = branches->sample_type;
  return attr;
}

perfdata::WriterConfig writer_config(const Machine& machine, const RecordConfig& config) {
  const cpu::Uarch& part = machine.uarch();
  perfdata::WriterConfig w;
  w.path = config.path;
  for (const SampledEvent& event : config.events) {
    w.events.push_back(
        attribute(event, event.period != 0 ? event.period : default_period(machine), config.branches));
  }
  w.hostname = "lastbranch";
  w.os_release = "6.1.0";
  w.version = "lastbranch";
  w.cpu_desc = std::string(part.brand);
  w.cpu_id = part.cpuid_string();
  w.mem_kb = machine.memory_bytes() / 1024;
  w.cmdline = config.cmdline;
  w.pmu_caps = {{"branches", std::to_string(part.lbr.depth)},
                {"max_precise", "0"},
                {"pmu_name", std::string(part.name)}};
  return w;
}

}  // namespace

struct Recorder::State {
  Machine& machine;
  RecordConfig config;
  perfdata::Writer writer;
  std::map<std::string, std::optional<perfdata::BuildId>> build_ids;
  std::array<lbr::Entry, lbr::Lbr::kMaxDepth> ring{};
  std::array<BranchEntry, lbr::Lbr::kMaxDepth> stack{};

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
      stack[kept++] = {.from = e.from, .to = e.to, .flags = flags.pack()};
    }
    return {stack.data(), kept};
  }

  void sample(std::size_t event, u64 period, u64 ip) {
    const std::span<const BranchEntry> branches =
        config.branches ? branch_stack() : std::span<const BranchEntry>{};
    writer.sample({.event = event,
                   .ip = ip,
                   .pid = user::kPid,
                   .tid = user::kPid,
                   .time = machine.now_ns(),
                   .cpu = 0,
                   .period = period,
                   .branches = branches,
                   .hw_index = machine.lbr().tos()});
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
    machine.sample(
        event.spec, period, [&s, k, period](const PerfSample& p) { s.sample(k, period, p.ip); },
        s.config.pebs ? Sampling::kPebs : Sampling::kInterrupt);
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
