// Facts of compiled programs against objdump's, and files that are none.
#include "sim/replay/elf_code.h"

#include <algorithm>

#include <gtest/gtest.h>

#include "sim/base/error.h"
#include "tests/replay/disassembly.h"
#include "tests/replay/fixture.h"

namespace lastbranch::replay {
namespace {

using testing::compile;
using testing::Folder;

constexpr const char* kAllKinds = R"(
int target(int x) { return x + 1; }
int all_kinds(int (*f)(int), long n, long* p) {
  int sum = f(3);
  __asm__ volatile(
      "1: dec %%rcx\n jrcxz 2f\n loop 1b\n"
      "2: jmp 3f\n .byte 0x0f, 0x1f, 0x00\n"
      "3: call 4f\n jmp 5f\n"
      "4: ret $16\n"
      "5: bnd jmp 6f\n"
      "6: jmp *%%rax\n jmp *(%%rax)\n jmp *8(%%rax,%%rcx,8)\n jmp *%%fs:0x10(%%rax)\n"
      "call *%%rax\n call *(%%rax)\n call *0x12345678(%%r12,%%r13,4)\n notrack jmp *%%rdx\n rep ret\n"
      "jnp 7f\n jo 7f\n jns 7f\n .byte 0x0f, 0x84, 0, 0, 0, 0\n"
      "7: syscall\n int $0x80\n iretq\n sysretq\n int3\n ud2\n"
      "vfmadd213ps %%ymm1, %%ymm2, %%ymm3\n vpaddd %%zmm1, %%zmm2, %%zmm3\n"
      : "+c"(n) : "a"(p) : "memory");
  return sum;
}
int main(void) { return target(-1); }
)";

TEST(ElfCode, agrees_with_objdump_on_every_instruction) {
  const Folder folder;
  for (const char* flags : {"-static", "-pie -fPIE", "-shared -fPIC"}) {
    const std::string path = compile(folder, "program", kAllKinds, flags);
    const ElfCode code(path);
    const std::vector<testing::Line> lines = testing::disassemble(path);
    ASSERT_GT(lines.size(), 50u) << flags;
    std::size_t branches = 0;
    std::size_t wrong = 0;
    for (const testing::Line& line : lines) {
      if (line.mnemonic == "(bad)" || line.mnemonic == ".byte" || line.insn.length == 0) continue;
      FlowInsn insn;
      const bool same = code.at(line.insn.address, insn) == Coverage::kInsn &&
                        insn.length == line.insn.length && insn.kind == line.insn.kind &&
                        insn.target == line.insn.target;
      branches += is_branch(insn.kind) ? 1 : 0;
      if (same || ++wrong > 5) continue;
      ADD_FAILURE() << flags << ": " << code.describe(line.insn.address) << ": " << name_of(insn.kind) << " "
                    << unsigned{insn.length} << " bytes to " << std::hex << insn.target << ", objdump has "
                    << line.mnemonic << " " << name_of(line.insn.kind) << " " << std::dec
                    << unsigned{line.insn.length} << " bytes to " << std::hex << line.insn.target;
    }
    EXPECT_EQ(wrong, 0u) << flags;
    EXPECT_GT(branches, 30u) << flags;
  }
}

TEST(ElfCode, knows_what_a_call_precedes) {
  const Folder folder;
  const std::string path = compile(folder, "program", kAllKinds, "-pie -fPIE");
  const ElfCode code(path);
  const std::vector<testing::Line> lines = testing::disassemble(path);
  std::size_t calls = 0;
  std::size_t others = 0;
  for (const testing::Line& line : lines) {
    if (line.insn.length == 0) continue;
    const bool call = is_call(line.insn.kind);
    calls += call ? 1 : 0;
    if (call) {
      EXPECT_EQ(code.follows_call(line.insn.end()), true) << code.describe(line.insn.address);
    }
    if (!call && code.follows_call(line.insn.end()) == true) ++others;
  }
  EXPECT_GT(calls, 5u);
  EXPECT_LT(others, lines.size() / 100) << "bytes that pass for a call";
  EXPECT_EQ(code.follows_call(0x7fff00000000), std::nullopt);
}

TEST(ElfCode, maps_file_offsets_and_refuses_what_is_no_code) {
  const Folder folder;
  const std::string path = compile(folder, "program", kAllKinds, "-pie -fPIE");
  const ElfCode code(path);
  EXPECT_TRUE(code.position_independent());
  ASSERT_TRUE(code.build_id());
  const load::FileReader file(path);
  for (const load::Segment& s : load::read_elf(file).segments) {
    const bool executable = (s.prot & 4) != 0;
    const auto address = code.address_of(s.offset);
    EXPECT_EQ(address.has_value(), executable);
    EXPECT_EQ(code.contains(s.address), executable);
    if (address) {
      EXPECT_EQ(*address, s.address);
    }
  }
  FlowInsn insn;
  EXPECT_EQ(code.at(0x7fff00000000, insn), Coverage::kUnknown);
  EXPECT_NE(code.describe(0x7fff00000000).find("not in the code"), std::string::npos);

  EXPECT_THROW(ElfCode(folder / "absent"), Error);
  EXPECT_THROW(ElfCode(folder.write("text", "no program")), Error);
  EXPECT_THROW(ElfCode(folder.write("short", "\177ELF")), Error);
}

TEST(ElfCode, describes_with_symbols) {
  const Folder folder;
  const ElfCode code(compile(folder, "program", kAllKinds, "-static"));
  const std::vector<testing::Line> lines = testing::disassemble(folder / "program");
  const auto jump = std::ranges::find(lines, std::string("jrcxz"), &testing::Line::mnemonic);
  ASSERT_NE(jump, lines.end());
  const std::string words = code.describe(jump->insn.address);
  EXPECT_NE(words.find("all_kinds+0x"), std::string::npos) << words;
  EXPECT_NE(words.find("jrcxz"), std::string::npos) << words;
}

TEST(ElfCode, knows_the_end_of_signal_handlers) {
  const Folder folder;
  const ElfCode code(compile(folder, "program", R"(
__asm__(".globl restore\nrestore: mov $15, %rax\n syscall\n"
        ".globl short_restore\nshort_restore: mov $15, %eax\n syscall\n"
        ".globl other\nother: mov $14, %eax\n syscall\n");
int main(void) { return 0; }
)",
                             "-pie -fPIE"));
  std::size_t found = 0;
  for (const testing::Line& line : testing::disassemble(folder / "program")) {
    if (line.mnemonic == "mov" && code.is_signal_return(line.insn.address)) ++found;
  }
  EXPECT_EQ(found, 2u);
}

}  // namespace
}  // namespace lastbranch::replay
