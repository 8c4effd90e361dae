#include "sim/perfdata/text_lines.h"

#include <algorithm>
#include <cstring>

#include "sim/base/error.h"

namespace lastbranch::perfdata {
namespace {

constexpr std::size_t kPeek = 64 * 1024;
constexpr std::size_t kBuffer = 256 * 1024;
constexpr std::size_t kLineMax = 64 * 1024 * 1024;

}  // namespace

void bad_text(std::string_view file, const TextLine& line, const char* at, std::string_view field,
              std::string_view expected) {
  constexpr std::size_t kShown = 40;
  const auto column = static_cast<std::size_t>(at - line.begin());
  std::string_view found = line.text.substr(std::min(column, line.text.size()));
  found = found.substr(0, std::min(found.find_first_of(" \t"), kShown));
  std::string shown;
  for (const char c : found) {
    const auto byte = static_cast<unsigned char>(c);
    shown += byte >= 0x20 && byte != 0x7f ? c : '?';
  }
  throw Error("{}: line {}, column {}: {}: expected {}, found {}", file, line.number, column + 1, field,
              expected,
              !shown.empty() ? "'" + shown + "'"
              : line.ended   ? "the end of the line"
                             : "the end of the text");
}

LineReader::LineReader(TextInput& input) : input_(input), buffer_(kBuffer) {}

bool LineReader::grow() {
  if (finished_) return false;
  if (end_ == buffer_.size()) {
    if (at_ != 0) {
      std::memmove(buffer_.data(), buffer_.data() + at_, end_ - at_);
      base_ += at_;
      end_ -= at_;
      at_ = 0;
    } else {
      if (buffer_.size() > kLineMax) {
        throw Error("{}: line {}: expected its end within {} bytes, found none", input_.name(),
                    line_.number + 1, kLineMax);
      }
      buffer_.resize(buffer_.size() * 2);
    }
  }
  const std::size_t n = input_.read(buffer_.data() + end_, buffer_.size() - end_);
  end_ += n;
  finished_ = n == 0;
  return n != 0;
}

bool LineReader::next(TextLine& line) {
  if (again_) {
    again_ = false;
    line = line_;
    return true;
  }
  std::size_t searched = 0;
  const char* newline = nullptr;
  while (true) {
    const char* first = buffer_.data() + at_;
    newline = static_cast<const char*>(std::memchr(first + searched, '\n', end_ - at_ - searched));
    if (newline != nullptr) break;
    searched = end_ - at_;
    if (!grow()) break;
  }
  const char* first = buffer_.data() + at_;
  if (newline == nullptr && at_ == end_) return false;
  const std::size_t size = newline != nullptr ? static_cast<std::size_t>(newline - first) : end_ - at_;
  line_.text = {first, size};
  if (line_.text.ends_with('\r')) line_.text.remove_suffix(1);
  line_.offset = base_ + at_;
  line_.ended = newline != nullptr;
  ++line_.number;
  at_ += size + (newline != nullptr ? 1 : 0);
  line = line_;
  return true;
}

std::string_view LineReader::peek() {
  while (end_ < kPeek && grow()) continue;
  return {buffer_.data(), std::min(end_, kPeek)};
}

}  // namespace lastbranch::perfdata
