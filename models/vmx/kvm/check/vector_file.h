#pragma once
// Reference vectors as files: CSV, plain or gzip, '#' comments, a column row that tells the set, one row a
// case. Everything that is not as it should be is refused with file, line and column; no row is left out.
// Source: ../shared/vectors/README.md and the files' own header comments.
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "models/vmx/kvm/kernels.h"

namespace lastbranch::kvm {

enum class ColumnType : u8 {
  kState,      ///< a kernel
  kBit,        ///< 0 or 1
  kNumber,     ///< unsigned, decimal or 0x
  kSigned,     ///< may begin with -
  kInitiator,  ///< guest or host
  kAccess,     ///< read or write
  kText,
};

struct Column {
  std::string_view name;
  ColumnType type;
  u64 most = ~u64{0};  ///< of a number
  i64 least = 0;       ///< of a signed one that has a `most`
};

/// One case: the cells in the order of the set's columns, as numbers (signed ones as two's complement, guest
/// and read 0, host and write 1) or as text.
struct VectorRow {
  std::size_t line = 0;
  Kernel kernel = Kernel::kS0;
  std::vector<u64> numbers;
  std::vector<std::string_view> texts;  ///< empty but for kText
};

struct VectorSet;

/// A file's rows; the text stays alive with it.
class VectorFile {
 public:
  /// Reads all of it. Throws Error.
  explicit VectorFile(std::string path);
  VectorFile(const VectorFile&) = delete;
  VectorFile& operator=(const VectorFile&) = delete;

  [[nodiscard]] const std::string& path() const { return path_; }
  [[nodiscard]] const VectorSet& set() const { return *set_; }
  [[nodiscard]] std::size_t row_count() const { return row_count_; }
  /// The next row into `row`; false at the end. Throws Error.
  bool next(VectorRow& row);

 private:
  void read_header();
  /// "FILE:LINE: column COLUMN" of a byte.
  [[nodiscard]] std::string place(std::size_t at) const;
  bool next_line(std::string_view& line);
  void parse_cell(VectorRow& row, std::size_t column, std::string_view cell) const;
  [[noreturn]] void refuse(std::size_t column, std::string_view expected, std::string_view found) const;

  std::string path_, text_;
  std::size_t position_ = 0, line_ = 0, row_count_ = 0;
  const VectorSet* set_ = nullptr;
  std::vector<std::size_t> order_;  ///< of the file's columns, their place in the set
};

}  // namespace lastbranch::kvm
