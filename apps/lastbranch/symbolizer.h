#pragma once
/// Names for places in files of code.
#include <map>
#include <string>
#include <vector>

#include "sim/base/units.h"
#include "sim/load/elf.h"
#include "sim/load/symbols.h"

namespace lastbranch::cli {

class Symbolizer {
 public:
  /// "main+0x1c (busybox)" for the byte at `offset` of the file at `path`; "0x4012f0 (busybox)", the
  /// link-time address, in a file without a symbol there. Files are read when first needed; what cannot be
  /// read has no symbols.
  [[nodiscard]] std::string describe(const std::string& path, u64 offset);

 private:
  struct File {
    std::vector<load::Segment> segments;
    load::SymbolTable symbols;
  };
  [[nodiscard]] const File& file(const std::string& path);

  std::map<std::string, File, std::less<>> files_;
};

}  // namespace lastbranch::cli
