#include "sim/perfdata/file_container.h"

#include <algorithm>
#include <cstring>

#include "sim/base/error.h"

namespace lastbranch::perfdata {

FileContainer::FileContainer(const Contents& contents) : contents_(contents), file_(contents.config.path) {
  marks_.push_back({.offset = data_offset()});
}

int FileContainer::append(std::span<const std::byte> records, const Mark& end) {
  if (file_.end() == 0) {
    // Until the header is filled in last, zeros stand in its place.
    const std::vector<std::byte> zeros(data_offset());
    if (const int error = file_.append(zeros); error != 0) return error;
  }
  if (const int error = file_.append(records); error != 0) return error;
  marks_.push_back(end);
  marks_.back().offset = file_.end();
  return 0;
}

void FileContainer::finish(const Mark& end, int failure, WriteSummary& kept) {
  const auto& path = contents_.config.path;
  if (failure == 0 && file_.end() == 0) failure = append({}, end);
  if (failure == 0) failure = complete(marks_.back(), kept);
  const bool whole = failure == 0 || salvage(end, kept);
  if (!whole) file_.discard();
  if (whole) file_.commit();
  if (failure == 0) return;
  if (!whole) throw Error("{}: {}: nothing could be kept, there is no file", path, std::strerror(failure));
  throw Error("{}: {}: the file holds the first {} of {} records, {} of {} samples", path,
              std::strerror(failure), kept.records, end.records, kept.samples, end.samples);
}

EncodedFeatures FileContainer::features_at(const Mark& end) const {
  return encode_features(contents_.features(end), end.offset);
}

std::vector<std::byte> FileContainer::prefix(const Mark& end, const EncodedFeatures& features) const {
  Encoder out;
  out.put(FileHeader{.attr_size = entry_size(),
                     .attrs = {attrs_offset(), contents_.attrs.size() * entry_size()},
                     .data = {data_offset(), end.offset - data_offset()},
                     .event_types = {},
                     .features = features.bits});
  out.put_all(std::span<const u64>(contents_.ids));
  for (std::size_t i = 0; i < contents_.attrs.size(); ++i) {
    out.put_all(std::as_bytes(std::span(&contents_.attrs[i], 1)).first(contents_.config.attr_size));
    out.put(Section{ids_offset() + i * sizeof(u64), sizeof(u64)});
  }
  return {out.bytes().begin(), out.bytes().end()};
}

/// Makes a whole file of the records before `end`; returns 0 or an errno.
int FileContainer::complete(const Mark& end, WriteSummary& kept) {
  const EncodedFeatures features = features_at(end);
  if (const int error = file_.write_at(end.offset, features.bytes); error != 0) return error;
  if (const int error = file_.write_at(0, prefix(end, features)); error != 0) return error;
  const u64 size = end.offset + features.bytes.size();
  if (const int error = file_.truncate(size); error != 0) return error;
  kept = {.records = end.records, .samples = end.samples, .bytes = size, .lost_records = 0};
  return 0;
}

/// After a failed write: overwrites the end of what the disk did take with the feature sections. Nothing is
/// freed before, or another program might take the room.
bool FileContainer::salvage(const Mark& end, WriteSummary& kept) {
  const u64 tail = features_at(end).bytes.size();
  if (file_.end() < data_offset() + tail) return false;
  const Mark last = last_mark_before(file_.end() - tail);
  return last.records != 0 && complete(last, kept) == 0;
}

/// The last point between two records at or before `limit`. Compressed records do not say what they hold, so
/// only ends of appends will do; others are found by walking the records that the file has.
Mark FileContainer::last_mark_before(u64 limit) const {
  const auto after = std::ranges::upper_bound(marks_, limit, {}, &Mark::offset);
  Mark mark = *std::prev(after);
  if (contents_.compression) return mark;
  std::vector<std::byte> records(limit - mark.offset);
  file_.read_at(mark.offset, records);
  for (std::size_t at = 0; at + sizeof(RecordHeader) <= records.size();) {
    RecordHeader header;
    std::memcpy(&header, &records[at], sizeof header);
    if (header.size > records.size() - at) break;
    if (header.type < kFirstToolRecord) ++mark.records;
    if (header.type == static_cast<u32>(RecordType::kSample)) {
      ++mark.samples;
      std::memcpy(&mark.last_sample_time, &records[at + contents_.sample_time_at],
                  sizeof mark.last_sample_time);
    }
    at += header.size;
    mark.offset += header.size;
  }
  return mark;
}

}  // namespace lastbranch::perfdata
