#include "sim/perfdata/reader.h"

#include <algorithm>
#include <charconv>
#include <cstddef>
#include <cstring>
#include <filesystem>
#include <utility>

#include "sim/base/error.h"
#include "sim/perfdata/byte_cursor.h"
#include "sim/perfdata/event_reader.h"

namespace lastbranch::perfdata {
namespace {

namespace fs = std::filesystem;

/// What records may add to events and features, in bytes; real files stay under 1 MiB.
constexpr u64 kKeptMax = u64{1} << 26;

/// Of pipe mode; perf opens at most a few for each of its options.
constexpr std::size_t kEventsMax = 16384;

/// The file of a folder that has the header.
constexpr std::string_view kFolderHeader = "data";

/// The numbered files of a folder, in order.
std::vector<std::string> numbered_files(const std::string& folder) {
  std::vector<std::pair<u32, std::string>> found;
  for (const auto& entry : fs::directory_iterator(folder)) {
    const std::string name = entry.path().filename().string();
    if (!name.starts_with("data.")) continue;
    u32 number = 0;
    const char* const end = name.data() + name.size();
    const auto [at, error] = std::from_chars(name.data() + kFolderHeader.size() + 1, end, number);
    if (error == std::errc{} && at == end) found.emplace_back(number, entry.path().string());
  }
  std::ranges::sort(found);
  std::vector<std::string> paths;
  paths.reserve(found.size());
  for (auto& [number, path] : found) paths.push_back(std::move(path));
  return paths;
}

std::unique_ptr<InputFile> open_path(const std::string& path) {
  std::error_code ignored;
  if (path == kStandardInput || !fs::is_directory(path, ignored)) return std::make_unique<InputFile>(path);
  const fs::path header = fs::path(path) / kFolderHeader;
  if (!fs::is_regular_file(header, ignored)) {
    throw Error("{}: expected a file, or a folder of `perf record --threads`, found a folder without 'data'",
                path);
  }
  return std::make_unique<InputFile>(header.string());
}

/// True for the other byte order.
bool check_magic(const InputFile& file) {
  u64 magic = 0;
  const auto head = file.head();
  if (head.size() < kPipeHeaderSize) {
    damaged(file.path(), 0, "header", fmt::format("a range within the file's {} bytes", head.size()),
            fmt::format("{} bytes at 0x0", kPipeHeaderSize));
  }
  std::memcpy(&magic, head.data(), sizeof magic);
  const auto fail = [&](std::string_view found) {
    damaged(file.path(), 0, "header: magic", "PERFILE2", found);
  };
  if (magic == kMagicVersion1 || magic == kMagicVersion1Swapped) {
    fail("PERFFILE, the format before Linux 2.6.33");
  }
  if (magic != kMagic && magic != kMagicSwapped) fail(fmt::format("{:#018x}", magic));
  return magic == kMagicSwapped;
}

}  // namespace

Reader::Reader(const std::string& path, OpenOptions options) : options_(options), path_(path) {
  std::error_code ignored;
  if (fs::is_directory(path, ignored)) more_files_ = numbered_files(path);
  file_ = open_path(path);
  if (path == kStandardInput) path_ = file_->path();
  open();
}

Reader::Reader(std::unique_ptr<InputFile> file, OpenOptions options)
    : options_(options), path_(file->path()), file_(std::move(file)) {
  open();
}

void Reader::open() {
  swapped_ = check_magic(*file_);
  std::memcpy(&header_.size, file_->head().data() + offsetof(FileHeader, size), sizeof header_.size);
  if (swapped_) swap_bytes(header_.size);
  if (header_.size == kPipeHeaderSize) {
    kind_ = SourceKind::kPerfDataPipe;
    open_pipe_mode();
  } else {
    open_file_mode();
  }
}

void Reader::read_file_header() {
  const u64 size_at = offsetof(FileHeader, size);
  const u64 size = header_.size;
  if (size != sizeof header_ && size != kHeaderSizeWithoutFeatures) {
    damaged(file_->path(), size_at, "header: size",
            fmt::format("{}, {} or {}", sizeof header_, kHeaderSizeWithoutFeatures, kPipeHeaderSize),
            fmt::to_string(size));
  }
  // Such a file says where things are only by offset.
  file_->make_seekable();
  file_->check_range(0, size, size_at, "header");
  file_->read(0, std::as_writable_bytes(std::span(&header_, 1)).first(size));
  if (swapped_) swap_bytes(header_);
  file_->check_range(header_.attrs.offset, header_.attrs.size, offsetof(FileHeader, attrs),
                     "header: attrs section");
  const u64 data_at = offsetof(FileHeader, data);
  try {
    file_->check_range(header_.data.offset, header_.data.size, data_at, "header: data section");
  } catch (const Error& error) {
    if (!options_.keep_going || header_.data.offset > file_->size()) throw;
    cut_short_ = error.what();
    header_.data.size = file_->size() - header_.data.offset;
  }
}

void Reader::read_file_features() {
  // A recorder that was killed leaves the size out, and writes no features.
  const bool no_features = std::ranges::all_of(header_.features, [](u64 word) { return word == 0; });
  const u64 rest = file_->size() - header_.data.offset;
  std::string unfinished;
  if (header_.data.size == 0 && rest != 0) {
    unfinished = fmt::format(
        "{}: offset {:#x}: header: size of data section: expected {} (the recording has "
        "not been finished), found 0",
        file_->path(), offsetof(FileHeader, data) + offsetof(Section, size), rest);
  }
  try {
    if (no_features && !unfinished.empty()) throw Error(unfinished);
    read_features(*file_, header_, swapped_, features_);
    if (!unfinished.empty() && features_.hostname.empty() && features_.event_names.empty()) {
      throw Error(unfinished);
    }
  } catch (const Error& error) {
    if (!options_.keep_going) throw;
    features_ = {};
    if (unfinished.empty()) {
      notes_.add(fmt::format("features not read: {}", error.what()));
      cut_short_ = error.what();
      return;
    }
    header_.data.size = rest;
    cut_short_ = unfinished;
  }
}

void Reader::open_file_mode() {
  read_file_header();
  if (cut_short_.empty()) {
    read_file_features();
  }
  events_ = read_events(*file_, header_, swapped_);
  name_events(features_, events_);
  decoder_.index_events(file_->path());
  start_records(ByteStream(*file_, header_.data.offset, header_.data.offset + header_.data.size));
}

/// The events come in records; so that they are known before next(), those at the front are read now.
void Reader::open_pipe_mode() {
  ByteStream stream = file_->seekable() ? ByteStream(*file_, 0, file_->size()) : ByteStream(*file_);
  stream.skip(kPipeHeaderSize);
  start_records(std::move(stream));
  try {
    while (!fetched_ && fetch()) fetched_ = !absorb();
    update_index();
  } catch (const Error& error) {
    if (!options_.keep_going || events_.empty()) throw;
    damage_ = error.what();
  }
  name_events(features_, events_);
  at_front_ = false;
}

void Reader::update_index() {
  if (!std::exchange(index_is_old_, false)) return;
  decoder_.index_events(file_->path());
}

void Reader::start_records(ByteStream stream) {
  main_stream_ = std::make_unique<RecordStream>(std::move(stream), swapped_);
  stream_ = main_stream_.get();
  if (features_.compression) stream_->set_unpacked_max(features_.compression->mmap_len);
}

bool Reader::fetch() {
  if (parts_.empty()) {
    if (stream_->next(raw_)) return true;
    if (more_files_.empty()) return false;
    open_parts();
  }
  return fetch_from_parts();
}

void Reader::open_parts() {
  for (const std::string& path : std::exchange(more_files_, {})) {
    Part part;
    part.file = std::make_unique<InputFile>(path);
    part.file->make_seekable();
    part.stream = std::make_unique<RecordStream>(ByteStream(*part.file, 0, part.file->size()), swapped_);
    if (features_.compression) part.stream->set_unpacked_max(features_.compression->mmap_len);
    parts_.push_back(std::move(part));
  }
}

/// Each file holds what some processors saw. That which is furthest behind goes on, so that what puts records
/// in order has to keep few.
bool Reader::fetch_from_parts() {
  while (!parts_.empty()) {
    const auto oldest = std::ranges::min_element(parts_, {}, &Part::time);
    stream_ = oldest->stream.get();
    part_ = static_cast<std::size_t>(oldest - parts_.begin());
    if (stream_->next(raw_)) {
      // A round of one file tells nothing of what the others hold.
      if (raw_.header.type == static_cast<u32>(RecordType::kFinishedRound)) continue;
      return true;
    }
    if (parts_.size() == 1) return false;
    parts_.erase(oldest);
  }
  return false;
}

const Record* Reader::next() {
  if (!damage_.empty()) return nullptr;
  try {
    const Record* const record = next_record();
    if (record == nullptr) damage_ = cut_short_;
    return record;
  } catch (const Error& error) {
    if (!options_.keep_going) throw;
    damage_ = error.what();
    return nullptr;
  }
}

const Record* Reader::next_record() {
  for (;;) {
    if (!std::exchange(fetched_, false)) {
      if (!fetch()) return nullptr;
      if (raw_.header.type >= kFirstToolRecord && absorb()) continue;
    }
    update_index();
    const Origin origin = stream_->origin_of(raw_);
    decoder_.decode(raw_, origin, record_);
    if (!parts_.empty()) parts_[part_].time = std::max(parts_[part_].time, record_.time());
    if (!std::holds_alternative<SampleRecord>(record_.body)) notes_.count(raw_, origin, record_);
    return &record_;
  }
}

void Reader::count_kept(u64 bytes) {
  kept_bytes_ += bytes;
  if (kept_bytes_ > kKeptMax) {
    damaged(stream_->origin_of(raw_).file, raw_.offset, "records of events and features",
            fmt::format("at most {} bytes of them", kKeptMax), fmt::to_string(kept_bytes_));
  }
}

bool Reader::absorb() {
  const Origin origin = stream_->origin_of(raw_);
  const std::string name = record_name(raw_.header.type);
  ByteCursor in(origin, raw_.body, name);
  switch (static_cast<RecordType>(raw_.header.type)) {
    case RecordType::kHeaderAttr:
      absorb_event();
      break;
    case RecordType::kHeaderFeature:
      absorb_feature(in);
      break;
    case RecordType::kEventUpdate:
      absorb_event_update(in);
      break;
    case RecordType::kBuildId:
      features_.build_ids.push_back(take_build_id(in, raw_.header.misc));
      break;
    case RecordType::kSimpleperfEventId:
      absorb_simpleperf_ids(in);
      return false;
    default:
      return false;
  }
  count_kept(raw_.header.size);
  return true;
}

void Reader::absorb_event() {
  // In file mode the attributes of the header count.
  if (kind_ != SourceKind::kPerfDataPipe) return;
  if (events_.size() == kEventsMax) {
    damaged(file_->path(), raw_.offset, "HEADER_ATTR record", fmt::format("at most {} of them", kEventsMax),
            "more");
  }
  events_.push_back(decode_event(stream_->origin_of(raw_), raw_.body, events_.size()));
  if (!at_front_) events_.back().name = event_name(features_, events_.size() - 1, events_.back().attr);
  index_is_old_ = true;
}

void Reader::absorb_feature(ByteCursor in) {
  const u64 number_at = in.offset();
  const auto bit = in.take<u64>("number of the feature");
  if (bit >= kFeatureBits) {
    in.fail_at(number_at, "number of the feature", fmt::format("less than {}", kFeatureBits),
               fmt::to_string(bit));
  }
  if (in.left() == 0 && bit >= kPipeFeaturesEnd) return;  // no feature, but the end of them
  features_.present.set(bit);
  Origin origin = stream_->origin_of(raw_);
  if (!origin.unpacked) origin.offset += sizeof bit;
  decode_feature(static_cast<u32>(bit), origin, raw_.body.subspan(sizeof bit), features_);
  if (features_.compression) stream_->set_unpacked_max(features_.compression->mmap_len);
  if (static_cast<Feature>(bit) != Feature::kEventDesc) return;
  for (std::size_t i = 0; i < std::min(events_.size(), features_.event_names.size()); ++i) {
    events_[i].name = features_.event_names[i];
  }
}

/// Gives an event its name; units, scales and processors do not matter here.
void Reader::absorb_event_update(ByteCursor in) {
  constexpr u64 kName = 2;
  const auto what = in.take<u64>("type");
  const auto id = in.take<u64>("id");
  if (what != kName) return;
  const std::string name = in.take_name(in.left(), "name");
  for (EventInfo& event : events_) {
    if (std::ranges::find(event.ids, id) != event.ids.end()) event.name = name;
  }
}

void Reader::absorb_simpleperf_ids(ByteCursor in) {
  const auto count = in.take<u64>("count");
  for (u64 i = 0; i < count; ++i) {
    const u64 index_at = in.offset();
    const auto index = in.take<u64>("index of an attribute");
    const auto id = in.take<u64>("id");
    if (index >= events_.size()) {
      in.fail_at(index_at, "index of an attribute", fmt::format("less than {}", events_.size()),
                 fmt::to_string(index));
    }
    events_[index].ids.push_back(id);
    count_kept(sizeof id);
  }
  index_is_old_ = true;
}

std::vector<std::string> Reader::notes() const {
  std::vector<std::string> lines = notes_.lines();
  for (std::string& line : feature_notes(features_)) lines.push_back(std::move(line));
  return lines;
}

}  // namespace lastbranch::perfdata
