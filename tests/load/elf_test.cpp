#include "sim/load/elf.h"

#include <functional>

#include <gtest/gtest.h>
#include <sys/mman.h>

#include "sim/base/error.h"
#include "tests/load/file_fixture.h"

namespace lastbranch::load {
namespace {

using testing::put;
using testing::TempFile;
using testing::TinyElf;

ElfImage read_bytes(const std::vector<u8>& bytes) {
  const TempFile file(bytes);
  return read_elf(FileReader(file.path()));
}

std::string message_of(const std::function<void()>& act) {
  try {
    act();
  } catch (const Error& e) {
    return e.what();
  }
  return "no error";
}

TEST(Elf, reads_segments_entry_and_interpreter) {
  const ElfImage image = read_bytes(TinyElf().bytes());

  EXPECT_TRUE(image.position_independent);
  EXPECT_EQ(image.entry, 0x1010u);
  EXPECT_EQ(image.interpreter, "/lib64/ld-linux-x86-64.so.2");
  EXPECT_EQ(image.header_address, sizeof(Elf64_Ehdr));
  EXPECT_EQ(image.header_count, 3);
  ASSERT_EQ(image.segments.size(), 2u);
  EXPECT_EQ(image.segments[1].prot, u32{PROT_READ | PROT_EXEC});
  EXPECT_EQ(image.segments[1].memory_bytes, 0x140u);
  EXPECT_EQ(image.low(), 0u);
  EXPECT_EQ(image.high(), 0x2000u);
}

struct Damage {
  const char* name;
  std::function<void(TinyElf&)> before;         ///< to the headers
  std::function<void(std::vector<u8>&)> after;  ///< to the bytes
  std::vector<const char*> words;               ///< that the message must contain
};

const std::vector<Damage>& damages() {
  static const std::vector<Damage> rows = {
      {"empty", {}, [](auto& b) { b.clear(); }, {"not an ELF file", "an empty file"}},
      {"text",
       {},
       [](auto& b) {
         b = {'h', 'e', 'l', 'l', 'o'};
       },
       {"not an ELF file", "68 65 6c 6c"}},
      {"two_bytes", {}, [](auto& b) { b.resize(2); }, {"not an ELF file", "7f 45"}},
      {"only_ident", {}, [](auto& b) { b.resize(10); }, {"truncated", "16 bytes", "found 10"}},
      {"half_header", {}, [](auto& b) { b.resize(40); }, {"truncated", "ELF header"}},
      {"half_table", {}, [](auto& b) { b.resize(100); }, {"truncated", "program headers"}},
      {"half_segment",
       {},
       [](auto& b) { b.resize(0x1020); },
       {"truncated", "loadable segment", "found 32 left"}},
      {"class_32",
       [](TinyElf& e) {
         e.header.e_ident[EI_CLASS] = ELFCLASS32;
         e.header.e_machine = EM_386;
       },
       {},
       {"64-bit x86-64", "32-bit", "Intel 80386"}},
      {"class_x32", [](TinyElf& e) { e.header.e_ident[EI_CLASS] = ELFCLASS32; }, {}, {"32-bit", "x32"}},
      {"class_9", [](TinyElf& e) { e.header.e_ident[EI_CLASS] = 9; }, {}, {"ELF class", "found 9"}},
      {"big_endian",
       [](TinyElf& e) { e.header.e_ident[EI_DATA] = ELFDATA2MSB; },
       {},
       {"little-endian", "found 2"}},
      {"aarch64", [](TinyElf& e) { e.header.e_machine = EM_AARCH64; }, {}, {"x86-64", "AArch64"}},
      {"odd_machine", [](TinyElf& e) { e.header.e_machine = 999; }, {}, {"x86-64", "machine 999"}},
      {"object", [](TinyElf& e) { e.header.e_type = ET_REL; }, {}, {"relocatable object", "e_type 1"}},
      {"core", [](TinyElf& e) { e.header.e_type = ET_CORE; }, {}, {"core dump"}},
      {"phentsize", [](TinyElf& e) { e.header.e_phentsize = 55; }, {}, {"e_phentsize 56", "found 55"}},
      {"table_far_away",
       [](TinyElf& e) { e.header.e_phoff = ~u64{0} - 8; },
       {},
       {"truncated", "program headers"}},
      {"no_load",
       [](TinyElf& e) { e.segments[1].p_type = e.segments[2].p_type = PT_NOTE; },
       {},
       {"PT_LOAD", "none"}},
      {"memory_less_than_file",
       [](TinyElf& e) { e.segments[2].p_memsz = 1; },
       {},
       {"p_memsz >= p_filesz", "header 2"}},
      {"offset_wraps",
       [](TinyElf& e) {
         e.segments[2].p_offset = ~u64{0xfff};
         e.segments[2].p_filesz = e.segments[2].p_memsz = 0x2000;
       },
       {},
       {"truncated", "loadable segment"}},
      {"kernel_address",
       [](TinyElf& e) { e.segments[2].p_vaddr = 0xffffffff80000000; },
       {},
       {"addresses below"}},
      {"huge_memory", [](TinyElf& e) { e.segments[2].p_memsz = u64{1} << 60; }, {}, {"addresses below"}},
      {"incongruent", [](TinyElf& e) { e.segments[2].p_vaddr += 8; }, {}, {"equal modulo"}},
      {"out_of_order", [](TinyElf& e) { std::swap(e.segments[1], e.segments[2]); }, {}, {"ascending order"}},
      {"interp_endless", {}, [](auto& b) { put(b, 0x200 + 27, 'x'); }, {"PT_INTERP", "zero byte"}},
      {"interp_empty", [](TinyElf& e) { e.segments[0].p_filesz = 0; }, {}, {"PT_INTERP", "found 0"}},
      {"interp_outside", [](TinyElf& e) { e.segments[0].p_offset = 0x5000; }, {}, {"truncated", "PT_INTERP"}},
  };
  return rows;
}

TEST(Elf, damaged_files_are_named_in_one_line) {
  for (const Damage& row : damages()) {
    SCOPED_TRACE(row.name);
    TinyElf elf;
    if (row.before) row.before(elf);
    std::vector<u8> bytes = elf.bytes();
    if (row.after) row.after(bytes);
    const TempFile file(bytes);

    const std::string message = message_of([&] { (void)read_elf(FileReader(file.path())); });

    EXPECT_TRUE(message.starts_with(file.path() + ": ")) << message;
    EXPECT_EQ(message.find('\n'), std::string::npos) << message;
    for (const char* word : row.words) EXPECT_NE(message.find(word), std::string::npos) << message;
  }
}

TEST(Elf, every_truncation_and_every_flipped_byte_is_an_error_or_an_image) {
  const std::vector<u8> good = TinyElf().bytes();
  for (std::size_t size = 0; size < good.size(); size += size < 0x100 ? 1 : 37) {
    const std::vector<u8> cut(good.begin(), good.begin() + static_cast<std::ptrdiff_t>(size));
    EXPECT_THROW((void)read_bytes(cut), Error) << size;
  }
  u32 accepted = 0;
  for (std::size_t at = 0; at < 64 + 3 * 56; ++at) {
    std::vector<u8> flipped = good;
    flipped[at] ^= 0xff;
    try {
      const ElfImage image = read_bytes(flipped);
      ++accepted;
      EXPECT_LT(image.high(), u64{1} << 47) << at;
    } catch (const Error&) {
    }
  }
  EXPECT_GT(accepted, 0u) << "fields such as e_version or p_paddr do not matter";
}

TEST(Elf, missing_file_and_directory_say_so) {
  EXPECT_NE(message_of([] { FileReader("/nonexistent/program"); }).find("cannot open: No such file"),
            std::string::npos);
  EXPECT_NE(message_of([] { FileReader("/tmp"); }).find("found a directory"), std::string::npos);
}

TEST(Elf, own_test_program_is_read) {
  const ElfImage image = read_elf(FileReader("/proc/self/exe"));
  EXPECT_FALSE(image.segments.empty());
  EXPECT_GE(image.entry, image.low());
  EXPECT_LT(image.entry, image.high());
}

}  // namespace
}  // namespace lastbranch::load
