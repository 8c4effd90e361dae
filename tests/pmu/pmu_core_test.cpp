// What a core retires, as the PMU's counters see it.
#include <cstdio>
#include <filesystem>
#include <fstream>

#include <gtest/gtest.h>

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
