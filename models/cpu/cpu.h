#pragma once
// The state of one logical processor, standard-layout: what the interpreter's functions get as their first
// argument, and what a translating engine would address by offset.
//
// Modelled: 64-bit mode register state, lazy flags, segment bases and selectors, control registers, x87/SSE
// state. Not modelled here: segment limits outside the boards that need them, AVX state. Sources: SDM vol. 1
// "Basic Execution Environment"; vol. 3A "Control Registers".
#include <array>
#include <memory>

#include "models/cpu/flags.h"
#include "models/cpu/insn.h"
#include "models/cpu/intercept.h"
#include "models/cpu/system_op.h"
#include "models/cpu/tlb.h"
#include "models/cpu/walk.h"
#include "models/cpu/x87.h"
#include "sim/base/fault.h"
#include "sim/base/phys_mem.h"
#include "sim/base/units.h"

namespace lastbranch {
class BusAccess;
class MsrBus;
class Ledger;
}  // namespace lastbranch

namespace lastbranch::cpu {

struct Block;
class BlockCache;

/// A slot of the cache from indirect branch targets to blocks.
struct JumpEntry {
  u64 va = 0;
  Block* block = nullptr;
};
inline constexpr u64 kJumpSlots = 4096;
[[nodiscard]] constexpr u64 jump_slot(u64 va) {
  return (va ^ (va >> 12)) & (kJumpSlots - 1);
}
/// What stands in `slot` while no block does: an address of another slot, so that no target is equal to it.
[[nodiscard]] constexpr JumpEntry empty_jump(u64 slot) {
  return {.va = slot == 0 ? u64{1} : 0, .block = nullptr};
}
/// Empties the kJumpSlots slots of `jumps`.
inline void forget_jumps(JumpEntry* jumps) {
  for (u64 slot = 0; slot < kJumpSlots; ++slot) jumps[slot] = empty_jump(slot);
}
/// Empty slots for `banks` caches.
[[nodiscard]] inline std::unique_ptr<JumpEntry[]> make_jumps(u64 banks = 1) {
  auto jumps = std::make_unique<JumpEntry[]>(banks * kJumpSlots);
  for (u64 bank = 0; bank < banks; ++bank) forget_jumps(jumps.get() + bank * kJumpSlots);
  return jumps;
}

/// What CPUID returns.
struct CpuidResult {
  u32 eax = 0, ebx = 0, ecx = 0, edx = 0;
  bool operator==(const CpuidResult&) const = default;
};

/// GPR numbers as the encoding has them.
enum Gpr : u8 {
  kRax,
  kRcx,
  kRdx,
  kRbx,
  kRsp,
  kRbp,
  kRsi,
  kRdi,
  kR8,
  kR9,
  kR10,
  kR11,
  kR12,
  kR13,
  kR14,
  kR15
};

/// Byte offsets in Cpu::r of the slots that are not GPRs: always 0, and the bases of FS and GS as address
/// parts.
inline constexpr u8 kZeroReg = 16 * 8;
inline constexpr u8 kFsBase = 17 * 8;
inline constexpr u8 kGsBase = 18 * 8;

struct alignas(16) Xmm {
  u8 bytes[16];
};

/// Why the interpreter stopped.
enum class Exit : u8 {
  kLimit,      ///< the instruction limit is reached; `rip` is the next instruction
  kLookup,     ///< the next block is not chained yet (internal to Hart::run)
  kFault,      ///< `fault` is pending for the instruction at `rip`, which had no effect
  kIntercept,  ///< `sensitive` at `rip` was intercepted, no effect yet; `next_rip` is after it
  kSingle,     ///< the instruction at `rip` must be executed alone (store into code; internal to Hart::run)
  kSystem,     ///< `system_insn` at `rip` is for cpu::System to execute, no effect yet
  kStep,       ///< an instruction was completed with RFLAGS.TF set; `branched` says whether it branched
  kPart,       ///< before the instruction at `at`, with a part of its block executed (internal to Core::run)
  kAgain,      ///< a further TLB miss of an instruction being executed alone (internal to resolve())
};

/// What a memory access that missed the TLB wanted.
enum class Miss : u8 { kNone, kLoad, kStore };

/// Segment registers in the encoding's order.
enum Segment : u8 { kEs, kCs, kSs, kDs, kFs, kGs };

/// GDTR or IDTR.
struct TableRegister {
  u64 base = 0;
  u16 limit = 0xffff;
};
/// LDTR or TR with its hidden part; limit 0 where nothing is loaded.
struct SystemSegment {
  u16 selector = 0;
  u64 base = 0;
  u32 limit = 0;
};

/// Cpu::gates: which groups of instructions CR0 and CR4 refuse. Bits of a block's mode.
namespace gate {
inline constexpr u32 kTs = 1 << 3;        ///< CR0.TS: x87, MMX and SSE raise #NM
inline constexpr u32 kEm = 1 << 4;        ///< CR0.EM: x87 raises #NM, MMX and SSE #UD
inline constexpr u32 kNoOsfxsr = 1 << 5;  ///< CR4.OSFXSR clear: SSE raises #UD
inline constexpr u32 kWait = 1 << 6;      ///< CR0.MP and TS: WAIT raises #NM
inline constexpr u32 kAll = kTs | kEm | kNoOsfxsr | kWait;
}  // namespace gate

struct Cpu {
  // Hot: what nearly every instruction touches.
  std::array<u64, 20> r{};  ///< 16 GPRs, then the slots named above
  Flags f;
  i64 left = 0;            ///< instructions to go before the interpreter stops
  Block* block = nullptr;  ///< the block being executed
  TlbBank* tlb = nullptr;
  void* hub = nullptr;  ///< branch hub; the branch handlers know its type
  u64 clock_end = 0;    ///< retired instructions when `left` reaches 0
  JumpEntry* jumps = nullptr;
  Block* touched =
      nullptr;  ///< blocks executed since the ledger was last folded, linked by Block::next_touched

  // Leaving the interpreter.
  u64 rip = 0;
  u64 next_rip = 0;
  Block* link_from = nullptr;  ///< kLookup: block to chain to the one that is found, or nullptr
  u8 link_slot = 0;            ///< which of its two links
  Exit exit = Exit::kLimit;
  Sensitive sensitive = Sensitive::kCpuid;
  bool single = false;       ///< executing one instruction alone: stores into code are allowed
  bool end_run = false;      ///< set by a device that is written: the run ends behind the instruction
  bool branched = false;     ///< kStep: the instruction took a branch
  bool trap_like = false;    ///< kFault: the instruction completed, RIP is reported behind it (INT3)
  const Insn* at = nullptr;  ///< kFault, kSingle: the instruction that did not complete
  Fault fault;
  SystemOp system_op = SystemOp::kHlt;  ///< kSystem, with the next two
  Insn system_insn;
  u32 system_facts = 0;  ///< fact:: bits

  // Observed variants only: called after each instruction that completed.
  void (*observer)(void* self, Cpu& c, const Insn* i) = nullptr;
  void* observer_self = nullptr;

  u64 system_flags = rflags::kFixed1 | rflags::kIF;  ///< RFLAGS without the six status flags

  // Vector and x87 state. While run() executes, the host's MXCSR holds the guest's (see exec/sse.h).
  alignas(16) std::array<Xmm, 16> xmm{};
  u32 mxcsr = 0x1f80;
  X87 x87;

  // Memory: what the TLB's fast path leaves behind when it misses, and the slow paths' buffer.
  u64 miss_address = 0;
  u32 miss_size = 0;
  Miss miss = Miss::kNone;
  alignas(16) std::array<u8, 64> scratch{};  ///< operands that cross pages, MMIO data
  bool alone = false;  ///< resolve() is executing one instruction with temporary TLB entries
  Walker* walker = nullptr;
  PhysMem* memory = nullptr;
  BlockCache* blocks = nullptr;
  MsrBus* msrs = nullptr;
  Ledger* ledger = nullptr;
  BusAccess* bus = nullptr;  ///< physical addresses without RAM; nullptr: nothing is there
  CpuidResult (*cpuid)(const void* self, u32 leaf, u32 subleaf) = nullptr;
  const void* cpuid_self = nullptr;
  u64 (*cycles)(const Cpu& c) = nullptr;  ///< core cycles since reset: the timing policy's clock
  void (*fold)(void* core) = nullptr;     ///< folds the ledger, as Core::fold() does
  void* fold_self = nullptr;
  u64 effective_address = 0;  ///< of the newest memory operand; written only in observed variants
  /// TLB banks and jump caches of the supervisor and of the user; `tlb` and `jumps` are those of `cpl`. A
  /// user program has the user's only.
  std::array<TlbBank*, 2> tlb_banks{};
  std::array<JumpEntry*, 4> jump_banks{};  ///< the last two for VMX non-root operation

  // System state.
  u8 cpl = 3;                  ///< changed by set_cpl() (control.h)
  u8 last_supervisor_cpl = 0;  ///< whose blocks the supervisor's jump cache has
  bool guest = false;          ///< VMX non-root operation
  bool has_system = false;     ///< a cpu::System is attached: system instructions leave with kSystem
  u32 gates = 0;               ///< gate:: bits
  u64 breakpoints = 0;         ///< not 0: DR7 enables an instruction breakpoint, instructions run one by one
  std::array<u16, 6> selector{};
  std::array<u8, 6> segment_dpl{};  ///< of the descriptors that were loaded
  TableRegister gdtr, idtr;
  SystemSegment ldtr, tr;
  u64 cr0 = 0x80050033, cr2 = 0, cr3 = 0, cr4 = 0x6b0,
      cr8 = 0;       ///< PE MP ET NE WP AM PG; PAE PGE OSFXSR OSXMMEXCPT DE
  u64 efer = 0xd01;  ///< SCE LME LMA NXE
  std::array<u64, 8> dr{0, 0, 0, 0, 0, 0, 0xffff0ff0, 0x400};
  u64 kernel_gs_base = 0, star = 0, lstar = 0, cstar = 0, fmask = 0;
  u64 sysenter_cs = 0, sysenter_esp = 0, sysenter_eip = 0;
  u64 tsc_offset = 0;
  u32 tsc_aux = 0;
  u64 pat = 0x0007040600070406, mtrr_default_type = 0xc06;  ///< memory types have no effect
  InterceptTable intercept{};

  /// Retired instructions since reset, exact at block boundaries.
  [[nodiscard]] u64 retired() const { return clock_end - static_cast<u64>(left); }
  /// RFLAGS as PUSHF shows them.
  [[nodiscard]] u64 flags() const { return system_flags | f.status(); }
  /// Sets all of RFLAGS; bit 1 stays 1, RF and VM are the caller's business.
  void set_flags(u64 v) {
    system_flags = (v & ~rflags::kStatus) | rflags::kFixed1;
    f.set_status(v);
  }
  [[nodiscard]] u64& fs_base() { return r[17]; }
  [[nodiscard]] u64& gs_base() { return r[18]; }
};

}  // namespace lastbranch::cpu
