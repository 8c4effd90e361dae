// What the core's and the system's branches leave in the ring: code runs, its branches go into an Lbr.
#include <gtest/gtest.h>

#include "tests/cpu/system_machine.h"
#include "tests/lbr/lbr_probe.h"

namespace lastbranch::lbr {
namespace {

using cpu::handler;
using cpu::kCodeAt;

struct Record {
  BranchKind kind;
  u64 from, to;
  bool operator==(const Record&) const = default;
};
std::ostream& operator<<(std::ostream& out, const Record& r) {
  return out << static_cast<unsigned>(r.kind) << ' ' << std::hex << r.from << " -> " << r.to;
}

/// What the ring holds after the machine's branches, oldest first.
std::vector<Record> recorded_by(const cpu::SupervisorMachine& m) {
  Lbr lbr(legacy_part());
  lbr.enable(true);
  u64 time = 0;
  for (RetiredBranch b : m.log.branches) {
    b.time = ++time;  // what System announces has no time here
    lbr.push(b);
  }
  std::vector<Record> all;
  for (const Entry& e : lbr.entries()) all.insert(all.begin(), {e.kind, e.from, e.to});
  return all;
}

// Rows: lbr-6-jcc, lbr-6-not-taken, lbr-6-jmp, lbr-6-ind-jmp, lbr-6-call, lbr-6-ind-call, lbr-6-ret
// Rows: lbr-6-serialising, lbr-6-rep
TEST(LbrCore, taken_transfers_leave_their_first_byte_and_their_target) {
  struct Row {
    const char* name;
    std::vector<u8> code;         ///< a HLT follows
    std::vector<Record> records;  ///< addresses relative to the code
  };
  const Row rows[] = {
      {"jnz not taken", {0x31, 0xc0, 0x75, 0x02}, {}},
      {"jz with a prefix", {0x31, 0xc0, 0x3e, 0x74, 0x01, 0x90}, {{BranchKind::kJcc, 2, 6}}},
      {"cmp and jz as a pair", {0x39, 0xc0, 0x74, 0x00}, {{BranchKind::kJcc, 2, 4}}},
      {"loop", {0xb9, 2, 0, 0, 0, 0xe2, 0xfe}, {{BranchKind::kJcc, 5, 5}}},
      {"jrcxz", {0x31, 0xc9, 0xe3, 0x00}, {{BranchKind::kJcc, 2, 4}}},
      {"jmp rel8", {0xeb, 0x00}, {{BranchKind::kRelJmp, 0, 2}}},
      {"jmp rel32", {0xe9, 0, 0, 0, 0}, {{BranchKind::kRelJmp, 0, 5}}},
      {"lea, jmp rax", {0x48, 0x8d, 0x05, 2, 0, 0, 0, 0xff, 0xe0}, {{BranchKind::kIndJmp, 7, 9}}},
      {"call rel32", {0xe8, 0, 0, 0, 0}, {{BranchKind::kRelCall, 0, 5}}},
      {"lea, call rax", {0x48, 0x8d, 0x05, 2, 0, 0, 0, 0xff, 0xd0}, {{BranchKind::kIndCall, 7, 9}}},
      {"lea, push rax, ret", {0x48, 0x8d, 0x05, 2, 0, 0, 0, 0x50, 0xc3}, {{BranchKind::kRet, 8, 9}}},
      {"mov cr3, mfence", {0x0f, 0x20, 0xd8, 0x0f, 0x22, 0xd8, 0x0f, 0xae, 0xf0}, {}},
      {"rep movsb", {0xb9, 32, 0, 0, 0, 0xbe, 0, 0, 3, 0, 0xbf, 0, 1, 3, 0, 0xf3, 0xa4}, {}},
  };
  for (const Row& row : rows) {
    cpu::SupervisorMachine m;
    std::vector<u8> code = row.code;
    code.push_back(0xf4);
    m.load(code);
    EXPECT_EQ(m.run(), cpu::System::Next::kHalted) << row.name;
    std::vector<Record> expected;
    for (const Record& r : row.records) expected.push_back({r.kind, kCodeAt + r.from, kCodeAt + r.to});
    EXPECT_EQ(recorded_by(m), expected) << row.name;
  }
}

// Rows: lbr-6-interrupt-after-branch, lbr-6-interrupt
TEST(LbrCore, interrupt_right_after_a_branch_comes_from_its_target) {
  cpu::SupervisorMachine m;
  m.load({0xeb, 0x10});
  m.step();
  m.system.deliver(cpu::Event::interrupt(0x40));
  EXPECT_EQ(recorded_by(m), (std::vector<Record>{{BranchKind::kRelJmp, kCodeAt, kCodeAt + 0x12},
                                                 {BranchKind::kInterrupt, kCodeAt + 0x12, handler(0x40)}}));
}

// Rows: lbr-6-rep, lbr-6-fault
TEST(LbrCore, string_instruction_that_stops_halfway_is_where_its_event_comes_from) {
  cpu::SupervisorMachine m;
  m.load({0xf3, 0xa4});
  m.c.r[cpu::kRcx] = 16;
  m.c.r[cpu::kRsi] = 0x30000;
  m.c.r[cpu::kRdi] = 0x7fff'ffff'fff8;  // eight bytes below the canonical boundary
  m.step();
  EXPECT_EQ(m.c.r[cpu::kRcx], 8u);
  ASSERT_EQ(recorded_by(m).size(), 1u);
  EXPECT_EQ(recorded_by(m)[0].kind, BranchKind::kException);
  EXPECT_EQ(recorded_by(m)[0].from, kCodeAt);
}

// Rows: lbr-6-int-n, lbr-6-iret, lbr-6-fault
TEST(LbrCore, software_interrupts_and_their_return) {
  cpu::SupervisorMachine m;
  m.load({0xcd, 0x80, 0xf4});
  m.poke<u16>(handler(0x80), 0xcf48);  // iretq
  EXPECT_EQ(m.run(), cpu::System::Next::kHalted);
  EXPECT_EQ(recorded_by(m), (std::vector<Record>{{BranchKind::kSoftInt, kCodeAt, handler(0x80)},
                                                 {BranchKind::kIret, handler(0x80), kCodeAt + 2}}));
}

// Rows: lbr-6-serialising, lbr-8-lbr
TEST(LbrCore, guest_code_programs_the_registers_and_wrmsr_leaves_no_record) {
  cpu::SupervisorMachine m;
  Lbr lbr(legacy_part());
  m.msrs.attach(lbr.rows(), &lbr);
  // mov ecx, 1d9h; mov eax, 1; xor edx, edx; wrmsr; jmp +0; rdmsr; hlt
  m.load({0xb9, 0xd9, 1, 0, 0, 0xb8, 1, 0, 0, 0, 0x31, 0xd2, 0x0f, 0x30, 0xeb, 0, 0x0f, 0x32, 0xf4});
  EXPECT_EQ(m.run(), cpu::System::Next::kHalted);
  EXPECT_TRUE(lbr.enabled());
  EXPECT_EQ(m.c.r[cpu::kRax], 1u);
  EXPECT_EQ(recorded_by(m), (std::vector<Record>{{BranchKind::kRelJmp, kCodeAt + 14, kCodeAt + 16}}));
}

}  // namespace
}  // namespace lastbranch::lbr
