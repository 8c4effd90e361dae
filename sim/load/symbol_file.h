#pragma once
// The functions of an ELF file by place in the file, as recordings name places.
#include <optional>
#include <string>
#include <vector>

#include "sim/base/units.h"
#include "sim/load/elf.h"
#include "sim/load/symbols.h"

namespace lastbranch::load {

class SymbolFile {
 public:
  /// Throws Error: the file cannot be read, or is no program or library for x86-64.
  explicit SymbolFile(const std::string& path);

  /// The link-time address of the byte at `offset` of the file; nothing: it is not loaded.
  [[nodiscard]] std::optional<u64> address_of(u64 offset) const;
  /// The function that holds that byte.
  [[nodiscard]] std::optional<SymbolTable::Hit> at_offset(u64 offset) const;
  [[nodiscard]] const SymbolTable& symbols() const { return symbols_; }

 private:
  explicit SymbolFile(const FileReader& file);

  std::vector<Segment> segments_;
  SymbolTable symbols_;
};

}  // namespace lastbranch::load
