#include "sim/perfdata/address_space.h"

#include <algorithm>
#include <array>
#include <string_view>
#include <utility>

#include <fmt/format.h>

#include "sim/base/base_name.h"
#include "sim/base/kernel_half.h"

namespace lastbranch::perfdata {
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
  constexpr std::string_view kDeleted = " (deleted)";  // what the kernel adds to names that are gone
  const std::string_view base = lastbranch::base_name(name);
  return base.ends_with(kDeleted) ? base.substr(0, base.size() - kDeleted.size()) : base;
}

std::optional<BuildId> build_id_of(const MappedFile& file, const Features* features) {
  if (file.build_id || features == nullptr) return file.build_id;
  const auto it = std::ranges::find(features->build_ids, file.name, &BuildIdEntry::filename);
  return it == features->build_ids.end() ? std::nullopt : std::optional(it->build_id);
}

void AddressSpace::Process::cover(const Mapping& mapping, u64 until) {
  if (until <= mapping.since) return;
  past.push_back({mapping, until});
  if (past.size() > kPastKept) past.pop_front();
}

void AddressSpace::Process::insert(Mapping mapping) {
  last_snapshot.reset();
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
  last_snapshot.reset();
  std::erase_if(live, [&](const auto& entry) {
    const Mapping& m = entry.second;
    if (time != 0 && m.since > time) return false;
    cover(m, time);
    return true;
  });
  for (Inherited& i : inherited) {
    if (time == 0 || i.since <= time) i.until = std::min(i.until, time);
  }
}

void AddressSpace::Process::inherit(std::shared_ptr<const Snapshot> maps, u64 time) {
  last_snapshot.reset();
  inherited.push_back({.maps = std::move(maps), .since = time});
  if (inherited.size() > kInheritedKept) inherited.erase(inherited.begin());
}

bool AddressSpace::Inherited::is_valid(u64 time) const {
  return time == 0 ? until == kNoEnd : since <= time && time < until;
}

const Mapping* AddressSpace::Inherited::find(u64 address) const {
  const auto next = std::ranges::upper_bound(maps->mappings, address, {}, &Mapping::start);
  if (next == maps->mappings.begin()) return nullptr;
  const Mapping& mapping = *std::prev(next);
  return mapping.has(address) && has(mapping) ? &mapping : nullptr;
}

const Mapping* AddressSpace::Process::find_own(u64 address, u64 time) const {
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

const Mapping* AddressSpace::Process::find(u64 address, u64 time) const {
  const Mapping* own = find_own(address, time);
  const auto valid = std::find_if(inherited.rbegin(), inherited.rend(),
                                  [&](const Inherited& i) { return i.is_valid(time); });
  if (valid == inherited.rend() || (own != nullptr && own->since >= valid->since)) return own;
  // The child's own that are older than the fork came late: the parent's have covered them.
  const Mapping* found = valid->find(address);
  return found != nullptr ? found : own;
}

const AddressSpace::Inherited* AddressSpace::Process::now_inherited() const {
  return inherited.empty() || !inherited.back().is_valid(0) ? nullptr : &inherited.back();
}

std::size_t AddressSpace::Process::mapped() const {
  const Inherited* below = now_inherited();
  return live.size() + (below != nullptr ? below->maps->mappings.size() : 0);
}

AddressSpace::Snapshot AddressSpace::Process::snapshot() const {
  Process flat;
  if (const Inherited* below = now_inherited()) {
    for (Mapping mapping : below->maps->mappings) {
      if (!below->has(mapping)) continue;
      mapping.since = below->since;
      flat.live.emplace_hint(flat.live.end(), mapping.start, mapping);
    }
  }
  for (const auto& [start, mapping] : live) flat.insert(mapping);
  Snapshot out;
  out.mappings.reserve(flat.live.size());
  for (const auto& [start, mapping] : flat.live) {
    out.mappings.push_back(mapping);
    out.newest = std::max(out.newest, mapping.since);
  }
  return out;
}

const MappedFile& AddressSpace::file(const MmapRecord& map, bool kernel) {
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

void AddressSpace::map(const Record& record, const MmapRecord& map) {
  const u64 end = map.addr + map.len;
  if (map.len == 0 || end < map.addr) return;
  const bool kernel = map.pid == kKernelPid || in_kernel(map.addr);
  const bool old = record.header.type == static_cast<u32>(RecordType::kMmap);
  const bool executable = kernel || (old || map.prot == 0 ? (record.header.misc & kMiscMmapData) == 0
                                                          : (map.prot & kProtExec) != 0);
  if (!kernel) empty_ = false;
  processes_[kernel ? kKernelPid : map.pid].insert({.start = map.addr,
                                                    .end = end,
                                                    .pgoff = map.pgoff,
                                                    .since = map.sample_id.time,
                                                    .executable = executable,
                                                    .file = &file(map, kernel)});
}

std::shared_ptr<const AddressSpace::Snapshot> AddressSpace::shared(Process& parent) {
  if (parent.last_snapshot) return parent.last_snapshot;
  const Inherited* below = parent.now_inherited();
  if (parent.live.empty() && below != nullptr && below->maps->newest <= below->since) {
    return parent.last_snapshot = below->maps;
  }
  if (parent.mapped() > kSharedMax - shared_mappings_) return nullptr;
  parent.last_snapshot = std::make_shared<const Snapshot>(parent.snapshot());
  shared_mappings_ += parent.last_snapshot->mappings.size();
  return parent.last_snapshot;
}

void AddressSpace::fork(const TaskRecord& task) {
  const u64 time = task.time != 0 ? task.time : task.sample_id.time;
  Process& child = processes_[task.pid];
  child.forget(time);
  const auto parent = processes_.find(task.parent_pid);
  if (parent == processes_.end() || parent->second.mapped() == 0) return;
  if (auto maps = shared(parent->second)) {
    child.inherit(std::move(maps), time);
  } else {
    ++forks_without_maps_;
  }
}

void AddressSpace::record(const Record& record) {
  if (const auto* map_record = std::get_if<MmapRecord>(&record.body)) {
    map(record, *map_record);
  } else if (const auto* comm = std::get_if<CommRecord>(&record.body)) {
    if (comm->exec) processes_[comm->pid].forget(comm->sample_id.time);
  } else if (const auto* task = std::get_if<TaskRecord>(&record.body)) {
    // Samples of a process that has ended may still come: its mappings stay until its number is used again.
    const bool thread = task->pid == task->parent_pid;
    if (!task->exit && !thread && (record.header.misc & kMiscForkExec) == 0) fork(*task);
  }
}

const Mapping* AddressSpace::find(u32 pid, u64 address, u64 time) const {
  if (in_kernel(address)) pid = kKernelPid;
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

std::vector<std::string> AddressSpace::notes() const {
  if (forks_without_maps_ == 0) return {};
  return {fmt::format("{} forks without their parents' maps, which are too many", forks_without_maps_)};
}

}  // namespace lastbranch::perfdata
