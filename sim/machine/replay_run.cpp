#include "sim/machine/replay_run.h"

#include <memory>
#include <unordered_map>
#include <unordered_set>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "models/cpu/uarch/uarch.h"
#include "sim/base/error.h"
#include "sim/machine/branch_stream.h"
#include "sim/machine/capture_windows.h"
#include "sim/perfdata/build_id.h"
#include "sim/perfdata/time_order.h"
#include "sim/replay/elf_code.h"
#include "sim/replay/processor.h"
#include "sim/user/layout.h"

namespace lastbranch {
namespace {

using replay::CommonPlace;
using replay::WindowIndex;

/// What the run executes: feeds the window index and counts.
class Run {
 public:
  Run(CaptureWindows& windows, Machine& machine) : windows_(windows) {
    user::AddressSpace& memory = machine.process().memory();
    for (const user::ExecMapping& m : memory.executable_mappings()) map(m);
    memory.observe_executable([this](const user::ExecMapping& m) { map(m); });
  }

  void take(std::span<const lbr::Entry> branches, bool gap) {
    if (gap) {
      windows_.index().cut();
      before_ = kNone;
    }
    for (const lbr::Entry& e : branches) {
      if (windows_.keeps(e.kind)) branch(e.from, e.to);
    }
  }

  /// The counts by place.
  [[nodiscard]] replay::FlowCounts flow() const {
    replay::FlowCounts flow;
    for (const Edge& e : edges_) {
      if (e.known) flow.edge(e.from_place, e.to_place, e.count);
    }
    each_pair([&](u32 a, u32 b, u64 count) {
      const Edge& first = edges_[a];
      const Edge& second = edges_[b];
      if (first.known && second.known && first.to_place.file == second.from_place.file)
        flow.line(first.to_place, second.from_place, count);
    });
    return flow;
  }
  /// Pairs of symbols of which the second follows the first.
  [[nodiscard]] std::unordered_set<u64> pairs() const {
    std::unordered_set<u64> pairs;
    each_pair([&](u32 a, u32 b, u64) { pairs.insert(pair_key(edges_[a].symbol, edges_[b].symbol)); });
    return pairs;
  }
  [[nodiscard]] static u64 pair_key(u32 a, u32 b) { return u64{a} << 32 | b; }
  [[nodiscard]] u64 branches() const {
    u64 all = 0;
    for (const Edge& e : edges_) all += e.count;
    return all;
  }
  /// The code of a file of the capture, by what the run has of it.
  [[nodiscard]] const replay::Code* code(u32 file) const {
    const auto it = codes_.find(file);
    return it == codes_.end() ? nullptr : it->second.get();
  }

 private:
  static constexpr u32 kNone = ~u32{0};

  struct Edge {
    u64 from = 0, to = 0;
    CommonPlace from_place{};
    CommonPlace to_place{};
    bool known = false;  ///< the capture has these places
    u32 symbol = WindowIndex::kOther;
    u32 maps = 0;  ///< generation of the maps
    u64 count = 0;
    // What followed it the last time, and how often.
    u32 next = kNone;
    u64 next_count = 0;
  };
  struct Key {
    u64 from, to;
    bool operator==(const Key&) const = default;
  };
  struct KeyHash {
    std::size_t operator()(const Key& k) const {
      return (k.from * 0x9e3779b97f4a7c15ull ^ k.to) * 0xc2b2ae3d27d4eb4full;
    }
  };

  void branch(u64 from, u64 to) {
    u32 now = kNone;
    if (before_ != kNone) {
      Edge& before = edges_[before_];
      if (before.next != kNone) {
        const Edge& guess = edges_[before.next];
        if (guess.from == from && guess.to == to && guess.maps == maps_generation_) now = before.next;
      }
      if (now == kNone) {
        now = find(from, to);
        Edge& again = edges_[before_];  // find() may have moved it
        if (again.next != kNone) pairs_[pair_key(before_, again.next)] += again.next_count;
        again.next = now;
        again.next_count = 0;
      }
      ++edges_[before_].next_count;
    } else {
      now = find(from, to);
    }
    Edge& e = edges_[now];
    ++e.count;
    windows_.index().step(e.symbol);
    before_ = now;
  }

  u32 find(u64 from, u64 to) {
    const auto [it, added] = numbers_.try_emplace({from, to}, static_cast<u32>(edges_.size()));
    if (!added) return it->second;
    Edge e{.from = from, .to = to, .maps = maps_generation_};
    const auto place = [&](u64 address) {
      return windows_.places().in_run(maps_.find(user::kPid, address), address);
    };
    const auto a = place(from);
    const auto b = place(to);
    if (a && b) {
      e.from_place = *a;
      e.to_place = *b;
      e.known = true;
      e.symbol = windows_.symbol(*a, *b);
    }
    edges_.push_back(e);
    return it->second;
  }

  void map(const user::ExecMapping& m) {
    const bool was_free = maps_.find(user::kPid, m.address) == nullptr;
    perfdata::Record record;
    record.header.type = static_cast<u32>(perfdata::RecordType::kMmap2);
    const bool file = m.filename.starts_with('/') && !m.filename.starts_with("//");
    auto& map_record = record.body.emplace<perfdata::MmapRecord>();
    map_record.pid = map_record.tid = user::kPid;
    map_record.addr = m.address;
    map_record.len = m.length;
    map_record.pgoff = m.pgoff;
    map_record.prot = m.prot;
    map_record.flags = m.flags;
    map_record.filename = m.filename;
    if (file) map_record.build_id = perfdata::read_build_id(m.filename);
    maps_.record(record);
    if (file) add_code(m);
    // Code that programs make and remake in free memory is of no file: nothing known changes.
    if (was_free && !file) return;
    numbers_.clear();
    before_ = kNone;
    ++maps_generation_;
  }

  void add_code(const user::ExecMapping& m) {
    const auto place = windows_.places().in_run(maps_.find(user::kPid, m.address), m.address);
    if (!place || codes_.contains(place->file)) return;
    try {
      codes_.emplace(place->file, std::make_unique<replay::ElfCode>(m.filename));
    } catch (const Error&) {
      codes_.emplace(place->file, nullptr);  // mapped as code, yet no ELF file: windows do without
    }
  }

  template <class F>
  void each_pair(F f) const {
    for (const auto& [key, count] : pairs_) f(static_cast<u32>(key >> 32), static_cast<u32>(key), count);
    for (u32 k = 0; k < edges_.size(); ++k) {
      if (edges_[k].next != kNone) f(k, edges_[k].next, edges_[k].next_count);
    }
  }

  CaptureWindows& windows_;
  perfdata::AddressSpace maps_;
  u32 maps_generation_ = 0;
  std::unordered_map<Key, u32, KeyHash> numbers_;
  std::vector<Edge> edges_;
  std::unordered_map<u64, u64> pairs_;
  u32 before_ = kNone;
  std::unordered_map<u32, std::unique_ptr<replay::ElfCode>> codes_;
};

std::string how(const RunOutcome& outcome) {
  switch (outcome.how) {
    case RunOutcome::How::kExited:
      return fmt::format("exited with {}", outcome.status);
    case RunOutcome::How::kKilled:
      return fmt::format("was killed by signal {}", outcome.status);
    case RunOutcome::How::kLimit:
      return "reached the limit of instructions";
    case RunOutcome::How::kStopped:
      return "was stopped";
  }
  return {};
}

}  // namespace

RunOutcome replay_run(const std::string& capture, const ReplayRunOptions& options, replay::Report& report) {
  const auto source = perfdata::open_capture(capture, {.keep_going = options.keep_going});
  const bool twice = replay::may_duplicate_top(cpu::uarch(options.machine.uarch));
  CaptureWindows windows(*source, twice, report);

  Machine machine(BranchStream::prepare(options.machine));
  Run run(windows, machine);
  BranchStream stream(machine,
                      [&run](std::span<const lbr::Entry> branches, bool gap) { run.take(branches, gap); });
  const RunOutcome outcome = stream.run(options.max_instructions);
  machine.process().memory().observe_executable({});

  report.notes.push_back(fmt::format("the program {} after {} instructions and {} taken branches",
                                     how(outcome), machine.instructions(), run.branches()));
  if (stream.gaps() != 0)
    report.notes.push_back(fmt::format("the run's branches have {} gaps", stream.gaps()));
  const std::unordered_set<u64> pairs = run.pairs();
  windows.judge([&](u32 a, u32 b) { return pairs.contains(Run::pair_key(a, b)); }, report);
  if (windows.every_kind()) {
    replay::compare_taken_ratios(
        windows.flow(), run.flow(), [&](u32 file) { return run.code(file); }, windows.ratio_options(),
        report);
  }
  report.notes.emplace_back(
      "misprediction rates and cycles of edges are not compared: the machine has no branch predictor and "
      "counts a cycle an instruction");
  return outcome;
}

}  // namespace lastbranch
