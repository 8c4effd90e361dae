#include "sim/perfdata/record_stream.h"

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstring>
#include <utility>

namespace lastbranch::perfdata {
namespace {

constexpr std::size_t kUnpackedSize = std::size_t{1} << 18;

struct NameRow {
  RecordType type;
  std::string_view name;
};

constexpr std::array kNames = {
    NameRow{RecordType::kMmap, "MMAP"},
    NameRow{RecordType::kLost, "LOST"},
    NameRow{RecordType::kComm, "COMM"},
    NameRow{RecordType::kExit, "EXIT"},
    NameRow{RecordType::kThrottle, "THROTTLE"},
    NameRow{RecordType::kUnthrottle, "UNTHROTTLE"},
    NameRow{RecordType::kFork, "FORK"},
    NameRow{RecordType::kRead, "READ"},
    NameRow{RecordType::kSample, "SAMPLE"},
    NameRow{RecordType::kMmap2, "MMAP2"},
    NameRow{RecordType::kAux, "AUX"},
    NameRow{RecordType::kItraceStart, "ITRACE_START"},
    NameRow{RecordType::kLostSamples, "LOST_SAMPLES"},
    NameRow{RecordType::kSwitch, "SWITCH"},
    NameRow{RecordType::kSwitchCpuWide, "SWITCH_CPU_WIDE"},
    NameRow{RecordType::kNamespaces, "NAMESPACES"},
    NameRow{RecordType::kKsymbol, "KSYMBOL"},
    NameRow{RecordType::kBpfEvent, "BPF_EVENT"},
    NameRow{RecordType::kCgroup, "CGROUP"},
    NameRow{RecordType::kTextPoke, "TEXT_POKE"},
    NameRow{RecordType::kAuxOutputHwId, "AUX_OUTPUT_HW_ID"},
    NameRow{RecordType::kHeaderAttr, "HEADER_ATTR"},
    NameRow{RecordType::kHeaderEventType, "HEADER_EVENT_TYPE"},
    NameRow{RecordType::kHeaderTracingData, "HEADER_TRACING_DATA"},
    NameRow{RecordType::kBuildId, "BUILD_ID"},
    NameRow{RecordType::kFinishedRound, "FINISHED_ROUND"},
    NameRow{RecordType::kIdIndex, "ID_INDEX"},
    NameRow{RecordType::kAuxtraceInfo, "AUXTRACE_INFO"},
    NameRow{RecordType::kAuxtrace, "AUXTRACE"},
    NameRow{RecordType::kAuxtraceError, "AUXTRACE_ERROR"},
    NameRow{RecordType::kThreadMap, "THREAD_MAP"},
    NameRow{RecordType::kCpuMap, "CPU_MAP"},
    NameRow{RecordType::kStatConfig, "STAT_CONFIG"},
    NameRow{RecordType::kStat, "STAT"},
    NameRow{RecordType::kStatRound, "STAT_ROUND"},
    NameRow{RecordType::kEventUpdate, "EVENT_UPDATE"},
    NameRow{RecordType::kTimeConv, "TIME_CONV"},
    NameRow{RecordType::kHeaderFeature, "HEADER_FEATURE"},
    NameRow{RecordType::kCompressed, "COMPRESSED"},
    NameRow{RecordType::kFinishedInit, "FINISHED_INIT"},
    NameRow{RecordType::kCompressed2, "COMPRESSED2"},
    NameRow{RecordType::kBpfMetadata, "BPF_METADATA"},
    NameRow{RecordType::kSchedstatCpu, "SCHEDSTAT_CPU"},
    NameRow{RecordType::kSchedstatDomain, "SCHEDSTAT_DOMAIN"},
    NameRow{RecordType::kSimpleperfEventId, "simpleperf EVENT_ID"},
};

bool is_compressed(u32 type) {
  return type == static_cast<u32>(RecordType::kCompressed) ||
         type == static_cast<u32>(RecordType::kCompressed2);
}

}  // namespace

std::string_view record_type_name(u32 type) {
  const auto* const row = std::ranges::find(kNames, static_cast<RecordType>(type), &NameRow::type);
  return row == kNames.end() ? std::string_view{} : row->name;
}

std::string record_name(u32 type) {
  const std::string_view name = record_type_name(type);
  return name.empty() ? fmt::format("record of type {}", type) : fmt::format("{} record", name);
}

RecordStream::RecordStream(ByteStream stream, bool swapped) : stream_(std::move(stream)), swapped_(swapped) {}

void RecordStream::set_unpacked_max(u64 bytes) {
  if (bytes != 0) unpacked_max_ = std::min(bytes, kUnpackedPerRecordMax);
}

RecordHeader RecordStream::decode_header(std::span<const std::byte> bytes, u64& size) const {
  RecordHeader header;
  std::memcpy(&header, bytes.data(), sizeof header);
  if (swapped_) swap_bytes(header);
  size = header.size;
  if (header.type >= kFirstSimpleperfRecord) {
    size |= u64{header.misc} << 16;
    header.misc = 0;
    if (size > kRecordSizeMax) header.size = 0;
  }
  return header;
}

u64 RecordStream::raw_bytes_after(const RawRecord& record) const {
  const auto type = static_cast<RecordType>(record.header.type);
  if (type != RecordType::kAuxtrace && type != RecordType::kHeaderTracingData) return 0;
  ByteCursor in(origin_of(record), record.body,
                type == RecordType::kAuxtrace ? "AUXTRACE record" : "HEADER_TRACING_DATA record");
  return type == RecordType::kAuxtrace ? in.take<u64>("size") : align_up(in.take<u32>("size"), 8);
}

bool RecordStream::next(RawRecord& record) {
  for (;;) {
    if (next_unpacked(record) == Unpacked::kRecord) return true;
    if (!next_in_file(record)) {
      if (unpacked_filled_ != unpacked_used_ || unpacked_skip_ != 0) {
        fail_unpacked("end of the last record", "a whole record",
                      fmt::format("{} bytes of one", unpacked_filled_ - unpacked_used_));
      }
      return false;
    }
    if (!is_compressed(record.header.type)) return true;
    open_compressed(record);
  }
}

bool RecordStream::next_in_file(RawRecord& record) {
  if (const u64 skip = std::exchange(skip_next_, 0); skip != 0) {
    raw_bytes_skipped_ += skip;
    if (const u64 done = stream_.skip(skip); done != skip) {
      damaged(stream_.file().path(), stream_.offset(), "data after an AUXTRACE or TRACING_DATA record",
              fmt::format("{} bytes", skip), fmt::format("{}", done));
    }
  }
  const auto bytes = stream_.peek(sizeof(RecordHeader));
  if (bytes.empty()) return false;
  record.offset = stream_.offset();
  record.unpacked = false;
  const std::string& path = stream_.file().path();
  if (bytes.size() < sizeof(RecordHeader)) {
    damaged(path, record.offset, "record header", "8 bytes",
            fmt::format("{} left in the data section", bytes.size()));
  }
  u64 size = 0;
  record.header = decode_header(bytes, size);
  record.body = {};
  const auto fail_size = [&](u64 left) {
    damaged(path, record.offset + offsetof(RecordHeader, size), record_name(record.header.type) + ": size",
            fmt::format("8 to {}", left), fmt::to_string(size));
  };
  if (size < sizeof(RecordHeader)) fail_size(stream_.left(kRecordSizeMax));
  if (record.header.size == 0) {
    if (const u64 done = stream_.skip(size); done != size) fail_size(done);
    return true;
  }
  const auto whole = stream_.peek(size);
  if (whole.size() < size) fail_size(stream_.left(size));
  record.body = whole.subspan(sizeof(RecordHeader));
  stream_.advance(size);
  skip_next_ = raw_bytes_after(record);
  return true;
}

void RecordStream::open_compressed(const RawRecord& record) {
  packed_ = record.body;
  if (static_cast<RecordType>(record.header.type) == RecordType::kCompressed2) {
    ByteCursor in(origin_of(record), record.body, "COMPRESSED2 record");
    const auto size = in.take<u64>("data size");
    packed_ = in.take_bytes(size, "data size");
  }
  packed_at_ = record.offset;
  packed_size_ = packed_.size();
  packed_total_ += packed_size_;
  unpacked_now_ = 0;
  held_back_ = false;
  if (!decompressor_) {
    decompressor_.emplace();
    unpacked_.resize(kUnpackedSize);
  }
}

/// Makes room and fills it; false when the current record has no more.
bool RecordStream::unpack_more() {
  if (packed_.empty() && !held_back_) return false;
  std::memmove(unpacked_.data(), unpacked_.data() + unpacked_used_, unpacked_filled_ - unpacked_used_);
  unpacked_filled_ -= unpacked_used_;
  unpacked_used_ = 0;
  const auto room = std::span(unpacked_).subspan(unpacked_filled_);
  const Decompressor::Step step = decompressor_->run(packed_, room);
  if (step.error != nullptr) fail_unpacked("data", "a zstd stream", step.error);
  packed_ = packed_.subspan(step.consumed);
  held_back_ = step.produced == room.size();
  unpacked_filled_ += step.produced;
  unpacked_now_ += step.produced;
  unpacked_total_ += step.produced;
  if (unpacked_now_ > unpacked_max_) {
    fail_unpacked("data", fmt::format("at most {} bytes in {} compressed ones", unpacked_max_, packed_size_),
                  "more");
  }
  if (unpacked_total_ > kUnpackedFree && unpacked_total_ / kRatioMax > packed_total_) {
    fail_unpacked("data", fmt::format("at most {} times the {} bytes so far", kRatioMax, packed_total_),
                  fmt::format("{} bytes", unpacked_total_));
  }
  if (step.produced == 0 && step.consumed == 0 && !packed_.empty()) {
    fail_unpacked("data", "a zstd stream", "one that stands still");
  }
  return step.produced != 0 || !packed_.empty();
}

RecordStream::Unpacked RecordStream::next_unpacked(RawRecord& record) {
  if (!decompressor_) return Unpacked::kNeedsMore;
  for (;;) {
    const u64 skip = std::min<u64>(unpacked_skip_, unpacked_filled_ - unpacked_used_);
    unpacked_used_ += skip;
    unpacked_skip_ -= skip;
    const auto left = std::span(unpacked_).subspan(unpacked_used_, unpacked_filled_ - unpacked_used_);
    u64 size = sizeof(RecordHeader);
    if (left.size() >= size) {
      record.header = decode_header(left, size);
      record.offset = packed_at_;
      record.unpacked = true;
      record.body = {};
      const u32 type = record.header.type;
      if (size < sizeof(RecordHeader)) {
        fail_unpacked(record_name(type) + ": size", "8 or more", fmt::to_string(size));
      }
      if (is_compressed(type)) fail_unpacked(record_name(type), "none in a compressed one", "one");
      if (record.header.size == 0) {
        unpacked_skip_ = size;
        return Unpacked::kRecord;
      }
      if (left.size() >= size) {
        record.body = left.subspan(sizeof(RecordHeader), size - sizeof(RecordHeader));
        unpacked_used_ += size;
        unpacked_skip_ = raw_bytes_after(record);
        raw_bytes_skipped_ += unpacked_skip_;
        return Unpacked::kRecord;
      }
    }
    if (!unpack_more()) return Unpacked::kNeedsMore;
  }
}

void RecordStream::fail_unpacked(std::string_view field, std::string_view expected,
                                 std::string_view found) const {
  damaged(stream_.file().path(), packed_at_, fmt::format("COMPRESSED record: {}", field), expected, found);
}

}  // namespace lastbranch::perfdata
