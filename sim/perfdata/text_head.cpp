#include "sim/perfdata/text_head.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <optional>
#include <span>

#include "sim/perfdata/text_columns.h"
#include "sim/perfdata/text_entry.h"

namespace lastbranch::perfdata {
namespace {

struct Token {
  std::string_view text;
  std::size_t width = 0;  ///< with the blanks before it
};

// More columns than perf has, and names of threads of many words.
constexpr std::size_t kTokensMax = 48;

struct Tokens {
  std::array<Token, kTokensMax> all;
  std::size_t count = 0;
  [[nodiscard]] std::span<const Token> span() const { return {all.data(), count}; }
};

/// The first tokens of `text`; what is behind the last possible one is no matter.
void split(std::string_view text, Tokens& tokens) {
  std::size_t at = 0;
  while (tokens.count < kTokensMax) {
    const std::size_t start = text.find_first_not_of(" \t", at);
    if (start == std::string_view::npos) return;
    const std::size_t end = std::min(text.find_first_of(" \t", start), text.size());
    tokens.all[tokens.count++] = {text.substr(start, end - start), end - at};
    at = end;
  }
}

bool is_time(std::string_view token, u64& ns) {
  return token.ends_with(':') && parse_seconds(token.substr(0, token.size() - 1), ns);
}

bool is_event(std::string_view token) {
  return token.size() > 1 && token.ends_with(':');
}

/// An IP: hexadecimal, perhaps with 0x or a build-id before it.
bool parse_ip(std::string_view token, u64& ip) {
  const std::size_t colon = token.find(':');
  if (colon != std::string_view::npos) {
    if (token.find_first_not_of("0123456789abcdefABCDEF") != colon) return false;
    token.remove_prefix(colon + 1);
  }
  if (token.starts_with("0x")) token.remove_prefix(2);
  return parse_whole_hex(token, ip);
}

/// perf prints the IP 16 wide after a blank or a tab.
constexpr std::size_t kIpWidth = 16;
constexpr std::size_t kPeriodWidth = 10;

/// Index of the IP in `tokens`, behind those that end in a colon; nothing: there is none.
std::optional<std::size_t> find_ip(std::span<const Token> tokens, std::size_t first, bool after_colon,
                                   u64& ip) {
  for (std::size_t i = first; i < tokens.size(); ++i) {
    if (tokens[i].width >= kIpWidth && parse_ip(tokens[i].text, ip)) return i;
  }
  if (after_colon) {
    if (first < tokens.size() && parse_ip(tokens[first].text, ip)) return first;
    return std::nullopt;
  }
  // Without widths: alone, or behind a number that is the process.
  u32 pid = 0;
  if (tokens.size() == 1 && parse_ip(tokens[0].text, ip)) return 0;
  const bool behind_process = tokens.size() > 1 && (parse_id(tokens[0].text, pid) ||
                                                    tokens[0].text.find('/') != std::string_view::npos);
  if (behind_process && parse_ip(tokens[1].text, ip)) return 1;
  return std::nullopt;
}

bool take_cpu(std::string_view token, TextHead& head) {
  u64 cpu = 0;
  if (!token.starts_with('[') || !token.ends_with(']') ||
      !parse_decimal(token.substr(1, token.size() - 2), cpu)) {
    return false;
  }
  head.cpu = static_cast<u32>(cpu);
  head.has_cpu = true;
  return true;
}

bool take_process(std::string_view token, TextHead& head) {
  const std::size_t slash = token.find('/');
  if (slash == std::string_view::npos) {
    if (!parse_id(token, head.tid)) return false;
    head.pid = head.tid;
  } else if (!parse_id(token.substr(0, slash), head.pid) || !parse_id(token.substr(slash + 1), head.tid)) {
    return false;
  }
  head.has_tid = true;
  return true;
}

/// comm, process, processor: what stands before the time. True when all of it was understood.
bool take_left(std::span<const Token> tokens, TextHead& head) {
  if (!tokens.empty() && take_cpu(tokens.back().text, head)) tokens = tokens.first(tokens.size() - 1);
  if (!tokens.empty() && take_process(tokens.back().text, head)) tokens = tokens.first(tokens.size() - 1);
  if (tokens.empty()) return true;
  const char* const begin = tokens.front().text.data();
  const std::string_view last = tokens.back().text;
  head.comm = {begin, static_cast<std::size_t>(last.data() + last.size() - begin)};
  head.has_comm = true;
  return head.has_tid || head.has_cpu;
}

/// The period, when it is the last of `tokens` and is not the process.
std::span<const Token> take_period(std::span<const Token> tokens, bool behind_time, TextHead& head) {
  if (tokens.empty()) return tokens;
  const Token& last = tokens.back();
  u64 before = 0;
  const bool second_number = tokens.size() > 1 && parse_decimal(tokens[tokens.size() - 2].text, before);
  if (!behind_time && !second_number && last.width < kPeriodWidth) return tokens;
  if (!parse_decimal(last.text, head.period)) return tokens;
  head.has_period = true;
  return tokens.first(tokens.size() - 1);
}

bool only_ip(std::string_view text, TextHead& head) {
  const std::size_t first = text.find_first_not_of(" \t");
  if (first == std::string_view::npos) return false;
  const char* at = text.data() + first;
  const char* const end = text.data() + text.size();
  if (!parse_hex(at, end, head.ip)) return false;
  while (at != end && (*at == ' ' || *at == '\t')) ++at;
  return at == end;
}

}  // namespace

bool parse_decimal(std::string_view text, u64& value) {
  u64 parsed = 0;
  const auto [end, status] = std::from_chars(text.data(), text.data() + text.size(), parsed);
  if (status != std::errc() || end != text.data() + text.size() || text.empty()) return false;
  value = parsed;
  return true;
}

bool parse_whole_hex(std::string_view text, u64& value) {
  const char* at = text.data();
  const char* const end = at + text.size();
  return parse_hex(at, end, value) && at == end;
}

bool parse_id(std::string_view text, u32& value) {
  if (text == "-1") {
    value = ~u32{0};
    return true;
  }
  u64 wide = 0;
  if (!parse_decimal(text, wide) || wide > ~u32{0}) return false;
  value = static_cast<u32>(wide);
  return true;
}

bool parse_seconds(std::string_view text, u64& ns) {
  constexpr std::size_t kNsDigits = 9;
  constexpr u64 kNsPerSecond = 1'000'000'000;
  const std::size_t dot = text.find('.');
  if (dot == std::string_view::npos) return false;
  const std::string_view digits = text.substr(dot + 1);
  u64 seconds = 0;
  u64 fraction = 0;
  if (digits.empty() || digits.size() > kNsDigits || !parse_decimal(text.substr(0, dot), seconds) ||
      !parse_decimal(digits, fraction)) {
    return false;
  }
  for (std::size_t i = digits.size(); i < kNsDigits; ++i) fraction *= 10;
  if (seconds > (~u64{0} - fraction) / kNsPerSecond) return false;
  ns = seconds * kNsPerSecond + fraction;
  return true;
}

bool parse_head(std::string_view text, TextHead& head) {
  head = {};
  if (only_ip(text, head)) {
    head.has_ip = true;
    head.strong = true;
    return true;
  }
  if (parse_wide_columns(text, head)) return true;
  head = {};
  Tokens tokens;
  split(text, tokens);
  const std::span<const Token> all = tokens.span();
  if (all.empty()) return false;

  // The time, then the event: the first and the next token with a colon.
  std::size_t left_end = all.size();
  std::size_t next = 0;
  bool colon = false;
  const auto first_colon = std::ranges::find_if(all, [](const Token& t) { return is_event(t.text); });
  if (first_colon != all.end()) {
    colon = true;
    left_end = static_cast<std::size_t>(first_colon - all.begin());
    next = left_end + 1;
    head.has_time = is_time(first_colon->text, head.time) && head.time < kNoTime;
    std::size_t event_at = left_end;
    if (head.has_time) {
      // The event is the next one, unless an IP comes before: a symbol may end in a colon.
      while (++event_at < all.size() && !is_event(all[event_at].text)) continue;
      if (event_at > left_end + 2) event_at = all.size();
    }
    if (event_at < all.size()) {
      head.event = all[event_at].text.substr(0, all[event_at].text.size() - 1);
      head.has_event = true;
      const std::size_t from = head.has_time ? left_end + 1 : 0;
      const auto middle = take_period(all.subspan(from, event_at - from), head.has_time, head);
      if (!head.has_time) left_end = middle.size();
      next = event_at + 1;
    } else if (head.has_time && next < all.size() && all[next].width < kIpWidth &&
               parse_decimal(all[next].text, head.period) && next + 1 < all.size()) {
      head.has_period = true;  // without an event behind it
      ++next;
    }
  }

  if (const auto ip = find_ip(all, next, colon, head.ip)) {
    head.has_ip = true;
    const std::string_view token = all[*ip].text;
    const char* const behind = token.data() + token.size();
    head.rest = {behind, static_cast<std::size_t>(text.data() + text.size() - behind)};
    if (!colon) left_end = *ip;
  }
  std::span<const Token> left = all.first(left_end);
  if (!colon) left = left.size() == 1 && !head.has_ip ? left : take_period(left, false, head);
  const bool understood = take_left(left, head);
  head.strong = head.has_ip || head.has_time || (head.has_event && head.has_tid);
  if (head.has_ip && !understood) return false;
  return understood;
}

}  // namespace lastbranch::perfdata
