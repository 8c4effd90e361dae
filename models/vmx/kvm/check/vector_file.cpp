#include "models/vmx/kvm/check/vector_file.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <fstream>

#include <fmt/format.h>

#include <boost/iostreams/filter/gzip.hpp>
#include <boost/iostreams/filtering_stream.hpp>

#include "models/vmx/kvm/check/vector_sets.h"
#include "sim/base/error.h"

namespace lastbranch::kvm {
namespace {

constexpr std::size_t kMostBytes = std::size_t{64} << 20;

/// To the end of the stream, unless that is a device's or a bomb's.
std::string drain(std::istream& in, const std::string& path) {
  std::string bytes;
  std::array<char, 65536> block{};
  while (in.read(block.data(), block.size()) || in.gcount() != 0) {
    bytes.append(block.data(), static_cast<std::size_t>(in.gcount()));
    if (bytes.size() > kMostBytes) throw Error("{}: expected up to {} bytes, found more", path, kMostBytes);
  }
  return bytes;
}

std::string read_all(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) throw Error("{}: cannot be opened", path);
  file.peek();  // a folder opens, and fails here
  if (file.bad()) throw Error("{}: cannot be read", path);
  std::string bytes = drain(file, path);
  if (!bytes.starts_with("\x1f\x8b")) return bytes;
  namespace io = boost::iostreams;
  try {
    io::filtering_istream in;
    in.push(io::gzip_decompressor());
    in.push(io::array_source(bytes.data(), bytes.size()));
    in.exceptions(std::ios::badbit);
    return drain(in, path);
  } catch (const Error&) {
    throw;
  } catch (const std::exception& error) {
    throw Error("{}: expected a whole gzip file, found one that is torn or damaged ({})", path, error.what());
  }
}

/// What no text has: the file is another, and a terminal would obey it.
bool is_control(char c) {
  return (c >= 0 && c < ' ' && c != '\n' && c != '\r' && c != '\t') || c == 0x7f;
}

std::vector<std::string_view> split(std::string_view line) {
  std::vector<std::string_view> cells;
  while (true) {
    const std::size_t comma = line.find(',');
    cells.push_back(line.substr(0, comma));
    if (comma == std::string_view::npos) return cells;
    line.remove_prefix(comma + 1);
  }
}

bool parse_unsigned(std::string_view text, u64& value) {
  const bool hex = text.starts_with("0x");
  if (hex) text.remove_prefix(2);
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value, hex ? 16 : 10);
  return error == std::errc() && end == text.data() + text.size();
}

/// Two's complement; what does not fit into 64 bits with a sign is refused.
bool parse_signed(std::string_view text, u64& value) {
  const bool negative = text.starts_with('-');
  if (!parse_unsigned(negative ? text.substr(1) : text, value)) return false;
  constexpr u64 kHalf = u64{1} << 63;
  if (value > kHalf || (value == kHalf && !negative)) return false;
  if (negative) value = ~value + 1;
  return true;
}

bool parse_either(std::string_view text, std::string_view zero, std::string_view one, u64& value) {
  value = text == one ? 1 : 0;
  return text == zero || text == one;
}

}  // namespace

VectorFile::VectorFile(std::string path) : path_(std::move(path)), text_(read_all(path_)) {
  if (text_.empty()) throw Error("{}: expected reference vectors, found an empty file", path_);
  if (const auto found = std::ranges::find_if(text_, is_control); found != text_.end())
    throw Error("{}: expected text, found byte {:#04x}",
                place(static_cast<std::size_t>(found - text_.begin())), static_cast<unsigned>(*found));
  if (text_.back() != '\n')
    throw Error("{}: expected the end of the line, found the end of the file (a torn line)",
                place(text_.size()));
  read_header();
}

std::string VectorFile::place(std::size_t at) const {
  const std::string_view before = std::string_view(text_).substr(0, at);
  const std::size_t line_begin = before.rfind('\n') + 1;
  return fmt::format("{}:{}: column {}", path_, std::ranges::count(before, '\n') + 1, at - line_begin + 1);
}

bool VectorFile::next_line(std::string_view& line) {
  if (position_ >= text_.size()) return false;
  const std::size_t end = text_.find('\n', position_);
  line = std::string_view(text_).substr(position_, end - position_);
  if (line.ends_with('\r')) line.remove_suffix(1);
  position_ = end + 1;
  ++line_;
  return true;
}

void VectorFile::read_header() {
  std::string_view line;
  std::string_view said;
  while (true) {
    if (!next_line(line)) throw Error("{}: expected a column row, found the end of the file", path_);
    if (!line.starts_with('#')) break;
    constexpr std::string_view kMark = "set \"";
    const std::size_t at = line.find(kMark);
    if (at != std::string_view::npos && said.empty()) {
      said = line.substr(at + kMark.size());
      said = said.substr(0, said.find('"'));
    }
  }
  const std::vector<std::string_view> names = split(line);
  set_ = &closest_set(names);
  const auto& columns = set_->columns;
  std::vector<bool> seen(columns.size());
  for (std::size_t i = 0; i < names.size(); ++i) {
    const auto found = std::ranges::find(columns, names[i], &Column::name);
    if (found == columns.end())
      throw Error("{}:{}: column {}: expected a column of set \"{}\", found '{}'", path_, line_, i + 1,
                  set_->name, names[i]);
    const auto place = static_cast<std::size_t>(found - columns.begin());
    if (seen[place])
      throw Error("{}:{}: column {}: expected each column once, found '{}' again", path_, line_, i + 1,
                  names[i]);
    seen[place] = true;
    order_.push_back(place);
  }
  for (std::size_t i = 0; i < columns.size(); ++i)
    if (!seen[i])
      throw Error("{}:{}: column {}: expected '{}' of set \"{}\", found no such column", path_, line_,
                  names.size() + 1, columns[i].name, set_->name);
  if (!said.empty() && said != set_->name)
    throw Error(
        "{}:{}: column 1: expected the columns of set \"{}\", which a comment names, found those of \"{}\"",
        path_, line_, said, set_->name);
}

void VectorFile::refuse(std::size_t column, std::string_view expected, std::string_view found) const {
  throw Error("{}:{}: column {} ({}): expected {}, found '{}'", path_, line_, column + 1,
              set_->columns[order_[column]].name, expected, found);
}

void VectorFile::parse_cell(VectorRow& row, std::size_t column, std::string_view cell) const {
  const std::size_t place = order_[column];
  u64& value = row.numbers[place];
  switch (set_->columns[place].type) {
    case ColumnType::kState:
      try {
        row.kernel = kernel_of(cell);
      } catch (const Error& error) {
        throw Error("{}:{}: column {} (state): {}", path_, line_, column + 1, error.what());
      }
      break;
    case ColumnType::kBit:
      if (!parse_either(cell, "0", "1", value)) refuse(column, "0 or 1", cell);
      break;
    case ColumnType::kNumber: {
      const u64 most = set_->columns[place].most;
      if (!parse_unsigned(cell, value)) refuse(column, "a number, decimal or with 0x", cell);
      if (value > most) refuse(column, fmt::format("a number up to {:#x}", most), cell);
      break;
    }
    case ColumnType::kSigned: {
      const Column& c = set_->columns[place];
      if (!parse_signed(cell, value)) refuse(column, "a number that may be negative", cell);
      const i64 number = static_cast<i64>(value);
      if (c.most != ~u64{0} && (number < c.least || number > static_cast<i64>(c.most)))
        refuse(column, fmt::format("a number from {} to {}", c.least, c.most), cell);
      break;
    }
    case ColumnType::kInitiator:
      if (!parse_either(cell, "guest", "host", value)) refuse(column, "guest or host", cell);
      break;
    case ColumnType::kAccess:
      if (!parse_either(cell, "read", "write", value)) refuse(column, "read or write", cell);
      break;
    case ColumnType::kText:
      if (cell.empty()) refuse(column, "text", cell);
      row.texts[place] = cell;
      break;
  }
}

bool VectorFile::next(VectorRow& row) {
  std::string_view line;
  do {
    if (!next_line(line)) {
      if (row_count_ == 0) throw Error("{}: expected rows after the columns, found none", path_);
      return false;
    }
  } while (line.starts_with('#'));
  row.line = line_;
  row.numbers.assign(set_->columns.size(), 0);
  row.texts.assign(set_->columns.size(), {});
  std::size_t column = 0;
  while (true) {
    const std::size_t comma = line.find(',');
    if (column == order_.size())
      throw Error("{}:{}: column {}: expected {} columns, found more", path_, line_, column + 1,
                  order_.size());
    parse_cell(row, column++, line.substr(0, comma));
    if (comma == std::string_view::npos) break;
    line.remove_prefix(comma + 1);
  }
  if (column < order_.size())
    throw Error("{}:{}: column {} ({}): expected {} columns, found {} (a torn line)", path_, line_,
                column + 1, set_->columns[order_[column]].name, order_.size(), column);
  ++row_count_;
  return true;
}

}  // namespace lastbranch::kvm
