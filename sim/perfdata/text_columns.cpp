#include "sim/perfdata/text_columns.h"

#include <algorithm>

namespace lastbranch::perfdata {
namespace {

// Of the columns that are numbers or names, set right in them; longer content makes them wider.
constexpr std::size_t kCommWidth = 16;
constexpr std::size_t kCommLatencyWidth = 8;  // -L
constexpr std::size_t kProcessWidth = 5;
constexpr std::size_t kCpuWidth = 3;
constexpr std::size_t kMiscWidth = 6;
constexpr std::size_t kSecondsWidth = 5;
constexpr std::size_t kPeriodWidth = 10;
constexpr std::size_t kIpWidth = 16;

/// Names of threads have up to 15 bytes, those of kernel workers up to 63.
constexpr std::size_t kCommMax = 64;

constexpr std::string_view kDigits = "0123456789";
constexpr std::string_view kHexDigits = "0123456789abcdef";

/// Takes columns from the front of a text; what is not there stays.
class Columns {
 public:
  explicit Columns(std::string_view text) : text_(text) {}

  [[nodiscard]] bool at_end() const { return text_.find_first_not_of(' ') == std::string_view::npos; }
  [[nodiscard]] std::string_view rest() const { return text_; }

  /// "%5d/%-5d " or "%5d ", which a wide period is not: processes have up to seven digits.
  [[nodiscard]] bool process(TextHead& head) {
    const Columns before = *this;
    u32 first = 0;
    if (!id(kProcessWidth, first)) return false;
    const std::size_t width = before.text_.size() - text_.size();
    if (!skip('/')) {
      if (width >= kPeriodWidth || !skip(' ')) return give_back(before);
      head.pid = head.tid = first;
      return head.has_tid = true;
    }
    const std::size_t size = text_.find(' ');
    if (size == std::string_view::npos || !parse_id(text_.substr(0, size), head.tid))
      return give_back(before);
    text_.remove_prefix(size);
    const std::size_t blanks = std::max(size, kProcessWidth) - size + 1;
    if (text_.find_first_not_of(' ') < blanks || text_.size() < blanks) return give_back(before);
    text_.remove_prefix(blanks);
    head.pid = first;
    return head.has_tid = true;
  }

  /// "%3d " of latency format.
  [[nodiscard]] bool plain_cpu(TextHead& head) {
    const Columns before = *this;
    u64 value = 0;
    if (!number(kCpuWidth, kDigits, value) || !skip(' ')) return give_back(before);
    head.cpu = static_cast<u32>(value);
    return head.has_cpu = true;
  }

  /// "[%03d] ".
  [[nodiscard]] bool cpu(TextHead& head) {
    const Columns before = *this;
    u64 number = 0;
    if (!skip('[')) return false;
    const std::size_t size = text_.find(']');
    if (size == std::string_view::npos || size < kCpuWidth || !parse_decimal(text_.substr(0, size), number)) {
      return give_back(before);
    }
    text_.remove_prefix(size + 1);
    if (!skip(' ')) return give_back(before);
    head.cpu = static_cast<u32>(number);
    return head.has_cpu = true;
  }

  /// Mode of the processor: letters, set left.
  void misc() {
    const std::size_t size = std::min(text_.find_first_not_of("KUHGg"), text_.size());
    if (size == 0 || size >= kMiscWidth || text_.size() < kMiscWidth) return;
    if (text_.find_first_not_of(' ', size) >= kMiscWidth) text_.remove_prefix(kMiscWidth);
  }

  /// "%5lu.%06lu: ", or nine digits.
  [[nodiscard]] bool time(TextHead& head) {
    const Columns before = *this;
    const std::size_t blanks = text_.find_first_not_of(' ');
    const std::size_t dot = text_.find('.');
    const std::size_t colon = text_.find(':');
    if (colon == std::string_view::npos || dot >= colon || !is_width(blanks, dot, kSecondsWidth))
      return false;
    const std::size_t digits = colon - dot - 1;
    if ((digits != 6 && digits != 9) || !parse_seconds(text_.substr(blanks, colon - blanks), head.time)) {
      return false;
    }
    text_.remove_prefix(colon + 1);
    if (!skip(' ') && !text_.empty()) return give_back(before);
    head.has_time = head.time < kNoTime;
    if (!head.has_time) head.time = 0;
    return true;
  }

  [[nodiscard]] bool period(TextHead& head) {
    const Columns before = *this;
    u64 value = 0;
    if (!number(kPeriodWidth, kDigits, value)) return false;
    if (!skip(' ')) return give_back(before);
    head.period = value;
    return head.has_period = true;
  }

  /// "%*s: ".
  [[nodiscard]] bool event(TextHead& head) {
    const std::size_t blanks = text_.find_first_not_of(' ');
    if (blanks == std::string_view::npos) return false;
    const std::size_t end = std::min(text_.find(' ', blanks), text_.size());
    if (end - blanks < 2 || text_[end - 1] != ':') return false;
    head.event = text_.substr(blanks, end - 1 - blanks);
    text_.remove_prefix(std::min(end + 1, text_.size()));
    return head.has_event = true;
  }

  /// " %16x".
  [[nodiscard]] bool ip(TextHead& head) {
    const Columns before = *this;
    if (!skip(' ') || !number(kIpWidth, kHexDigits, head.ip)) return give_back(before);
    if (!text_.empty() && text_.front() != ' ' && text_.front() != '\t') return give_back(before);
    head.rest = text_;
    return head.has_ip = true;
  }

 private:
  bool give_back(const Columns& before) {
    *this = before;
    return false;
  }

  bool skip(char c) {
    if (!text_.starts_with(c)) return false;
    text_.remove_prefix(1);
    return true;
  }

  /// What ends at `end` and begins behind `blanks` blanks stands right in a column of `width`.
  static bool is_width(std::size_t blanks, std::size_t end, std::size_t width) {
    return blanks < end && (end == width || (blanks == 0 && end > width));
  }

  bool number(std::size_t width, std::string_view digits, u64& value) {
    const std::size_t blanks = text_.find_first_not_of(' ');
    if (blanks == std::string_view::npos) return false;
    const std::size_t end = std::min(text_.find_first_not_of(digits, blanks), text_.size());
    if (!is_width(blanks, end, width)) return false;
    const std::string_view token = text_.substr(blanks, end - blanks);
    const bool decimal = digits.size() == kDigits.size();
    if (!(decimal ? parse_decimal(token, value) : parse_whole_hex(token, value))) return false;
    text_.remove_prefix(end);
    return true;
  }

  /// A number, or the -1 of what is no process.
  bool id(std::size_t width, u32& value) {
    const std::size_t blanks = text_.find_first_not_of(' ');
    if (blanks == std::string_view::npos) return false;
    const std::size_t end = std::min(text_.find_first_of(" /", blanks), text_.size());
    if (!is_width(blanks, end, width) || !parse_id(text_.substr(blanks, end - blanks), value)) return false;
    text_.remove_prefix(end);
    return true;
  }

  std::string_view text_;
};

/// What stands behind the name of the thread.
bool parse_behind_comm(std::string_view text, bool latency, TextHead& head) {
  Columns columns(text);
  head = {};
  const bool process = columns.process(head);
  if (!latency || !process || !columns.plain_cpu(head)) static_cast<void>(columns.cpu(head));
  columns.misc();
  static_cast<void>(columns.time(head));
  static_cast<void>(columns.period(head));
  static_cast<void>(columns.event(head));
  return columns.ip(head) || columns.at_end();
}

bool is_strong(const TextHead& head) {
  return head.has_ip || head.has_time || (head.has_event && head.has_tid);
}

}  // namespace

bool parse_wide_columns(std::string_view text, TextHead& head) {
  if (parse_behind_comm(text, false, head) && is_strong(head)) return head.strong = true;
  const auto with_comm = [&](std::size_t size, bool latency = false) {
    if (!parse_behind_comm(text.substr(size + 1), latency, head) || !is_strong(head)) return false;
    const std::string_view comm = text.substr(0, size);
    head.comm = comm.substr(std::min(comm.find_first_not_of(' '), comm.size()));
    return head.has_comm = head.strong = true;
  };
  const auto ends_at = [&](std::size_t width) { return text.size() > width && text[width] == ' '; };
  if (ends_at(kCommWidth) && with_comm(kCommWidth)) return true;
  if (ends_at(kCommLatencyWidth) && with_comm(kCommLatencyWidth, true)) return true;
  // Longer names, and those of lines before call chains, start at once.
  if (text.starts_with(' ')) return false;
  const std::size_t last = std::min(text.size(), kCommMax + 1);
  for (std::size_t at = text.find(' '); at < last; at = text.find(' ', at + 1)) {
    if (with_comm(at)) return true;
  }
  return false;
}

}  // namespace lastbranch::perfdata
