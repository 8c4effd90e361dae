#include "sim/replay/code_map.h"

#include <algorithm>
#include <string_view>
#include <utility>

#include "sim/base/base_name.h"
#include "sim/base/error.h"
#include "sim/base/kernel_half.h"

namespace lastbranch::replay {
namespace {

constexpr unsigned kAddressBits = 57;  // with five levels of page tables

}  // namespace

CodeMap::CodeMap(const std::vector<std::string>& binaries, const std::vector<std::string>& tables,
                 std::string object, const perfdata::Features* features)
    : object_(std::move(object)), features_(features) {
  for (const std::string& path : binaries) {
    auto elf = std::make_unique<ElfCode>(path);
    elfs_.push_back(elf.get());
    codes_.push_back(std::move(elf));
  }
  for (const std::string& path : tables) {
    auto table = std::make_unique<FlowTable>(path);
    tables_.push_back(table.get());
    codes_.push_back(std::move(table));
  }
  used_.resize(codes_.size());
  refused_.resize(codes_.size());
  if (features_ == nullptr) return;
  for (std::size_t k = 0; k < elfs_.size(); ++k) {
    const auto& own = elfs_[k]->build_id();
    if (!own) continue;
    bool same = false;
    for (const perfdata::BuildIdEntry& entry : features_->build_ids) {
      same = same || entry.build_id == *own;
      if (base_name(entry.filename) == base_name(elfs_[k]->path())) refused_[k] = entry.build_id.hex();
    }
    if (same) refused_[k].clear();
  }
  check();
}

void CodeMap::check() const {
  for (std::size_t k = 0; k < elfs_.size(); ++k) {
    if (used_[k] || refused_[k].empty()) continue;
    throw Error("{}: expected the capture's binary with build-id {}, found build-id {}", elfs_[k]->path(),
                refused_[k], elfs_[k]->build_id()->hex());
  }
}

bool CodeMap::named(const Code& code, const perfdata::MappedFile& file) const {
  if (!object_.empty()) return object_ == file.name || object_ == file.base_name();
  return code.path() == file.name || base_name(code.path()) == file.base_name();
}

i64 CodeMap::match_elf(const perfdata::MappedFile& file) {
  const auto theirs = build_id_of(file, features_);
  i64 by_name = kNone;
  for (std::size_t k = 0; k < elfs_.size(); ++k) {
    const auto& own = elfs_[k]->build_id();
    if (own && theirs) {
      if (*own == *theirs) return static_cast<i64>(k);
      if (named(*elfs_[k], file)) refused_[k] = theirs->hex();
    } else if (named(*elfs_[k], file) && by_name == kNone) {
      by_name = static_cast<i64>(k);
    }
  }
  return by_name;
}

i64 CodeMap::match_table(const perfdata::Mapping& mapping) const {
  for (std::size_t t = 0; t < tables_.size(); ++t) {
    const FlowTable& table = *tables_[t];
    const std::size_t k = elfs_.size() + t;
    const u64 low = page_of(table.file_offset());
    const u64 high = page_ceil(table.file_offset() + table.size());
    const u64 length = mapping.end - mapping.start;
    bool same = false;
    if (!object_.empty()) {
      same = named(table, *mapping.file);
    } else if (table.position_independent()) {
      same = mapping.pgoff == low && length == high - low && !used_[k];
    } else {
      const auto address = table.address_of(table.file_offset());
      same = address && mapping.has(*address) && mapping.file_offset(*address) == table.file_offset();
    }
    if (same) return static_cast<i64>(k);
  }
  return kNone;
}

i64 CodeMap::code_of(const perfdata::Mapping& mapping) {
  const perfdata::MappedFile& file = *mapping.file;
  if (file.number >= code_of_file_.size()) code_of_file_.resize(maps_.files().size(), kUndecided);
  i64& known = code_of_file_[file.number];
  if (known == kUndecided) known = match_elf(file);
  // A table is matched by mapping, and a file may have one that fits after one that does not.
  if (known == kNone && mapping.executable) known = match_table(mapping);
  if (known >= 0) used_[static_cast<std::size_t>(known)] = true;
  return known;
}

Spot CodeMap::by_link_address(u64 address) const {
  for (u32 k = 0; k < codes_.size(); ++k) {
    if (codes_[k]->contains(address)) return {SpotKind::kCode, k, address, 0};
  }
  return {SpotKind::kUnmapped, 0, address, 0};
}

Spot CodeMap::locate(u32 pid, u64 address, u64 time) {
  if (!is_canonical(address, kAddressBits)) return {SpotKind::kNowhere, 0, address, 0};
  if (in_kernel(address)) return {SpotKind::kKernel, 0, address, 0};
  if (maps_.empty()) return by_link_address(address);
  const perfdata::Mapping* mapping = maps_.find(pid, address, time);
  if (mapping == nullptr) return {SpotKind::kUnmapped, 0, address, 0};
  if (mapping->file->kind == perfdata::MappingKind::kVdso) return {SpotKind::kVdso, 0, address, 0};
  const Spot foreign{SpotKind::kForeign, 0, address, 0};
  if (mapping->file->kind != perfdata::MappingKind::kFile) return foreign;
  const i64 number = code_of(*mapping);
  if (number < 0) return foreign;
  const auto k = static_cast<u32>(number);
  auto link = codes_[k]->address_of(mapping->file_offset(address));
  // Old kernels give a wrong offset for text that was moved into large pages: a fixed program tells itself.
  if (!link && !codes_[k]->position_independent() && codes_[k]->contains(address)) link = address;
  if (!link) return foreign;
  return {SpotKind::kCode, k, *link, address - *link};
}

std::vector<std::string> CodeMap::notes() const {
  std::vector<std::string> lines;
  if (maps_.empty()) return lines;
  constexpr std::size_t kNamed = 5;
  for (std::size_t k = 0; k < codes_.size(); ++k) {
    if (used_[k]) continue;
    std::string line = fmt::format("no sample lies in {}", codes_[k]->path());
    std::size_t shown = 0;
    for (const perfdata::MappedFile& file : maps_.files()) {
      if (file.kind != perfdata::MappingKind::kFile || shown == kNamed) continue;
      line += fmt::format("{}{}", shown++ == 0 ? "; mapped are " : ", ", file.name);
    }
    lines.push_back(std::move(line));
  }
  return lines;
}

}  // namespace lastbranch::replay
