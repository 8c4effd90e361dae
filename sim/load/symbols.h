#pragma once
// Function symbols of an ELF file, for messages and profiles: address -> name + offset.
// Read: .symtab and .dynsym, STT_FUNC and STT_GNU_IFUNC. Not: DWARF, separate debug files, demangling.
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "sim/base/units.h"
#include "sim/load/file_reader.h"

namespace lastbranch::load {

class SymbolTable {
 public:
  struct Symbol {
    u64 address = 0;
    u64 size = 0;  ///< 0: reaches to the next symbol
    std::string name;
    /// Of a local symbol, which of its name it is, from 1 in the order of addresses, those that are no
    /// functions counted too; 0: global.
    u64 local = 0;
  };
  struct Hit {
    std::string_view name;
    u64 offset = 0;
    u64 local = 0;  ///< Symbol::local
  };

  SymbolTable() = default;
  /// Reads the symbols of `file`; empty when it is stripped. Throws Error when a table lies outside the file.
  explicit SymbolTable(const FileReader& file);

  /// The function that holds link-time address `address`; of several names for one place a global one before
  /// a local one, then the first in alphabetical order, so that messages never change. O(log n).
  [[nodiscard]] std::optional<Hit> find(u64 address) const;
  [[nodiscard]] const std::vector<Symbol>& symbols() const { return symbols_; }

 private:
  std::vector<Symbol> symbols_;  // ascending by address
};

}  // namespace lastbranch::load
