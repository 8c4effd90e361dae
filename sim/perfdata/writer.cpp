#include "sim/perfdata/writer.h"

#include <algorithm>
#include <cstring>

#include "sim/base/error.h"

namespace lastbranch::perfdata {
namespace {

constexpr std::size_t kFlushSize = std::size_t{1} << 20;
/// perf sorts what lies between two FINISHED_ROUND records in memory; smaller rounds only cost space.
constexpr unsigned kRecordsPerRound = 64;
constexpr u32 kProtExec = 4;
constexpr std::size_t kCommMax = 15;  // TASK_COMM_LEN without the NUL
constexpr std::size_t kSampleFixedMax = 80;
constexpr std::size_t kBranchesMax = (kRecordSizeMax - kSampleFixedMax) / sizeof(BranchEntry);

constexpr u16 misc_of(CpuMode mode) {
  return static_cast<u16>(mode);
}

}  // namespace

Attr make_attr(const EventAttr& event, bool identifier) {
  if ((event.branch_sample_type & kBranchCounters) != 0) {
    throw Error("event {}: branch_sample_type {:#x} asks for branch counters, which are not written",
                event.name, event.branch_sample_type);
  }
  if (event.precise_ip > 3)
    throw Error("event {}: precise_ip: expected 0 to 3, found {}", event.name, event.precise_ip);
  Attr attr;
  attr.type = event.type;
  attr.size = kAttrSizeWritten;
  attr.config = event.config;
  attr.config1 = event.config1;
  attr.config2 = event.config2;
  attr.sample_period = event.period;
  attr.sample_type = kSampleIp | kSampleTid | kSampleTime | kSampleCpu | kSamplePeriod;
  if (event.branch_sample_type != 0) attr.sample_type |= kSampleBranchStack;
  if (identifier) attr.sample_type |= kSampleIdentifier;
  attr.branch_sample_type = event.branch_sample_type;
  attr.read_format = kReadId;
  attr.flags = kAttrDisabled | kAttrInherit | kAttrMmap | kAttrComm | kAttrEnableOnExec | kAttrTask |
               kAttrSampleIdAll | kAttrMmap2 | kAttrCommExec | kAttrBuildId |
               u64{event.precise_ip} << kAttrPreciseIpShift;
  if (event.exclude_user) attr.flags |= kAttrExcludeUser;
  if (event.exclude_kernel) attr.flags |= kAttrExcludeKernel;
  if (event.exclude_hv) attr.flags |= kAttrExcludeHv;
  if (event.freq) attr.flags |= kAttrFreq;
  return attr;
}

Writer::Writer(WriterConfig config)
    : config_(std::move(config)), identifier_(config_.events.size() > 1), file_(config_.path) {
  if (config_.events.empty()) throw Error("{}: expected at least one event, found none", config_.path);
  for (const EventAttr& event : config_.events) {
    attrs_.push_back(make_attr(event, identifier_));
    ids_.push_back(ids_.size() + 1);
  }
  // Until the header is filled in last, zeros stand in its place.
  buffer_.reserve(kFlushSize + 2 * kRecordSizeMax);
  buffer_.put_zeros(data_offset());
  now_.offset = data_offset();
  flushes_.push_back(now_);
}

u64 Writer::data_offset() const {
  return attrs_offset() + attrs_.size() * (kAttrSizeWritten + sizeof(Section));
}

void Writer::comm(u32 pid, u32 tid, std::string_view name, bool exec, u64 time) {
  begin_record(RecordType::kComm, exec ? kMiscCommExec : u16{0}, time);
  buffer_.put(pid);
  buffer_.put(tid);
  buffer_.put_name(name.substr(0, kCommMax));
  put_sample_id(pid, tid, time);
  end_record();
}

void Writer::mmap2(const Mmap& mapping, u64 time) {
  u32 misc = misc_of(CpuMode::kUser);
  if ((mapping.prot & kProtExec) == 0) misc |= kMiscMmapData;
  if (mapping.build_id) misc |= kMiscMmapBuildId;
  begin_record(RecordType::kMmap2, static_cast<u16>(misc), time);
  buffer_.put(mapping.pid);
  buffer_.put(mapping.tid);
  buffer_.put(mapping.addr);
  buffer_.put(mapping.len);
  buffer_.put(mapping.pgoff);
  if (mapping.build_id) {
    buffer_.put(std::array<u8, 4>{mapping.build_id->size});
    buffer_.put(mapping.build_id->bytes);
  } else {
    buffer_.put(mapping.major);
    buffer_.put(mapping.minor);
    buffer_.put(mapping.inode);
    buffer_.put(mapping.generation);
  }
  buffer_.put(mapping.prot);
  buffer_.put(mapping.flags);
  buffer_.put_name(mapping.filename);
  put_sample_id(mapping.pid, mapping.tid, time);
  end_record();
  if (mapping.build_id) note_file(mapping.filename, *mapping.build_id);
}

void Writer::fork(u32 pid, u32 tid, u32 parent_pid, u32 parent_tid, u64 time) {
  task(RecordType::kFork, pid, tid, parent_pid, parent_tid, time);
}

void Writer::exit(u32 pid, u32 tid, u32 parent_pid, u32 parent_tid, u64 time) {
  task(RecordType::kExit, pid, tid, parent_pid, parent_tid, time);
}

void Writer::task(RecordType type, u32 pid, u32 tid, u32 parent_pid, u32 parent_tid, u64 time) {
  begin_record(type, 0, time);
  buffer_.put(pid);
  buffer_.put(parent_pid);
  buffer_.put(tid);
  buffer_.put(parent_tid);
  buffer_.put(time);
  put_sample_id(pid, tid, time);
  end_record();
}

void Writer::sample(const Sample& sample) {
  if (sample.event >= attrs_.size()) {
    throw Error("{}: sample of event {}: expected less than {}", config_.path, sample.event, attrs_.size());
  }
  if (sample.branches.size() > kBranchesMax) {
    throw Error("{}: sample at {} ns: expected at most {} branches, found {}", config_.path, sample.time,
                kBranchesMax, sample.branches.size());
  }
  const Attr& attr = attrs_[sample.event];
  begin_record(RecordType::kSample, misc_of(sample.cpu_mode), sample.time);
  if (identifier_) buffer_.put(ids_[sample.event]);
  buffer_.put(sample.ip);
  buffer_.put(sample.pid);
  buffer_.put(sample.tid);
  buffer_.put(sample.time);
  buffer_.put(sample.cpu);
  buffer_.put(u32{0});
  buffer_.put(sample.period);
  if ((attr.sample_type & kSampleBranchStack) != 0) {
    buffer_.put(u64{sample.branches.size()});
    if ((attr.branch_sample_type & kBranchHwIndex) != 0) buffer_.put(sample.hw_index);
    buffer_.put_all(sample.branches);
  }
  if (!first_sample_time_) first_sample_time_ = sample.time;
  now_.last_sample_time = sample.time;
  ++now_.samples;
  end_record();
}

void Writer::begin_record(RecordType type, u16 misc, u64 time) {
  if (finished_) throw Error("{}: a record after finish()", config_.path);
  if (time < last_time_) {
    throw Error("{}: records must come in the order of their times: expected at least {} ns, found {} ns",
                config_.path, last_time_, time);
  }
  last_time_ = time;
  record_start_ = buffer_.size();
  buffer_.put(RecordHeader{.type = static_cast<u32>(type), .misc = misc, .size = 0});
}

/// What sample_id_all promises at the end of every record that is not a sample.
void Writer::put_sample_id(u32 pid, u32 tid, u64 time) {
  buffer_.put(pid);
  buffer_.put(tid);
  buffer_.put(time);
  buffer_.put(u64{0});  // cpu
  if (identifier_) buffer_.put(ids_.front());
}

void Writer::end_record() {
  const std::size_t size = buffer_.size() - record_start_;
  if (size > kRecordSizeMax) {
    buffer_.shrink_to(record_start_);
    throw Error("{}: a record at {} ns: expected at most {} bytes, found {}", config_.path, last_time_,
                kRecordSizeMax, size);
  }
  buffer_.patch(record_start_ + offsetof(RecordHeader, size), static_cast<u16>(size));
  ++now_.records;
  if (failure_ != 0) {
    buffer_.clear();
    return;
  }
  now_.offset += size;
  if (++records_in_round_ == kRecordsPerRound) {
    records_in_round_ = 0;
    constexpr RecordHeader kRound{.type = static_cast<u32>(RecordType::kFinishedRound), .misc = 0, .size = 8};
    buffer_.put(kRound);
    now_.offset += kRound.size;
  }
  if (buffer_.size() < kFlushSize) return;
  if (const int error = flush(); error != 0) {
    throw Error("{}: {} after {} bytes", config_.path, std::strerror(error), file_.end());
  }
}

int Writer::flush() {
  failure_ = file_.append(buffer_.bytes());
  buffer_.clear();
  if (failure_ == 0) flushes_.push_back(now_);
  return failure_;
}

void Writer::note_file(std::string_view filename, const BuildId& build_id) {
  const bool known = std::ranges::any_of(mapped_files_, [&](const MappedFile& file) {
    return file.filename == filename && file.build_id == build_id;
  });
  if (!known) mapped_files_.push_back({std::string(filename), build_id});
}

void Writer::finish() {
  if (finished_) throw Error("{}: finish() called twice", config_.path);
  finished_ = true;
  if (failure_ == 0) failure_ = flush();
  WriteSummary kept;
  if (failure_ == 0) failure_ = complete(now_, kept);
  const bool whole = failure_ == 0 || salvage(kept);
  if (!whole) file_.discard();
  if (whole) file_.commit();
  kept.lost_records = now_.records - kept.records;
  summary_ = kept;
  if (failure_ == 0) return;
  if (!whole)
    throw Error("{}: {}: nothing could be kept, there is no file", config_.path, std::strerror(failure_));
  throw Error("{}: {}: the file holds the first {} of {} records, {} of {} samples", config_.path,
              std::strerror(failure_), kept.records, now_.records, kept.samples, now_.samples);
}

EncodedFeatures Writer::features_at(const Mark& end) const {
  FeatureInput input{.config = config_, .attrs = attrs_, .ids = ids_, .files = mapped_files_};
  if (end.samples != 0) input.sample_time = {*first_sample_time_, end.last_sample_time};
  return encode_features(input, end.offset);
}

/// Makes a whole file of the records before `end`; returns 0 or an errno.
int Writer::complete(const Mark& end, WriteSummary& kept) {
  const EncodedFeatures features = features_at(end);
  if (const int error = file_.write_at(end.offset, features.bytes); error != 0) return error;

  const u64 entry_size = kAttrSizeWritten + sizeof(Section);
  Encoder prefix;
  prefix.put(FileHeader{.attr_size = entry_size,
                        .attrs = {attrs_offset(), attrs_.size() * entry_size},
                        .data = {data_offset(), end.offset - data_offset()},
                        .event_types = {},
                        .features = features.bits});
  prefix.put_all(std::span<const u64>(ids_));
  for (std::size_t i = 0; i < attrs_.size(); ++i) {
    prefix.put_all(std::as_bytes(std::span(&attrs_[i], 1)).first(kAttrSizeWritten));
    prefix.put(Section{ids_offset() + i * sizeof(u64), sizeof(u64)});
  }
  if (const int error = file_.write_at(0, prefix.bytes()); error != 0) return error;
  const u64 size = end.offset + features.bytes.size();
  if (const int error = file_.truncate(size); error != 0) return error;
  kept = {.records = end.records, .samples = end.samples, .bytes = size, .lost_records = 0};
  return 0;
}

/// After a failed write: overwrites the end of what the disk did take with the feature sections. Nothing is
/// freed before, or another program might take the room.
bool Writer::salvage(WriteSummary& kept) {
  const u64 tail = features_at(now_).bytes.size();
  if (file_.end() < data_offset() + tail) return false;
  const Mark end = last_mark_before(file_.end() - tail);
  return end.records != 0 && complete(end, kept) == 0;
}

/// The last point between two records at or before `limit`, found by walking the records that the file holds.
Writer::Mark Writer::last_mark_before(u64 limit) const {
  const auto after = std::ranges::upper_bound(flushes_, limit, {}, &Mark::offset);
  Mark mark = *std::prev(after);
  std::vector<std::byte> records(limit - mark.offset);
  file_.read_at(mark.offset, records);
  const std::size_t time_offset = sizeof(RecordHeader) + (identifier_ ? 8 : 0) + 16;
  for (std::size_t at = 0; at + sizeof(RecordHeader) <= records.size();) {
    RecordHeader header;
    std::memcpy(&header, &records[at], sizeof header);
    if (header.size > records.size() - at) break;
    if (header.type < kFirstToolRecord) ++mark.records;
    if (header.type == static_cast<u32>(RecordType::kSample)) {
      ++mark.samples;
      std::memcpy(&mark.last_sample_time, &records[at + time_offset], sizeof mark.last_sample_time);
    }
    at += header.size;
    mark.offset += header.size;
  }
  return mark;
}

}  // namespace lastbranch::perfdata
