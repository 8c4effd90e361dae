// Every general-purpose instruction of x86-64-v2, one at a time, against the host.
#include <gtest/gtest.h>

#include "models/cpu/exec/exec.h"
#include "models/cpu/exec/rows.h"
#include "tests/cpu/int_rows.h"

namespace lastbranch::host {
namespace {

TEST(IntHost, arithmetic) {
  check_rows(arithmetic_rows());
}
TEST(IntHost, shifts_and_rotates) {
  check_rows(shift_rows());
}
TEST(IntHost, multiplication_and_division) {
  check_rows(multiply_rows());
}
TEST(IntHost, moves) {
  check_rows(move_rows());
}
TEST(IntHost, conditional_moves_and_sets) {
  check_rows(condition_rows(), 32);
}
TEST(IntHost, bits) {
  check_rows(bit_rows());
}
TEST(IntHost, push_and_pop) {
  check_rows(stack_rows());
}
TEST(IntHost, implicit_operands) {
  check_bytes(plain_bytes());
}
TEST(IntHost, stack) {
  check_bytes(stack_bytes(), 128);
}
TEST(IntHost, strings) {
  check_bytes(string_bytes(), 96);
}
TEST(IntHost, branches) {
  check_bytes(branch_bytes());
}
TEST(IntHost, refused_instructions) {
  check_bytes(refused_bytes(), 8);
}

/// A shift by every count that CL can hold, where all its flags but AF and OF are defined.
TEST(IntHost, shifts_by_every_count) {
  std::vector<BytesRow> rows;
  for (u8 digit = 0; digit < 8; ++digit) {
    for (const std::vector<u8>& prefix : {std::vector<u8>{}, {0x48}}) {
      std::vector<u8> code = prefix;
      code.insert(code.end(),
                  {0xd3, static_cast<u8>(0xc0 | digit << 3), 0xfe, 0xc1});  // shift eax/rax, cl; inc cl
      const u64 undefined = digit < 4 ? 0x800 : 0x810;
      rows.push_back({"shift " + std::to_string(digit), code, {.ignore = {.flags = undefined}, .weight = 8}});
    }
  }
  check_bytes(rows);
}

/// What no host run can be compared with: the simulated processor answers for itself (sim_only_test.cpp), or
/// the host's kernel emulates the instruction.
const std::set<std::string> kNotOnTheHost = {
    "cpuid", "rdtsc", "rdtscp", "rdpmc", "syscall", "int1", "iretd", "iretq", "iret", "sgdt", "sidt", "sldt",
    "str", "smsw", "xsetbv", "insw", "outsw", "sysexit", "monitor", "mwait", "lss", "lfs", "lgs", "verr",
    "verw", "lar", "lsl", "sysenter",
    // The hypervisor above us would answer these.
    "vmxon", "vmxoff", "vmclear", "vmptrld", "vmptrst", "vmread", "vmwrite", "vmlaunch", "vmresume", "vmcall",
    "invept", "invvpid"};

TEST(IntHost, every_row_of_the_tables_is_tested) {
  using cpu::Fast;
  std::set<std::string> tested = tested_integer_mnemonics();
  tested.insert(kNotOnTheHost.begin(), kNotOnTheHost.end());
  for (const auto rows :
       {cpu::int_alu_rows<Fast>(), cpu::int_shift_rows<Fast>(), cpu::int_muldiv_rows<Fast>(),
        cpu::int_move_rows<Fast>(), cpu::int_stack_rows<Fast>(), cpu::int_bit_rows<Fast>(),
        cpu::int_string_rows<Fast>(), cpu::int_misc_rows<Fast>(), cpu::system_rows<Fast>()}) {
    expect_covered(rows, tested);
  }
}

}  // namespace
}  // namespace lastbranch::host
