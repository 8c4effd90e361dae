// The instructions with implicit operands or control transfers, as bytes.
#include <algorithm>
#include <cstring>

#include "tests/cpu/int_rows.h"

namespace lastbranch::host {
namespace {

constexpr u64 kBitTest = 0x894;  // OF SF AF PF

using Bytes = std::vector<u8>;

Bytes operator+(Bytes a, const Bytes& b) {
  a.insert(a.end(), b.begin(), b.end());
  return a;
}

template <class T>
void poke(Image& i, u64 address, T v) {
  std::memcpy(&i.data[address - kData], &v, sizeof v);
}
template <class T>
T peek(const Image& i, u64 address) {
  T v;
  std::memcpy(&v, &i.data[address - kData], sizeof v);
  return v;
}

/// RBX at a place in the data window, mostly aligned, sometimes at the page's end or off the window.
void rbx_in_data(Image& i, Rng& r) {
  u64& rbx = i.regs.gpr[RBX];
  rbx = kData + 0x100 + 16 * r.below(0xe0);
  if (r.one_in(4)) rbx += r.below(16);
  if (r.one_in(8)) rbx = kData + kPageSize - r.below(16);
  if (r.one_in(24)) rbx = kData + kDataSize - r.below(16);
}
/// As rbx_in_data, and RDX:RAX equal to the memory operand half of the time.
void comparand(Image& i, Rng& r) {
  rbx_in_data(i, r);
  const u64 rbx = i.regs.gpr[RBX];
  if (r.one_in(2) || rbx + 16 > kData + kDataSize) return;
  i.regs.gpr[RAX] = peek<u64>(i, rbx);
  i.regs.gpr[RDX] = peek<u64>(i, rbx + 8);
}
/// As comparand, for CMPXCHG8B's EDX:EAX.
void comparand_8(Image& i, Rng& r) {
  comparand(i, r);
  if (i.regs.gpr[RBX] + 16 <= kData + kDataSize) i.regs.gpr[RDX] = peek<u32>(i, i.regs.gpr[RBX] + 4);
}
/// RBX in the window, RCX a bit offset that reaches up to 4 KiB away, sometimes out of it.
void bit_offset(Image& i, Rng& r) {
  rbx_in_data(i, r);
  i.regs.gpr[RBX] = kData + 0x800 + r.below(0x1000);
  const i64 offset = static_cast<i64>(r.below(0x10000)) - 0x8000;
  i.regs.gpr[RCX] = r.one_in(2) ? static_cast<u64>(offset / 16) : static_cast<u64>(offset);
  // A 32- or 16-bit offset ignores the upper bits.
  if (r.one_in(2))
    i.regs.gpr[RDX] = (r.next() << 32) | static_cast<u32>(offset);
  else
    i.regs.gpr[RDX] = (r.next() << 16) | static_cast<u16>(offset);
}
void table(Image& i, Rng& r) {
  i.regs.gpr[RBX] = kData + r.below(kDataSize - 0x80);
}
void table_32(Image& i, Rng& r) {
  table(i, r);
  i.regs.gpr[RBX] |= r.next() << 32;
}
void popped_flags(Image& i, Rng& r) {
  i.regs.gpr[RSP] = kStack - 8 * r.below(16);
  // Not TF, which would trap, nor AC, which the host checks.
  poke<u64>(i, i.regs.gpr[RSP], r.next() & 0x23feff);
}
void stack_anywhere(Image& i, Rng& r) {
  u64& rsp = i.regs.gpr[RSP];
  rsp = kStack - r.below(256);
  if (r.one_in(8)) rsp = kData + r.below(16);
  if (r.one_in(8)) rsp = kData + kPageSize + r.below(8);
  if (r.one_in(8)) rsp = kData + kDataSize - r.below(8);
}
void frame(Image& i, Rng& r) {
  i.regs.gpr[RSP] = kStack - 8 * r.below(16);
  i.regs.gpr[RBP] = kStack - 0x100 + r.below(0x100);
  if (r.one_in(12)) i.regs.gpr[RBP] = kData + kDataSize - r.below(10);
}

const std::vector<BytesRow> kPlain = {
    {"nop", {0x90}},
    {"nop r8d,eax is xchg", {0x41, 0x90}},
    {"nop multi", {0x66, 0x0f, 0x1f, 0x84, 0x00, 0, 0, 0, 0}},
    {"pause", {0xf3, 0x90}},
    {"endbr64", {0xf3, 0x0f, 0x1e, 0xfa}},
    {"endbr32", {0xf3, 0x0f, 0x1e, 0xfb}},
    {"rdsspq is a nop without shadow stacks", {0xf3, 0x48, 0x0f, 0x1e, 0xc8}},
    {"clc", {0xf8}},
    {"stc", {0xf9}},
    {"cmc", {0xf5}},
    {"cld", {0xfc}},
    {"std", {0xfd}},
    {"lahf", {0x9f}},
    {"sahf", {0x9e}},
    {"cbw", {0x66, 0x98}},
    {"cwde", {0x98}},
    {"cdqe", {0x48, 0x98}},
    {"cwd", {0x66, 0x99}},
    {"cdq", {0x99}},
    {"cqo", {0x48, 0x99}},
    {"lfence", {0x0f, 0xae, 0xe8}},
    {"mfence", {0x0f, 0xae, 0xf0}},
    {"sfence", {0x0f, 0xae, 0xf8}},
    {"clflush [rbx]", {0x0f, 0xae, 0x3b}, {.prepare = rbx_in_data}},
    {"prefetcht0 [rbx]", {0x0f, 0x18, 0x0b}, {.prepare = rbx_in_data}},
    {"prefetcht0 any address", {0x0f, 0x18, 0x0b}},
    {"prefetcht1 any address", {0x0f, 0x18, 0x13}},
    {"prefetcht2 any address", {0x0f, 0x18, 0x1b}},
    {"prefetchnta any address", {0x0f, 0x18, 0x03}},
    {"prefetchw any address", {0x0f, 0x0d, 0x0b}},
    {"xlat", {0xd7}, {.prepare = table}},
    {"xlat addr32", {0x67, 0xd7}, {.prepare = table_32}},
    {"mov al, moffs", {0xa0, 0x23, 0x01, 0, 0x10, 0, 0, 0, 0}},
    {"mov eax, moffs", {0xa1, 0x23, 0x01, 0, 0x10, 0, 0, 0, 0}},
    {"mov rax, moffs", {0x48, 0xa1, 0xfd, 0x0f, 0, 0x10, 0, 0, 0, 0}},
    {"mov moffs, al", {0xa2, 0x23, 0x01, 0, 0x10, 0, 0, 0, 0}},
    {"mov moffs, ax", {0x66, 0xa3, 0x23, 0x01, 0, 0x10, 0, 0, 0, 0}},
    {"mov moffs, rax", {0x48, 0xa3, 0xfd, 0x0f, 0, 0x10, 0, 0, 0, 0}},
    {"mov rax, moffs32", {0x67, 0x48, 0xa1, 0xfd, 0x0f, 0, 0x10}},
    {"mov rax, moffs unmapped", {0x48, 0xa1, 0xfd, 0x2f, 0, 0x10, 0, 0, 0, 0}},
    {"mov es: prefix changes nothing", {0x26, 0x8b, 0x03}, {.prepare = rbx_in_data}},
    {"mov cs: prefix changes nothing", {0x2e, 0x8b, 0x03}, {.prepare = rbx_in_data}},
    {"mov eax, cs", {0x8c, 0xc8}},
    {"mov rax, ss", {0x48, 0x8c, 0xd0}},
    {"mov ax, ds", {0x66, 0x8c, 0xd8}},
    {"mov [rbx], es", {0x8c, 0x03}, {.prepare = rbx_in_data}},
    {"cmpxchg [rbx], cl", {0x0f, 0xb0, 0x0b}, {.prepare = comparand}},
    {"cmpxchg [rbx], cx", {0x66, 0x0f, 0xb1, 0x0b}, {.prepare = comparand}},
    {"cmpxchg lock [rbx], ecx", {0xf0, 0x0f, 0xb1, 0x0b}, {.prepare = comparand}},
    {"cmpxchg [rbx], rcx", {0x48, 0x0f, 0xb1, 0x0b}, {.prepare = comparand}},
    {"cmpxchg8b [rbx]", {0x0f, 0xc7, 0x0b}, {.prepare = comparand_8}},
    {"cmpxchg16b [rbx]", {0x48, 0x0f, 0xc7, 0x0b}, {.prepare = comparand}},
    {"bt [rbx], cx", {0x66, 0x0f, 0xa3, 0x0b}, {.ignore = {.flags = kBitTest}, .prepare = bit_offset}},
    {"bt [rbx], ecx", {0x0f, 0xa3, 0x0b}, {.ignore = {.flags = kBitTest}, .prepare = bit_offset}},
    {"bt [rbx], rcx", {0x48, 0x0f, 0xa3, 0x0b}, {.ignore = {.flags = kBitTest}, .prepare = bit_offset}},
    {"bts [rbx], cx", {0x66, 0x0f, 0xab, 0x0b}, {.ignore = {.flags = kBitTest}, .prepare = bit_offset}},
    {"bts [rbx], edx", {0x0f, 0xab, 0x13}, {.ignore = {.flags = kBitTest}, .prepare = bit_offset}},
    {"bts lock [rbx], rcx",
     {0xf0, 0x48, 0x0f, 0xab, 0x0b},
     {.ignore = {.flags = kBitTest}, .prepare = bit_offset}},
    {"btr [rbx], dx", {0x66, 0x0f, 0xb3, 0x13}, {.ignore = {.flags = kBitTest}, .prepare = bit_offset}},
    {"btr [rbx], rcx", {0x48, 0x0f, 0xb3, 0x0b}, {.ignore = {.flags = kBitTest}, .prepare = bit_offset}},
    {"btc [rbx], ecx", {0x0f, 0xbb, 0x0b}, {.ignore = {.flags = kBitTest}, .prepare = bit_offset}},
    {"btc [rbx], rcx", {0x48, 0x0f, 0xbb, 0x0b}, {.ignore = {.flags = kBitTest}, .prepare = bit_offset}},
    {"xchg rax, r9", {0x49, 0x91}},
    {"xchg ecx, eax clears both upper halves", {0x91}},
    {"xchg ax, cx", {0x66, 0x91}},
    {"sal has an opcode of its own", {0x48, 0xd3, 0xf0}, {.ignore = {.flags = 0x810}}},
    {"xchg [rbx], rcx", {0x48, 0x87, 0x0b}, {.weight = 2, .prepare = rbx_in_data}},
    {"mov high byte to itself", {0x88, 0xe0, 0x88, 0xc4, 0x86, 0xe0}},
};

const std::vector<BytesRow> kStackBytes = {
    {"push rsp", {0x54}, {.prepare = stack_anywhere}},
    {"push sp", {0x66, 0x54}, {.prepare = stack_anywhere}},
    {"push rcx", {0x51}, {.prepare = stack_anywhere}},
    {"push [rsp+8]", {0xff, 0x74, 0x24, 0x08}, {.prepare = stack_anywhere}},
    {"push [rsp]", {0xff, 0x34, 0x24}, {.prepare = stack_anywhere}},
    {"push imm16", {0x66, 0x68, 0x34, 0x92}, {.prepare = stack_anywhere}},
    {"push word imm8", {0x66, 0x6a, 0x92}, {.prepare = stack_anywhere}},
    {"push imm32", {0x68, 0x34, 0x12, 0x34, 0x92}, {.prepare = stack_anywhere}},
    {"push fs", {0x0f, 0xa0}, {.prepare = stack_anywhere}},
    {"push gs", {0x0f, 0xa8}, {.prepare = stack_anywhere}},
    {"pop rsp", {0x5c}, {.prepare = stack_anywhere}},
    {"pop sp", {0x66, 0x5c}, {.prepare = stack_anywhere}},
    {"pop rcx", {0x59}, {.prepare = stack_anywhere}},
    {"pop [rsp]", {0x8f, 0x04, 0x24}, {.prepare = stack_anywhere}},
    {"pop [rsp+8]", {0x8f, 0x44, 0x24, 0x08}, {.prepare = stack_anywhere}},
    {"pop [rsp-8] over the popped slot", {0x8f, 0x44, 0x24, 0xf8}, {.prepare = stack_anywhere}},
    {"pop word [rsp]", {0x66, 0x8f, 0x04, 0x24}, {.prepare = stack_anywhere}},
    {"pushfq", {0x9c}, {.prepare = stack_anywhere}},
    {"pushf", {0x66, 0x9c}, {.prepare = stack_anywhere}},
    {"popfq", {0x9d}, {.prepare = popped_flags}},
    {"popf", {0x66, 0x9d}, {.prepare = popped_flags}},
    {"leave", {0xc9}, {.prepare = frame}},
    {"leave 16", {0x66, 0xc9}, {.prepare = frame}},
    {"enter 0, 0", {0xc8, 0, 0, 0}, {.prepare = frame}},
    {"enter 32, 0", {0xc8, 0x20, 0, 0}, {.prepare = frame}},
    {"enter 0, 1", {0xc8, 0, 0, 1}, {.prepare = frame}},
    {"enter 8, 2", {0xc8, 0x08, 0, 2}, {.prepare = frame}},
    {"enter 256, 7", {0xc8, 0, 0x01, 7}, {.prepare = frame}},
    {"enter 16, 31", {0xc8, 0x10, 0, 31}, {.prepare = frame}},
    {"enter 16, 33 is 16, 1", {0xc8, 0x10, 0, 33}, {.prepare = frame}},
    {"enter 16-bit", {0x66, 0xc8, 0x10, 0, 3}, {.prepare = frame}},
};

/// Addresses near each other, so that overlaps, page crossings and the window's ends are all met.
void string_operands(Image& i, Rng& r, unsigned size) {
  auto& g = i.regs.gpr;
  if (r.one_in(2)) {
    // Equal bytes with few exceptions: compares run for long.
    std::memset(i.data.data(), static_cast<int>(r.below(256)), i.data.size());
    for (unsigned n = 0; n < 6; ++n) i.data[r.below(i.data.size())] = static_cast<u8>(r.next());
  }
  g[RCX] = r.pick<u64>({0, 1, 2, r.below(40), r.below(300), r.below(0x800)});
  g[RSI] = kData + r.below(kDataSize - 8);
  g[RDI] = r.one_in(2) ? g[RSI] + r.below(40) - 20 : kData + r.below(kDataSize - 8);
  if (r.one_in(2)) {
    g[RSI] &= ~u64{7};
    g[RDI] &= ~u64{7};
  }
  if (r.one_in(16)) g[RDI] = kReadOnly + r.below(64);
  if (r.one_in(2)) g[RAX] = peek<u64>(i, kData + r.below(kDataSize - 8));
  i.regs.rflags = (i.regs.rflags & ~u64{0x400}) | (r.one_in(2) ? 0x400 : 0);
  // The range mostly stays in the window.
  if (!r.one_in(6)) {
    const u64 reach = g[RCX] * size;
    const u64 low = std::min(g[RSI], g[RDI]), high = std::max(g[RSI], g[RDI]);
    if ((i.regs.rflags & 0x400) != 0 ? low - reach < kData : high + reach > kData + kDataSize)
      g[RCX] = r.below(8);
  }
}
template <unsigned kSize>
void string_64(Image& i, Rng& r) {
  string_operands(i, r, kSize);
}
template <unsigned kSize>
void string_32(Image& i, Rng& r) {
  string_operands(i, r, kSize);
  // A zero count leaves RCX alone or clears its upper half, as the processor likes.
  if (i.regs.gpr[RCX] == 0) return;
  for (const unsigned n : {RCX, RSI, RDI}) i.regs.gpr[n] |= r.next() << 32;
}

std::vector<BytesRow> make_string_rows() {
  struct Operation {
    const char* name;
    u8 opcode;  ///< of the byte form; the wide forms follow
    bool compares;
  };
  constexpr Operation kOperations[] = {{"movs", 0xa4, false},
                                       {"cmps", 0xa6, true},
                                       {"stos", 0xaa, false},
                                       {"lods", 0xac, false},
                                       {"scas", 0xae, true}};
  using Prepare = void (*)(Image&, Rng&);
  struct Size {
    char letter;
    Bytes prefix;
    bool wide;
    Prepare prepare_64, prepare_32;
  };
  const Size sizes[] = {{'b', {}, false, string_64<1>, string_32<1>},
                        {'w', {0x66}, true, string_64<2>, string_32<2>},
                        {'d', {}, true, string_64<4>, string_32<4>},
                        {'q', {0x48}, true, string_64<8>, string_32<8>}};
  std::vector<BytesRow> rows;
  for (const Operation& o : kOperations) {
    for (const Size& s : sizes) {
      for (const Bytes& repeat : {Bytes{}, Bytes{0xf3}, Bytes{0xf2}}) {
        for (const bool address_32 : {false, true}) {
          // Legacy prefixes in front of REX.
          Bytes code = repeat + (address_32 ? Bytes{0x67} : Bytes{});
          code = code + s.prefix + Bytes{static_cast<u8>(o.opcode + (s.wide ? 1 : 0))};
          std::string name = std::string(o.name) + s.letter;
          name += repeat.empty() ? " once" : repeat[0] == 0xf3 ? " rep" : " repne";
          if (address_32) name += " addr32";
          rows.push_back({name, code, {.prepare = address_32 ? s.prepare_32 : s.prepare_64}});
        }
      }
    }
  }
  return rows;
}

// Branches end at an INT3: the one after the branch or the one at its target tells them apart.

/// All GPRs hold code addresses.
void targets_in_registers(Image& i, Rng& r) {
  for (unsigned n = 0; n < 16; ++n) {
    if (n != RSP) i.regs.gpr[n] = kCode + 0x800 + r.below(0x700);
  }
  stack_anywhere(i, r);
}
void target_in_memory(Image& i, Rng& r) {
  rbx_in_data(i, r);
  i.regs.gpr[RSP] = kStack;
  if (i.regs.gpr[RBX] + 8 <= kData + kDataSize) poke<u64>(i, i.regs.gpr[RBX], kCode + 0x800 + r.below(0x700));
}
void target_on_stack(Image& i, Rng& r) {
  i.regs.gpr[RSP] = kStack - r.below(64);
  poke<u64>(i, i.regs.gpr[RSP], kCode + 0x800 + r.below(0x700));
  if (r.one_in(16)) i.regs.gpr[RSP] = kData + kDataSize - r.below(8);
}
void small_rcx(Image& i, Rng& r) {
  i.regs.gpr[RCX] = r.pick<u64>({0, 1, 2, r.interesting(64), u64{1} << 32, (u64{1} << 32) + 1});
}

std::vector<BytesRow> make_branch_rows() {
  std::vector<BytesRow> rows = {
      {"jmp rel8", {0xeb, 0x10}},
      {"jmp rel8 back", {0xeb, 0xf0}},
      {"jmp rel32", {0xe9, 0x00, 0x02, 0, 0}},
      {"jmp r", {0xff, 0xe0}, {.prepare = targets_in_registers}},
      {"jmp r12", {0x41, 0xff, 0xe4}, {.prepare = targets_in_registers}},
      {"jmp [rbx]", {0xff, 0x23}, {.prepare = target_in_memory}},
      {"jmp notrack r", {0x3e, 0xff, 0xe1}, {.prepare = targets_in_registers}},
      {"call rel32", {0xe8, 0x00, 0x02, 0, 0}, {.prepare = stack_anywhere}},
      {"call rel32 back", {0xe8, 0xf0, 0xfe, 0xff, 0xff}, {.prepare = stack_anywhere}},
      {"call r", {0xff, 0xd2}, {.prepare = targets_in_registers}},
      {"call rsp", {0xff, 0xd4}, {.prepare = [](Image& i, Rng&) { i.regs.gpr[RSP] = kCode + 0x900; }}},
      {"call [rbx]", {0xff, 0x13}, {.prepare = target_in_memory}},
      {"call [rsp]", {0xff, 0x14, 0x24}, {.prepare = target_on_stack}},
      {"ret", {0xc3}, {.prepare = target_on_stack}},
      {"ret rep", {0xf3, 0xc3}, {.prepare = target_on_stack}},
      {"ret imm16", {0xc2, 0x18, 0x00}, {.prepare = target_on_stack}},
      {"ret imm16 large", {0xc2, 0xf0, 0xff}, {.prepare = target_on_stack}},
      {"loop", {0xe2, 0x10}, {.prepare = small_rcx}},
      {"loope", {0xe1, 0x10}, {.prepare = small_rcx}},
      {"loopne", {0xe0, 0x10}, {.prepare = small_rcx}},
      {"loop addr32", {0x67, 0xe2, 0x10}, {.prepare = small_rcx}},
      {"loope addr32", {0x67, 0xe1, 0x10}, {.prepare = small_rcx}},
      {"loopne addr32", {0x67, 0xe0, 0x10}, {.prepare = small_rcx}},
      {"loop on itself",
       {0xe2, 0xfe},
       {.prepare = [](Image& i, Rng& r) { i.regs.gpr[RCX] = 1 + r.below(5000); }}},
      {"jrcxz", {0xe3, 0x10}, {.prepare = small_rcx}},
      {"jecxz", {0x67, 0xe3, 0x10}, {.prepare = small_rcx}},
      {"call and return", {0xe8, 0x01, 0, 0, 0, 0xcc, 0x48, 0x8d, 0x40, 0x05, 0xc3}},
  };
  constexpr const char* kConditions[] = {"o", "no", "b", "nb", "z", "nz", "be", "nbe",
                                         "s", "ns", "p", "np", "l", "nl", "le", "nle"};
  for (u8 c = 0; c < 16; ++c) {
    const std::string name = std::string("j") + kConditions[c];
    rows.push_back({name, {static_cast<u8>(0x70 + c), 0x20}});
    rows.push_back({name + " rel32", {0x0f, static_cast<u8>(0x80 + c), 0x00, 0x01, 0, 0}});
    // Fused with a compare, and with a flag-writer that keeps CF.
    rows.push_back({name + " after cmp rax, rcx", {0x48, 0x39, 0xc8, static_cast<u8>(0x70 + c), 0x20}});
    rows.push_back({name + " after cmp al, 5", {0x3c, 0x05, static_cast<u8>(0x70 + c), 0x20}});
    rows.push_back({name + " after test ecx, ecx", {0x85, 0xc9, static_cast<u8>(0x70 + c), 0x20}});
    rows.push_back({name + " after dec cx", {0x66, 0xff, 0xc9, static_cast<u8>(0x70 + c), 0x20}});
    rows.push_back({name + " after cmp [rbx], ecx",
                    {0x39, 0x0b, static_cast<u8>(0x70 + c), 0x20},
                    {.prepare = rbx_in_data}});
    rows.push_back({name + " after sbb dl, ah", {0x18, 0xe2, static_cast<u8>(0x70 + c), 0x20}});
  }
  return rows;
}

const std::vector<BytesRow> kRefused = {
    {"ud2", {0x0f, 0x0b}},
    {"ud1", {0x0f, 0xb9, 0xc0}},
    {"ud0", {0x0f, 0xff, 0xc0}},
    {"int3", {0xcc}},
    {"hlt", {0xf4}},
    {"cli", {0xfa}},
    {"sti", {0xfb}},
    {"in al, imm8", {0xe4, 0x60}},
    {"in eax, dx", {0xed}},
    {"out imm8, al", {0xe6, 0x80}},
    {"out dx, al", {0xee}},
    {"insb", {0x6c}, {.prepare = string_64<1>}},
    {"insd", {0x6d}, {.prepare = string_64<4>}},
    {"outsb", {0x6e}, {.prepare = string_64<1>}},
    {"outsd", {0x6f}, {.prepare = string_64<4>}},
    {"rdmsr", {0x0f, 0x32}},
    {"wrmsr", {0x0f, 0x30}},
    {"mov cr0, rax", {0x0f, 0x22, 0xc0}},
    {"mov rax, cr3", {0x0f, 0x20, 0xd8}},
    {"mov dr7, rax", {0x0f, 0x23, 0xf8}},
    {"mov rax, dr0", {0x0f, 0x21, 0xc0}},
    {"invd", {0x0f, 0x08}},
    {"wbinvd", {0x0f, 0x09}},
    {"invlpg [rbx]", {0x0f, 0x01, 0x3b}, {.prepare = rbx_in_data}},
    {"lgdt [rbx]", {0x0f, 0x01, 0x13}, {.prepare = rbx_in_data}},
    {"lidt [rbx]", {0x0f, 0x01, 0x1b}, {.prepare = rbx_in_data}},
    {"lldt ax", {0x0f, 0x00, 0xd0}},
    {"ltr ax", {0x0f, 0x00, 0xd8}},
    {"lmsw ax", {0x0f, 0x01, 0xf0}},
    {"clts", {0x0f, 0x06}},
    {"swapgs", {0x0f, 0x01, 0xf8}},
    {"sysret", {0x48, 0x0f, 0x07}},
    {"int 0x20", {0xcd, 0x20}},
    {"aaa is not 64-bit", {0x37}},
    {"daa is not 64-bit", {0x27}},
    {"push es is not 64-bit", {0x06}},
    {"into is not 64-bit", {0xce}},
    {"pusha is not 64-bit", {0x60}},
    {"add lock r, r", {0xf0, 0x01, 0xc8}},
    {"add lock r, [rbx]", {0xf0, 0x03, 0x03}, {.prepare = rbx_in_data}},
    {"mov lock [rbx], ecx", {0xf0, 0x89, 0x0b}, {.prepare = rbx_in_data}},
    {"cmp lock [rbx], ecx", {0xf0, 0x39, 0x0b}, {.prepare = rbx_in_data}},
    {"bt lock [rbx], 3", {0xf0, 0x0f, 0xba, 0x23, 0x03}, {.prepare = rbx_in_data}},
    {"shl lock [rbx], 1", {0xf0, 0xd1, 0x23}, {.prepare = rbx_in_data}},
    {"xchg lock r, r", {0xf0, 0x87, 0xc8}},
    {"bswap lock", {0xf0, 0x0f, 0xc8}},
    {"nop lock", {0xf0, 0x90}},
    {"cmpxchg8b of a register", {0x0f, 0xc7, 0xc8}},
    {"lea of a register", {0x8d, 0xc0}},
    {"pop of an unassigned form", {0x8f, 0xc8}},
    {"mov cs, eax", {0x8e, 0xc8}},
    {"mov to no segment", {0x8e, 0xf0}},
    {"sixteen bytes",
     {0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x90}},
    {"nop fifteen bytes",
     {0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x90}},
    {"call unmapped target", {0xe8, 0x00, 0x00, 0x01, 0x00}, {.prepare = stack_anywhere}},
    {"jmp unmapped target", {0xe9, 0x00, 0x00, 0x01, 0x00}},
    {"jmp to data", {0xff, 0xe0}, {.prepare = [](Image& i, Rng&) { i.regs.gpr[RAX] = kData; }}},
};

}  // namespace

const std::vector<BytesRow>& plain_bytes() {
  return kPlain;
}
const std::vector<BytesRow>& stack_bytes() {
  return kStackBytes;
}
const std::vector<BytesRow>& string_bytes() {
  static const std::vector<BytesRow> kRows = make_string_rows();
  return kRows;
}
const std::vector<BytesRow>& branch_bytes() {
  static const std::vector<BytesRow> kRows = make_branch_rows();
  return kRows;
}
const std::vector<BytesRow>& refused_bytes() {
  return kRefused;
}

}  // namespace lastbranch::host
