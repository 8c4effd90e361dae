#include "sim/replay/stat_file.h"

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cmath>
#include <fstream>
#include <optional>
#include <span>
#include <string_view>
#include <system_error>
#include <unordered_map>

#include "sim/base/error.h"

namespace lastbranch::replay {
namespace {

/// Those that fields may hold too come last.
constexpr std::string_view kSeparators = ",;\t|@~!^$&*#=+: ";
constexpr std::string_view kNotCounted = "<not counted>", kNotSupported = "<not supported>";

using Fields = std::vector<std::string_view>;

std::string_view trimmed(std::string_view text) {
  const auto first = text.find_first_not_of(" \r");
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(" \r") - first + 1);
}

std::optional<double> number(std::string_view text) {
  double value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size() || !std::isfinite(value)) return std::nullopt;
  return value;
}

std::optional<double> percentage(std::string_view text) {
  return text.ends_with('%') ? number(text.substr(0, text.size() - 1)) : std::nullopt;
}

/// A separator within cpu/.../ belongs to the event's name.
Fields split(std::string_view line, char separator) {
  Fields fields;
  bool in_event = false;
  std::size_t start = 0;
  for (std::size_t at = 0; at <= line.size(); ++at) {
    if (at < line.size() && line[at] == '/') in_event = !in_event;
    if (at < line.size() && (line[at] != separator || in_event)) continue;
    fields.push_back(trimmed(line.substr(start, at - start)));
    start = at + 1;
  }
  return fields;
}

bool is_value(std::string_view text) {
  return text == kNotCounted || text == kNotSupported || number(text).has_value();
}

bool is_unit(std::string_view text) {
  return text.empty() || !std::ranges::any_of(text, [](char c) { return c >= '0' && c <= '9'; });
}

bool is_event(std::string_view text) {
  return !text.empty() && ((text.front() | 0x20) >= 'a' && (text.front() | 0x20) <= 'z');
}

/// What stands behind the event: the variance of repeated runs, then run time and percentage.
bool is_rest(std::span<const std::string_view> rest) {
  if (percentage(rest[0])) rest = rest.subspan(1);
  return rest.size() > 1 && number(rest[0]) && number(rest[1]);
}

/// The place of the count in a line: value, unit, event, and the rest. Intervals' times and names of
/// processors stand before it.
std::optional<std::size_t> value_at(const Fields& fields) {
  for (std::size_t at = 0; at + 4 < fields.size(); ++at) {
    if (is_value(fields[at]) && is_unit(fields[at + 1]) && is_event(fields[at + 2]) &&
        is_rest(std::span(fields).subspan(at + 3)))
      return at;
  }
  return std::nullopt;
}

/// More metrics of the event on the line before: nothing where the count would be.
bool is_metric_line(const Fields& fields) {
  return fields.size() > 4 && std::ranges::count(fields, std::string_view()) >= 3;
}

bool is_comment(std::string_view line) {
  return trimmed(line).empty() || trimmed(line).starts_with('#');
}

std::optional<char> separator_of(std::string_view line) {
  for (const char separator : kSeparators) {
    if (value_at(split(line, separator))) return separator;
  }
  return std::nullopt;
}

/// Where each event's count is.
using Places = std::unordered_map<std::string, std::size_t>;

StatCount& count_of(StatFile& file, Places& places, std::string_view event) {
  const auto [place, added] = places.try_emplace(std::string(event), file.counts.size());
  if (added) file.counts.emplace_back().event = event;
  return file.counts[place->second];
}

/// Adds the line's count, whose value is at `fields.front()`.
void add_count(StatFile& file, Places& places, std::span<const std::string_view> fields) {
  StatCount& count = count_of(file, places, fields[2]);
  ++count.lines;
  std::span<const std::string_view> rest = fields.subspan(3);
  if (const auto variance = percentage(rest[0])) {
    count.variance_percent = std::max(count.variance_percent, *variance);
    rest = rest.subspan(1);
  }
  if (const auto value = number(fields[0])) count.value = count.value.value_or(0) + *value;
  count.running_percent = std::min(count.running_percent, number(rest[1]).value_or(100));
}

std::ifstream open(const std::string& path) {
  std::ifstream in(path);
  if (!in)
    throw Error("{}: expected a file that can be read, found {}", path,
                std::generic_category().message(errno));
  return in;
}

}  // namespace

bool is_stat_file(const std::string& path) {
  std::ifstream in = open(path);
  // Binary files have no line ends: no more than a line of text can have is looked at.
  std::string head(4096, '\0');
  in.read(head.data(), static_cast<std::streamsize>(head.size()));
  head.resize(static_cast<std::size_t>(in.gcount()));
  if (head.find('\0') != std::string::npos) return false;
  for (std::size_t at = 0; at < head.size();) {
    const std::size_t end = std::min(head.find('\n', at), head.size());
    const std::string_view line = std::string_view(head).substr(at, end - at);
    if (!is_comment(line)) return separator_of(line).has_value();
    at = end + 1;
  }
  return false;
}

StatFile read_stat_file(const std::string& path) {
  std::ifstream in = open(path);
  StatFile file{.path = path, .counts = {}};
  Places places;
  std::optional<char> separator;
  std::string line;
  for (u64 number = 1; std::getline(in, line); ++number) {
    if (is_comment(line)) continue;
    if (!separator) separator = separator_of(line);
    const Fields fields = separator ? split(line, *separator) : Fields{};
    if (const auto at = value_at(fields)) {
      add_count(file, places, std::span(fields).subspan(*at));
    } else if (is_metric_line(fields)) {
      ++file.metric_lines;
    } else {
      throw Error(
          "{}: line {}: expected value, unit, event, run time and percentage as perf stat -x prints them, "
          "found '{}'",
          path, number, line);
    }
  }
  if (file.counts.empty()) throw Error("{}: expected counts as perf stat -x prints them, found none", path);
  return file;
}

}  // namespace lastbranch::replay
