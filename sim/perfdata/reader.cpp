#include "sim/perfdata/reader.h"

#include <algorithm>
#include <cstddef>
#include <cstring>
#include <utility>

#include "sim/base/error.h"
#include "sim/perfdata/byte_cursor.h"

namespace lastbranch::perfdata {
namespace {

constexpr u64 kWindowSize = u64{1} << 20;
constexpr u64 kAttrSizeLimit = 4096;  // as the kernel: a page

EventInfo read_event(const InputFile& file, u64 offset, std::span<const std::byte> entry, std::size_t index) {
  const std::string what = fmt::format("attr {}", index);
  EventInfo event;
  const std::size_t room = entry.size() - sizeof(Section);
  std::memcpy(&event.attr, entry.data(), std::min(room, sizeof event.attr));
  const u32 size = event.attr.size == 0 ? kAttrSizeMin : event.attr.size;
  if (size < kAttrSizeMin || size > room) {
    damaged(file.path(), offset + offsetof(Attr, size), what + " size",
            fmt::format("{} to {}", kAttrSizeMin, room), fmt::to_string(size));
  }
  if (size < sizeof event.attr) {
    std::memset(reinterpret_cast<std::byte*>(&event.attr) + size, 0, sizeof event.attr - size);
  }
  if ((event.attr.sample_type & ~kSampleBitsKnown) != 0) {
    damaged(file.path(), offset + offsetof(Attr, sample_type), what + " sample_type",
            fmt::format("bits of {:#x}", kSampleBitsKnown), fmt::format("{:#x}", event.attr.sample_type));
  }

  Section ids;
  std::memcpy(&ids, entry.data() + room, sizeof ids);
  file.check_range(ids.offset, ids.size, offset + room, what + " ids");
  if (ids.size % sizeof(u64) != 0) {
    damaged(file.path(), offset + room + offsetof(Section, size), what + " size of ids", "a multiple of 8",
            fmt::to_string(ids.size));
  }
  event.ids.resize(ids.size / sizeof(u64));
  file.read(ids.offset, std::as_writable_bytes(std::span(event.ids)));
  return event;
}

void check_magic(const InputFile& file, const FileHeader& header) {
  const auto fail = [&](std::string_view found) {
    damaged(file.path(), 0, "header: magic", "PERFILE2 in little-endian order", found);
  };
  if (header.magic == kMagicSwapped) fail("the byte order of a big-endian machine, which is not read yet");
  if (header.magic == kMagicVersion1) fail("PERFFILE, the format before Linux 2.6.33");
  if (header.magic != kMagic) fail(fmt::format("{:#018x}", header.magic));
}

}  // namespace

Reader::Reader(std::string path)
    : file_(std::move(path)),
      header_(read_header(file_)),
      features_(read_features(file_, header_)),
      events_(read_events(file_, header_)),
      records_(file_.path(), events_),
      at_(header_.data.offset),
      end_(header_.data.offset + header_.data.size) {
  name_events();
}

FileHeader Reader::read_header(const InputFile& file) {
  FileHeader header;
  file.check_range(0, kPipeHeaderSize, 0, "header");
  const auto bytes = std::as_writable_bytes(std::span(&header, 1));
  file.read(0, bytes.first(kPipeHeaderSize));
  check_magic(file, header);
  const u64 size_at = offsetof(FileHeader, size);
  if (header.size == kPipeHeaderSize) {
    damaged(file.path(), size_at, "header: size", "104", "16: pipe mode, which is not read yet");
  }
  if (header.size != sizeof header) {
    damaged(file.path(), size_at, "header: size", "104", fmt::to_string(header.size));
  }
  file.check_range(0, sizeof header, size_at, "header");
  file.read(0, bytes);
  file.check_range(header.attrs.offset, header.attrs.size, offsetof(FileHeader, attrs),
                   "header: attrs section");
  file.check_range(header.data.offset, header.data.size, offsetof(FileHeader, data), "header: data section");
  return header;
}

std::vector<EventInfo> Reader::read_events(const InputFile& file, const FileHeader& header) {
  const u64 entry_size = header.attr_size;
  const u64 smallest = kAttrSizeMin + sizeof(Section);
  if (entry_size < smallest || entry_size > kAttrSizeLimit) {
    damaged(file.path(), offsetof(FileHeader, attr_size), "header: attr entry size",
            fmt::format("{} to {}", smallest, kAttrSizeLimit), fmt::to_string(entry_size));
  }
  if (header.attrs.size == 0 || header.attrs.size % entry_size != 0) {
    damaged(file.path(), offsetof(FileHeader, attrs) + offsetof(Section, size),
            "header: size of attrs section", fmt::format("one or more entries of {} bytes", entry_size),
            fmt::to_string(header.attrs.size));
  }
  std::vector<EventInfo> events;
  std::vector<std::byte> entry(entry_size);
  u64 ids = 0;
  for (u64 at = 0; at < header.attrs.size; at += entry_size) {
    file.read(header.attrs.offset + at, entry);
    events.push_back(read_event(file, header.attrs.offset + at, entry, events.size()));
    // Sections that overlap could ask for the whole file once for each event.
    ids += events.back().ids.size();
    if (ids > file.size() / sizeof(u64)) {
      damaged(file.path(), header.attrs.offset + at + entry_size - sizeof(Section),
              fmt::format("attr {} ids", events.size() - 1),
              fmt::format("at most {} ids in all", file.size() / sizeof(u64)), fmt::to_string(ids));
    }
  }
  return events;
}

void Reader::name_events() {
  for (std::size_t i = 0; i < events_.size(); ++i) {
    EventInfo& event = events_[i];
    event.name = i < features_.event_names.size()
                     ? features_.event_names[i]
                     : fmt::format("type={},config={:#x}", event.attr.type, event.attr.config);
  }
}

std::span<const std::byte> Reader::peek(u64 size) {
  if (at_ < window_at_ || at_ + size > window_at_ + window_.size()) {
    window_.resize(std::min(kWindowSize, end_ - at_));
    file_.read(at_, window_);
    window_at_ = at_;
  }
  return std::span(window_).subspan(at_ - window_at_, size);
}

const Record* Reader::next() {
  if (at_ == end_) return nullptr;
  const u64 left = end_ - at_;
  RecordHeader header;
  if (left < sizeof header) {
    damaged(file_.path(), at_, "record header", "8 bytes", fmt::format("{} left in the data section", left));
  }
  std::memcpy(&header, peek(sizeof header).data(), sizeof header);
  if (header.size < sizeof header || header.size > left) {
    damaged(file_.path(), at_ + offsetof(RecordHeader, size), record_name(header.type) + ": size",
            fmt::format("8 to {}", left), fmt::to_string(header.size));
  }
  const auto type = static_cast<RecordType>(header.type);
  if (type == RecordType::kCompressed || type == RecordType::kCompressed2) {
    damaged(file_.path(), at_, record_name(header.type), "records as they are",
            "compressed ones, which are not read yet");
  }
  const auto body = peek(header.size).subspan(sizeof header);
  records_.decode(at_, header, body, record_);
  if (std::holds_alternative<OtherRecord>(record_.body)) ++passed_over_[header.type];
  at_ += header.size;
  if (type == RecordType::kAuxtrace) skip_auxtrace(body);
  return &record_;
}

/// The only record whose header does not count all of its bytes.
void Reader::skip_auxtrace(std::span<const std::byte> body) {
  ByteCursor in(file_.path(), record_.offset + sizeof(RecordHeader), body, "AUXTRACE record");
  const auto size = in.take<u64>("size");
  if (size > end_ - at_) {
    in.fail("size", fmt::format("at most {}", end_ - at_), fmt::to_string(size));
  }
  at_ += size;
}

}  // namespace lastbranch::perfdata
