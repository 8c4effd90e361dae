// Call-stack mode: CALLs push, RETs pop.
#include <gtest/gtest.h>

#include "sim/base/error.h"
#include "tests/lbr/lbr_probe.h"

namespace lastbranch::lbr {
namespace {

using Froms = std::vector<u64>;

struct Stack : Probe {
  explicit Stack(const LbrParams& p) : Probe(p) { lbr.record_call_stack(true); }
  void call(u64 from) { take(from, BranchKind::kRelCall); }
  void ret() { take(0x9000, BranchKind::kRet); }
};

std::vector<LbrParams> both() {
  return {legacy_part(16, LbrFormat::kFlagsTsx), legacy_part(), arch_part()};
}

// Rows: lbr-5-required, lbr-4-en-callstack
TEST(LbrCallStack, is_selected_as_the_manual_demands) {
  Stack legacy(legacy_part());
  EXPECT_EQ(legacy.read(kSelect), kStackSelect | 1);
  Stack arch(arch_part());
  EXPECT_EQ(arch.read(0x14ce), 0x38'000du) << "enable, USR, CALL_STACK, near CALLs and RET";
  LbrParams without = legacy_part();
  without.has_call_stack = false;
  Probe p(without);
  EXPECT_THROW(p.lbr.record_call_stack(true), Error);
  EXPECT_EQ(p.write(kSelect, 0x200), MsrFault::kReserved);
}

// Rows: lbr-5-call, lbr-5-ret, lbr-5-arch-ret
TEST(LbrCallStack, calls_push_and_returns_pop) {
  for (const LbrParams& part : both()) {
    Stack s(part);
    s.call(0x100);
    s.take(0x200, BranchKind::kIndCall);
    s.call(0x300);
    EXPECT_EQ(s.froms(), (Froms{0x300, 0x200, 0x100}));
    s.ret();
    EXPECT_EQ(s.froms(), (Froms{0x200, 0x100})) << "a RET is never recorded";
    s.call(0x400);
    EXPECT_EQ(s.froms(), (Froms{0x400, 0x200, 0x100}));
    s.ret();
    s.ret();
    s.ret();
    EXPECT_TRUE(s.froms().empty());
  }
}

// Rows: lbr-5-ret, lbr-3-meaning
TEST(LbrCallStack, return_clears_the_record_and_moves_the_index_back) {
  Stack s(legacy_part());
  s.call(0x100);
  s.call(0x200);
  EXPECT_EQ(s.read(kTos), 2u);
  s.ret();
  EXPECT_EQ(s.read(kTos), 1u);
  EXPECT_EQ(s.read(0x682), 0u);
  EXPECT_EQ(s.read(0x6c2), 0u);
  EXPECT_EQ(s.read(0xdc2), 0u);
  EXPECT_EQ(s.read(0x681), 0x100u);
}

// Rows: lbr-5-arch-ret
TEST(LbrCallStack, return_shifts_architectural_records_and_clears_the_last) {
  for (const u64 depth : {u64{8}, u64{16}, u64{32}}) {
    Stack s(arch_part());
    ASSERT_EQ(s.write(0x14cf, depth), MsrFault::kNone);
    for (u64 n = 1; n <= depth + 4; ++n) s.call(n << 8);
    const u32 last = static_cast<u32>(0x1500 + depth - 1);
    EXPECT_EQ(s.read(last), 5u << 8);
    s.ret();
    EXPECT_EQ(s.read(0x1500), (depth + 3) << 8);
    EXPECT_EQ(s.read(last), 0u) << depth;
    EXPECT_EQ(s.read(last - 1), 5u << 8);
  }
}

// Rows: lbr-5-zero-length
TEST(LbrCallStack, call_of_the_next_instruction_is_not_pushed) {
  for (const LbrParams& part : both()) {
    Stack s(part);
    s.call(0x100);
    s.lbr.push({.from = 0x200,
                .to = 0x205,
                .time = 50,
                .kind = BranchKind::kRelCall,
                .length = 5,
                .cpl_from = 3,
                .cpl_to = 3});
    EXPECT_EQ(s.froms(), (Froms{0x100}));
    s.lbr.select(0);
    s.lbr.push({.from = 0x200,
                .to = 0x205,
                .time = 60,
                .kind = BranchKind::kRelCall,
                .length = 5,
                .cpl_from = 3,
                .cpl_to = 3});
    EXPECT_EQ(s.froms(), (Froms{0x200, 0x100})) << "outside the mode it is a branch like others";
  }
}

// Rows: lbr-5-overflow
TEST(LbrCallStack, one_call_too_deep_loses_the_oldest_frame) {
  for (const LbrParams& part : both()) {
    Stack s(part);
    const u64 depth = s.lbr.depth();
    for (u64 n = 1; n <= depth + 1; ++n) s.call(n << 8);
    const Froms all = s.froms();
    ASSERT_EQ(all.size(), depth);
    EXPECT_EQ(all.front(), (depth + 1) << 8);
    EXPECT_EQ(all.back(), 2u << 8);
    for (u64 n = 0; n < depth; ++n) s.ret();
    EXPECT_TRUE(s.froms().empty());
  }
}

// Rows: lbr-5-underflow
TEST(LbrCallStack, return_with_an_empty_stack_moves_the_index_unless_told_otherwise) {
  Stack moves(legacy_part());
  moves.ret();
  EXPECT_EQ(moves.read(kTos), 31u);
  moves.call(0x100);
  EXPECT_EQ(moves.read(kTos), 0u);

  LbrParams part = legacy_part();
  part.quirks.underflow_moves_tos = false;
  Stack stays(part);
  stays.ret();
  EXPECT_EQ(stays.read(kTos), 0u);

  Stack arch(arch_part());
  arch.ret();
  EXPECT_TRUE(arch.froms().empty());
  for (u32 i = 0; i < 32; ++i) EXPECT_EQ(arch.read(0x1500 + i), 0u);
}

// Rows: lbr-5-far, lbr-5-mismatch
TEST(LbrCallStack, interrupts_leave_it_alone_and_calls_of_the_handler_do_unless_filtered) {
  for (const bool user_only : {true, false}) {
    Probe s(legacy_part());
    s.lbr.record_call_stack(user_only);
    s.take(0x100, BranchKind::kRelCall);
    s.lbr.push(branch(0x150, kKernel, 20, BranchKind::kInterrupt, 3, 0));
    s.lbr.push(branch(kKernel, kKernel + 0x80, 30, BranchKind::kRelCall, 0, 0));
    s.lbr.push(branch(kKernel + 0x90, 0x150, 40, BranchKind::kIret, 0, 3));
    EXPECT_EQ(s.froms(), user_only ? (Froms{0x100}) : (Froms{kKernel, 0x100}))
        << "a handler that leaves by IRET without RET leaves its frame";
  }
}

// Rows: lbr-6-inserts
TEST(LbrCallStack, inserts_count_records_written_and_records_removed) {
  Stack s(legacy_part());
  s.call(0x100);
  s.call(0x200);
  EXPECT_EQ(s.lbr.inserts(), 2u);
  s.ret();
  EXPECT_EQ(s.lbr.inserts(), 3u);
  s.ret();
  s.ret();
  EXPECT_EQ(s.lbr.inserts(), 4u) << "nothing was left to remove";
  s.take(0x300, BranchKind::kJcc);
  EXPECT_EQ(s.lbr.inserts(), 4u) << "filtered";
  s.lbr.select(0);
  for (int n = 0; n < 100; ++n) s.take(0x300, BranchKind::kJcc);
  EXPECT_EQ(s.lbr.inserts(), 104u);
}

// Rows: lbr-5-cycles
TEST(LbrCallStack, cycles_run_from_the_last_push_or_with_the_option_from_the_last_pop) {
  for (const bool restarts : {false, true}) {
    LbrParams part = legacy_part();
    part.quirks.pop_restarts_cycles = restarts;
    Stack s(part);
    s.call(0x100);
    s.call(0x200);
    s.ret();
    s.call(0x300);
    const auto all = s.lbr.entries();
    EXPECT_EQ(all.at(0).cycles, restarts ? 10 : 20);
    EXPECT_EQ(all.at(1).cycles, 0) << "the first";
  }
}

// Rows: lbr-5-freeze, lbr-9-q3
TEST(LbrCallStack, freezing_may_move_the_index_once_more) {
  LbrParams part = legacy_part();
  part.quirks.cs_freeze_tos_glitch = true;
  Stack s(part);
  s.call(0x100);
  s.call(0x200);
  s.lbr.set_frozen(true);
  EXPECT_EQ(s.read(kTos), 3u) << "after a CALL: incremented again";
  s.lbr.set_frozen(false);
  ASSERT_EQ(s.write(kTos, 2), MsrFault::kNone);
  s.ret();
  s.lbr.legacy_freeze();
  EXPECT_EQ(s.read(kTos), 0u) << "after a RET: decremented again";
  Probe plain(part);
  plain.take(0x100);
  plain.lbr.set_frozen(true);
  EXPECT_EQ(plain.read(kTos), 1u) << "only in this mode";
}

// Rows: lbr-5-context-switch, lbr-3-write
TEST(LbrCallStack, is_saved_and_rewritten_by_a_context_switch) {
  for (const LbrParams& part : both()) {
    Stack s(part);
    for (u64 n = 1; n <= 5; ++n) s.call(n << 8);
    std::vector<std::pair<u32, u64>> saved;
    for (const auto& msr : s.bus.list()) {
      if (s.bus.read(msr.index).ok() && msr.index != 0x14cf) saved.emplace_back(msr.index, s.read(msr.index));
    }
    Stack other(part);
    for (u64 n = 1; n <= 9; ++n) other.call(n << 12);
    for (const auto& [index, value] : saved) ASSERT_EQ(other.write(index, value), MsrFault::kNone) << index;
    EXPECT_EQ(other.froms(), (Froms{0x500, 0x400, 0x300, 0x200, 0x100}));
    other.ret();
    EXPECT_EQ(other.froms(), (Froms{0x400, 0x300, 0x200, 0x100}));
  }
}

}  // namespace
}  // namespace lastbranch::lbr
