#include "sim/load/symbols.h"

#include <dlfcn.h>
#include <elf.h>
#include <gtest/gtest.h>
#include <link.h>

#include "sim/base/error.h"
#include "tests/load/file_fixture.h"

namespace lastbranch::load {
namespace {

using testing::put;
using testing::TempFile;

/// Functions first (0x1000, 16 bytes), second (0x1020, size unknown), one object that is no function.
std::vector<u8> file_with_symbols(u32 first_name = 1) {
  Elf64_Ehdr header{};
  header.e_shoff = 0x40;
  header.e_shentsize = sizeof(Elf64_Shdr);
  header.e_shnum = 2;
  const std::string names{"\0first\0second\0data\0", 19};
  Elf64_Shdr table{};
  table.sh_type = SHT_SYMTAB;
  table.sh_offset = 0x100;
  table.sh_size = 3 * sizeof(Elf64_Sym);
  table.sh_link = 1;
  Elf64_Shdr strings{};
  strings.sh_type = SHT_STRTAB;
  strings.sh_offset = 0x200;
  strings.sh_size = names.size();
  const Elf64_Sym symbols[3] = {{7, ELF64_ST_INFO(STB_GLOBAL, STT_FUNC), 0, 1, 0x1020, 0},
                                {first_name, ELF64_ST_INFO(STB_LOCAL, STT_FUNC), 0, 1, 0x1000, 16},
                                {14, ELF64_ST_INFO(STB_GLOBAL, STT_OBJECT), 0, 1, 0x1008, 8}};
  std::vector<u8> bytes;
  put(bytes, 0, header);
  put(bytes, 0x40, table);
  put(bytes, 0x40 + sizeof table, strings);
  put(bytes, 0x100, symbols);
  for (std::size_t i = 0; i < names.size(); ++i) put(bytes, 0x200 + i, names[i]);
  return bytes;
}

SymbolTable table_of(const std::vector<u8>& bytes) {
  const TempFile file(bytes);
  return SymbolTable(FileReader(file.path()));
}

TEST(Symbols, address_is_answered_with_name_and_offset) {
  const SymbolTable table = table_of(file_with_symbols());

  ASSERT_EQ(table.symbols().size(), 2u);
  EXPECT_EQ(table.find(0x1000)->name, "first");
  EXPECT_EQ(table.find(0x100f)->offset, 15u);
  EXPECT_FALSE(table.find(0x1010).has_value()) << "after the end of first";
  EXPECT_EQ(table.find(0x1025)->name, "second");
  EXPECT_FALSE(table.find(0xfff).has_value());
}

TEST(Symbols, name_outside_its_strings_is_an_error) {
  EXPECT_THROW((void)table_of(file_with_symbols(5000)), Error);
}

TEST(Symbols, dynamic_symbols_agree_with_the_dynamic_linker) {
  void* address = ::dlsym(RTLD_DEFAULT, "strtoul");
  Dl_info info{};
  link_map* map = nullptr;
  ASSERT_NE(::dladdr1(address, &info, reinterpret_cast<void**>(&map), RTLD_DL_LINKMAP), 0);
  const SymbolTable table{FileReader(info.dli_fname)};

  const auto hit = table.find(reinterpret_cast<u64>(address) - map->l_addr);

  ASSERT_TRUE(hit.has_value());
  EXPECT_EQ(hit->offset, 0u);
}

}  // namespace
}  // namespace lastbranch::load
