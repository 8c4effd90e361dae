#include "sim/load/symbol_file.h"

#include <string>

#include <elf.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include "sim/base/error.h"
#include "tests/load/file_fixture.h"

namespace lastbranch::load {
namespace {

using testing::put;
using testing::TempFile;
using testing::TinyElf;

struct Row {
  const char* name;
  u64 address;
  u8 binding;
  u8 type;
};

/// TinyElf with these symbols, 4 bytes long each.
std::vector<u8> with_symbols(const std::vector<Row>& rows) {
  TinyElf elf;
  elf.header.e_shoff = 0x1100;
  elf.header.e_shentsize = sizeof(Elf64_Shdr);
  elf.header.e_shnum = 2;
  std::vector<u8> bytes = elf.bytes();
  std::string names(1, '\0');
  for (std::size_t i = 0; i < rows.size(); ++i) {
    const Row& row = rows[i];
    const Elf64_Sym symbol{.st_name = static_cast<Elf64_Word>(names.size()),
                           .st_info = static_cast<u8>(ELF64_ST_INFO(row.binding, row.type)),
                           .st_other = 0,
                           .st_shndx = 1,
                           .st_value = row.address,
                           .st_size = 4};
    put(bytes, 0x1200 + i * sizeof symbol, symbol);
    names.append(row.name).push_back('\0');
  }
  Elf64_Shdr table{};
  table.sh_type = SHT_SYMTAB;
  table.sh_offset = 0x1200;
  table.sh_size = rows.size() * sizeof(Elf64_Sym);
  table.sh_link = 1;
  Elf64_Shdr strings{};
  strings.sh_type = SHT_STRTAB;
  strings.sh_offset = 0x2000;
  strings.sh_size = names.size();
  put(bytes, 0x1100, table);
  put(bytes, 0x1100 + sizeof table, strings);
  for (std::size_t i = 0; i < names.size(); ++i) put(bytes, 0x2000 + i, names[i]);
  return bytes;
}

TEST(SymbolFile, offsets_are_answered_by_link_time_address) {
  TinyElf elf;
  elf.segments[2] = {PT_LOAD, PF_R | PF_X, 0x1000, 0x401000, 0, 0x40, 0x140, 0x1000};
  const TempFile file(elf.bytes());
  const SymbolFile symbols(file.path());

  EXPECT_EQ(symbols.address_of(0x2ff), 0x2ffu);
  EXPECT_EQ(symbols.address_of(0x300), std::nullopt) << "between the segments";
  EXPECT_EQ(symbols.address_of(0x103f), 0x40103fu);
  EXPECT_EQ(symbols.address_of(0x1040), std::nullopt) << "zeros that are not in the file";
  EXPECT_EQ(symbols.at_offset(0x1000), std::nullopt) << "no symbols";
}

TEST(SymbolFile, local_symbols_are_numbered_and_global_ones_come_first) {
  const TempFile file(with_symbols({{"loop", 0x1010, STB_LOCAL, STT_FUNC},
                                    {"loop", 0x1000, STB_LOCAL, STT_OBJECT},
                                    {"loop", 0x1020, STB_LOCAL, STT_FUNC},
                                    {"a_local_name", 0x1030, STB_LOCAL, STT_FUNC},
                                    {"public_name", 0x1030, STB_GLOBAL, STT_FUNC},
                                    {"weak_name", 0x1030, STB_WEAK, STT_FUNC}}));
  const SymbolFile symbols(file.path());

  EXPECT_EQ(symbols.at_offset(0x1000), std::nullopt) << "an object is no function";
  EXPECT_EQ(symbols.at_offset(0x1013)->local, 2u) << "after the object of that name";
  EXPECT_EQ(symbols.at_offset(0x1013)->offset, 3u);
  EXPECT_EQ(symbols.at_offset(0x1020)->local, 3u);
  EXPECT_EQ(symbols.at_offset(0x1030)->name, "public_name");
  EXPECT_EQ(symbols.at_offset(0x1030)->local, 0u);
}

TEST(SymbolFile, files_that_are_none_are_errors_and_are_not_waited_for) {
  EXPECT_THROW(SymbolFile("/no/such/file"), Error);
  const TempFile text(std::string("no ELF file"));
  EXPECT_THROW(SymbolFile(text.path()), Error);
  const std::string fifo = text.path() + ".fifo";
  ASSERT_EQ(mkfifo(fifo.c_str(), 0600), 0);
  EXPECT_THROW(SymbolFile{fifo}, Error);
  unlink(fifo.c_str());
}

}  // namespace
}  // namespace lastbranch::load
