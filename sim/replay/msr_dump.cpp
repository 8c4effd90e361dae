#include "sim/replay/msr_dump.h"

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <fstream>
#include <iterator>
#include <set>

#include <fmt/format.h>

#include "sim/base/error.h"

namespace lastbranch::replay {
namespace {

/// One line, taken word by word.
class Line {
 public:
  Line(const std::string& path, std::size_t number, std::string_view text)
      : path_(path), number_(number), text_(text) {}

  [[nodiscard]] std::size_t number() const { return number_; }
  [[nodiscard]] bool empty() const { return text_.find_first_not_of(kBlanks) == text_.npos; }
  [[nodiscard]] std::string_view text() const { return text_; }

  /// The next word. Throws Error when there is none.
  std::string_view word(std::string_view what) {
    at_ = std::min(text_.find_first_not_of(kBlanks, at_), text_.size());
    start_ = at_;
    at_ = std::min(text_.find_first_of(kBlanks, at_), text_.size());
    if (start_ == at_) fail(fmt::format("expected {}, found the end of the line", what));
    return text_.substr(start_, at_ - start_);
  }

  /// The next word as a number with 0x. Throws Error.
  template <typename T>
  T number_of(std::string_view what) {
    return parse<T>(word(what), what);
  }
  template <typename T>
  [[nodiscard]] T parse(std::string_view digits, std::string_view what) const {
    T value = 0;
    const bool hexadecimal = digits.starts_with("0x") && digits.size() > 2;
    const char* const end = digits.data() + digits.size();
    const auto [last, error] = hexadecimal
                                   ? std::from_chars(digits.data() + 2, end, value, 16)
                                   : std::from_chars_result{digits.data(), std::errc::invalid_argument};
    if (error != std::errc{} || last != end) {
      fail(fmt::format("expected {} of at most {} bits, hexadecimal with 0x, found '{}'", what, 8 * sizeof(T),
                       digits.substr(0, kShown)));
    }
    return value;
  }

  /// Throws Error when words are left.
  void expect_end() {
    at_ = std::min(text_.find_first_not_of(kBlanks, at_), text_.size());
    start_ = at_;
    if (at_ != text_.size()) {
      fail(fmt::format("expected the end of the line, found '{}'", text_.substr(at_, kShown)));
    }
  }

  [[noreturn]] void fail(std::string_view what) const {
    throw Error("{}:{}:{}: {}", path_, number_, start_ + 1, what);
  }

 private:
  static constexpr std::string_view kBlanks = " \t";
  static constexpr std::size_t kShown = 40;

  const std::string& path_;
  std::size_t number_;
  std::string_view text_;
  std::size_t at_ = 0;
  std::size_t start_ = 0;
};

class Parser {
 public:
  explicit Parser(const std::string& path) { dump_.path = path; }

  void take(Line line) {
    if (line.empty() || line.text().starts_with('#')) return;
    if (line.number() == 1) {
      if (line.text() != kMsrDumpMagic)
        line.fail(fmt::format("expected '{}', found another line", kMsrDumpMagic));
      return;
    }
    const std::string_view kind = line.word("cpuid, msr, or a name with a colon");
    if (kind == "cpuid") {
      take_cpuid(line);
    } else if (kind == "msr") {
      take_msr(line);
    } else if (kind.ends_with(':')) {
      const std::size_t text = std::min(line.text().find_first_not_of(' ', kind.size()), line.text().size());
      dump_.header[std::string(kind.substr(0, kind.size() - 1))] = line.text().substr(text);
    } else {
      line.fail(fmt::format("expected cpuid, msr, or a name with a colon, found '{}'", kind.substr(0, 40)));
    }
  }

  [[nodiscard]] MsrDump result() && { return std::move(dump_); }

 private:
  void take_cpuid(Line& line) {
    DumpedCpuid found{.leaf = line.number_of<u32>("a leaf"),
                      .subleaf = line.number_of<u32>("a sub-leaf"),
                      .line = line.number()};
    for (std::size_t i = 0; i < found.registers.size(); ++i) {
      constexpr std::array<std::string_view, 4> kNames = {"EAX", "EBX", "ECX", "EDX"};
      found.registers[i] = line.number_of<u32>(kNames[i]);
    }
    line.expect_end();
    dump_.cpuid.push_back(found);
  }

  void take_msr(Line& line) {
    DumpedMsr found{.index = line.number_of<u32>("an index"), .line = line.number()};
    if (!seen_.insert(found.index).second)
      line.fail(fmt::format("expected register {:#x} once", found.index));
    found.name = line.word("a name");
    const std::string_view value = line.word("a value, or 'unreadable'");
    if (value == "unreadable") {
      found.why = line.word("why it cannot be read");
    } else {
      found.value = line.parse<u64>(value, "a value");
    }
    line.expect_end();
    dump_.msrs.push_back(std::move(found));
  }

  MsrDump dump_;
  std::set<u32> seen_;
};

/// Many times what any processor's dump has.
constexpr std::size_t kFileMax = std::size_t{4} << 20;

}  // namespace

std::string_view MsrDump::of(std::string_view key) const {
  const auto found = header.find(key);
  return found == header.end() ? std::string_view{} : found->second;
}

bool is_msr_dump(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  std::array<char, kMsrDumpMagic.size()> start{};
  in.read(start.data(), start.size());
  return in.gcount() == static_cast<std::streamsize>(start.size()) &&
         std::string_view(start.data(), start.size()) == kMsrDumpMagic;
}

MsrDump read_msr_dump(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  if (!in) throw Error("{}: cannot be opened: {}", path, std::strerror(errno));
  std::string text(kFileMax + 1, '\0');
  in.read(text.data(), static_cast<std::streamsize>(text.size()));
  text.resize(static_cast<std::size_t>(in.gcount()));
  if (text.size() > kFileMax)
    throw Error("{}: expected a dump of at most {} bytes, found more", path, kFileMax);
  return parse_msr_dump(text, path);
}

MsrDump parse_msr_dump(std::string_view text, const std::string& path) {
  Parser parser(path);
  if (!text.starts_with(kMsrDumpMagic)) {
    throw Error("{}:1:1: expected '{}', found another line", path, kMsrDumpMagic);
  }
  for (std::size_t at = 0, number = 1; at < text.size(); ++number) {
    const std::size_t end = std::min(text.find('\n', at), text.size());
    std::string_view line = text.substr(at, end - at);
    if (line.ends_with('\r')) line.remove_suffix(1);
    parser.take(Line(path, number, line));
    at = end + 1;
  }
  return std::move(parser).result();
}

std::string msr_dump_text(const MsrDump& dump) {
  std::string text = fmt::format("{}\n", kMsrDumpMagic);
  const auto out = std::back_inserter(text);
  for (const auto& [key, value] : dump.header) {
    std::string line = value;
    std::ranges::replace(line, '\n', ' ');
    fmt::format_to(out, "{}: {}\n", key, line);
  }
  for (const DumpedCpuid& c : dump.cpuid) {
    fmt::format_to(out, "cpuid {:#010x} {:#x} {:#010x} {:#010x} {:#010x} {:#010x}\n", c.leaf, c.subleaf,
                   c.registers[0], c.registers[1], c.registers[2], c.registers[3]);
  }
  for (const DumpedMsr& m : dump.msrs) {
    const std::string value = m.value ? fmt::format("{:#018x}", *m.value) : "unreadable " + m.why;
    fmt::format_to(out, "msr {:#010x} {} {}\n", m.index, m.name, value);
  }
  return text;
}

std::vector<CpuidPlace> dumped_leaves() {
  std::vector<CpuidPlace> places = {{0, 0}, {1, 0}, {7, 0}, {0xa, 0}, {0x1c, 0}};
  for (u32 subleaf = 0; subleaf < 6; ++subleaf) places.push_back({0x23, subleaf});
  for (u32 leaf = 0x8000'0002; leaf <= 0x8000'0004; ++leaf) places.push_back({leaf, 0});
  return places;
}

}  // namespace lastbranch::replay
