// What a core retires, as the PMU's counters see it.
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <fstream>

#include <gtest/gtest.h>

#include "models/cpu/system_memory.h"
#include "models/pmu/pebs_record.h"
#include "sim/machine/bare_machine.h"

namespace lastbranch {
namespace {

/// A flat image in a file of its own.
class Image {
 public:
  explicit Image(std::span<const u8> code)
      : path_(std::filesystem::temp_directory_path() /
              fmt::format("lastbranch_pmu_core_{}.bin", ::getpid())) {
    std::ofstream(path_, std::ios::binary)
        .write(reinterpret_cast<const char*>(code.data()), static_cast<std::streamsize>(code.size()));
  }
  ~Image() { std::filesystem::remove(path_); }
  Image(const Image&) = delete;
  Image& operator=(const Image&) = delete;
  [[nodiscard]] std::string path() const { return path_.string(); }

 private:
  std::filesystem::path path_;
};

// Rows: pmu-4-inst-retired, pmu-4-cycles
TEST(PmuCore, a_rep_counts_once_and_a_faulting_instruction_not_at_all) {
  constexpr u8 kCode[] = {
      0xb9, 0x64, 0x00, 0x00, 0x00,  // mov ecx, 100
      0xbf, 0x00, 0x00, 0x20, 0x00,  // mov edi, 200000H
      0xf3, 0xaa,                    // rep stosb
      0x90,                          // nop
      0x0f, 0x0b,                    // ud2: there is no handler, the machine shuts down
  };
  const Image image(kCode);
  BareMachine machine({.image = image.path()});
  MsrBus& msrs = machine.processor().msrs;
  msrs.write("IA32_PERFEVTSEL0", 0x4300c0);
  msrs.write("IA32_PERFEVTSEL1", 0x43003c);
  msrs.write("IA32_FIXED_CTR_CTRL", 0x333);
  msrs.write("IA32_PERF_GLOBAL_CTRL", 0x7'0000'000f);
  EXPECT_EQ(machine.run().how, BareOutcome::How::kShutdown);
  EXPECT_EQ(msrs.read("IA32_PMC0"), 4u);
  EXPECT_EQ(msrs.read("IA32_FIXED_CTR0"), 4u);
  EXPECT_EQ(msrs.read("IA32_PMC1"), machine.processor().cycles());
  EXPECT_EQ(msrs.read("IA32_FIXED_CTR1"), machine.processor().cycles());
  EXPECT_EQ(msrs.read("IA32_FIXED_CTR2"), machine.processor().cycles());
}

// Rows: pmu-8.2-lbr-inserts
TEST(PmuCore, lbr_inserts_counts_entries_written_and_entries_removed) {
  constexpr u8 kCode[] = {
      0xe8, 0x02, 0x00, 0x00, 0x00,  // +0 call +7
      0xeb, 0xf9,                    // +5 jmp +0
      0xc3,                          // +7 ret
  };
  struct Row {
    u64 debugctl, select;
    u64 per_round;
  };
  constexpr Row kRows[] = {
      {0, 0, 0},      // not enabled
      {1, 0, 3},      // every branch
      {1, 0x80, 2},   // without relative jumps
      {1, 0x3c4, 2},  // call stack: the call is written, the return removes it
  };
  const Image image(kCode);
  for (const Row& row : kRows) {
    BareMachine machine({.uarch = "skylake", .image = image.path()});
    MsrBus& msrs = machine.processor().msrs;
    msrs.write("MSR_LBR_SELECT", row.select);
    msrs.write("IA32_DEBUGCTL", row.debugctl);
    msrs.write("IA32_PERFEVTSEL0", 0x4320cc);
    machine.run(300);
    EXPECT_EQ(msrs.read("IA32_PMC0"), 100 * row.per_round) << row.debugctl << " " << row.select;
  }
}

// Rows: pmu-2.2-branch-log, lbr-2-event-log, lbr-1.1-lunarlake, lbr-1.1-sierraforest
TEST(PmuCore, records_log_the_events_of_counters_that_ask_for_it) {
  constexpr u8 kCode[] = {
      0x90,        // +0 nop
      0x90,        // +1 nop
      0xeb, 0x00,  // +2 jmp +4
      0xeb, 0xfa,  // +4 jmp +0
  };
  constexpr u64 kLog = u64{1} << 35;
  const Image image(kCode);
  for (const char* uarch : {"lunarlake-p", "lunarlake-e", "sierraforest", "meteorlake-p"}) {
    const bool logs = std::string_view(uarch) != "meteorlake-p";
    BareMachine machine({.uarch = uarch, .image = image.path()});
    MsrBus& msrs = machine.processor().msrs;
    const u64 start = machine.processor().cpu().rip;
    EXPECT_EQ(msrs.write(0x186, 0x4300c0 | kLog) == MsrFault::kNone, logs) << uarch;  // instructions
    EXPECT_EQ(msrs.write(0x187, 0x4300c4 | kLog) == MsrFault::kNone, logs) << uarch;  // branches
    msrs.write("IA32_PERFEVTSEL2", 0x4300c0);                                         // not logged
    msrs.write("IA32_LBR_DEPTH", 8);
    msrs.write("IA32_LBR_CTL", 0x7f0007);
    machine.run(4 * 100);
    for (unsigned n = 0; n < 8; ++n) {
      const u64 from = msrs.read(fmt::format("IA32_LBR_{}_FROM_IP", n)) - start;
      const u64 counts = msrs.read(fmt::format("IA32_LBR_{}_INFO", n)) >> 32 & 0xffff;
      ASSERT_TRUE(from == 2 || from == 4) << uarch << " " << from;
      EXPECT_EQ(counts, logs ? (from == 2 ? 0b0111u : 0b0101u) : 0u) << uarch << ", record " << n;
    }
  }
}

/// A loop that records its branches, with distinct registers, on a part that samples every 10th taken branch
/// by PEBS into kBuffer.
class PebsLoop {
 public:
  static constexpr u64 kDs = 0x30'0000, kBuffer = 0x31'0000;

  explicit PebsLoop(const std::string& uarch)
      : image_(kCode),
        machine({.uarch = uarch, .image = image_.path()}),
        memory(machine.processor().core.cpu()) {
    cpu::Cpu& c = machine.processor().cpu();
    start = c.rip;
    for (std::size_t n = 0; n < 16; ++n) {
      if (n != 4) c.r[n] = 0x1000 + n;
      const std::array<u64, 2> xmm = {0x2000 + n, 0x3000 + n};
      std::memcpy(&c.xmm[n], xmm.data(), sizeof xmm);
    }
    for (const u64 word : {kBuffer, kBuffer, kBuffer + 0x8000, kBuffer + 0x8000, kMinus10, kMinus10}) {
      memory.put(kDs + 0x20 + 8 * words_++, word);
    }
    write("IA32_DS_AREA", kDs);
    write("IA32_LBR_CTL", 0x7f0007);
    write("IA32_DEBUGCTL", 1);
  }

  /// Registers that this part lacks are left out.
  void write(std::string_view name, u64 value) {
    MsrBus& msrs = machine.processor().msrs;
    if (msrs.find(name)) msrs.write(name, value);
  }
  /// The record at kBuffer after so many instructions.
  std::vector<u8> record(u64 instructions) {
    machine.run(instructions);
    std::vector<u8> bytes(2048);
    EXPECT_TRUE(memory.read(kBuffer, bytes));
    return bytes;
  }
  /// Branches as the registers show them now, newest first.
  [[nodiscard]] std::vector<LbrRecord> branches() {
    std::vector<LbrRecord> found(machine.processor().hub.lbr.depth());
    static_cast<void>(machine.processor().hub.lbr.records(found));
    return found;
  }

  static constexpr u64 kMinus10 = (u64{1} << 48) - 10;

 private:
  static constexpr u8 kCode[] = {
      0x90,        // +0 nop
      0x90,        // +1 nop
      0xeb, 0x00,  // +2 jmp +4
      0xeb, 0xfa,  // +4 jmp +0
  };
  Image image_;
  u64 words_ = 0;

 public:
  BareMachine machine;
  cpu::LinearMemory memory;
  u64 start = 0;
};

void expect_registers(const pmu::PebsSample& sample) {
  for (std::size_t n = 0; n < 16; ++n) {
    if (n != 4) {
      EXPECT_EQ(sample.gpr[n], 0x1000 + n);
    }
    EXPECT_EQ(sample.xmm[n], (std::array<u64, 2>{0x2000 + n, 0x3000 + n}));
  }
}

// Rows: pebs-6.3-basic, pebs-6.3-gpr, pebs-6.3-xmm, pebs-6.3-lbr, pebs-6.3-adaptive-bit, pmu-2.2-adaptive
// Rows: lbr-8-pebs-lbr
TEST(PmuCore, an_adaptive_record_holds_what_the_core_has) {
  for (const char* uarch : {"icelake", "sapphirerapids"}) {
    SCOPED_TRACE(uarch);
    PebsLoop loop(uarch);
    loop.write("MSR_PEBS_DATA_CFG", pmu::data_cfg::kGpr | pmu::data_cfg::kXmm | pmu::data_cfg::kLbr |
                                        u64{7} << pmu::data_cfg::kLbrEntriesShift);
    loop.write("IA32_PEBS_ENABLE", 2);  // counter 0 of some samples the branch that overflows
    loop.write("IA32_PERFEVTSEL1", 0x4220c4 | u64{1} << 34);
    loop.write("IA32_A_PMC1", PebsLoop::kMinus10);

    // Two branches in four instructions; the eleventh is recorded.
    const auto found = pmu::decode_adaptive({.format = 4}, loop.record(5 * 4 + 3));
    ASSERT_TRUE(found);
    EXPECT_EQ(found->sample.eventing_ip, loop.start + 2);
    EXPECT_EQ(found->sample.rip, loop.start + 4);
    EXPECT_EQ(found->sample.applicable, 2u);
    expect_registers(found->sample);
    const std::vector<LbrRecord> branches = loop.branches();
    ASSERT_EQ(found->lbr_count, 8u);
    EXPECT_TRUE(std::equal(found->branches().begin(), found->branches().end(), branches.begin()));
    EXPECT_EQ(branches[0].from, loop.start + 2);
    EXPECT_EQ(branches[1].from, loop.start + 4);
  }
}

// Rows: pebs-6.6-gpr, pebs-6.6-vectors, pebs-6.6-lbr, pebs-6.6-basic, lbr-1.2-cougarcove
TEST(PmuCore, an_architectural_record_holds_what_the_core_has) {
  for (const char* uarch : {"pantherlake-p", "pantherlake-e"}) {
    SCOPED_TRACE(uarch);
    PebsLoop loop(uarch);
    MsrBus& msrs = loop.machine.processor().msrs;
    msrs.write("IA32_LER_FROM_IP", 0x1234);
    msrs.write("IA32_LER_TO_IP", 0x5678);
    ASSERT_EQ(msrs.write(0x3f4, PebsLoop::kBuffer | 3), MsrFault::kNone);
    ASSERT_EQ(msrs.write(0x1903, pmu::cfg_c::kEnable | pmu::cfg_c::kGpr | pmu::cfg_c::kXmm |
                                     u64{1} << pmu::cfg_c::kLbrShift | 0xffff'fff6),
              MsrFault::kNone);
    msrs.write("IA32_PERFEVTSEL0", 0x4200c0);
    msrs.write("IA32_A_PMC0", PebsLoop::kMinus10);

    // The instruction behind the tenth is recorded.
    const auto found = pmu::decode_architectural(loop.record(11));
    ASSERT_TRUE(found);
    EXPECT_EQ(found->sample.eventing_ip, loop.start + 2);
    EXPECT_EQ(found->sample.applicable, 1u);
    expect_registers(found->sample);
    EXPECT_EQ(found->lbr_state.ctl, 0x7f0007u);
    EXPECT_EQ(found->lbr_state.depth, 32u);
    EXPECT_EQ(found->lbr_state.ler.from, 0x1234u);
    EXPECT_EQ(found->lbr_state.ler.to, 0x5678u);
    ASSERT_EQ(found->lbr_count, 8u);
    EXPECT_EQ(found->branches()[0], loop.branches()[0]);
  }
}

/// Overflows of counter 0 on a loop of five instructions, two of them branches, as a handler without cost
/// sees them: at each PMI the address of the instruction that overflowed, and the counter is armed again.
std::vector<u64> overflows(u64 event, u64 period, std::size_t count) {
  constexpr u8 kCode[] = {
      0xb9, 0xff, 0xff, 0xff, 0x7f,  // +0  mov ecx, 7FFFFFFFH
      0x90,                          // +5  nop
      0x90,                          // +6  nop
      0xeb, 0x00,                    // +7  jmp +9
      0xff, 0xc9,                    // +9  dec ecx
      0x75, 0xf8,                    // +11 jnz +5
  };
  const Image image(kCode);
  BareMachine machine({.image = image.path()});
  Processor& p = machine.processor();
  const u64 start = p.cpu().rip;
  std::vector<u64> at;
  p.pmu.set_precise(1);
  p.msrs.write("IA32_PERFEVTSEL0", event | 0x53'0000);
  p.msrs.write("IA32_A_PMC0", (u64{1} << 48) - period);
  while (at.size() < count) {
    // One instruction after the other from outside; the status tells exactly when.
    machine.run(1);
    if ((p.pmu.status() & 1) == 0) continue;
    at.push_back(p.eventing_rip() - start);
    p.msrs.write("IA32_PERF_GLOBAL_STATUS_RESET", 1);
    p.msrs.write("IA32_A_PMC0", (u64{1} << 48) - period);
  }
  return at;
}

// Rows: pmu-4-overflow
TEST(PmuCore, the_overflowing_instruction_is_the_nth) {
  constexpr std::array<u64, 5> kLoop = {5, 6, 7, 9, 11};
  for (const u64 period : {1, 2, 3, 7, 101}) {
    const std::vector<u64> instructions = overflows(0xc0, period, 20);
    for (std::size_t k = 0; k < instructions.size(); ++k) {
      const u64 nth = (k + 1) * period;  // the first instruction is before the loop
      EXPECT_EQ(instructions[k], nth == 1 ? 0 : kLoop[(nth - 2) % 5]) << period << ", overflow " << k;
    }
    const std::vector<u64> branches = overflows(0xc4, period, 20);
    for (std::size_t k = 0; k < branches.size(); ++k) {
      EXPECT_EQ(branches[k], (k + 1) * period % 2 == 1 ? 7u : 11u) << period << ", overflow " << k;
    }
  }
}

}  // namespace
}  // namespace lastbranch
