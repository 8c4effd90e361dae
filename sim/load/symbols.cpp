#include "sim/load/symbols.h"

#include <algorithm>
#include <tuple>
#include <unordered_map>
#include <utility>

#include <elf.h>

#include "sim/base/error.h"

namespace lastbranch::load {
namespace {

/// A symbol of any kind that stands for a place in the file.
struct Entry {
  SymbolTable::Symbol symbol;
  bool function = false;
};

bool has_place(const Elf64_Sym& s) {
  const unsigned type = ELF64_ST_TYPE(s.st_info);
  return s.st_shndx != SHN_UNDEF && s.st_shndx != SHN_ABS && s.st_value != 0 && s.st_name != 0 &&
         type != STT_FILE && type != STT_SECTION && type != STT_TLS;
}

void add_table(const FileReader& file, const Elf64_Shdr& table, const Elf64_Shdr& strings,
               std::vector<Entry>& out) {
  const auto symbols =
      file.read_array<Elf64_Sym>(table.sh_offset, table.sh_size / sizeof(Elf64_Sym), "symbol table");
  const auto text = file.read_array<char>(strings.sh_offset, strings.sh_size, "symbol names");
  for (const Elf64_Sym& s : symbols) {
    if (!has_place(s)) continue;
    if (s.st_name >= text.size()) {
      throw Error("{}: symbol at {:#x}: expected a name below offset {:#x} of its strings, found {:#x}",
                  file.name(), s.st_value, text.size(), s.st_name);
    }
    const auto begin = text.begin() + static_cast<std::ptrdiff_t>(s.st_name);
    const unsigned type = ELF64_ST_TYPE(s.st_info);
    out.push_back({.symbol = {.address = s.st_value,
                              .size = s.st_size,
                              .name = std::string(begin, std::find(begin, text.end(), '\0')),
                              .local = ELF64_ST_BIND(s.st_info) == STB_LOCAL ? 1u : 0u},
                   .function = type == STT_FUNC || type == STT_GNU_IFUNC});
  }
}

}  // namespace

SymbolTable::SymbolTable(const FileReader& file) {
  const auto header = file.read_as<Elf64_Ehdr>(0, "ELF header");
  if (header.e_shoff == 0 || header.e_shentsize != sizeof(Elf64_Shdr)) return;
  std::vector<Entry> entries;
  const auto sections = file.read_array<Elf64_Shdr>(header.e_shoff, header.e_shnum, "section headers");
  for (const Elf64_Shdr& s : sections) {
    if (s.sh_type != SHT_SYMTAB && s.sh_type != SHT_DYNSYM) continue;
    if (s.sh_link >= sections.size()) {
      throw Error("{}: symbol table: expected sh_link below {}, found {}", file.name(), sections.size(),
                  s.sh_link);
    }
    add_table(file, s, sections[s.sh_link], entries);
  }
  const auto place = [](const Entry& e) {
    return std::tuple(e.symbol.address, e.symbol.local, std::string_view(e.symbol.name), !e.function);
  };
  std::ranges::sort(entries, {}, place);
  std::unordered_map<std::string, u64> locals;
  for (Entry& e : entries) {
    // .dynsym repeats what .symtab has.
    if (!symbols_.empty() && symbols_.back().address == e.symbol.address &&
        symbols_.back().name == e.symbol.name)
      continue;
    if (e.symbol.local != 0) e.symbol.local = ++locals[e.symbol.name];
    if (e.function) symbols_.push_back(std::move(e.symbol));
  }
}

std::optional<SymbolTable::Hit> SymbolTable::find(u64 address) const {
  const auto after = std::upper_bound(symbols_.begin(), symbols_.end(), address,
                                      [](u64 a, const Symbol& s) { return a < s.address; });
  if (after == symbols_.begin()) return std::nullopt;
  const u64 start = std::prev(after)->address;
  const auto symbol =
      std::lower_bound(symbols_.begin(), after, start, [](const Symbol& s, u64 a) { return s.address < a; });
  const u64 offset = address - start;
  if (symbol->size != 0 && offset >= symbol->size) return std::nullopt;
  return Hit{symbol->name, offset, symbol->local};
}

}  // namespace lastbranch::load
