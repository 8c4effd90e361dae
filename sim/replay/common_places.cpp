#include "sim/replay/common_places.h"

#include <algorithm>

#include "sim/base/kernel_half.h"

namespace lastbranch::replay {

std::optional<CommonPlace> CommonPlaces::in_capture(u32 pid, u64 address, u64 time) {
  if (in_kernel(address)) return std::nullopt;
  if (capture_.empty()) return CommonPlace{CommonPlace::kNoMaps, address};
  const perfdata::Mapping* mapping = capture_.find(pid, address, time);
  if (mapping == nullptr) return std::nullopt;
  const perfdata::MappedFile& file = *mapping->file;
  if (file.kind != perfdata::MappingKind::kFile && file.kind != perfdata::MappingKind::kVdso)
    return std::nullopt;
  if (file.kind == perfdata::MappingKind::kVdso) {
    if (vdso_size_.size() <= file.number) vdso_size_.resize(file.number + 1);
    vdso_size_[file.number] = mapping->end - mapping->start;
  }
  return CommonPlace{file.number, mapping->file_offset(address)};
}

bool CommonPlaces::same(const perfdata::MappedFile& theirs, const perfdata::Mapping& mapping) const {
  const perfdata::MappedFile& ours = *mapping.file;
  if (theirs.kind != ours.kind) return false;
  const auto id = build_id_of(theirs, &features_);
  if (ours.kind == perfdata::MappingKind::kVdso) {
    const u64 size = theirs.number < vdso_size_.size() ? vdso_size_[theirs.number] : 0;
    return id == ours.build_id && (id || size == mapping.end - mapping.start);
  }
  if (id && ours.build_id) return *id == *ours.build_id;
  return theirs.base_name() == ours.base_name();
}

i64 CommonPlaces::match(const perfdata::Mapping& mapping) const {
  const auto it = std::ranges::find_if(
      capture_.files(), [&](const perfdata::MappedFile& theirs) { return same(theirs, mapping); });
  return it == capture_.files().end() ? -1 : static_cast<i64>(it->number);
}

std::optional<CommonPlace> CommonPlaces::in_run(const perfdata::Mapping* mapping, u64 address) {
  if (capture_.empty()) return CommonPlace{CommonPlace::kNoMaps, address};
  if (mapping == nullptr || mapping->file->kind == perfdata::MappingKind::kAnonymous) return std::nullopt;
  const u32 number = mapping->file->number;
  if (number >= of_run_.size()) of_run_.resize(number + 1, kUndecided);
  if (of_run_[number] == kUndecided) of_run_[number] = match(*mapping);
  if (of_run_[number] < 0) return std::nullopt;
  return CommonPlace{static_cast<u32>(of_run_[number]), mapping->file_offset(address)};
}

bool CommonPlaces::run_has(u32 file) const {
  return file == CommonPlace::kNoMaps || std::ranges::find(of_run_, i64{file}) != of_run_.end();
}

}  // namespace lastbranch::replay
