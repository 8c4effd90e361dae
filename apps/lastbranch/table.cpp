#include "apps/lastbranch/table.h"

#include <algorithm>

#include <fmt/format.h>

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>

namespace lastbranch::cli {
namespace {

void append_line(std::string& text, const std::vector<std::string>& cells,
                 const std::vector<std::size_t>& widths) {
  for (std::size_t i = 0; i < cells.size(); ++i) text += fmt::format("{:<{}}  ", cells[i], widths[i]);
  text.erase(text.find_last_not_of(' ') + 1);
  text += '\n';
}

}  // namespace

std::string Table::text() const {
  std::vector<std::size_t> widths(columns.size());
  const auto widen = [&](const std::vector<std::string>& cells) {
    for (std::size_t i = 0; i < cells.size(); ++i) widths[i] = std::max(widths[i], cells[i].size());
  };
  widen(columns);
  std::ranges::for_each(rows, widen);
  std::string text;
  append_line(text, columns, widths);
  for (const auto& row : rows) append_line(text, row, widths);
  return text;
}

std::string Table::json() const {
  boost::json::array array;
  for (const auto& row : rows) {
    boost::json::object object;
    for (std::size_t i = 0; i < columns.size(); ++i) object[columns[i]] = row[i];
    array.push_back(std::move(object));
  }
  return boost::json::serialize(array) + "\n";
}

}  // namespace lastbranch::cli
