#include "sim/load/symbols.h"

#include <algorithm>

#include <elf.h>

#include "sim/base/error.h"

namespace lastbranch::load {
namespace {

bool is_function(const Elf64_Sym& s) {
  const unsigned type = ELF64_ST_TYPE(s.st_info);
  return (type == STT_FUNC || type == STT_GNU_IFUNC) && s.st_shndx != SHN_UNDEF && s.st_value != 0;
}

void add_table(const FileReader& file, const Elf64_Shdr& table, const Elf64_Shdr& strings,
               std::vector<SymbolTable::Symbol>& out) {
  const auto symbols =
      file.read_array<Elf64_Sym>(table.sh_offset, table.sh_size / sizeof(Elf64_Sym), "symbol table");
  const auto text = file.read_array<char>(strings.sh_offset, strings.sh_size, "symbol names");
  for (const Elf64_Sym& s : symbols) {
    if (!is_function(s)) continue;
    if (s.st_name >= text.size()) {
      throw Error("{}: symbol at {:#x}: expected a name below offset {:#x} of its strings, found {:#x}",
                  file.name(), s.st_value, text.size(), s.st_name);
    }
    const auto begin = text.begin() + static_cast<std::ptrdiff_t>(s.st_name);
    out.push_back({s.st_value, s.st_size, std::string(begin, std::find(begin, text.end(), '\0'))});
  }
}

}  // namespace

SymbolTable::SymbolTable(const FileReader& file) {
  const auto header = file.read_as<Elf64_Ehdr>(0, "ELF header");
  if (header.e_shoff == 0 || header.e_shentsize != sizeof(Elf64_Shdr)) return;
  const auto sections = file.read_array<Elf64_Shdr>(header.e_shoff, header.e_shnum, "section headers");
  for (const Elf64_Shdr& s : sections) {
    if (s.sh_type != SHT_SYMTAB && s.sh_type != SHT_DYNSYM) continue;
    if (s.sh_link >= sections.size()) {
      throw Error("{}: symbol table: expected sh_link below {}, found {}", file.name(), sections.size(),
                  s.sh_link);
    }
    add_table(file, s, sections[s.sh_link], symbols_);
  }
  const auto by_place = [](const Symbol& a, const Symbol& b) {
    return a.address != b.address ? a.address < b.address : a.name < b.name;
  };
  std::sort(symbols_.begin(), symbols_.end(), by_place);
  const auto same = [](const Symbol& a, const Symbol& b) {
    return a.address == b.address && a.name == b.name;
  };
  symbols_.erase(std::unique(symbols_.begin(), symbols_.end(), same), symbols_.end());
}

std::optional<SymbolTable::Hit> SymbolTable::find(u64 address) const {
  const auto after = std::upper_bound(symbols_.begin(), symbols_.end(), address,
                                      [](u64 a, const Symbol& s) { return a < s.address; });
  if (after == symbols_.begin()) return std::nullopt;
  const u64 start = std::prev(after)->address;
  // Of several names for one address the first in alphabetical order answers, so that messages never change.
  const auto symbol =
      std::lower_bound(symbols_.begin(), after, start, [](const Symbol& s, u64 a) { return s.address < a; });
  const u64 offset = address - start;
  if (symbol->size != 0 && offset >= symbol->size) return std::nullopt;
  return Hit{symbol->name, offset};
}

}  // namespace lastbranch::load
