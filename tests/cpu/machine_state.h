#pragma once
// What a native and a simulated run start from and end with: registers and two small windows of memory.
//
// Both runs see the same map, and nothing else:
//   kData  two read-write pages, which also hold the stack; an unmapped page before and after
//   kReadOnly  one page that refuses stores; an unmapped page after it
//   kCode  two pages that can be read, written and executed, filled with INT3; an unmapped page before and
//   after
// All addresses are below 2 GiB, so that every addressing mode, 32-bit ones included, can reach them.
#include <array>
#include <string>

#include "sim/base/fault.h"
#include "sim/base/units.h"

namespace lastbranch::host {

inline constexpr u64 kData = 0x10000000;
inline constexpr u64 kDataSize = 2 * kPageSize;
inline constexpr u64 kReadOnly = kData + kDataSize + kPageSize;
inline constexpr u64 kCode = 0x20000000;
inline constexpr u64 kCodeSize = 2 * kPageSize;
/// Where RSP points unless a test says otherwise: 2 KiB below the end of the data window.
inline constexpr u64 kStack = kData + kDataSize - 0x800;
/// Where code starts unless a test says otherwise.
inline constexpr u64 kEntry = kCode + 0x400;

/// GPR numbers as the encoding has them.
enum : unsigned { RAX, RCX, RDX, RBX, RSP, RBP, RSI, RDI, R8, R9, R10, R11, R12, R13, R14, R15 };

using Xmm = std::array<u8, 16>;
using Window = std::array<u8, kDataSize>;

struct Regs {
  std::array<u64, 16> gpr{};
  u64 rip = kEntry;
  u64 rflags = 0x202;
  u64 gs_base = 0;
  u64 fs_base = 0;  ///< simulated runs only: the host process needs its own
  std::array<Xmm, 16> xmm{};
  u32 mxcsr = 0x1f80;
  // x87 as FXSAVE has it: `st` is in stack order, `valid` has a bit per physical register.
  u16 fcw = 0x37f;
  u16 fsw = 0;  ///< TOP in bits 13:11
  u8 valid = 0;
  u16 fop = 0;
  u64 fip = 0, fdp = 0;
  std::array<std::array<u8, 10>, 8> st{};
};

/// Registers and memory. Large (16 KiB): keep few of them, on the heap or static.
struct Image {
  Regs regs;
  Window data{};
  Window code{};

  Image() {
    code.fill(0xcc);
    regs.gpr[RSP] = kStack;
  }
  /// Puts `size` bytes of code at kEntry, or at `address` in the code window.
  void put_code(const u8* bytes, std::size_t size, u64 address = kEntry);
};

/// How a run ended.
struct Outcome {
  bool filler =
      false;  ///< at an INT3 that the program does not contain: the end of the code; `rip` is its address
  bool limit = false;  ///< the instruction limit was reached
  Fault fault{};       ///< otherwise: the exception, whose instruction had no effect; `rip` is its address
  u64 executed = 0;    ///< instructions completed; 0 after native runs that were not stepped
  Image after;

  [[nodiscard]] bool faulted() const { return !filler && !limit; }
};

/// What a comparison leaves out.
struct Ignore {
  u64 flags = 0;  ///< RFLAGS bits that the manual leaves undefined
  u16 fsw = 0;    ///< x87 status bits, e.g. undefined C0-C3
  u32 mxcsr = 0;
  bool x87_pointers = true;  ///< FIP, FDP, FOP: AMD saves them only with a pending exception
  bool x87_empty = false;    ///< contents of empty x87 registers
  bool x87 = false;          ///< all x87 state
  bool pf_write =
      false;  ///< the W bit of a page fault's error code: read-modify-write differs between processors
};

/// One line per difference, "  rax: native 0x1, simulated 0x2"; empty when the outcomes agree.
[[nodiscard]] std::string differences(const Outcome& native, const Outcome& simulated,
                                      const Ignore& ignore = {});

/// "#GP(0)", "#PF(0x6) at 0x10002000", "end of code".
[[nodiscard]] std::string describe(const Outcome& outcome);

}  // namespace lastbranch::host
