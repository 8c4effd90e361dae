// The lines of samples: their columns, call chains, branch stacks.
#include <algorithm>
#include <cctype>

#include <fmt/format.h>

#include "sim/base/error.h"
#include "sim/perfdata/text_records.h"
#include "sim/perfdata/text_source.h"

namespace lastbranch::perfdata {
namespace {

/// A chain has at most 127 calls by default and seldom over 1000; more lines with an IP alone are samples.
constexpr std::size_t kAddressesMax = 4096;
/// Entries of one sample over many lines: processors have 32 records, and stitched stacks have hundreds.
constexpr std::size_t kEntriesMax = 16384;

bool is_blank(char c) {
  return c == ' ' || c == '\t';
}

std::string_view between(const char* begin, const char* end) {
  return {begin, static_cast<std::size_t>(end - begin)};
}

/// What -F insn and insnlen print behind the entries.
bool is_instruction_column(std::string_view rest) {
  return rest.starts_with("insn: ") || rest.starts_with("ilen: ");
}

/// What -F srcline prints on a line of its own, before the entries: "  main.c:12".
bool is_source_column(std::string_view left) {
  return left.size() > 2 && left.starts_with("  ") && !is_blank(left[2]);
}

[[noreturn]] void too_many_entries(const std::string& file, const TextLine& line, const char* at) {
  bad_text(file, line, at, "branch stack", fmt::format("at most {} entries", kEntriesMax));
}

}  // namespace

bool TextSource::count_line() {
  if (count_waits_) {
    const bool bare = !is_blank(line_.text[0]) &&
                      line_.text.find_first_not_of("0123456789abcdef") == std::string_view::npos;
    count_waits_ = false;
    if (!bare || kind_ == SourceKind::kAggregatedText) {
      repeat_ = count_;
      kind_ = SourceKind::kAggregatedText;
      return false;
    }
    u64 ip = 0;
    if (parse_whole_hex(count_text_, ip)) addresses_.push_back({ip, count_offset_});
    open_ = Open::kAddresses;
  }
  // Whether a number at the start of a line counts the next sample or is an IP shows the next line.
  if (!parse_decimal(line_.text, count_) || (open_ != Open::kNothing && open_ != Open::kAddresses))
    return false;
  if (kind_ == SourceKind::kAggregatedText && open_ != Open::kNothing) return close_before();
  count_waits_ = true;
  count_offset_ = line_.offset;
  count_text_ = std::string(line_.text);
  return false;
}

void TextSource::add_call(u64 address, const char* at) {
  if (sample_.callchain.size() == kAddressesMax) {
    bad_text(input_.name(), line_, at, "call chain", fmt::format("at most {} addresses", kAddressesMax));
  }
  sample_.callchain.push_back(address);
}

void TextSource::parse_entries(const char* at, std::vector<BranchEntry>& branches) {
  const char* const end = line_.end();
  BranchEntry entry;
  while (true) {
    while (at != end && is_blank(*at)) ++at;
    if (at == end) return;
    if (parse_plain_entry(at, end, entry, notes_.entries)) {
      branches.push_back(entry);
      continue;
    }
    const auto fault = parse_address_entry(at, end, entry, notes_.entries);
    if (!fault) {
      branches.push_back(entry);
      continue;
    }
    const std::string_view rest = between(at, end);
    if (is_instruction_column(rest)) {
      notes_.more_columns.add(line_.number, rest);
      return;
    }
    // Quotes and commas of programs that hold the text; letters and digits would be a damaged entry.
    if (std::ranges::any_of(rest, [](char c) { return std::isalnum(static_cast<unsigned char>(c)) != 0; })) {
      bad_text(input_.name(), line_, fault->at, fault->field, fault->expected);
    }
    notes_.stray_text.add(line_.number, rest);
    return;
  }
}

bool TextSource::entries_line(const char* entries) {
  TextHead head;
  const std::string_view left = between(line_.begin(), entries);
  const bool alone = left.find_first_not_of(" \t") == std::string_view::npos;
  if (!alone && !parse_head(left, head)) {
    const bool goes_on = open_ == Open::kHead || open_ == Open::kChain || open_ == Open::kAddresses;
    if (!goes_on || !is_source_column(left)) {
      if (open_ != Open::kNothing) return close_before();
      notes_.unknown_lines.add(line_.number, line_.text);
      return false;
    }
    if (open_ == Open::kAddresses && !take_last_address()) return true;
    notes_.source_lines.add(line_.number, left);
  } else if (!alone) {
    if (open_ != Open::kNothing) return close_before();
    begin_sample(head);
  } else if (open_ == Open::kNothing) {
    begin_sample(head);
  } else if (open_ == Open::kAddresses) {
    take_addresses();
  } else if (open_ == Open::kInstructions || open_ == Open::kDump) {
    return close_before();
  }
  parse_entries(entries, sample_.branches);
  sample_bits_ |= kSampleBranchStack;
  open_ = Open::kNothing;
  emit_open();
  return true;
}

const char* TextSource::parse_symbols(const char* at, const char* flags) {
  while (flags != nullptr) {
    while (is_blank(*at)) ++at;
    BranchEntry entry;
    const char* whole = at;
    // Addresses without their 0x are no symbols.
    if (!parse_address_entry(whole, line_.end(), entry, notes_.entries)) {
      sample_.branches.push_back(entry);
      sample_bits_ |= kSampleBranchStack;
      at = whole;
    } else {
      EntryCounts ignored;
      const char* const begin = at;
      u64 word = 0;
      at = flags;
      if (const auto fault = parse_flags(at, line_.end(), word, ignored)) {
        bad_text(input_.name(), line_, fault->at, fault->field, fault->expected);
      }
      notes_.symbolic_entries.add(line_.number, between(begin, at));
      symbols_.emplace_back(between(begin, at));
    }
    flags = find_flags(at, line_.end());
  }
  return at;
}

bool TextSource::symbols_line(const char* flags) {
  TextHead head;
  // The symbol of the IP has no blank behind it: what is between IP and flags goes with the first entry.
  const std::string_view left = between(line_.begin(), flags);
  const bool columns = parse_head(left, head) && head.has_ip;
  if (columns) {
    if (open_ != Open::kNothing) return close_before();
    begin_sample(head);
  } else if (open_ == Open::kNothing || open_ == Open::kInstructions || open_ == Open::kDump) {
    if (open_ != Open::kNothing) return close_before();
    begin_sample({});
  } else if (open_ == Open::kAddresses) {
    take_addresses();
  }
  symbols_.clear();
  // Columns may leave nothing, not even a place.
  const char* const behind = head.rest.data() != nullptr ? head.rest.data() : flags;
  const char* const at = parse_symbols(columns ? behind : line_.begin(), flags);
  const std::string_view rest = between(at, line_.end());
  if (rest.find_first_not_of(" \t") != std::string_view::npos) notes_.stray_text.add(line_.number, rest);
  if (!symbols_.empty()) ++notes_.symbolic_samples;
  open_ = Open::kNothing;
  emit_open();
  return true;
}

bool TextSource::take_last_address() {
  if (addresses_.size() > 1) {
    lines_.unread();
    static_cast<void>(flush_addresses(1));
    return false;
  }
  const Address last = addresses_.back();
  begin_sample({});
  sample_.ip = last.ip;
  sample_offset_ = last.offset;
  sample_misc_ = misc_of_address(last.ip);
  sample_bits_ = kSampleIp;
  addresses_.clear();
  return true;
}

bool TextSource::instruction_line() {
  if (open_ == Open::kAddresses) {
    if (!take_last_address()) return true;
  } else if (open_ == Open::kNothing) {
    notes_.surplus_instructions.add(line_.number, line_.text);
    return false;
  }
  open_ = Open::kInstructions;
  if (instructions_.size() == kEntriesMax) too_many_entries(input_.name(), line_, line_.begin());
  instructions_.add(line_.text);
  return false;
}

/// Behind an IP, perf prints the place of the code even when it could not read it.
bool TextSource::label_line() {
  if (!take_last_address()) return true;
  open_ = Open::kInstructions;
  return false;
}

bool TextSource::dump_line() {
  const std::string_view text = line_.text;
  if (!text.starts_with('.') && !text.starts_with(" .")) return false;
  if (!text.starts_with(".....")) {
    section_ = text.find("branch stack: nr:") != std::string_view::npos       ? DumpSection::kBranches
               : text.find("branch callstack: nr:") != std::string_view::npos ? DumpSection::kCallStack
               : text.find(" chain: nr:") != std::string_view::npos           ? DumpSection::kChain
                                                                              : DumpSection::kNone;
    if (section_ == DumpSection::kBranches) sample_bits_ |= kSampleBranchStack;
    if (section_ == DumpSection::kChain || section_ == DumpSection::kCallStack)
      sample_bits_ |= kSampleCallchain;
    if (section_ == DumpSection::kCallStack) notes_.call_stack_dumps.add(line_.number, text);
    return true;
  }
  const std::size_t colon = text.find(": ");
  if (section_ == DumpSection::kNone || colon == std::string_view::npos) return true;
  const char* at = text.data() + colon + 2;
  if (section_ != DumpSection::kBranches) {
    u64 address = 0;
    if (!parse_hex(at, line_.end(), address)) {
      bad_text(input_.name(), line_, at, "call chain", "a hexadecimal address");
    }
    add_call(address, at);
    return true;
  }
  if (sample_.branches.size() == kEntriesMax) too_many_entries(input_.name(), line_, at);
  sample_.branches.push_back(parse_dump_entry(input_.name(), line_, at, notes_.entries));
  return true;
}

bool TextSource::head_line() {
  TextHead head;
  const std::string_view text = line_.text;
  if (!parse_head(text, head)) {
    if (open_ == Open::kInstructions || open_ == Open::kDump) {
      notes_.dump_lines.add(line_.number, text);
    } else if (open_ != Open::kNothing && is_source_column(text)) {
      notes_.source_lines.add(line_.number, text);
    } else {
      notes_.unknown_lines.add(line_.number, text);
    }
    return false;
  }
  const bool bare = head.has_ip && !head.has_tid && !head.has_time && !head.has_event && !head.has_cpu &&
                    !head.has_period && !head.has_comm;
  if (bare) {
    const bool other = open_ == Open::kHead && (sample_bits_ & kSampleIp) != 0;
    if (other || open_ == Open::kInstructions || open_ == Open::kDump) return close_before();
    return address_line(head);
  }
  if (open_ != Open::kNothing) return close_before();
  if (!head.strong) {
    head_number_ = line_.number;
    head_text_ = std::string(text);
  }
  begin_sample(head);
  open_ = head.strong ? Open::kHead : Open::kMaybeHead;
  return false;
}

bool TextSource::address_line(const TextHead& head) {
  const std::string_view text = line_.text;
  const bool tab = text.substr(0, text.find_first_not_of(" \t")).find('\t') != std::string_view::npos;
  const bool without_ip =
      (open_ == Open::kHead || open_ == Open::kMaybeHead) && (sample_bits_ & kSampleIp) == 0;
  if (without_ip) {
    sample_.ip = head.ip;
    sample_misc_ = misc_of_address(head.ip);
    sample_bits_ |= kSampleIp | kSampleCallchain;
    open_ = Open::kChain;
  } else if (open_ == Open::kNothing && tab) {
    begin_sample(head);
    sample_bits_ |= kSampleCallchain;
    open_ = Open::kChain;
  }
  if (open_ == Open::kChain) {
    add_call(head.ip, line_.begin());
    return false;
  }
  addresses_.push_back({head.ip, line_.offset});
  open_ = Open::kAddresses;
  return addresses_.size() >= kAddressesMax && flush_addresses(0);
}

}  // namespace lastbranch::perfdata
