// Code that is written while it runs, and stores that merely come close to it, natively and simulated.
#include <algorithm>
#include <cstring>
#include <memory>

#include <gtest/gtest.h>

#include "tests/cpu/int_rows.h"
#include "tests/cpu/sse_rows.h"

namespace lastbranch::host {
namespace {

/// Runs `bytes` at `address` from a few states with small values in RAX, RCX, RDX and zero elsewhere.
void check_program(std::string_view name, const std::vector<u8>& bytes, u64 address = kEntry,
                   void (*prepare)(Image&) = nullptr) {
  Generator generator(1);
  const auto instance = std::make_unique<Instance>();
  instance->code = bytes;
  for (u64 n = 0; n < 8; ++n) {
    generator.randomize(instance->before);
    auto& g = instance->before.regs.gpr;
    g[RAX] = n;
    g[RCX] = n + 1;
    g[RDX] = 3 * n;
    g[RSI] = kData;
    g[RDI] = kCode + 0x1800;
    instance->before.regs.rip = address;
    instance->before.regs.rflags = 0x202;
    if (prepare != nullptr) prepare(instance->before);
    instance->before.put_code(bytes.data(), bytes.size(), address);
    if (!check(*instance, {}, name)) return;
  }
}

/// `head` at kEntry and `tail` 0x40 bytes behind its start, INT3 between them.
std::vector<u8> with_function(const std::vector<u8>& head, const std::vector<u8>& tail) {
  constexpr std::size_t kAt = 0x40;
  std::vector<u8> code(kAt + tail.size(), 0xcc);
  std::copy(head.begin(), head.end(), code.begin());
  std::copy(tail.begin(), tail.end(), code.begin() + kAt);
  return code;
}

TEST(CodeWrites, the_next_instruction) {
  check_program("immediate", {0xc6, 0x05, 0x02, 0, 0, 0, 0x21, 0x83, 0xc0,
                              0x10});  // mov byte [rip+2], 0x21; add eax, 0x10
  check_program("opcode",
                {0xc6, 0x05, 0x00, 0, 0, 0, 0x2d, 0x05, 0x78, 0x56, 0x34, 0x12});  // add eax becomes sub eax
  check_program("length", {0xc7, 0x05, 0, 0, 0, 0, 0x90, 0x90, 0x90, 0xff, 0xb8, 1, 2, 3,
                           0xc0});  // mov becomes nops, inc eax
  check_program("into #UD", {0x66, 0xc7, 0x05, 0, 0, 0, 0, 0x0f, 0x0b, 0x48, 0xff, 0xc0});
  check_program("rip-relative by register",
                {0x88, 0x05, 0x01, 0, 0, 0, 0x04, 0x10});  // mov [imm], al; add al, imm
}

TEST(CodeWrites, a_fused_branch) {
  // The store turns JZ into JNZ, or changes its target, while the comparison in front of it stays.
  check_program("condition", {0xc6, 0x05, 0x03, 0, 0, 0, 0x75, 0x83, 0xf8, 0x03, 0x74, 0x10});
  check_program("target", {0xc6, 0x05, 0x04, 0, 0, 0, 0x20, 0x83, 0xf8, 0x03, 0x75, 0x10});
  check_program("operand", {0xc6, 0x05, 0x02, 0, 0, 0, 0x05, 0x83, 0xf8, 0x03, 0x74, 0x10});
}

TEST(CodeWrites, an_instruction_behind_in_a_loop) {
  // l: add eax, 1; inc byte [the 1]; dec ecx; jnz l
  check_program("one block", {0x83, 0xc0, 0x01, 0xfe, 0x05, 0xf9, 0xff, 0xff, 0xff, 0xff, 0xc9, 0x75, 0xf3});
  // l: add eax, 1; jmp m; m: inc byte [the 1]; dec ecx; jnz l
  check_program("two blocks",
                {0x83, 0xc0, 0x01, 0xeb, 0x00, 0xfe, 0x05, 0xf7, 0xff, 0xff, 0xff, 0xff, 0xc9, 0x75, 0xf1});
  // l: nop; the same store of the same value in every round; dec ecx; jnz l
  check_program("same value", {0x90, 0xc6, 0x05, 0xf8, 0xff, 0xff, 0xff, 0x90, 0xff, 0xc9, 0x75, 0xf4});
}

TEST(CodeWrites, a_function_between_two_calls_of_it) {
  const std::vector<u8> function = {0x83, 0xc0, 0x05, 0xc3};  // add eax, 5; ret
  // call f; mov byte [f+2], 7; call f
  check_program(
      "direct",
      with_function({0xe8, 0x3b, 0, 0, 0, 0xc6, 0x05, 0x36, 0, 0, 0, 0x07, 0xe8, 0x2f, 0, 0, 0}, function));
  // lea rbx, [f]; call rbx; mov byte [rbx+2], 7; call rbx; call rbx
  check_program("indirect", with_function({0x48, 0x8d, 0x1d, 0x39, 0, 0, 0, 0xff, 0xd3, 0xc6, 0x43, 0x02,
                                           0x07, 0xff, 0xd3, 0xff, 0xd3},
                                          function));
  // lea rbx, [f]; l: call rbx; inc byte [rbx+2]; dec ecx; jnz l
  check_program("in a loop", with_function({0x48, 0x8d, 0x1d, 0x39, 0, 0, 0, 0xff, 0xd3, 0xfe, 0x43, 0x02,
                                            0xff, 0xc9, 0x75, 0xf7},
                                           function));
  // lea rbx, [f]; call rbx; call rbx; f: inc byte [rbx+5], which is the 5; add eax, 5; ret
  check_program("by itself", with_function({0x48, 0x8d, 0x1d, 0x39, 0, 0, 0, 0xff, 0xd3, 0xff, 0xd3},
                                           {0xfe, 0x43, 0x05, 0x83, 0xc0, 0x05, 0xc3}));
}

/// As a just-in-time compiler does: fill a buffer, call it, fill it again with something of another shape.
TEST(CodeWrites, a_buffer_that_is_filled_again) {
  const auto bodies = [](Image& i) {
    const u8 first[16] = {0x83, 0xc0, 0x11, 0x01, 0xd0, 0xc3};  // add eax, 0x11; add eax, edx; ret
    const u8 second[16] = {0x31, 0xc9, 0x48, 0x8d,
                           0x44, 0x40, 0x07, 0xc3};  // xor ecx, ecx; lea rax, [rax+rax*2+7]; ret
    std::memcpy(&i.data[0], first, sizeof first);
    std::memcpy(&i.data[16], second, sizeof second);
    i.regs.gpr[RCX] = 16;
  };
  // push rdi; rep movsb; pop rdi; call rdi; mov ecx, 16; push rdi; rep movsb; pop rdi; call rdi
  check_program("rep movsb",
                {0x57, 0xf3, 0xa4, 0x5f, 0xff, 0xd7, 0xb9, 0x10, 0, 0, 0, 0x57, 0xf3, 0xa4, 0x5f, 0xff, 0xd7},
                kEntry, bodies);
  // movsq twice, call rdi-16, twice over
  check_program("movsq",
                {0x48, 0xa5, 0x48, 0xa5, 0x48, 0x8d, 0x5f, 0xf0, 0xff, 0xd3, 0x48, 0x89, 0xdf, 0x48, 0xa5,
                 0x48, 0xa5, 0xff, 0xd3},
                kEntry, bodies);
  // movups xmm0, [rsi]; movups [rdi], xmm0; call rdi; movups xmm0, [rsi+16]; movups [rdi], xmm0; call rdi
  check_program(
      "movups",
      {0x0f, 0x10, 0x06, 0x0f, 0x11, 0x07, 0xff, 0xd7, 0x0f, 0x10, 0x46, 0x10, 0x0f, 0x11, 0x07, 0xff, 0xd7},
      kEntry, bodies);
  // Across the page boundary.
  check_program(
      "movups across pages",
      {0x0f, 0x10, 0x06, 0x0f, 0x11, 0x07, 0xff, 0xd7, 0x0f, 0x10, 0x46, 0x10, 0x0f, 0x11, 0x07, 0xff, 0xd7},
      kEntry, [](Image& i) {
        const u8 first[16] = {0x83, 0xc0, 0x11, 0x01, 0xd0, 0xc3};
        const u8 second[16] = {0x31, 0xc9, 0x48, 0x8d, 0x44, 0x40, 0x07, 0xc3};
        std::memcpy(&i.data[0], first, sizeof first);
        std::memcpy(&i.data[16], second, sizeof second);
        i.regs.gpr[RDI] = kCode + kPageSize - 1 - i.regs.gpr[RAX];
      });
}

TEST(CodeWrites, repeated_stores_over_what_follows) {
  // lea rdi, [behind]; mov al, 0x90; rep stosb; behind: incs, of which the first bytes become nops
  check_program("rep stosb", {0x48, 0x8d, 0x3d, 0x04, 0,    0,    0,    0xb0, 0x90, 0xf3, 0xaa, 0xff, 0xc0,
                              0xff, 0xc0, 0xff, 0xc0, 0xff, 0xc0, 0xff, 0xc0, 0xff, 0xc0, 0xff, 0xc0});
}

/// The return address of a call becomes the code that is called.
TEST(CodeWrites, a_call_that_pushes_over_its_target) {
  check_program("call", {0xe8, 0x1b, 0, 0, 0}, kEntry, [](Image& i) {
    i.regs.gpr[RSP] = kEntry + 0x28;  // the return address 0x20000405 reads as "add eax, imm32"
    i.regs.gpr[RAX] = 0;
  });
}

TEST(CodeWrites, a_faulting_store_across_the_end_changes_nothing) {
  check_program("end of the window", {0x48, 0x89, 0x04, 0x25, 0xfc, 0x1f, 0x00, 0x20});
  check_program("own page end", {0x48, 0x89, 0x04, 0x25, 0xfc, 0x1f, 0x00, 0x20}, kCode + kCodeSize - 9);
}

/// Every instruction that stores, with a target in the granule of its own code but behind it: the store is
/// executed alone and the block decoded anew, and nothing else may differ.
TEST(CodeWrites, any_store_close_to_code) {
  for (const auto rows : {arithmetic_rows(), shift_rows(), move_rows(), bit_rows(), condition_rows(),
                          stack_rows(), xmm_move_rows()}) {
    std::vector<Row> near(rows.begin(), rows.end());
    for (Row& row : near) row.options.near_code = true;
    check_rows(near, 12);
  }
  const auto stack_near = [](Image& i, Rng& r) { i.regs.gpr[RSP] = kEntry + 0x18 + r.below(0x20); };
  const RowOptions options{.prepare = stack_near};
  const std::vector<BytesRow> pushes = {
      {"push rcx", {0x51}, options},
      {"push imm8", {0x6a, 0x12}, options},
      {"pushfq", {0x9c}, options},
      {"push word", {0x66, 0x51}, options},
      {"call", {0xe8, 0x00, 0x01, 0, 0}, options},
      {"enter 0, 0", {0xc8, 0, 0, 0}, options},
  };
  check_bytes(pushes, 24);
  const RowOptions string{.prepare = [](Image& i, Rng& r) {
    i.regs.gpr[RDI] = kEntry + 0x10 + r.below(0x40);
    i.regs.gpr[RSI] = r.one_in(2) ? kData : kEntry + r.below(0x100);
    i.regs.gpr[RCX] = r.below(0x40);
    i.regs.rflags &= ~u64{0x400};
  }};
  const std::vector<BytesRow> strings = {
      {"movsb rep", {0xf3, 0xa4}, string},
      {"movsq rep", {0xf3, 0x48, 0xa5}, string},
      {"stosd rep", {0xf3, 0xab}, string},
      {"stosw", {0x66, 0xab}, string},
  };
  check_bytes(strings, 48);
}

}  // namespace
}  // namespace lastbranch::host
