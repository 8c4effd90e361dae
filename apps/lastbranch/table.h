#pragma once
/// Rows of text under named columns, for people or as JSON.
#include <string>
#include <string_view>
#include <vector>

namespace lastbranch::cli {

struct Table {
  std::vector<std::string> columns;
  std::vector<std::vector<std::string>> rows;  ///< each as long as `columns`

  /// Aligned columns, the names first.
  [[nodiscard]] std::string text() const;
  /// An array of objects of strings, on one line.
  [[nodiscard]] std::string json() const;
};

}  // namespace lastbranch::cli
