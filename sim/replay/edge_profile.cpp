#include "sim/replay/edge_profile.h"

#include <algorithm>
#include <variant>

#include <fmt/format.h>

namespace lastbranch::replay {
namespace {

/// Edges by addresses that are looked up at once, of all processes.
constexpr std::size_t kMostKnown = std::size_t{1} << 22;

Groups& operator+=(Groups& sum, const Groups& more) {
  for (std::size_t g = 0; g < kGroups; ++g) sum[g] += more[g];
  return sum;
}

/// Deals `count` out to the groups, one each in turn from `first` on.
void deal(Groups& groups, std::size_t first, u64 count) {
  if (count == 1) {
    ++groups[first % kGroups];
    return;
  }
  for (std::size_t n = 0; n < kGroups; ++n) {
    groups[(first + n) % kGroups] += count / kGroups + (n < count % kGroups ? 1 : 0);
  }
}

/// Whether a record can change what is mapped where.
bool changes_maps(const perfdata::Record& record) {
  return std::holds_alternative<perfdata::MmapRecord>(record.body) ||
         std::holds_alternative<perfdata::CommRecord>(record.body) ||
         std::holds_alternative<perfdata::TaskRecord>(record.body);
}

}  // namespace

Edge& Edge::operator+=(const Edge& other) {
  taken += other.taken;
  mispredicted += other.mispredicted;
  predicted += other.predicted;
  cycles += other.cycles;
  timed += other.timed;
  return *this;
}

std::size_t EdgeProfile::RawHash::operator()(const Raw& raw) const {
  constexpr u64 kMix = 0x9e3779b97f4a7c15;
  return ((raw.from * kMix ^ raw.to) + raw.pid) * kMix >> 20;
}

EdgeProfile::EdgeProfile(perfdata::RecordSource& source, std::size_t most_edges)
    : path_(source.path()), most_edges_(most_edges) {
  while (const perfdata::Record* record = source.next()) {
    if (const auto* sample = std::get_if<perfdata::SampleRecord>(&record->body)) {
      add(*sample);
    } else if (const auto* counted = std::get_if<perfdata::EdgeRecord>(&record->body)) {
      add(*counted);
    } else if (changes_maps(*record)) {
      maps_.record(*record);
      known_.clear();
    }
  }
  for (const perfdata::MappedFile& file : maps_.files())
    build_ids_.push_back(build_id_of(file, &source.features()));
}

Place EdgeProfile::place(u32 pid, u64 address, u64 time) const {
  const perfdata::Mapping* mapping = maps_.find(pid, address, time);
  if (mapping == nullptr || mapping->file->kind == perfdata::MappingKind::kAnonymous)
    return {nullptr, address};
  return {mapping->file, mapping->file_offset(address)};
}

Edge& EdgeProfile::edge(const Raw& raw, u64 time) {
  if (const auto it = known_.find(raw); it != known_.end()) return *it->second;
  const Key key{place(raw.pid, raw.from, time), place(raw.pid, raw.to, time)};
  auto it = edges_.find(key);
  if (it == edges_.end()) {
    if (edges_.size() >= most_edges_) return others_;
    it = edges_.emplace(key, Edge{}).first;
  }
  if (known_.size() >= kMostKnown) known_.clear();
  known_.emplace(raw, &it->second);
  return it->second;
}

std::vector<std::string> EdgeProfile::notes() const {
  std::vector<std::string> notes = maps_.notes();
  if (const u64 others = total(others_.taken); others != 0) {
    notes.push_back(
        fmt::format("{} branches of more than {} different edges are in no row", others, most_edges_));
  }
  return notes;
}

void EdgeProfile::add(const perfdata::SampleRecord& sample) {
  if (sample.branches.empty()) {
    samples_without_ += sample.repeat;
    return;
  }
  const std::size_t first = samples_;
  const u64 count = sample.repeat;
  samples_ += count;
  for (const perfdata::BranchEntry& entry : sample.branches) {
    if (entry.from == 0 && entry.to == 0) continue;  // the empty end of a ring that was reset
    const perfdata::BranchFlags flags = perfdata::BranchFlags::unpack(entry.flags);
    Edge& e = edge({sample.pid, entry.from, entry.to}, sample.time);
    deal(taken_, first, count);
    deal(e.taken, first, count);
    if (flags.mispredicted) deal(e.mispredicted, first, count);
    if (flags.predicted) deal(e.predicted, first, count);
    if (flags.cycles == 0) continue;
    deal(e.timed, first, count);
    if (count == 1) {
      e.cycles[first % kGroups] += flags.cycles;
    } else {
      deal(e.cycles, first, count * flags.cycles);
    }
  }
}

/// Counts without samples behind them: as if each had been drawn by itself.
void EdgeProfile::add(const perfdata::EdgeRecord& record) {
  Edge& e = edge({0, record.from, record.to}, 0);
  const u64 missed = std::min(record.count, record.mispredicted);
  deal(taken_, 0, record.count);
  deal(e.taken, 0, record.count);
  deal(e.mispredicted, 0, missed);
  deal(e.predicted, 0, record.count - missed);
}

}  // namespace lastbranch::replay
