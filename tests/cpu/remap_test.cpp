// A core under a map that changes: what blocks, chains and translations must forget, and what a board
// completes.
#include <algorithm>
#include <map>

#include <gtest/gtest.h>

#include "models/cpu/core.h"
#include "tests/cpu/sim_cpu.h"

namespace lastbranch::host {
namespace {

struct Policies {
  using Hub = BranchList;
  using Timing = cpu::UnitTiming;
  using V = cpu::Fast;
};

class RemappableWalker : public cpu::Walker {
 public:
  cpu::Translation walk(u64 linear, cpu::Access, bool) override {
    const auto found = pages.find(linear);
    if (found == pages.end()) return {.fault = page_fault(linear, pf::kUser)};
    return {.ok = true, .writable = true, .page = found->second};
  }
  std::map<u64, u64> pages;
};

class RemapTest : public ::testing::Test {
 protected:
  void put(u64 paddr, std::initializer_list<u8> bytes) {
    std::copy(bytes.begin(), bytes.end(), memory.host(paddr));
  }
  u64 run_from(u64 rip) {
    cpu::Cpu& c = core.cpu();
    c.rip = rip;
    c.r[cpu::kRax] = 0;
    const cpu::RunResult result = core.run(1000);
    EXPECT_EQ(result.why, cpu::Exit::kFault);
    EXPECT_EQ(c.fault.vector, Vector::kBP);
    return c.r[cpu::kRax];
  }

  PhysMem memory{1 << 20};
  RemappableWalker walker;
  BranchList hub;
  Ledger ledger;
  cpu::Core<Policies> core{memory, walker, hub, ledger};
};

TEST_F(RemapTest, a_page_that_is_mapped_elsewhere_runs_its_new_code) {
  walker.pages = {{0x400000, 0x1000}, {0x401000, 0x2000}};
  put(0x1000, {0x83, 0xc0, 0x01, 0xe9, 0xf8, 0x0f, 0, 0});  // add eax, 1; jmp 0x401000
  put(0x2000, {0x83, 0xc0, 0x10, 0xcc});                    // add eax, 0x10; int3
  put(0x3000, {0x83, 0xc0, 0x20, 0xcc});
  EXPECT_EQ(run_from(0x400000), 0x11u);
  EXPECT_EQ(run_from(0x400000), 0x11u);
  walker.pages[0x401000] = 0x3000;
  cpu::forget_translations(core.cpu(), 0x401000, kPageSize);
  EXPECT_EQ(run_from(0x400000), 0x21u) << "the chain from the first page leads to the old second page";
  walker.pages[0x401000] = 0x2000;
  cpu::forget_translations(core.cpu(), 0x401000, kPageSize);
  EXPECT_EQ(run_from(0x400000), 0x11u);
}

TEST_F(RemapTest, an_indirect_branch_finds_the_new_page) {
  walker.pages = {{0x400000, 0x1000}, {0x401000, 0x2000}};
  put(0x1000, {0xff, 0xe1});  // jmp rcx
  put(0x2000, {0x83, 0xc0, 0x10, 0xcc});
  put(0x3000, {0x83, 0xc0, 0x20, 0xcc});
  core.cpu().r[cpu::kRcx] = 0x401000;
  EXPECT_EQ(run_from(0x400000), 0x10u);
  walker.pages[0x401000] = 0x3000;
  cpu::forget_translations(core.cpu(), 0x401000, kPageSize);
  EXPECT_EQ(run_from(0x400000), 0x20u);
}

TEST_F(RemapTest, one_physical_page_at_two_addresses_is_rewritten_through_either) {
  walker.pages = {{0x400000, 0x1000}, {0x500000, 0x2000}, {0x600000, 0x2000}};
  // mov byte [0x600002], 0x33; jmp 0x500000
  put(0x1000, {0xc6, 0x04, 0x25, 0x02, 0x00, 0x60, 0x00, 0x33, 0xe9, 0xf3, 0xff, 0x0f, 0x00});
  put(0x2000, {0x83, 0xc0, 0x10, 0xcc});
  EXPECT_EQ(run_from(0x500000), 0x10u);
  EXPECT_EQ(run_from(0x600000), 0x10u);
  EXPECT_EQ(run_from(0x400000), 0x33u) << "a store through 0x600000 must reach the code at 0x500000";
  EXPECT_EQ(run_from(0x600000), 0x33u);
}

/// A page that was only data until it is called: stores through a TLB entry from before must still be seen.
TEST_F(RemapTest, a_data_page_becomes_a_code_page) {
  walker.pages = {{0x400000, 0x1000}, {0x401000, 0x2000}, {0x402000, 0x3000}};
  core.cpu().r[cpu::kRsp] = 0x402800;
  // mov byte [0x401002], 0x10; call 0x401000; mov byte [0x401002], 0x20; call 0x401000; int3
  put(0x1000, {0xc6, 0x04, 0x25, 0x02, 0x10, 0x40, 0x00, 0x10, 0xe8, 0xf3, 0x0f, 0x00, 0x00, 0xc6,
               0x04, 0x25, 0x02, 0x10, 0x40, 0x00, 0x20, 0xe8, 0xe6, 0x0f, 0x00, 0x00, 0xcc});
  put(0x2000, {0x83, 0xc0, 0x00, 0xc3});  // add eax, imm8; ret
  EXPECT_EQ(run_from(0x400000), 0x30u);
}

TEST_F(RemapTest, code_written_behind_the_processors_back_is_forgotten) {
  walker.pages = {{0x400000, 0x1000}};
  put(0x1000, {0x83, 0xc0, 0x10, 0xcc});
  EXPECT_EQ(run_from(0x400000), 0x10u);
  memory.host(0x1000)[2] = 0x44;
  cpu::forget_code(core.cpu(), 0x1000, 4);
  EXPECT_EQ(run_from(0x400000), 0x44u);
}

TEST_F(RemapTest, an_instruction_across_pages_dies_with_either_page) {
  walker.pages = {{0x400000, 0x1000}, {0x401000, 0x5000}};
  put(0x1ffe, {0x83, 0xc0});  // add eax, imm8 with the immediate in the next page
  put(0x5000, {0x10, 0xcc});
  put(0x6000, {0x20, 0xcc});
  EXPECT_EQ(run_from(0x400ffe), 0x10u);
  walker.pages[0x401000] = 0x6000;
  cpu::forget_translations(core.cpu(), 0x401000, kPageSize);
  EXPECT_EQ(run_from(0x400ffe), 0x20u);
  memory.host(0x6000)[0] = 0x30;
  cpu::forget_code(core.cpu(), 0x6000, 1);
  EXPECT_EQ(run_from(0x400ffe), 0x30u);
}

/// What is no instruction depends on all the bytes that were looked at, not only on its first.
TEST_F(RemapTest, an_undefined_instruction_becomes_one_by_its_second_byte) {
  walker.pages = {{0x400000, 0x1000}, {0x401000, 0x5000}};
  put(0x1100,
      {0xc6, 0x04, 0x25, 0x40, 0x00, 0x40, 0x00, 0xc8, 0xe9, 0x32, 0xff, 0xff, 0xff});  // mov [0x400040]; jmp
  put(0x1200,
      {0xc6, 0x04, 0x25, 0x00, 0x10, 0x40, 0x00, 0xc8, 0xe9, 0xf2, 0x0d, 0x00, 0x00});  // mov [0x401000]; jmp
  put(0x103f, {0x0f, 0x04, 0xcc});  // becomes 0f c8: bswap eax
  put(0x1fff, {0x0f});
  put(0x5000, {0x04, 0xcc});
  for (const u64 start : {u64{0x40003f}, u64{0x400fff}}) {
    core.cpu().rip = start;
    EXPECT_EQ(core.run(10).why, cpu::Exit::kFault);
    EXPECT_EQ(core.cpu().fault.vector, Vector::kUD);
    EXPECT_EQ(core.cpu().rip, start);
  }
  EXPECT_EQ(run_from(0x400100), 0u);
  EXPECT_EQ(run_from(0x400200), 0u);
}

TEST_F(RemapTest, an_intercepted_instruction_is_completed_by_the_board) {
  walker.pages = {{0x400000, 0x1000}};
  put(0x1000, {0xff, 0xc0, 0x0f, 0x05, 0xff, 0xc0, 0xcc});  // inc eax; syscall; inc eax; int3
  cpu::Cpu& c = core.cpu();
  c.intercept[static_cast<std::size_t>(cpu::Sensitive::kSyscall)] = cpu::Action::kExit;
  c.rip = 0x400000;
  const cpu::RunResult result = core.run(1000);
  EXPECT_EQ(result.why, cpu::Exit::kIntercept);
  EXPECT_EQ(c.sensitive, cpu::Sensitive::kSyscall);
  EXPECT_EQ(c.rip, 0x400002u);
  EXPECT_EQ(c.next_rip, 0x400004u);
  EXPECT_EQ(result.instructions, 1u);
  EXPECT_EQ(c.retired(), 1u);
  cpu::retire_intercepted(c, cpu::fact::kBranch | cpu::fact::kFar);
  EXPECT_EQ(c.rip, 0x400004u);
  EXPECT_EQ(c.retired(), 2u);
  EXPECT_EQ(core.run(1000).why, cpu::Exit::kFault);
  EXPECT_EQ(c.r[cpu::kRax], 2u);
  EXPECT_EQ(ledger.total(Ev::kInstructions), 4u);
  EXPECT_EQ(ledger.total(Ev::kFarBranches), 2u);
}

}  // namespace
}  // namespace lastbranch::host
