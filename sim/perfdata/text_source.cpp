#include "sim/perfdata/text_source.h"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "sim/base/error.h"
#include "sim/perfdata/text_features.h"
#include "sim/perfdata/text_preaggregated.h"
#include "sim/perfdata/text_reader.h"
#include "sim/perfdata/text_records.h"

namespace lastbranch::perfdata {
namespace {

constexpr std::size_t kEventsMax = 16384;
constexpr std::size_t kCommsMax = 65536;

bool is_blank(char c) {
  return c == ' ' || c == '\t';
}

bool is_indented(std::string_view line) {
  return !line.empty() && is_blank(line[0]);
}

std::string_view trimmed(std::string_view text) {
  const std::size_t first = std::min(text.find_first_not_of(" \t"), text.size());
  const std::size_t last = text.find_last_not_of(" \t");
  return last == std::string_view::npos ? std::string_view() : text.substr(first, last + 1 - first);
}

bool is_comment(std::string_view trimmed_line) {
  return trimmed_line.starts_with('#') || trimmed_line.starts_with(';') || trimmed_line.starts_with("//");
}

/// Whether one line of the beginning is of a form that this reader knows.
bool is_known(std::string_view line) {
  const char* const begin = line.data();
  const char* const end = begin + line.size();
  if (is_preaggregated(line) || line.find(kRecordMark) != std::string_view::npos) return true;
  if (find_address_entry(begin, end) != nullptr || find_flags(begin, end) != nullptr) return true;
  if (InstructionStack::is_instruction(line)) return true;
  TextHead head;
  return parse_head(line, head) && head.strong;
}

}  // namespace

TextSource::TextSource(const std::string& path, const OpenOptions& options)
    : input_(path), lines_(input_), options_(options) {
  probe();
}

TextSource::TextSource(std::unique_ptr<InputFile> file, const OpenOptions& options)
    : input_(std::move(file)), lines_(input_), options_(options) {
  probe();
}

void TextSource::probe() {
  std::string_view rest = lines_.peek();
  std::string_view shown;
  bool known = false;  // the form of the samples
  bool any = false;
  std::string_view before;
  while (!rest.empty() && !known) {
    const std::size_t size = std::min(rest.find('\n'), rest.size());
    std::string_view line = rest.substr(0, size);
    rest.remove_prefix(std::min(size + 1, rest.size()));
    if (line.ends_with('\r')) line.remove_suffix(1);
    const std::string_view content = trimmed(line);
    if (content.empty() || is_comment(content)) continue;
    if (shown.empty()) shown = content;
    u64 count = 0;
    if (is_preaggregated(line)) {
      kind_ = SourceKind::kPreaggregated;
    } else if (parse_decimal(before, count) && is_indented(line)) {
      kind_ = SourceKind::kAggregatedText;
    }
    any = any || is_known(line);
    known = is_known(line) && line.find(kRecordMark) == std::string_view::npos && !parse_decimal(line, count);
    before = line;
  }
  if (any) return;
  std::string found = shown.empty() ? "nothing" : "'";
  for (const char c : shown.substr(0, 40)) found += c >= ' ' && c != 0x7f ? c : '?';
  if (!shown.empty()) found += "'";
  throw Error(
      "{}: line 1, column 1: text: expected perf.data, or text of perf script, perf report -D, "
      "llvm-profgen or BOLT within 64 KiB, found {}",
      input_.name(), found);
}

const Record* TextSource::next() {
  if (has_second_) {
    has_second_ = false;
    std::swap(record_, second_);
    return &record_;
  }
  if (finished_) return nullptr;
  try {
    const Record* record = advance();
    if (record == nullptr) finished_ = true;
    if (record != nullptr) ++records_;
    return record;
  } catch (const Error& error) {
    finished_ = true;
    if (!options_.keep_going) throw;
    damage_ = error.what();
    return nullptr;
  }
}

const Record* TextSource::advance() {
  symbols_.clear();
  if (addresses_are_samples_ && emit_address()) return &record_;
  while (lines_.next(line_)) {
    if (step()) return &record_;
  }
  if (count_waits_) {
    count_waits_ = false;
    u64 ip = 0;
    if (parse_whole_hex(count_text_, ip)) addresses_.push_back({ip, count_offset_});
    if (open_ == Open::kNothing && !addresses_.empty()) open_ = Open::kAddresses;
  }
  if (close()) return &record_;
  if (records_ == 0 && notes_.unknown_lines.count != 0) {
    throw Error("{}: line {}: text: expected a sample or record, found '{}' and {} other lines",
                input_.name(), notes_.unknown_lines.line, notes_.unknown_lines.text,
                notes_.unknown_lines.count - 1);
  }
  return nullptr;
}

bool TextSource::step() {
  if (kind_ == SourceKind::kPreaggregated) return preaggregated_line();
  if (open_ == Open::kNothing && !count_waits_ && plain_sample_line()) return true;
  const std::string_view text = line_.text;
  const std::size_t first = text.find_first_not_of(" \t");
  if (first == std::string_view::npos) {
    if (count_waits_) {
      count_waits_ = false;
      u64 ip = 0;
      if (parse_whole_hex(count_text_, ip)) addresses_.push_back({ip, count_offset_});
      open_ = Open::kAddresses;
    }
    return open_ != Open::kNothing && close();
  }
  if (count_waits_ ||
      (!is_blank(text[0]) && text.find_first_not_of("0123456789abcdef") == std::string_view::npos)) {
    if (count_line()) return true;
    if (count_waits_) return false;
  }
  if (is_comment(text.substr(first))) return comment_line(first);
  if (open_ == Open::kDump && dump_line()) return false;
  if (InstructionStack::is_instruction(text)) return instruction_line();
  // Labels and source lines among instructions, which may be missing.
  if (text[0] == '\t' && text.ends_with(':') && open_ == Open::kAddresses) return label_line();
  if (text[0] == '\t' && (open_ == Open::kInstructions || text.ends_with(':'))) return false;
  if (const char* entries = find_address_entry(line_.begin(), line_.end())) return entries_line(entries);
  if (const std::size_t mark = text.find(kRecordMark); mark != std::string_view::npos)
    return record_line(mark);
  if (const char* flags = find_flags(line_.begin(), line_.end())) return symbols_line(flags);
  if (text[first] == '.' || text.find("]: event: ") != std::string_view::npos ||
      text.starts_with(": unhandled")) {
    notes_.dump_lines.add(line_.number, text);
    return false;
  }
  return head_line();
}

bool TextSource::preaggregated_line() {
  const std::string_view content = trimmed(line_.text);
  if (content.empty()) return false;
  if (is_comment(content)) {
    notes_.comments.add(line_.number, content);
    return false;
  }
  const PreaggregatedLine parsed = parse_preaggregated(input_.name(), line_);
  notes_.other_objects += parsed.other_objects;
  if (!parsed.event.empty()) current_event_ = event_of(parsed.event);
  if (!parsed.edge && !parsed.range && !parsed.sample) return false;
  record_.offset = line_.offset;
  record_.header = {};
  if (parsed.sample) {
    record_.header.type = static_cast<u32>(RecordType::kSample);
    record_.header.misc = misc_of_address(parsed.sample->ip);
    SampleRecord& sample = record_sample();
    sample = *parsed.sample;
    if (events_.empty()) current_event_ = event_of({});
    sample.event = current_event_;
    events_[current_event_].attr.sample_type |= kSampleIp;
  } else if (parsed.edge) {
    record_.body = *parsed.edge;
    if (parsed.range) {
      second_.offset = line_.offset;
      second_.header = {};
      second_.body = *parsed.range;
      has_second_ = true;
    }
  } else {
    record_.body = *parsed.range;
  }
  return true;
}

bool TextSource::plain_sample_line() {
  const char* at = line_.begin();
  const char* const end = line_.end();
  while (at != end && is_blank(*at)) ++at;
  u64 ip = 0;
  if (!parse_hex(at, end, ip) || at == end || *at != ' ') return false;
  while (at != end && *at == ' ') ++at;
  BranchEntry entry;
  if (!parse_plain_entry(at, end, entry, notes_.entries)) return false;
  SampleRecord& sample = record_sample();
  sample.clear();
  sample.ip = ip;
  sample.branches.push_back(entry);
  parse_entries(at, sample.branches);
  sample_bits_ = kSampleIp | kSampleBranchStack;
  sample_misc_ = misc_of_address(ip);
  emit_sample(line_.offset);
  return true;
}

bool TextSource::comment_line(std::size_t first) {
  const std::string_view content = line_.text.substr(first);
  if (content.starts_with('#') && parse_feature_line(content, features_, events_)) return false;
  if (content.find_first_not_of("#= ") != std::string_view::npos) notes_.comments.add(line_.number, content);
  if (!content.starts_with('#')) notes_.foreign_comments.add(line_.number, content);
  return false;
}

bool TextSource::record_line(std::size_t mark) {
  if (open_ != Open::kNothing) return close_before();
  std::string_view name;
  switch (parse_text_record(input_.name(), line_, mark, record_, name)) {
    case TextRecord::kOther: {
      notes_.add_record(name);
      return false;
    }
    case TextRecord::kSample:
      std::swap(sample_, std::get<SampleRecord>(record_.body));
      sample_.event = event_of({});
      sample_bits_ = kSampleIp | kSampleTid | kSamplePeriod | (sample_.time != 0 ? u64{kSampleTime} : 0);
      sample_offset_ = line_.offset;
      sample_misc_ = record_.header.misc;
      open_ = Open::kDump;
      section_ = DumpSection::kNone;
      return false;
    case TextRecord::kDecoded:
      break;
  }
  if (const auto* comm = std::get_if<CommRecord>(&record_.body)) comm_of(comm->tid) = comm->name;
  return true;
}

bool TextSource::close_before() {
  if (!close()) {
    lines_.unread();
    return false;
  }
  lines_.unread();
  return true;
}

bool TextSource::close() {
  const Open was = std::exchange(open_, Open::kNothing);
  switch (was) {
    case Open::kNothing:
      return false;
    case Open::kAddresses:
      if (line_.text.find_first_not_of(" \t") == std::string_view::npos) {
        // A blank line ends a call chain; samples of one line each have none between them.
        take_addresses();
        emit_open();
        return true;
      }
      return flush_addresses(0);
    case Open::kMaybeHead:
      notes_.unknown_lines.add(head_number_, head_text_);
      sample_.clear();
      sample_bits_ = 0;
      return false;
    case Open::kInstructions:
      notes_.instruction_stacks.add(line_.number, "brstackinsn");
      if (!instructions_.finish(sample_.branches)) ++notes_.targets_not_shown;
      sample_bits_ |= kSampleBranchStack;
      break;
    default:
      break;
  }
  emit_open();
  return true;
}

void TextSource::take_addresses() {
  begin_sample({});
  for (const Address& address : addresses_) sample_.callchain.push_back(address.ip);
  sample_.ip = addresses_.front().ip;
  sample_offset_ = addresses_.front().offset;
  sample_misc_ = misc_of_address(sample_.ip);
  sample_bits_ = kSampleIp | kSampleCallchain;
  addresses_.clear();
}

bool TextSource::flush_addresses(std::size_t keep) {
  open_ = Open::kNothing;
  addresses_are_samples_ = true;
  addresses_at_ = 0;
  addresses_end_ = addresses_.size() - keep;
  return emit_address();
}

bool TextSource::emit_address() {
  const Address address = addresses_[addresses_at_++];
  if (addresses_at_ == addresses_end_) {
    addresses_.erase(addresses_.begin(), addresses_.begin() + static_cast<std::ptrdiff_t>(addresses_end_));
    addresses_are_samples_ = false;
    if (!addresses_.empty()) open_ = Open::kAddresses;
  }
  SampleRecord& sample = record_sample();
  sample.clear();
  sample.ip = address.ip;
  sample_bits_ = kSampleIp;
  sample_misc_ = misc_of_address(address.ip);
  emit_sample(address.offset);
  return true;
}

void TextSource::begin_sample(const TextHead& head) {
  sample_.clear();
  sample_.pid = head.pid;
  sample_.tid = head.tid;
  sample_.cpu = head.cpu;
  sample_.time = head.time;
  sample_.period = head.period;
  sample_.ip = head.ip;
  sample_.event = event_of(head.event);
  sample_bits_ = (head.has_tid ? u64{kSampleTid} : 0) | (head.has_cpu ? u64{kSampleCpu} : 0) |
                 (head.has_time ? u64{kSampleTime} : 0) | (head.has_period ? u64{kSamplePeriod} : 0) |
                 (head.has_ip ? u64{kSampleIp} : 0);
  sample_offset_ = line_.offset;
  sample_misc_ = head.has_ip ? misc_of_address(head.ip) : u16{0};
  if (!head.has_comm || !head.has_tid || head.comm.starts_with(':')) return;
  const auto known = comms_.find(head.tid);
  if (known != comms_.end() && known->second == head.comm) return;
  CommRecord comm;
  comm.pid = head.pid;
  comm.tid = head.tid;
  comm.name = comm_of(head.tid) = std::string(head.comm);
  comm.sample_id.pid = head.pid;
  comm.sample_id.tid = head.tid;
  comm.sample_id.time = head.time;
  new_comm_ = std::move(comm);
}

void TextSource::emit_open() {
  std::swap(record_sample(), sample_);
  emit_sample(sample_offset_);
  sample_.clear();
}

void TextSource::emit_sample(u64 offset) {
  auto& sample = std::get<SampleRecord>(record_.body);
  sample.repeat = std::exchange(repeat_, 1);
  if (events_.empty()) sample.event = event_of({});
  Attr& attr = events_[sample.event].attr;
  attr.sample_type |= sample_bits_;
  if ((sample_bits_ & kSampleBranchStack) != 0) {
    // Text does not say what was filtered out; what the lines show passed.
    if (attr.branch_sample_type == 0) attr.branch_sample_type = kBranchUser | kBranchKernel | kBranchAny;
    if (notes_.entries.types != 0) attr.branch_sample_type |= kBranchTypeSave;
  }
  record_.offset = offset;
  record_.header = {.type = static_cast<u32>(RecordType::kSample), .misc = sample_misc_, .size = 0};
  sample_bits_ = 0;
  if (!new_comm_) return;
  second_.offset = record_.offset;
  second_.header = {.type = static_cast<u32>(RecordType::kComm), .misc = 0, .size = 0};
  second_.body = *std::exchange(new_comm_, std::nullopt);
  std::swap(record_, second_);
  has_second_ = true;
}

std::size_t TextSource::event_of(std::string_view name) {
  // Lines without the column are of the only event that a header named.
  if (name.empty() && !events_.empty()) return 0;
  EventInfo event;
  event.name = name.empty() ? "unnamed" : std::string(name);
  const auto [number, is_new] = event_numbers_.try_emplace(event.name, events_.size());
  if (!is_new) return number->second;
  // Those of the header have no numbers yet.
  const auto known = std::ranges::find(events_, event.name, &EventInfo::name);
  if (known != events_.end()) return number->second = static_cast<std::size_t>(known - events_.begin());
  if (events_.size() >= kEventsMax) {
    bad_text(input_.name(), line_, line_.begin(), "event", fmt::format("at most {} events", kEventsMax));
  }
  event.attr.size = sizeof(Attr);
  events_.push_back(std::move(event));
  return events_.size() - 1;
}

std::string& TextSource::comm_of(u32 tid) {
  // Names that are forgotten are told again.
  if (comms_.size() >= kCommsMax && !comms_.contains(tid)) comms_.clear();
  return comms_[tid];
}

SampleRecord& TextSource::record_sample() {
  if (auto* sample = std::get_if<SampleRecord>(&record_.body)) return *sample;
  return record_.body.emplace<SampleRecord>();
}

std::unique_ptr<RecordSource> open_text(const std::string& path, const OpenOptions& options) {
  return std::make_unique<TextSource>(path, options);
}

std::unique_ptr<RecordSource> open_text(std::unique_ptr<InputFile> file, const OpenOptions& options) {
  return std::make_unique<TextSource>(std::move(file), options);
}

}  // namespace lastbranch::perfdata
