// The hart walks binaries with recorded branches as its oracle: it and a walker over a table of the same code
// must agree, and what cannot be walked is found.
#include "sim/replay/walk.h"

#include <algorithm>
#include <sstream>

#include <gtest/gtest.h>

#include "sim/replay/hart_walk.h"
#include "tests/replay/disassembly.h"
#include "tests/replay/fixture.h"

namespace lastbranch::replay {
namespace {

using testing::compile;
using testing::Folder;

constexpr const char* kProgram = R"(
__attribute__((noinline)) int leaf(int x) { return x * 3 + 1; }
__attribute__((noinline)) int work(int n) {
  int sum = 0;
  for (int i = 0; i < n; ++i) sum += i % 3 == 0 ? leaf(i) : i;
  __asm__ volatile("mov $3, %%ecx\n 1: loop 1b\n jrcxz 2f\n nop\n 2:" ::: "rcx");
  return sum;
}
int main(void) { return work(5); }
)";

/// A way through a program as its code allows it: branches and how they were taken, decided by `seed`.
struct Path {
  u64 start = 0;
  std::vector<Oracle> branches;
};

Path random_path(const Code& code, u64 start, u64 seed, std::size_t length) {
  Path path{.start = start, .branches = {}};
  std::vector<u64> returns;
  FlowInsn insn;
  u64 at = start;
  while (path.branches.size() < length) {
    if (code.at(at, insn) != Coverage::kInsn) break;
    seed = seed * 6364136223846793005u + 1442695040888963407u;
    u64 to = 0;
    switch (insn.kind) {
      case FlowKind::kCond:
        to = (seed >> 40 & 1) != 0 ? insn.target : 0;
        break;
      case FlowKind::kJump:
        to = insn.target;
        break;
      case FlowKind::kCall:
        to = insn.target;
        returns.push_back(insn.end());
        break;
      case FlowKind::kReturn:
        if (returns.empty()) return path;
        to = returns.back();
        returns.pop_back();
        break;
      case FlowKind::kIndirectJump:
      case FlowKind::kIndirectCall:
        return path;
      default:
        break;
    }
    if (to != 0) path.branches.push_back({at, to});
    at = to != 0 ? to : insn.end();
  }
  return path;
}

std::string table_of(const std::string& program) {
  std::ostringstream text;
  const ElfCode code(program);
  const load::FileReader file(program);
  for (const load::Segment& s : load::read_elf(file).segments) {
    if ((s.prot & 4) == 0) continue;
    text << "# elf-type EXEC\n# exec-segment file_offset=" << s.offset << " vaddr=" << s.address
         << " size=" << s.file_bytes << "\nvaddr,len,kind,target\n";
  }
  constexpr const char* kNames[] = {"OTHER", "COND", "JMP", "CALL", "IJMP", "ICALL", "RET", "FAR", "FARRET"};
  for (const testing::Line& line : testing::disassemble(program)) {
    if (line.insn.length == 0) continue;
    text << line.insn.address << "," << unsigned{line.insn.length} << ","
         << kNames[static_cast<std::size_t>(line.insn.kind)] << "," << line.insn.target << "\n";
  }
  return text.str();
}

u64 main_of(const std::string& program) {
  const load::SymbolTable symbols{load::FileReader(program)};
  return std::ranges::find(symbols.symbols(), std::string("main"), &load::SymbolTable::Symbol::name)->address;
}

std::vector<WalkEntry> entries_of(const Path& path, u64 bias) {
  std::vector<WalkEntry> entries;
  for (const Oracle& b : path.branches) {
    entries.push_back({b.from + bias,
                       b.to + bias,
                       {SpotKind::kCode, 0, b.from, bias},
                       {SpotKind::kCode, 0, b.to, bias},
                       true,
                       !entries.empty()});
  }
  return entries;
}

TEST(Walk, hart_and_table_record_every_way_through_a_program) {
  const Folder folder;
  const std::string program = compile(folder, "program", kProgram, "-static");
  const CodeMap binary({program}, {}, "", nullptr);
  const CodeMap table({}, {folder.write("program.csv", table_of(program))}, "", nullptr);
  const u64 start = main_of(program);
  for (const char* uarch : {"core2", "nehalem", "silvermont", "haswell", "skylake", "goldencove"}) {
    Walk by_hart(binary, cpu::uarch(uarch).lbr);
    Walk by_table(table, cpu::uarch(uarch).lbr);
    std::size_t branches = 0;
    for (u64 seed = 1; seed <= 100; ++seed) {
      const Path path = random_path(binary.code(0), start, seed, 20 + seed % 20);
      const std::vector<WalkEntry> entries = entries_of(path, seed * kPageSize);
      branches += entries.size();
      EXPECT_EQ(by_hart.walk(entries), std::nullopt) << uarch << " seed " << seed;
      EXPECT_EQ(by_table.walk(entries), std::nullopt) << uarch << " seed " << seed;
    }
    EXPECT_GT(branches, 300u) << uarch;
  }
}

TEST(Walk, what_the_code_does_not_allow_is_found) {
  const Folder folder;
  const std::string program = compile(folder, "program", kProgram, "-static");
  const CodeMap binary({program}, {}, "", nullptr);
  const CodeMap table({}, {folder.write("program.csv", table_of(program))}, "", nullptr);
  for (const CodeMap* codes : {&binary, &table}) {
    Walk walk(*codes, cpu::uarch("skylake").lbr);
    Path path;
    for (u64 seed = 1; path.branches.size() < 12; ++seed)
      path = random_path(binary.code(0), main_of(program), seed, 12);
    ASSERT_EQ(walk.walk(entries_of(path, 0)), std::nullopt);

    // A branch was not recorded after which nothing comes but its target.
    Path missing = path;
    FlowInsn insn;
    const auto gone =
        std::find_if(missing.branches.begin() + 1, missing.branches.end(), [&](const Oracle& b) {
          return binary.code(0).at(b.from, insn) == Coverage::kInsn && ends_line(insn.kind);
        });
    ASSERT_NE(gone, missing.branches.end());
    missing.branches.erase(gone);
    const auto lost = walk.walk(entries_of(missing, 0));
    ASSERT_TRUE(lost.has_value());
    EXPECT_NE(lost->find("does not come past"), std::string::npos) << *lost;

    Path elsewhere = path;  // a direct branch that went elsewhere: what is recorded is where it goes
    const auto direct = std::ranges::find_if(elsewhere.branches, [&](const Oracle& b) {
      return binary.code(0).at(b.from, insn) == Coverage::kInsn && is_direct(insn.kind);
    });
    direct->to += 1;
    EXPECT_TRUE(walk.walk(entries_of(elsewhere, 0)).has_value());

    Path nowhere = path;  // FROM is no branch
    nowhere.branches[4].from += 1;
    EXPECT_TRUE(walk.walk(entries_of(nowhere, 0)).has_value());

    ASSERT_EQ(walk.walk(entries_of(path, 0)), std::nullopt) << "the walk does not remember";
  }
}

TEST(Walk, what_the_code_does_not_have_is_recorded_as_it_is) {
  const Folder folder;
  const std::string program = compile(folder, "program", kProgram, "-static");
  const CodeMap binary({program}, {}, "", nullptr);
  Walk walk(binary, cpu::uarch("skylake").lbr);
  std::vector<WalkEntry> entries = entries_of(random_path(binary.code(0), main_of(program), 3, 8), 0);
  const Spot kernel{SpotKind::kKernel, 0, 0xffffffff81000000, 0};
  const WalkEntry into{entries[3].to, kernel.address, entries[3].target, kernel, false, false};
  const WalkEntry back{kernel.address, entries[3].to, kernel, entries[3].target, false, false};
  entries.insert(entries.begin() + 4, {into, back});
  EXPECT_EQ(walk.walk(entries), std::nullopt);
}

}  // namespace
}  // namespace lastbranch::replay
