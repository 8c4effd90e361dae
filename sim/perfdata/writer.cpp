#include "sim/perfdata/writer.h"

#include <algorithm>
#include <cstring>

#include "sim/base/error.h"

namespace lastbranch::perfdata {
namespace {

constexpr std::size_t kFlushSize = std::size_t{1} << 20;
/// A full disk loses as much at most.
constexpr std::size_t kCompressSize = 4 * Compressor::kPieceMax;
/// perf sorts what lies between two FINISHED_ROUND records in memory; smaller rounds only cost space.
constexpr unsigned kRecordsPerRound = 64;
constexpr u32 kProtExec = 4;
constexpr std::size_t kCommMax = 15;  // TASK_COMM_LEN without the NUL

constexpr u16 misc_of(CpuMode mode) {
  return static_cast<u16>(mode);
}

u64 sample_type(const EventAttr& event, bool identifier) {
  u64 bits = kSampleIp | kSampleTid | kSampleTime | kSampleCpu | kSamplePeriod;
  if (event.max_stack != 0) bits |= kSampleCallchain;
  if (event.branch_sample_type != 0) bits |= kSampleBranchStack;
  if (identifier) bits |= kSampleIdentifier;
  return bits;
}

/// Throws Error when `attr` says something in what is cut off behind `size` bytes.
void expect_fits(const EventAttr& event, const Attr& attr, u32 size) {
  if (size < kAttrSizeMin || size > sizeof(Attr) || size % 8 != 0) {
    throw Error("size of attributes: expected a multiple of 8 from {} to {}, found {}", kAttrSizeMin,
                sizeof(Attr), size);
  }
  const auto rest = std::as_bytes(std::span(&attr, 1)).subspan(size);
  if (std::ranges::all_of(rest, [](std::byte b) { return b == std::byte{0}; })) return;
  throw Error("event {}: expected attributes that hold all that it asks for, found {} bytes", event.name,
              size);
}

}  // namespace

Attr make_attr(const EventAttr& event, bool identifier, u32 attr_size) {
  if (event.precise_ip > 3)
    throw Error("event {}: precise_ip: expected 0 to 3, found {}", event.name, event.precise_ip);
  Attr attr;
  attr.type = event.type;
  attr.size = attr_size;
  attr.config = event.config;
  attr.config1 = event.config1;
  attr.config2 = event.config2;
  attr.sample_period = event.period;
  attr.sample_type = sample_type(event, identifier);
  attr.branch_sample_type = event.branch_sample_type;
  attr.sample_max_stack = event.max_stack;
  attr.read_format = kReadId;
  attr.flags = kAttrDisabled | kAttrInherit | kAttrMmap | kAttrComm | kAttrEnableOnExec | kAttrTask |
               kAttrSampleIdAll | kAttrMmap2 | kAttrCommExec | kAttrBuildId |
               u64{event.precise_ip} << kAttrPreciseIpShift;
  if (event.exclude_user) attr.flags |= kAttrExcludeUser;
  if (event.exclude_kernel) attr.flags |= kAttrExcludeKernel;
  if (event.exclude_hv) attr.flags |= kAttrExcludeHv;
  if (event.freq) attr.flags |= kAttrFreq;
  expect_fits(event, attr, attr_size);
  return attr;
}

Writer::Writer(WriterConfig config)
    : contents_{.config = std::move(config)}, identifier_(contents_.config.events.size() > 1) {
  const WriterConfig& c = contents_.config;
  if (c.events.empty()) throw Error("{}: expected at least one event, found none", c.path);
  for (const EventAttr& event : c.events) {
    contents_.attrs.push_back(make_attr(event, identifier_, c.attr_size));
    contents_.ids.push_back(contents_.ids.size() + 1);
  }
  contents_.sample_time_at = sizeof(RecordHeader) + (identifier_ ? 8 : 0) + 16;
  if (c.compress != 0) {
    compressor_ = std::make_unique<Compressor>(c.compress);
    contents_.compression = {.level = static_cast<u32>(c.compress), .piece_max = 2 * Compressor::kPieceMax};
  }
  container_ = open_container(contents_);
  flush_size_ = compressor_ ? kCompressSize : kFlushSize;
  buffer_.reserve(flush_size_ + 2 * kRecordSizeMax);
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

/// Throws Error.
void Writer::check(const Sample& sample) const {
  const std::string& path = contents_.config.path;
  if (sample.event >= contents_.attrs.size()) {
    throw Error("{}: sample of event {}: expected less than {}", path, sample.event, contents_.attrs.size());
  }
  const bool counters = (contents_.attrs[sample.event].branch_sample_type & kBranchCounters) != 0;
  if (counters && sample.branch_counters.size() != sample.branches.size()) {
    throw Error("{}: sample at {} ns: expected counters of {} branches, found {}", path, sample.time,
                sample.branches.size(), sample.branch_counters.size());
  }
  constexpr std::size_t kFixedMax = 80;
  constexpr std::size_t kChainMax = 1024;
  if (sample.callchain.size() > kChainMax) {
    throw Error("{}: sample at {} ns: expected a callchain of at most {} addresses, found {}", path,
                sample.time, kChainMax, sample.callchain.size());
  }
  const std::size_t branch = sizeof(BranchEntry) + (counters ? sizeof(u64) : 0);
  const std::size_t most = (kRecordSizeMax - kFixedMax - sample.callchain.size() * sizeof(u64)) / branch;
  if (sample.branches.size() > most) {
    throw Error("{}: sample at {} ns: expected at most {} branches, found {}", path, sample.time, most,
                sample.branches.size());
  }
}

void Writer::put_branches(const Sample& sample, u64 branch_sample_type) {
  buffer_.put(u64{sample.branches.size()});
  if ((branch_sample_type & kBranchHwIndex) != 0) buffer_.put(sample.hw_index);
  buffer_.put_all(sample.branches);
  if ((branch_sample_type & kBranchCounters) != 0) buffer_.put_all(sample.branch_counters);
}

void Writer::sample(const Sample& sample) {
  check(sample);
  const Attr& attr = contents_.attrs[sample.event];
  begin_record(RecordType::kSample, misc_of(sample.cpu_mode), sample.time);
  if (identifier_) buffer_.put(contents_.ids[sample.event]);
  buffer_.put(sample.ip);
  buffer_.put(sample.pid);
  buffer_.put(sample.tid);
  buffer_.put(sample.time);
  buffer_.put(sample.cpu);
  buffer_.put(u32{0});
  buffer_.put(sample.period);
  if ((attr.sample_type & kSampleCallchain) != 0) {
    buffer_.put(u64{sample.callchain.size()});
    buffer_.put_all(sample.callchain);
  }
  if ((attr.sample_type & kSampleBranchStack) != 0) put_branches(sample, attr.branch_sample_type);
  if (!contents_.first_sample_time) contents_.first_sample_time = sample.time;
  now_.last_sample_time = sample.time;
  ++now_.samples;
  end_record();
}

void Writer::begin_record(RecordType type, u16 misc, u64 time) {
  if (finished_) throw Error("{}: a record after finish()", contents_.config.path);
  if (time < last_time_) {
    throw Error("{}: records must come in the order of their times: expected at least {} ns, found {} ns",
                contents_.config.path, last_time_, time);
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
  if (identifier_) buffer_.put(contents_.ids.front());
}

void Writer::end_record() {
  const std::size_t size = buffer_.size() - record_start_;
  if (size > kRecordSizeMax) {
    buffer_.shrink_to(record_start_);
    throw Error("{}: a record at {} ns: expected at most {} bytes, found {}", contents_.config.path,
                last_time_, kRecordSizeMax, size);
  }
  buffer_.patch(record_start_ + offsetof(RecordHeader, size), static_cast<u16>(size));
  ++now_.records;
  if (failure_ != 0) {
    buffer_.clear();
    return;
  }
  if (++records_in_round_ == kRecordsPerRound) {
    records_in_round_ = 0;
    buffer_.put(RecordHeader{.type = static_cast<u32>(RecordType::kFinishedRound), .misc = 0, .size = 8});
  }
  if (buffer_.size() < flush_size_) return;
  if (const int error = flush(); error != 0) {
    throw Error("{}: {} after {} bytes", contents_.config.path, std::strerror(error), container_->size());
  }
}

int Writer::flush() {
  const auto records = compressor_ ? compressor_->encode(buffer_.bytes()) : buffer_.bytes();
  failure_ = container_->append(records, now_);
  buffer_.clear();
  return failure_;
}

void Writer::note_file(std::string_view filename, const BuildId& build_id) {
  const bool known = std::ranges::any_of(contents_.files, [&](const IdentifiedFile& file) {
    return file.filename == filename && file.build_id == build_id;
  });
  if (!known) contents_.files.push_back({std::string(filename), build_id});
}

void Writer::finish() {
  if (finished_) throw Error("{}: finish() called twice", contents_.config.path);
  finished_ = true;
  if (failure_ == 0) failure_ = flush();
  if (compressor_) contents_.compression->ratio = compressor_->ratio();
  // Also when it throws, what was kept is known.
  struct Settle {
    Writer& writer;
    ~Settle() { writer.summary_.lost_records = writer.now_.records - writer.summary_.records; }
  } const settle{*this};
  container_->finish(now_, failure_, summary_);
}

}  // namespace lastbranch::perfdata
