// What the core promises beyond single instructions: counts, records, observation, traps, and answers that
// only our own tables can give.
#include "models/cpu/core.h"

#include <array>
#include <memory>

#include <Zydis/Zydis.h>
#include <fmt/format.h>
#include <gtest/gtest.h>

#include "models/cpu/cpuid.h"
#include "models/cpu/uarch/skylake.h"
#include "tests/cpu/host_oracle.h"
#include "tests/cpu/sequence.h"

namespace lastbranch::host {
namespace {

/// All facts of the ledger, over all contexts.
using Totals = std::array<u64, kEvCount>;
Totals totals(const SimCpu& cpu) {
  Totals t{};
  for (std::size_t e = 0; e < kEvCount; ++e) t[e] = cpu.ledger().total(static_cast<Ev>(e));
  return t;
}
Totals difference(const Totals& after, const Totals& before) {
  Totals t{};
  for (std::size_t e = 0; e < kEvCount; ++e) t[e] = after[e] - before[e];
  return t;
}
u64 of(const Totals& t, Ev e) {
  return t[static_cast<std::size_t>(e)];
}

/// A run and what was counted and recorded during it.
struct Counted {
  Outcome outcome;
  Totals counts{};
  std::vector<RetiredBranch> branches;
};
std::unique_ptr<Counted> run(SimCpu& cpu, const Image& before, u64 limit = 1u << 20, u64 piece = 0) {
  auto result = std::make_unique<Counted>();
  const Totals start = totals(cpu);
  cpu.run(before, result->outcome, limit, piece);
  result->counts = difference(totals(cpu), start);
  result->branches = cpu.branches();
  return result;
}

bool same_branch(const RetiredBranch& a, const RetiredBranch& b) {
  return a.from == b.from && a.to == b.to && a.kind == b.kind && a.length == b.length && a.taken == b.taken;
}

TEST(Core, counts_and_branches_do_not_depend_on_the_pieces_of_a_run) {
  SequenceGenerator sequences(20);
  Sequence sequence;
  SimCpu fast, observed(true);
  for (unsigned n = 0; n < 300; ++n) {
    sequences.make({.length = 30, .patches = n % 3 == 0, .rounds = 1 + n % 4}, sequence);
    const auto whole = run(fast, sequence.instance.before);
    ASSERT_EQ(of(whole->counts, Ev::kInstructions),
              whole->outcome.executed + (whole->outcome.filler ? 1 : 0));
    ASSERT_EQ(of(whole->counts, Ev::kCycles), of(whole->counts, Ev::kInstructions));
    ASSERT_EQ(of(whole->counts, Ev::kTakenBranches), whole->branches.size());
    for (const u64 piece : {0u, 1u, 3u}) {
      SimCpu& cpu = piece == 0 ? observed : fast;
      const auto pieces = run(cpu, sequence.instance.before, 1u << 20, piece);
      for (std::size_t e = 0; e < kEvCount; ++e) {
        ASSERT_EQ(whole->counts[e], pieces->counts[e]) << kEvNames[e] << " in pieces of " << piece;
      }
      ASSERT_EQ(whole->branches.size(), pieces->branches.size());
      for (std::size_t b = 0; b < whole->branches.size(); ++b) {
        ASSERT_TRUE(same_branch(whole->branches[b], pieces->branches[b]))
            << "branch " << b << ", pieces of " << piece;
        ASSERT_EQ(whole->branches[b].time - whole->branches[0].time,
                  pieces->branches[b].time - pieces->branches[0].time);
      }
    }
  }
}

/// Counts from an independent decoding of each instruction that was executed.
TEST(Core, counts_are_those_of_the_instructions_executed) {
  ZydisDecoder decoder;
  ZydisDecoderInit(&decoder, ZYDIS_MACHINE_MODE_LONG_64, ZYDIS_STACK_WIDTH_64);
  SequenceGenerator sequences(21);
  Sequence sequence;
  SimCpu cpu(true);
  for (unsigned n = 0; n < 300; ++n) {
    sequences.make({.length = 30, .fault_one_in = 40, .rounds = 1 + n % 3}, sequence);
    const Image& before = sequence.instance.before;
    const auto result = run(cpu, before);
    ASSERT_EQ(cpu.observed().size(), result->outcome.executed);
    u64 loads = 0, stores = 0, branches = 0, conditional = 0, locked = 0;
    for (const u64 address : cpu.observed()) {
      ZydisDecodedInstruction insn;
      ZydisDecodedOperand operands[ZYDIS_MAX_OPERAND_COUNT];
      ASSERT_TRUE(ZYAN_SUCCESS(ZydisDecoderDecodeFull(&decoder, &before.code[address - kCode],
                                                      kCode + kCodeSize - address, &insn, operands)));
      bool load = false, store = false;
      for (unsigned k = 0; k < insn.operand_count; ++k) {
        if (operands[k].type != ZYDIS_OPERAND_TYPE_MEMORY || operands[k].mem.type != ZYDIS_MEMOP_TYPE_MEM)
          continue;
        load |= (operands[k].actions & ZYDIS_OPERAND_ACTION_MASK_READ) != 0;
        store |= (operands[k].actions & ZYDIS_OPERAND_ACTION_MASK_WRITE) != 0;
      }
      loads += load;
      stores += store;
      branches += insn.meta.branch_type != ZYDIS_BRANCH_TYPE_NONE;
      conditional += insn.meta.category == ZYDIS_CATEGORY_COND_BR;
      locked +=
          (insn.attributes & ZYDIS_ATTRIB_HAS_LOCK) != 0 || (insn.mnemonic == ZYDIS_MNEMONIC_XCHG && store);
    }
    // The INT3 behind a sequence is a far branch that completes.
    const u64 end = result->outcome.filler ? 1 : 0;
    EXPECT_EQ(of(result->counts, Ev::kLoads), loads);
    EXPECT_EQ(of(result->counts, Ev::kStores), stores);
    EXPECT_EQ(of(result->counts, Ev::kBranches), branches + end);
    EXPECT_EQ(of(result->counts, Ev::kFarBranches), end);
    EXPECT_EQ(of(result->counts, Ev::kCondBranches), conditional);
    EXPECT_EQ(of(result->counts, Ev::kLocked), locked);
    ASSERT_FALSE(::testing::Test::HasFailure()) << disassemble(sequence.instance.code, kEntry);
  }
}

/// Each taken branch leads from an instruction that was executed to the one that was executed next.
TEST(Core, records_connect_the_instructions_executed) {
  SequenceGenerator sequences(22);
  Sequence sequence;
  SimCpu cpu(true);
  for (unsigned n = 0; n < 200; ++n) {
    sequences.make({.length = 40, .rounds = 2}, sequence);
    const auto result = run(cpu, sequence.instance.before);
    std::vector<u64> path = cpu.observed();
    path.push_back(result->outcome.after.regs.rip);
    std::size_t next = 0;
    for (std::size_t k = 0; k + 1 < path.size(); ++k) {
      const bool have = next < result->branches.size();
      if (have && result->branches[next].from == path[k] && result->branches[next].to == path[k + 1]) ++next;
    }
    ASSERT_EQ(next, result->branches.size());
    for (const RetiredBranch& b : result->branches) {
      ASSERT_EQ(b.cpl_from, 3);
      ASSERT_EQ(b.cpl_to, 3);
      ASSERT_TRUE(b.kind == BranchKind::kJcc || b.kind == BranchKind::kRelJmp);
    }
  }
}

TEST(Core, a_limit_is_met_exactly) {
  SequenceGenerator sequences(23);
  Sequence sequence;
  SimCpu cpu;
  sequences.make({.length = 60, .fault_one_in = 0, .rounds = 50}, sequence);
  for (u64 limit = 1; limit < 400; ++limit) {
    const auto result = run(cpu, sequence.instance.before, limit);
    ASSERT_TRUE(result->outcome.limit);
    ASSERT_EQ(result->outcome.executed, limit);
    ASSERT_EQ(of(result->counts, Ev::kInstructions), limit);
  }
}

Image program(std::initializer_list<u8> bytes) {
  Image image;
  image.put_code(bytes.begin(), bytes.size());
  return image;
}

/// Stores to bytes of a code page that hold no code leave its blocks alone: 100,000 of them decode nothing
/// anew.
TEST(Core, stores_beside_code_keep_its_blocks) {
  // l: mov [rip+0x200], eax; dec ecx; jnz l
  Image image = program({0x89, 0x05, 0x00, 0x02, 0, 0, 0xff, 0xc9, 0x75, 0xf6});
  image.regs.gpr[RCX] = 100000;
  SimCpu cpu;
  const auto result = run(cpu, image);
  EXPECT_TRUE(result->outcome.filler);
  EXPECT_EQ(result->outcome.executed, 300000u);
  EXPECT_LE(cpu.cpu().blocks->bytes(), std::size_t{1} << 18);
}

TEST(Core, trap_flag_raises_debug_after_one_instruction) {
  for (const std::initializer_list<u8> bytes : {std::initializer_list<u8>{0xff, 0xc0, 0xff, 0xc0},
                                                {0xeb, 0x10},
                                                {0x39, 0xc8, 0x74, 0x10},
                                                {0x51, 0x51}}) {
    Image image = program(bytes);
    image.regs.rflags |= 0x100;
    const auto native = std::make_unique<Outcome>();
    NativeCpu::instance().run(image, *native);
    SimCpu cpu;
    const auto result = run(cpu, image);
    EXPECT_EQ(result->outcome.executed, 1u);
    EXPECT_EQ(result->outcome.fault.vector, Vector::kDB);
    EXPECT_EQ(cpu.cpu().dr[6] & 0x4000, 0x4000u);
    // The kernel takes TF out of what a handler sees; the processor keeps it.
    EXPECT_EQ(differences(*native, result->outcome, {.flags = 0x100}), "");
  }
}

/// GS was compared with the host; FS must do the same with its own base.
TEST(Core, fs_addresses_as_gs_does) {
  Generator generator(24);
  const Row row = {"adc", "rmv,rv|rv,mv"};
  const auto instance = std::make_unique<Instance>();
  unsigned seen = 0;
  SimCpu cpu;
  for (const Form& form : expand(row.forms)) {
    for (unsigned n = 0; n < 400; ++n) {
      generator.make(row, form, *instance);
      if (instance->code[0] != 0x65) continue;
      ++seen;
      const auto gs = run(cpu, instance->before);
      instance->before.code[kEntry - kCode] = 0x64;
      std::swap(instance->before.regs.fs_base, instance->before.regs.gs_base);
      auto fs = run(cpu, instance->before);
      fs->outcome.after.code[kEntry - kCode] = 0x65;
      ASSERT_EQ(differences(gs->outcome, fs->outcome), "") << disassemble(instance->code, kEntry);
    }
  }
  EXPECT_GT(seen, 50u);
}

TEST(Core, cpuid_answers_from_the_table_at_hand) {
  SimCpu cpu;
  cpu.cpu().cpuid = [](const void*, u32 leaf, u32 subleaf) {
    return cpu::cpuid(cpu::kSkylake, leaf, subleaf);
  };
  for (const u32 leaf : {0u, 1u, 2u, 4u, 7u, 10u, 0x80000000u, 0x80000001u, 0x80000008u}) {
    Image image = program({0x0f, 0xa2});
    for (u64& v : image.regs.gpr) v |= u64{0xabcd} << 48;
    image.regs.gpr[RSP] = kStack;
    image.regs.gpr[RAX] |= leaf;
    const auto result = run(cpu, image);
    const cpu::CpuidResult expected = cpu::cpuid(cpu::kSkylake, leaf, 0);
    const auto& g = result->outcome.after.regs.gpr;
    EXPECT_EQ(g[RAX], expected.eax);
    EXPECT_EQ(g[RBX], expected.ebx);
    EXPECT_EQ(g[RCX], expected.ecx);
    EXPECT_EQ(g[RDX], expected.edx);
    EXPECT_EQ(result->outcome.executed, 1u);
  }
}

TEST(Core, rdtsc_counts_cycles) {
  // rdtsc; mov ebx, eax; nop; nop; rdtsc; rdtscp
  const Image image = program({0x0f, 0x31, 0x89, 0xc3, 0x90, 0x90, 0x0f, 0x31, 0x89, 0xc6, 0x0f, 0x01, 0xf9});
  SimCpu cpu;
  const auto result = run(cpu, image);
  const auto& g = result->outcome.after.regs.gpr;
  EXPECT_EQ(g[RSI] - g[RBX], 4u);
  EXPECT_EQ(g[RAX] - g[RSI], 2u);
  EXPECT_EQ(g[RCX], 0u);
}

/// The instructions of an operating system, of which the host's kernel emulates some and executes others.
TEST(Core, system_instructions_fault_in_a_user_program) {
  struct Case {
    const char* name;
    std::vector<u8> code;
    Vector vector;
  };
  const Case cases[] = {
      {"rdpmc", {0x0f, 0x33}, Vector::kGP},
      {"sysexit", {0x0f, 0x35}, Vector::kGP},
      {"xsetbv", {0x0f, 0x01, 0xd1}, Vector::kGP},
      {"syscall without a board", {0x0f, 0x05}, Vector::kUD},
      {"insw", {0x66, 0x6d}, Vector::kGP},
      {"outsw", {0x66, 0x6f}, Vector::kGP},
      {"sgdt", {0x0f, 0x01, 0x04, 0x24}, Vector::kGP},
      {"sidt", {0x0f, 0x01, 0x0c, 0x24}, Vector::kGP},
      {"sldt", {0x0f, 0x00, 0xc0}, Vector::kGP},
      {"str", {0x0f, 0x00, 0xc8}, Vector::kGP},
      {"smsw", {0x0f, 0x01, 0xe0}, Vector::kGP},
  };
  SimCpu cpu;
  for (const Case& c : cases) {
    Image image;
    image.put_code(c.code.data(), c.code.size());
    const auto result = run(cpu, image);
    EXPECT_TRUE(result->outcome.faulted()) << c.name;
    EXPECT_EQ(result->outcome.fault.vector, c.vector) << c.name;
    EXPECT_EQ(result->outcome.executed, 0u) << c.name;
    EXPECT_EQ(result->outcome.after.regs.rip, kEntry) << c.name;
  }
}

}  // namespace
}  // namespace lastbranch::host
