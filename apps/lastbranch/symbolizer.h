#pragma once
/// Names for places in files of code.
#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "sim/base/units.h"
#include "sim/load/symbol_file.h"

namespace lastbranch::cli {

/// "main+0x1c (busybox)" for the byte at `offset` of the file called `path`; "0x4012f0 (busybox)", the
/// link-time address, in a file without a symbol there. `file` null: the offset itself.
[[nodiscard]] std::string describe_place(const load::SymbolFile* file, std::string_view path, u64 offset);

/// The same for whatever files, read when first needed; what cannot be read has no symbols.
class Symbolizer {
 public:
  [[nodiscard]] std::string describe(const std::string& path, u64 offset);

 private:
  std::map<std::string, std::optional<load::SymbolFile>> files_;
};

}  // namespace lastbranch::cli
