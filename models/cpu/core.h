#pragma once
// One hart: the processor state, its block cache and the loop that runs blocks until there is a reason to
// stop.
//
// A template over its policies, so that nothing on the way of an instruction or a branch is a virtual call:
//   P::Hub    void branch(const RetiredBranch&): takes every retired taken branch
//   P::Timing static u64 now(const Cpu&): core cycles since reset, at the end of a block;
//   instructions_within(cycles) P::V      Fast or Observed (exec/exec.h)
// It names neither the LBR nor the PMU. Modelled: 64-bit mode; supervisor instructions
// and IDT delivery are cpu::System's, between two runs.
// Not modelled: wrong-path execution.
#include <utility>

#include "models/cpu/block.h"
#include "models/cpu/control.h"
#include "models/cpu/exec/branch.h"
#include "models/cpu/exec/rows.h"
#include "models/cpu/exec/sse.h"
#include "models/cpu/mem.h"
#include "models/cpu/op_table.h"
#include "sim/base/assert.h"
#include "sim/base/ledger.h"

namespace lastbranch::cpu {

/// One cycle per instruction.
struct UnitTiming {
  static constexpr u32 kMostCycles = 1;  ///< of one instruction
  static u64 now(const Cpu& c) { return c.retired(); }
  /// Instructions that surely fit into `cycles`.
  static u64 instructions_within(u64 cycles) { return cycles; }
};

/// What run() did.
struct RunResult {
  u64 instructions;  ///< retired
  Exit why;          ///< kLimit, kFault, kIntercept; with a cpu::System also kSystem or kStep
};

/// The operation table of policies P; one per process and instantiation.
template <class P>
const OpTable& op_table() {
  using V = typename P::V;
  static const OpTable kTable({.fall_through = &fall_through<V>,
                               .undefined = &undefined,
                               .no_device = &no_device,
                               .fetch_fault = &fetch_fault,
                               .fuse = &BranchOps<P>::fuse},
                              {BranchOps<P>::kRows,   int_alu_rows<V>(),     int_shift_rows<V>(),
                               int_muldiv_rows<V>(),  int_move_rows<V>(),    int_conditional_rows<V>(),
                               int_stack_rows<V>(),   int_bit_rows<V>(),     int_string_rows<V>(),
                               int_misc_rows<V>(),    system_rows<V>(),      x87_arith_rows<V>(),
                               x87_compare_rows<V>(), x87_move_rows<V>(),    x87_transcendental_rows<V>(),
                               x87_control_rows<V>(), mmx_int_rows<V>(),     mmx_move_rows<V>(),
                               mmx_convert_rows<V>(), fxsave_rows<V>(),      sse_move_rows<V>(),
                               sse_int_rows<V>(),     sse_shuffle_rows<V>(), sse_float_rows<V>(),
                               sse_convert_rows<V>(), sse_string_rows<V>(),  sse_control_rows<V>()});
  return kTable;
}

/// How a run ends at its limit.
enum class Stop : u8 {
  kExactly,  ///< after exactly that many instructions
  kNear,     ///< or sooner, rather than execute a part of a block instruction by instruction
};

/// Stands in for the instruction before which a block is to be left.
inline const Insn* leave_block(Cpu& c, const Insn* i) {
  c.at = i;
  c.exit = Exit::kPart;
  return nullptr;
}

template <class P>
class Core {
 public:
  using Hub = typename P::Hub;

  /// A hart over `memory`, translating by `walker`, announcing branches to `hub`. All must outlive it.
  Core(PhysMem& memory, Walker& walker, Hub& hub, Ledger& ledger)
      : blocks_(op_table<P>()), tlb_(std::make_unique<TlbBank>()), jumps_(make_jumps()) {
    cpu_.memory = &memory;
    cpu_.walker = &walker;
    cpu_.hub = &hub;
    cpu_.ledger = &ledger;
    cpu_.tlb = tlb_.get();
    cpu_.blocks = &blocks_;
    cpu_.jumps = jumps_.get();
    cpu_.tlb_banks[1] = cpu_.tlb;
    cpu_.jump_banks[1] = cpu_.jumps;
    cpu_.fold = [](void* self) { static_cast<Core*>(self)->fold(); };
    cpu_.fold_self = this;
    cpu_.cycles = [](const Cpu& c) { return P::Timing::now(c); };
  }
  Core(const Core&) = delete;
  Core& operator=(const Core&) = delete;

  [[nodiscard]] Cpu& cpu() { return cpu_; }
  [[nodiscard]] const Cpu& cpu() const { return cpu_; }

  /// Executes at most `limit` instructions, as many as `stop` says unless something else ends the run (a
  /// device with Cpu::end_run, too, by kLimit). On kFault, kIntercept and kSystem, Cpu::rip is the
  /// instruction concerned, which has not retired. The ledger is folded when it returns.
  RunResult run(u64 limit, Stop stop = Stop::kExactly) {
    Cpu& c = cpu_;
    const u64 before = c.retired();
    c.left = static_cast<i64>(limit);
    c.clock_end = before + limit;
    c.end_run = false;
    part_of_block_below_ = stop == Stop::kNear ? c.left : 0;
    {
      const HostMxcsr mxcsr(c);
      loop();
    }
    fold();
    return {c.retired() - before, c.exit};
  }

  /// Adds the block executions since the last fold to the ledger: O(blocks executed since).
  void fold() {
    Ledger& ledger = *cpu_.ledger;
    for (Block* b = std::exchange(cpu_.touched, nullptr); b != nullptr;
         b = std::exchange(b->next_touched, nullptr)) {
      ledger.enter(b->context());
      ledger.add(b->counts, b->execs);
      ledger.add(Ev::kCondTaken, b->taken);
      ledger.add(Ev::kTakenBranches, b->taken);
      b->execs = b->taken = 0;
    }
    const u64 now = P::Timing::now(cpu_);
    ledger.enter(context_of(cpu_.cpl, cpu_.guest));
    ledger.add(Ev::kCycles, now - std::exchange(cycles_folded_, now));
    if (blocks_.bytes() > BlockCache::kCapacity) blocks_.clear(cpu_);
  }

 private:
  void loop() {
    Cpu& c = cpu_;
    c.link_from = nullptr;
    while (c.left > 0 && !c.end_run) {
      if (((c.system_flags & rflags::kTF) | c.breakpoints) != 0) [[unlikely]] {
        if (!step()) return;
        continue;
      }
      Block* b = blocks_.find(c, false);
      if (b == nullptr) {
        c.exit = Exit::kFault;
        return;
      }
      if (b->n > c.left) {
        if (c.left < part_of_block_below_) break;
        if (!run_part(*b)) return;
        continue;
      }
      if (c.link_from != nullptr) BlockCache::link(*std::exchange(c.link_from, nullptr), c.link_slot, *b);
      execute(b);
      switch (c.exit) {
        case Exit::kLookup:
        case Exit::kLimit:
          break;
        case Exit::kSingle:
          unwind();
          if (!run_single()) return;
          break;
        default:
          finish_exit();
          return;
      }
    }
    c.exit = Exit::kLimit;
  }

  void execute(Block* b) {
    [[maybe_unused]] const Insn* i = enter(cpu_, b);
#if !LASTBRANCH_THREADED
    Cpu& c = cpu_;
    while (i != nullptr) i = i->fn(c, i);
#endif
  }

  /// The first instructions of `b`, of which fewer are left than it has; false when the run is over. Flags
  /// that the block overwrites are not all written on the way: it is left before an instruction that writes
  /// them all, and that one and those behind it are executed one by one.
  bool run_part(Block& b) {
    Cpu& c = cpu_;
    auto until = static_cast<std::size_t>(c.left) - 1;
    while (until != 0 && (b.info[until].flags_written & rflags::kStatus) != rflags::kStatus) --until;
    if (until < kShortestPart) return run_single();
    c.link_from = nullptr;
    const Op op = std::exchange(b.code()[until].fn, &leave_block);
    const i64 rest = c.left;
    c.clock_end += static_cast<u64>(b.n - rest);
    c.left = b.n;
    execute(&b);
    c.left -= b.n - rest;
    c.clock_end -= static_cast<u64>(b.n - rest);
    b.code()[until].fn = op;
    if (c.exit == Exit::kPart) {
      unwind();
      return true;
    }
    if (c.exit == Exit::kSingle) {
      unwind();
      return run_single();
    }
    finish_exit();
    return false;
  }

  /// One instruction as a block of its own; false when the run is over.
  bool run_single() {
    Cpu& c = cpu_;
    Block* b = blocks_.find(c, true);
    c.link_from = nullptr;
    if (b == nullptr) {
      c.exit = Exit::kFault;
      return false;
    }
    // A budget of one: no other block follows.
    const i64 rest = c.left - 1;
    c.clock_end -= static_cast<u64>(rest);
    c.left = 1;
    c.single = true;
    const u64 taken = b->taken;
    execute(b);
    const u32 facts = b->info->facts;
    c.branched = (facts & fact::kCond) != 0 ? b->taken != taken : (facts & fact::kBranch) != 0;
    c.single = false;
    c.link_from = nullptr;
    const bool over = c.exit != Exit::kLookup && c.exit != Exit::kLimit;
    c.clock_end += static_cast<u64>(rest);
    c.left += rest;
    if (over) finish_exit();
    return !over;
  }

  /// One instruction under RFLAGS.TF or instruction breakpoints; false when the run is over. A user program
  /// gets #DB after each instruction, a cpu::System decides. Source: SDM vol. 3B, "Single-Step Exception
  /// Condition", "Instruction-Breakpoint Exception Condition".
  bool step() {
    Cpu& c = cpu_;
    const bool trace = (c.system_flags & rflags::kTF) != 0;
    if (const u64 hit = hit_breakpoints(c); hit != 0) {
      raise(c, Fault{.vector = Vector::kDB, .address = hit});
      return false;
    }
    if (!run_single()) return false;
    c.system_flags &= ~rflags::kRF;
    if (!trace) return true;
    if (c.has_system) {
      c.exit = Exit::kStep;
    } else {
      c.dr[6] |= u64{1} << 14;
      raise(c, Fault{.vector = Vector::kDB});
    }
    return false;
  }

  /// The block was left before the instruction at Cpu::at: counts what was executed, and points RIP at it.
  void unwind() {
    Cpu& c = cpu_;
    Block& b = *c.block;
    const auto executed = static_cast<std::size_t>(c.at - b.code());
    LASTBRANCH_ASSERT(executed < static_cast<std::size_t>(b.n), "left block {:#x} at instruction {}", b.va,
                      executed);
    c.left += b.n - static_cast<i64>(executed);
    --b.execs;
    if (executed != 0) {
      c.ledger->enter(b.context());
      c.ledger->add(prefix_counts(b, executed), 1);
    }
    c.rip = b.va + b.info[executed].offset;
    c.next_rip = c.rip + c.at->length;
  }

  void finish_exit() {
    Cpu& c = cpu_;
    unwind();
    const u32 facts = c.block->info[c.at - c.block->code()].facts;
    if (c.exit == Exit::kSystem || c.exit == Exit::kIntercept) {
      c.system_insn = *c.at;
      c.system_facts = facts;
    }
    const bool completed = c.exit == Exit::kFault && c.trap_like;
    c.trap_like = false;
    if (completed) retire_intercepted(c, facts);
  }

  static constexpr std::size_t kShortestPart = 4;  ///< instructions; fewer are executed one by one

  Cpu cpu_;
  BlockCache blocks_;
  std::unique_ptr<TlbBank> tlb_;
  std::unique_ptr<JumpEntry[]> jumps_;
  u64 cycles_folded_ = 0;
  i64 part_of_block_below_ = 0;  ///< with less than this left no part of a block is begun
};

}  // namespace lastbranch::cpu
