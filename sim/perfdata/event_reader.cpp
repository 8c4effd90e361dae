#include "sim/perfdata/event_reader.h"

#include <algorithm>
#include <cstddef>
#include <cstring>
#include <sstream>
#include <unordered_map>

#include <fmt/format.h>

namespace lastbranch::perfdata {
namespace {

constexpr u64 kAttrSizeLimit = 4096;  // as the kernel: a page

/// The attribute at the front of `bytes`, which may be longer than it.
Attr decode_attr(const Origin& origin, std::span<const std::byte> bytes, const std::string& what) {
  ByteCursor in(origin, bytes, what);
  const u64 start = in.offset();
  in.skip(offsetof(Attr, size), "attribute");
  const u64 size_at = in.offset();
  auto size = in.take<u32>("size");
  if (size == 0) size = kAttrSizeMin;
  if (size < kAttrSizeMin || size > bytes.size()) {
    damaged(origin.file, size_at, what + " size", fmt::format("{} to {}", kAttrSizeMin, bytes.size()),
            fmt::to_string(size));
  }
  Attr attr;
  std::memcpy(&attr, bytes.data(), std::min<std::size_t>(size, sizeof attr));
  if (origin.swapped) swap_bytes(attr);
  attr.size = size;
  if ((attr.sample_type & ~kSampleBitsKnown) != 0) {
    damaged(origin.file, origin.unpacked ? start : start + offsetof(Attr, sample_type), what + " sample_type",
            fmt::format("bits of {:#x}", kSampleBitsKnown), fmt::format("{:#x}", attr.sample_type));
  }
  return attr;
}

EventInfo read_event(const InputFile& file, const Origin& origin, std::span<const std::byte> entry,
                     std::size_t index) {
  const std::string what = fmt::format("attr {}", index);
  const std::size_t room = entry.size() - sizeof(Section);
  EventInfo event;
  event.attr = decode_attr(origin, entry.first(room), what);
  Section ids;
  std::memcpy(&ids, entry.data() + room, sizeof ids);
  if (origin.swapped) swap_bytes(ids);
  file.check_range(ids.offset, ids.size, origin.offset + room, what + " ids");
  if (ids.size % sizeof(u64) != 0) {
    damaged(file.path(), origin.offset + room + offsetof(Section, size), what + " size of ids",
            "a multiple of 8", fmt::to_string(ids.size));
  }
  event.ids.resize(ids.size / sizeof(u64));
  file.read(ids.offset, std::as_writable_bytes(std::span(event.ids)));
  if (origin.swapped) {
    for (u64& id : event.ids) swap_bytes(id);
  }
  return event;
}

/// simpleperf's: lines of name, type and config with commas between. By "type,config".
std::unordered_map<std::string, std::string> simpleperf_names(const Features& features) {
  std::unordered_map<std::string, std::string> names;
  for (const auto& [key, value] : features.meta_info) {
    if (key != "event_type_info") continue;
    std::istringstream lines(value);
    for (std::string line; std::getline(lines, line);) {
      const std::size_t comma = line.find(',');
      if (comma != std::string::npos) names.emplace(line.substr(comma + 1), line.substr(0, comma));
    }
  }
  return names;
}

}  // namespace

std::vector<EventInfo> read_events(const InputFile& file, const FileHeader& header, bool swapped) {
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
    const u64 offset = header.attrs.offset + at;
    file.read(offset, entry);
    events.push_back(
        read_event(file, {.file = file.path(), .offset = offset, .swapped = swapped}, entry, events.size()));
    // Sections that overlap could ask for the whole file once for each event.
    ids += events.back().ids.size();
    if (ids > file.size() / sizeof(u64)) {
      damaged(file.path(), offset + entry_size - sizeof(Section),
              fmt::format("attr {} ids", events.size() - 1),
              fmt::format("at most {} ids in all", file.size() / sizeof(u64)), fmt::to_string(ids));
    }
  }
  return events;
}

EventInfo decode_event(Origin origin, std::span<const std::byte> body, std::size_t index) {
  const std::string what = fmt::format("HEADER_ATTR record: attr {}", index);
  EventInfo event;
  event.attr = decode_attr(origin, body, what);
  ByteCursor in(origin, body, what);
  in.skip(event.attr.size, "attribute");
  in.take_all(in.left() / sizeof(u64), event.ids, "ids");
  return event;
}

void name_events(const Features& features, std::vector<EventInfo>& events) {
  const auto others = simpleperf_names(features);
  for (std::size_t i = 0; i < events.size(); ++i) {
    EventInfo& event = events[i];
    if (!event.name.empty()) continue;
    const auto other = others.find(fmt::format("{},{}", event.attr.type, event.attr.config));
    event.name = i >= features.event_names.size() && other != others.end()
                     ? other->second
                     : event_name(features, i, event.attr);
  }
}

std::string event_name(const Features& features, std::size_t index, const Attr& attr) {
  if (index < features.event_names.size()) return features.event_names[index];
  return fmt::format("type={},config={:#x}", attr.type, attr.config);
}

}  // namespace lastbranch::perfdata
