// Random sequences natively and simulated: run whole, stopped at every instruction, and faulting at every
// instruction.
#include <memory>

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "tests/cpu/host_oracle.h"
#include "tests/cpu/sequence.h"
#include "tests/cpu/sse_rows.h"

namespace lastbranch::host {
namespace {

constexpr u64 kEnough = 100000;

struct Work {
  Sequence sequence;
  Outcome native, simulated;
};
std::unique_ptr<Work> work() {
  return std::make_unique<Work>();
}

::testing::AssertionResult same(const Work& w, std::string_view what) {
  const std::string text = differences(w.native, w.simulated, w.sequence.ignore_at(w.native.after.regs.rip));
  if (text.empty()) return ::testing::AssertionSuccess();
  return ::testing::AssertionFailure() << what << "\n"
                                       << text << disassemble(w.sequence.instance.code, kEntry);
}

TEST(SequenceHost, whole_sequences_agree) {
  const auto w = work();
  SequenceGenerator sequences(1);
  for (unsigned n = 0; n < 4000; ++n) {
    sequences.make({.length = 20 + n % 31}, w->sequence);
    NativeCpu::instance().step(w->sequence.instance.before, kEnough, w->native);
    simulated().run(w->sequence.instance.before, w->simulated);
    ASSERT_TRUE(same(*w, fmt::format("sequence {}", n)));
  }
}

TEST(SequenceHost, a_stop_at_every_instruction_agrees) {
  const auto w = work();
  SequenceGenerator sequences(2);
  for (unsigned n = 0; n < 150; ++n) {
    sequences.make({.length = 24}, w->sequence);
    for (u64 limit = 1; limit <= 24; ++limit) {
      NativeCpu::instance().step(w->sequence.instance.before, limit, w->native);
      simulated().run(w->sequence.instance.before, w->simulated, limit);
      // A fault and a limit may fall together: then both are right to report either.
      if (w->native.filler && w->native.executed == limit) break;
      ASSERT_TRUE(same(*w, fmt::format("sequence {} stopped after {}", n, limit)));
      if (!w->native.limit) break;
    }
  }
}

TEST(SequenceHost, pieces_of_any_size_make_no_difference) {
  const auto w = work();
  SequenceGenerator sequences(3);
  for (unsigned n = 0; n < 400; ++n) {
    sequences.make({.length = 40}, w->sequence);
    NativeCpu::instance().step(w->sequence.instance.before, kEnough, w->native);
    for (const u64 piece : {1u, 2u, 3u, 7u}) {
      simulated().run(w->sequence.instance.before, w->simulated, kEnough, piece);
      ASSERT_TRUE(same(*w, fmt::format("sequence {} in pieces of {}", n, piece)));
    }
  }
}

/// Vector instructions among the others: their flags (COMISD, PTEST), their faults and MXCSR's sticky bits.
TEST(SequenceHost, sequences_with_vector_instructions_agree) {
  const auto w = work();
  SequenceGenerator sequences(
      10, {xmm_move_rows(), xmm_integer_rows(), xmm_shuffle_rows(), xmm_float_rows(), xmm_convert_rows()});
  for (unsigned n = 0; n < 2000; ++n) {
    sequences.make(
        {.length = 40, .fault_one_in = n % 2 == 0 ? 0u : 100u, .patches = n % 8 == 0, .rounds = 1 + n % 3},
        w->sequence);
    NativeCpu::instance().step(w->sequence.instance.before, kEnough, w->native);
    simulated().run(w->sequence.instance.before, w->simulated, kEnough, n % 5 == 0 ? 3 : 0);
    ASSERT_TRUE(same(*w, fmt::format("sequence {}", n)));
  }
}

TEST(SequenceHost, loops_of_several_rounds_agree) {
  const auto w = work();
  SequenceGenerator sequences(5);
  for (unsigned n = 0; n < 400; ++n) {
    sequences.make({.length = 30, .fault_one_in = 0, .rounds = 2 + n % 4}, w->sequence);
    NativeCpu::instance().step(w->sequence.instance.before, kEnough, w->native);
    simulated().run(w->sequence.instance.before, w->simulated, kEnough, n % 3 == 0 ? 5 : 0);
    ASSERT_TRUE(same(*w, fmt::format("sequence {}", n)));
  }
}

/// Code that rewrites instructions ahead of itself, in every round anew, with and without stops in between.
TEST(SequenceHost, self_modifying_loops_agree) {
  const auto w = work();
  SequenceGenerator sequences(6);
  for (unsigned n = 0; n < 1500; ++n) {
    sequences.make(
        {.length = 24, .branches = n % 2 == 0, .fault_one_in = 0, .patches = true, .rounds = 1 + n % 5},
        w->sequence);
    NativeCpu::instance().step(w->sequence.instance.before, kEnough, w->native);
    for (const u64 piece : {0u, 1u, 4u}) {
      simulated().run(w->sequence.instance.before, w->simulated, kEnough, piece);
      ASSERT_TRUE(same(*w, fmt::format("sequence {} in pieces of {}", n, piece)));
    }
  }
}

TEST(SequenceHost, self_modifying_loops_stop_at_every_instruction) {
  const auto w = work();
  SequenceGenerator sequences(7);
  for (unsigned n = 0; n < 40; ++n) {
    sequences.make({.length = 12, .fault_one_in = 0, .patches = true, .rounds = 3}, w->sequence);
    for (u64 limit = 1; limit <= 48; ++limit) {
      NativeCpu::instance().step(w->sequence.instance.before, limit, w->native);
      simulated().run(w->sequence.instance.before, w->simulated, limit);
      ASSERT_TRUE(same(*w, fmt::format("sequence {} stopped after {}", n, limit)));
      if (!w->native.limit) break;
    }
  }
}

/// The page boundary falls anywhere into the sequence, also into instructions, also into ones that are
/// rewritten.
TEST(SequenceHost, sequences_across_a_page_boundary_agree) {
  const auto w = work();
  SequenceGenerator sequences(8);
  for (unsigned n = 0; n < 600; ++n) {
    const u64 address = kCode + kPageSize - 1 - n % 200;
    sequences.make(
        {.length = 30, .address = address, .fault_one_in = 0, .patches = n % 2 == 0, .rounds = 1 + n % 3},
        w->sequence);
    NativeCpu::instance().step(w->sequence.instance.before, kEnough, w->native);
    for (const u64 piece : {0u, 1u}) {
      simulated().run(w->sequence.instance.before, w->simulated, kEnough, piece);
      ASSERT_TRUE(same(*w, fmt::format("sequence {} at {:#x}", n, address)));
    }
  }
}

TEST(SequenceHost, sequences_that_run_off_the_end_fault_on_the_fetch) {
  const auto w = work();
  SequenceGenerator sequences(9);
  for (unsigned n = 0; n < 100; ++n) {
    const u64 address = kCode + kCodeSize - 1 - n;
    sequences.make({.length = 30, .address = address, .branches = false, .fault_one_in = 0}, w->sequence);
    NativeCpu::instance().step(w->sequence.instance.before, kEnough, w->native);
    ASSERT_TRUE(w->native.faulted()) << describe(w->native);
    simulated().run(w->sequence.instance.before, w->simulated);
    ASSERT_TRUE(same(*w, fmt::format("sequence {} at {:#x}", n, address)));
  }
}

/// One instruction of a straight sequence after the other is replaced by one that faults: a block that is
/// left early has executed, and counts, its prefix only, and every flag of it is there.
TEST(SequenceHost, a_fault_at_every_position_leaves_the_executed_prefix) {
  const auto w = work();
  SequenceGenerator sequences(4);
  const std::vector<u8> faulting[] = {
      {0x0f, 0x0b},                                            // ud2
      {0x48, 0x8b, 0x04, 0x25, 0x00, 0x20, 0x00, 0x10},        // mov rax, [unmapped]
      {0x89, 0x0c, 0x25, 0x00, 0x30, 0x00, 0x10},              // mov [read-only], ecx
      {0x48, 0x01, 0x04, 0x25, 0xfc, 0x1f, 0x00, 0x10},        // add [across the end], rax
      {0x3b, 0x04, 0x25, 0x00, 0x20, 0x00, 0x10, 0x74, 0x00},  // cmp eax, [unmapped]; jz
      {0x31, 0xd2, 0x31, 0xc9, 0xf7, 0xf1},                    // xor edx, edx; xor ecx, ecx; div ecx
      {0xf4},                                                  // hlt
  };
  for (unsigned n = 0; n < 60; ++n) {
    sequences.make({.length = 20, .branches = false, .fault_one_in = 0}, w->sequence);
    const std::vector<u8> code = w->sequence.instance.code;
    for (std::size_t at = 0; at + 1 < w->sequence.starts.size(); ++at) {
      const auto& fault = faulting[(n + at) % std::size(faulting)];
      const std::size_t offset = w->sequence.starts[at] - kEntry;
      std::vector<u8> changed(code.begin(), code.begin() + static_cast<std::ptrdiff_t>(offset));
      changed.insert(changed.end(), fault.begin(), fault.end());
      changed.insert(changed.end(), code.begin() + static_cast<std::ptrdiff_t>(offset), code.end());
      w->sequence.instance.code = changed;
      w->sequence.instance.before.put_code(changed.data(), changed.size());
      NativeCpu::instance().step(w->sequence.instance.before, kEnough, w->native);
      simulated().run(w->sequence.instance.before, w->simulated);
      const Ignore ignore = fault.size() == 6 ? Ignore{} : w->sequence.ignore_at(kEntry + offset);
      const std::string text = differences(w->native, w->simulated, ignore);
      ASSERT_TRUE(text.empty()) << fmt::format("sequence {} with a fault at {}\n", n, at) << text
                                << disassemble(changed, kEntry);
      if (w->native.after.regs.rip < kEntry + offset) break;  // a division in front of it faults already
      ASSERT_EQ(w->native.executed, at + (fault.size() == 6 ? 2 : 0));
    }
    w->sequence.instance.code = code;
  }
}

}  // namespace
}  // namespace lastbranch::host
