#include "sim/perfdata/record_reader.h"

#include <algorithm>
#include <bit>
#include <utility>

namespace lastbranch::perfdata {
namespace {

/// Bytes of the trailer that sample_id_all adds.
u64 sample_id_size(const Attr& attr) {
  if ((attr.flags & kAttrSampleIdAll) == 0) return 0;
  constexpr u64 kFields =
      kSampleTid | kSampleTime | kSampleId | kSampleStreamId | kSampleCpu | kSampleIdentifier;
  return 8 * static_cast<u64>(std::popcount(attr.sample_type & kFields));
}

void take_blob(ByteCursor& in, u64 size, std::vector<u8>& bytes, std::string_view field) {
  in.take_all(size, bytes, field);
}

void take_read(ByteCursor& in, u64 format, SampleRecord& sample) {
  const bool group = (format & kReadGroup) != 0;
  const u64 value_size = 8 * (1 + u64{(format & kReadId) != 0} + u64{(format & kReadLost) != 0});
  u64 count = 1;
  ReadValue single;
  if (group) {
    count = in.take<u64>("READ count");
  } else {
    single.value = in.take<u64>("READ value");
  }
  if ((format & kReadTimeEnabled) != 0) sample.read_time_enabled = in.take<u64>("READ time enabled");
  if ((format & kReadTimeRunning) != 0) sample.read_time_running = in.take<u64>("READ time running");
  if (group && count > in.left() / value_size) {
    in.fail("READ count", fmt::format("at most {}", in.left() / value_size), fmt::to_string(count));
  }
  for (u64 i = 0; i < count; ++i) {
    ReadValue value = single;
    if (group) value.value = in.take<u64>("READ value");
    if ((format & kReadId) != 0) value.id = in.take<u64>("READ id");
    if ((format & kReadLost) != 0) value.lost = in.take<u64>("READ lost");
    sample.read.push_back(value);
  }
}

void take_raw(ByteCursor& in, SampleRecord& sample) {
  const auto size = in.take<u32>("RAW size");
  take_blob(in, size, sample.raw, "RAW data");
  in.skip(align_up(4 + std::size_t{size}, 8) - 4 - size, "RAW padding");
}

void take_branches(ByteCursor& in, const Attr& attr, SampleRecord& sample) {
  const auto count = in.take<u64>("BRANCH_STACK count");
  if ((attr.branch_sample_type & kBranchHwIndex) != 0) sample.hw_index = in.take<u64>("BRANCH_STACK hw_idx");
  in.take_all(count, sample.branches, "BRANCH_STACK count");
  if ((attr.branch_sample_type & kBranchCounters) != 0) {
    in.take_all(count, sample.branch_counters, "BRANCH_STACK counters");
  }
}

void take_regs(ByteCursor& in, u64 mask, u64& abi, std::vector<u64>& regs, std::string_view field) {
  abi = in.take<u64>(field);
  if (abi != 0) in.take_all(static_cast<u64>(std::popcount(mask)), regs, field);
}

void take_user_stack(ByteCursor& in, SampleRecord& sample) {
  const auto size = in.take<u64>("STACK_USER size");
  if (size == 0) return;
  take_blob(in, size, sample.user_stack, "STACK_USER size");
  sample.user_stack_dynamic_size = in.take<u64>("STACK_USER dynamic size");
}

void take_mmap(ByteCursor& in, const RecordHeader& header, MmapRecord& map) {
  map.pid = in.take<u32>("pid");
  map.tid = in.take<u32>("tid");
  map.addr = in.take<u64>("addr");
  map.len = in.take<u64>("len");
  map.pgoff = in.take<u64>("pgoff");
  if (static_cast<RecordType>(header.type) == RecordType::kMmap2) {
    if ((header.misc & kMiscMmapBuildId) != 0) {
      const auto size = in.take<std::array<u8, 4>>("build-id size")[0];
      const BuildId id{.bytes = in.take<std::array<u8, 20>>("build-id"), .size = size};
      if (size > id.bytes.size()) in.fail("build-id size", "at most 20", fmt::to_string(size));
      map.build_id = id;
    } else {
      map.major = in.take<u32>("maj");
      map.minor = in.take<u32>("min");
      map.inode = in.take<u64>("ino");
      map.generation = in.take<u64>("ino_generation");
    }
    map.prot = in.take<u32>("prot");
    map.flags = in.take<u32>("flags");
  }
  map.filename = in.take_name(in.left(), "filename");
}

void take_task(ByteCursor& in, TaskRecord& task) {
  task.pid = in.take<u32>("pid");
  task.parent_pid = in.take<u32>("ppid");
  task.tid = in.take<u32>("tid");
  task.parent_tid = in.take<u32>("ptid");
  task.time = in.take<u64>("time");
}

}  // namespace

void SampleRecord::clear() {
  SampleRecord empty;
  const auto keep = [](auto& mine, auto& theirs) {
    mine.clear();
    theirs.swap(mine);
  };
  keep(read, empty.read);
  keep(callchain, empty.callchain);
  keep(raw, empty.raw);
  keep(branches, empty.branches);
  keep(branch_counters, empty.branch_counters);
  keep(user_regs, empty.user_regs);
  keep(user_stack, empty.user_stack);
  keep(intr_regs, empty.intr_regs);
  keep(aux, empty.aux);
  *this = std::move(empty);
}

void RecordReader::index_events(std::string_view file) {
  event_of_id_.clear();
  id_at_ = IdAt::kNone;
  for (std::size_t i = 0; i < events_.size(); ++i) {
    for (const u64 id : events_[i].ids) event_of_id_.emplace(id, i);
  }
  if (events_.size() < 2) return;
  const auto all_have = [&](u64 bit) {
    return std::ranges::all_of(events_, [&](const EventInfo& e) { return (e.attr.sample_type & bit) != 0; });
  };
  constexpr u64 kBeforeId = kSampleIp | kSampleTid | kSampleTime | kSampleAddr;
  const auto same = [&](u64 bits) {
    return std::ranges::all_of(events_, [&](const EventInfo& e) {
      return (e.attr.sample_type & bits) == (events_.front().attr.sample_type & bits);
    });
  };
  if (all_have(kSampleIdentifier)) {
    id_at_ = IdAt::kFirst;
  } else if (all_have(kSampleId) && same(kBeforeId | kSampleIdentifier)) {
    id_at_ = IdAt::kAfterAddr;
  } else if (!same(~u64{0})) {
    throw Error(
        "{}: {} events: expected an id in their samples, found sample types that differ and have none", file,
        events_.size());
  }
}

void RecordReader::decode(const RawRecord& raw, const Origin& origin, Record& record) const {
  record.offset = raw.offset;
  record.header = raw.header;
  if (static_cast<RecordType>(raw.header.type) == RecordType::kSample) {
    ByteCursor in(origin, raw.body, "SAMPLE record");
    if (!std::holds_alternative<SampleRecord>(record.body)) record.body.emplace<SampleRecord>();
    decode_sample(in, std::get<SampleRecord>(record.body));
    return;
  }
  const std::string name = record_name(raw.header.type);
  ByteCursor in(origin, raw.body, name);
  decode_other(raw, in, record);
}

void RecordReader::decode_other(const RawRecord& raw, ByteCursor& in, Record& record) const {
  const RecordHeader header = raw.header;
  const auto type = static_cast<RecordType>(header.type);
  switch (type) {
    case RecordType::kComm: {
      auto& comm = record.body.emplace<CommRecord>();
      comm.sample_id = take_sample_id(in);
      comm.exec = (header.misc & kMiscCommExec) != 0;
      comm.pid = in.take<u32>("pid");
      comm.tid = in.take<u32>("tid");
      comm.name = in.take_name(in.left(), "name");
      return;
    }
    case RecordType::kMmap:
    case RecordType::kMmap2: {
      auto& map = record.body.emplace<MmapRecord>();
      map.sample_id = take_sample_id(in);
      take_mmap(in, header, map);
      return;
    }
    case RecordType::kFork:
    case RecordType::kExit: {
      auto& task = record.body.emplace<TaskRecord>();
      task.sample_id = take_sample_id(in);
      task.exit = type == RecordType::kExit;
      take_task(in, task);
      return;
    }
    case RecordType::kLost:
    case RecordType::kLostSamples: {
      auto& lost = record.body.emplace<LostRecord>();
      lost.sample_id = take_sample_id(in);
      if (type == RecordType::kLost) lost.id = in.take<u64>("id");
      lost.lost = in.take<u64>("lost");
      return;
    }
    default:
      record.body.emplace<OtherRecord>();
      return;
  }
}

std::size_t RecordReader::find_event(ByteCursor in) const {
  if (id_at_ == IdAt::kNone) return 0;
  if (id_at_ == IdAt::kAfterAddr) {
    constexpr u64 kBeforeId = kSampleIp | kSampleTid | kSampleTime | kSampleAddr;
    in.skip(8 * static_cast<u64>(std::popcount(events_.front().attr.sample_type & kBeforeId)),
            "fields before ID");
  }
  const u64 start = in.offset();
  const auto id = in.take<u64>("id");
  const auto found = event_of_id_.find(id);
  if (found != event_of_id_.end()) return found->second;
  // What perf makes up itself, for example from AUX data, it may leave without an id.
  if (id == 0) return 0;
  in.fail_at(start, "id", fmt::format("one of {} known ids", event_of_id_.size()), fmt::to_string(id));
}

void RecordReader::decode_sample(ByteCursor& in, SampleRecord& sample) const {
  sample.clear();
  if (events_.empty()) in.fail("event", "an attribute in the file", "none");
  sample.event = find_event(in);
  const Attr& attr = events_[sample.event].attr;
  const auto has = [&](u64 bit) { return (attr.sample_type & bit) != 0; };
  const auto u64_if = [&](u64 bit, u64& field, std::string_view name) {
    if (has(bit)) field = in.take<u64>(name);
  };

  u64_if(kSampleIdentifier, sample.identifier, "IDENTIFIER");
  u64_if(kSampleIp, sample.ip, "IP");
  if (has(kSampleTid)) {
    sample.pid = in.take<u32>("pid");
    sample.tid = in.take<u32>("tid");
  }
  u64_if(kSampleTime, sample.time, "TIME");
  u64_if(kSampleAddr, sample.addr, "ADDR");
  u64_if(kSampleId, sample.id, "ID");
  u64_if(kSampleStreamId, sample.stream_id, "STREAM_ID");
  if (has(kSampleCpu)) {
    sample.cpu = in.take<u32>("CPU");
    in.skip(4, "CPU");
  }
  u64_if(kSamplePeriod, sample.period, "PERIOD");
  if (has(kSampleRead)) take_read(in, attr.read_format, sample);
  if (has(kSampleCallchain))
    in.take_all(in.take<u64>("CALLCHAIN count"), sample.callchain, "CALLCHAIN count");
  if (has(kSampleRaw)) take_raw(in, sample);
  if (has(kSampleBranchStack)) take_branches(in, attr, sample);
  if (has(kSampleRegsUser))
    take_regs(in, attr.sample_regs_user, sample.user_abi, sample.user_regs, "REGS_USER");
  if (has(kSampleStackUser)) take_user_stack(in, sample);
  u64_if(kSampleWeight | kSampleWeightStruct, sample.weight, "WEIGHT");
  u64_if(kSampleDataSrc, sample.data_src, "DATA_SRC");
  u64_if(kSampleTransaction, sample.transaction, "TRANSACTION");
  if (has(kSampleRegsIntr))
    take_regs(in, attr.sample_regs_intr, sample.intr_abi, sample.intr_regs, "REGS_INTR");
  u64_if(kSamplePhysAddr, sample.phys_addr, "PHYS_ADDR");
  u64_if(kSampleCgroup, sample.cgroup, "CGROUP");
  u64_if(kSampleDataPageSize, sample.data_page_size, "DATA_PAGE_SIZE");
  u64_if(kSampleCodePageSize, sample.code_page_size, "CODE_PAGE_SIZE");
  if (has(kSampleAux)) take_blob(in, in.take<u64>("AUX size"), sample.aux, "AUX size");
}

/// Where the events have an IDENTIFIER, it ends their trailers, so that it can be found before their shape is
/// known.
const Attr& RecordReader::attr_of_trailer(ByteCursor in) const {
  const Attr& first = events_.front().attr;
  if (id_at_ != IdAt::kFirst || (first.flags & kAttrSampleIdAll) == 0) return first;
  const auto id = in.split_tail(sizeof(u64), "sample_id").take<u64>("sample_id identifier");
  const auto found = event_of_id_.find(id);
  return found == event_of_id_.end() ? first : events_[found->second].attr;
}

/// Cuts the trailer off, so that what is left of the record is its own fields.
SampleId RecordReader::take_sample_id(ByteCursor& in) const {
  SampleId result;
  if (events_.empty()) return result;
  const Attr& attr = attr_of_trailer(in);
  ByteCursor tail = in.split_tail(sample_id_size(attr), "sample_id");
  const auto has = [&](u64 bit) {
    return (attr.flags & kAttrSampleIdAll) != 0 && (attr.sample_type & bit) != 0;
  };
  if (has(kSampleTid)) {
    result.pid = tail.take<u32>("sample_id pid");
    result.tid = tail.take<u32>("sample_id tid");
  }
  if (has(kSampleTime)) result.time = tail.take<u64>("sample_id time");
  if (has(kSampleId)) result.id = tail.take<u64>("sample_id id");
  if (has(kSampleStreamId)) result.stream_id = tail.take<u64>("sample_id stream_id");
  if (has(kSampleCpu)) {
    result.cpu = tail.take<u32>("sample_id cpu");
    tail.skip(4, "sample_id cpu");
  }
  if (has(kSampleIdentifier)) result.id = tail.take<u64>("sample_id identifier");
  return result;
}

}  // namespace lastbranch::perfdata
