#include "sim/perfdata/text_preaggregated.h"

#include <algorithm>

#include "sim/perfdata/text_head.h"

namespace lastbranch::perfdata {
namespace {

constexpr std::string_view kLetters = "BFfrTRSE";

struct Address {
  u64 value = 0;
  bool unknown = false;  ///< in no known object
};

class Fields {
 public:
  Fields(std::string_view file, const TextLine& line)
      : file_(file), line_(line), rest_(line.text.substr(1)) {}

  [[nodiscard]] Address address(std::string_view field) {
    std::string_view word = take();
    Address result;
    const std::size_t colon = word.find(':');
    if (colon != std::string_view::npos) {
      ++other_objects_;
      result.unknown = word.substr(0, colon) == "X";
    }
    const std::string_view digits = word.substr(colon == std::string_view::npos ? 0 : colon + 1);
    if (!parse_whole_hex(digits, result.value)) fail(digits, field, "a hexadecimal address without 0x");
    return result;
  }

  [[nodiscard]] u64 count(std::string_view field) {
    const std::string_view word = take();
    u64 value = 0;
    if (!parse_decimal(word, value)) fail(word, field, "a decimal number");
    return value;
  }

  void end() {
    const std::string_view word = take();
    if (!word.empty()) fail(word, "line", "its end");
  }

  [[nodiscard]] u64 other_objects() const { return other_objects_; }

 private:
  [[nodiscard]] std::string_view take() {
    rest_.remove_prefix(std::min(rest_.find_first_not_of(" \t"), rest_.size()));
    const std::string_view word = rest_.substr(0, rest_.find_first_of(" \t"));
    rest_.remove_prefix(word.size());
    return word;
  }

  [[noreturn]] void fail(std::string_view at, std::string_view field, std::string_view expected) const {
    bad_text(file_, line_, at.data(), field, expected);
  }

  std::string_view file_;
  const TextLine& line_;
  std::string_view rest_;
  u64 other_objects_ = 0;
};

}  // namespace

bool is_preaggregated(std::string_view line) {
  if (line.size() < 3 || line[1] != ' ' || kLetters.find(line[0]) == std::string_view::npos) return false;
  if (line[0] == 'E') return line.find(' ', 2) == std::string_view::npos;
  const std::string_view word = line.substr(2, line.find(' ', 2) - 2);
  u64 ignored = 0;
  const std::size_t colon = word.find(':');
  return parse_whole_hex(word.substr(colon == std::string_view::npos ? 0 : colon + 1), ignored);
}

PreaggregatedLine parse_preaggregated(std::string_view file, const TextLine& line) {
  PreaggregatedLine result;
  if (line.text.size() < 2 || line.text[1] != ' ' || kLetters.find(line.text[0]) == std::string_view::npos) {
    bad_text(file, line, line.begin(), "kind", "one of B, F, f, r, T, R, S, E and a blank");
  }
  const char kind = line.text[0];
  if (kind == 'E') {
    result.event = line.text.substr(2);
    return result;
  }
  Fields in(file, line);
  const Address first = in.address(kind == 'S' ? "address" : "start");
  if (kind == 'S') {
    result.sample.emplace().ip = first.value;
    result.sample->repeat = in.count("count");
  } else {
    const Address second = in.address("end");
    if (kind == 'B') {
      const u64 count = in.count("count");
      result.edge = EdgeRecord{first.value, second.value, count, in.count("mispredictions")};
    } else if (kind == 'T' || kind == 'R') {
      const Address end = in.address("end of the straight line");
      const u64 count = in.count("count");
      if (!first.unknown) result.edge = EdgeRecord{first.value, second.value, count, 0};
      result.range = RangeRecord{second.value, end.value, count, first.unknown};
    } else {
      result.range = RangeRecord{first.value, second.value, in.count("count"), kind != 'F'};
    }
  }
  in.end();
  result.other_objects = in.other_objects();
  return result;
}

}  // namespace lastbranch::perfdata
