#include "sim/replay/address_space.h"

#include <algorithm>
#include <array>
#include <string_view>
#include <utility>

namespace lastbranch::replay {
namespace {

constexpr u32 kKernelPid = ~u32{0};
constexpr u16 kMiscForkExec = 1u << 13;  // a FORK that perf made up: it copies no mappings
constexpr u32 kProtExec = 4;

MappingKind kind_of(std::string_view name, bool kernel) {
  if (kernel) return MappingKind::kKernel;
  if (name.starts_with("[vdso")) return MappingKind::kVdso;
  constexpr std::array<std::string_view, 7> kNoFiles = {
      "[", "//anon", "anon_inode:", "/memfd:", "/dev/zero", "/SYSV", "/anon_hugepage"};
  const bool none = std::ranges::any_of(kNoFiles, [&](std::string_view p) { return name.starts_with(p); });
  return name.empty() || none ? MappingKind::kAnonymous : MappingKind::kFile;
}

/// [start, end) of `mapping`.
Mapping piece(Mapping mapping, u64 start, u64 end) {
  mapping.pgoff += start - mapping.start;
  mapping.start = start;
  mapping.end = end;
  return mapping;
}

}  // namespace

std::string_view MappedFile::base_name() const {
  const std::string_view all = name;
  const auto slash = all.rfind('/');
  return slash == std::string_view::npos ? all : all.substr(slash + 1);
}

void AddressSpace::Process::cover(const Mapping& mapping, u64 until) {
  if (until <= mapping.since) return;
  past.push_back({mapping, until});
  if (past.size() > kPastKept) past.pop_front();
}

void AddressSpace::Process::insert(Mapping mapping) {
  auto it = live.upper_bound(mapping.start);
  if (it != live.begin()) --it;
  while (it != live.end() && it->second.start < mapping.end) {
    const Mapping old = it->second;
    if (old.end <= mapping.start) {
      ++it;
      continue;
    }
    const u64 low = std::max(old.start, mapping.start);
    const u64 high = std::min(old.end, mapping.end);
    if (old.since > mapping.since) {
      // The new one comes late: the old one has covered it since.
      cover(piece(mapping, low, high), old.since);
      if (mapping.start < low) live.emplace(mapping.start, piece(mapping, mapping.start, low));
      if (high == mapping.end) return;
      mapping = piece(mapping, high, mapping.end);
      ++it;
      continue;
    }
    cover(piece(old, low, high), mapping.since);
    it = live.erase(it);
    if (old.start < low) live.emplace(old.start, piece(old, old.start, low));
    if (high < old.end) it = live.emplace(high, piece(old, high, old.end)).first;
  }
  live.insert_or_assign(mapping.start, mapping);
}

void AddressSpace::Process::forget(u64 time) {
  std::erase_if(live, [&](const auto& entry) {
    const Mapping& m = entry.second;
    if (time != 0 && m.since > time) return false;
    cover(m, time);
    return true;
  });
}

const Mapping* AddressSpace::Process::find(u64 address, u64 time) const {
  auto it = live.upper_bound(address);
  if (it != live.begin()) {
    --it;
    if (it->second.has(address) && (time == 0 || it->second.since <= time)) return &it->second;
  }
  if (time == 0) return nullptr;
  for (auto p = past.rbegin(); p != past.rend(); ++p) {
    if (p->mapping.has(address) && p->mapping.since <= time && time < p->until) return &p->mapping;
  }
  return nullptr;
}

const MappedFile& AddressSpace::file(const perfdata::MmapRecord& map, bool kernel) {
  const auto [first, last] = numbers_.equal_range(map.filename);
  for (auto it = first; it != last; ++it) {
    const MappedFile& known = files_[it->second];
    if (known.build_id == map.build_id && (known.kind == MappingKind::kKernel) == kernel) return known;
  }
  const auto number = static_cast<u32>(files_.size());
  files_.push_back({number, map.filename, map.build_id, kind_of(map.filename, kernel)});
  numbers_.emplace(map.filename, number);
  return files_.back();
}

void AddressSpace::map(const perfdata::Record& record, const perfdata::MmapRecord& map) {
  const u64 end = map.addr + map.len;
  if (map.len == 0 || end < map.addr) return;
  const bool kernel = map.pid == kKernelPid || is_kernel(map.addr);
  const bool old = record.header.type == static_cast<u32>(perfdata::RecordType::kMmap);
  const bool executable =
      kernel || (old || map.prot == 0 ? (record.header.misc & perfdata::kMiscMmapData) == 0
                                      : (map.prot & kProtExec) != 0);
  if (!kernel) empty_ = false;
  processes_[kernel ? kKernelPid : map.pid].insert({.start = map.addr,
                                                    .end = end,
                                                    .pgoff = map.pgoff,
                                                    .since = map.sample_id.time,
                                                    .executable = executable,
                                                    .file = &file(map, kernel)});
}

void AddressSpace::fork(const perfdata::TaskRecord& task) {
  const u64 time = task.time != 0 ? task.time : task.sample_id.time;
  Process& child = processes_[task.pid];
  child.forget(time);
  const auto parent = processes_.find(task.parent_pid);
  if (parent == processes_.end()) return;
  for (const auto& entry : parent->second.live) {
    Mapping copy = entry.second;
    if (time != 0 && copy.since > time) continue;
    copy.since = time;
    child.insert(copy);
  }
}

void AddressSpace::record(const perfdata::Record& record) {
  if (const auto* map_record = std::get_if<perfdata::MmapRecord>(&record.body)) {
    map(record, *map_record);
  } else if (const auto* comm = std::get_if<perfdata::CommRecord>(&record.body)) {
    if (comm->exec) processes_[comm->pid].forget(comm->sample_id.time);
  } else if (const auto* task = std::get_if<perfdata::TaskRecord>(&record.body)) {
    // Samples of a process that has ended may still come: its mappings stay until its number is used again.
    const bool thread = task->pid == task->parent_pid;
    if (!task->exit && !thread && (record.header.misc & kMiscForkExec) == 0) fork(*task);
  }
}

const Mapping* AddressSpace::find(u32 pid, u64 address, u64 time) const {
  if (is_kernel(address)) pid = kKernelPid;
  if (pid != 0) {
    const auto it = processes_.find(pid);
    return it == processes_.end() ? nullptr : it->second.find(address, time);
  }
  for (const auto& [number, process] : processes_) {
    if (number == kKernelPid) continue;
    if (const Mapping* found = process.find(address, time); found != nullptr) return found;
  }
  return nullptr;
}

}  // namespace lastbranch::replay
