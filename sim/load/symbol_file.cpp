#include "sim/load/symbol_file.h"

namespace lastbranch::load {

SymbolFile::SymbolFile(const std::string& path) : SymbolFile(FileReader(path)) {}

SymbolFile::SymbolFile(const FileReader& file) : segments_(read_elf(file).segments), symbols_(file) {}

std::optional<u64> SymbolFile::address_of(u64 offset) const {
  for (const Segment& s : segments_) {
    if (offset - s.offset < s.file_bytes) return offset - s.offset + s.address;
  }
  return std::nullopt;
}

std::optional<SymbolTable::Hit> SymbolFile::at_offset(u64 offset) const {
  const auto address = address_of(offset);
  return address ? symbols_.find(*address) : std::nullopt;
}

}  // namespace lastbranch::load
