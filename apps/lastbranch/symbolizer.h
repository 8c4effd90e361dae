#pragma once
/// Names for code addresses: which file is mapped there, and which function of it.
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "sim/base/units.h"
#include "sim/load/elf.h"
#include "sim/load/symbols.h"

namespace lastbranch::cli {

/// An executable mapping, as a perf.data MMAP2 record has it.
struct CodeRange {
  u64 address = 0;
  u64 length = 0;
  u64 pgoff = 0;          ///< offset of `address` in the file
  std::string file;       ///< on the host; or "//anon", "[heap]", ...
  bool replaced = false;  ///< the host's file of that name is not the one that was mapped
};

class Symbolizer {
 public:
  /// Later ranges hide earlier ones, as later mappings replace earlier ones.
  void add(CodeRange range) { ranges_.push_back(std::move(range)); }

  /// "main+0x1c (busybox)"; "0x4012f0 (busybox)", the link-time address, in a file without a symbol there;
  /// "[unknown]" where nothing is mapped. Files are read when first needed; what cannot be read has no
  /// symbols.
  [[nodiscard]] std::string describe(u64 address);
  /// The same for the byte at `offset` of the file at `path`.
  [[nodiscard]] std::string describe(const std::string& path, u64 offset);

 private:
  struct File {
    std::vector<load::Segment> segments;
    load::SymbolTable symbols;
  };
  [[nodiscard]] const CodeRange* range_of(u64 address) const;
  [[nodiscard]] const File& file(const std::string& path);

  std::vector<CodeRange> ranges_;
  std::map<std::string, File, std::less<>> files_;
};

}  // namespace lastbranch::cli
