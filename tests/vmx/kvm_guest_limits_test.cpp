/// Guests that come to no end, or overwrite their host: what ends their runs.
#include <gtest/gtest.h>

#include "sim/base/error.h"
#include "tests/vmx/kvm_guest_world.h"

namespace lastbranch::test {
namespace {

using How = KvmRun::How;

constexpr u64 kGates = 0x200000, kTableRegister = 0x3000, kStack = 0x90000, kFirstStack = 0x24;
constexpr std::array<u8, 2> kCpuid = {0x0f, 0xa2};

std::vector<u8> bytes(u64 value, unsigned count) {
  std::vector<u8> all;
  for (unsigned i = 0; i < count; ++i) all.push_back(static_cast<u8>(value >> 8 * i));
  return all;
}

/// LIDT of a table whose gates all lead to `faulting`, the instruction behind it; with a stack of their own
/// (IST) they leave no trace in memory.
KvmRun run_faulting_handler(KvmWorld& w, std::vector<u8> before, const std::vector<u8>& faulting, u8 stack) {
  std::vector<u8> code = {0x0f, 0x01, 0x1c, 0x25};
  const std::vector<u8> where = bytes(kTableRegister, 4);
  code.insert(code.end(), where.begin(), where.end());
  code.insert(code.end(), before.begin(), before.end());
  const u64 handler = 0x100000 + code.size();
  code.insert(code.end(), faulting.begin(), faulting.end());
  w.guest.load(code);

  const u64 low = (handler & 0xffff) | u64{board::kKernelCode} << 16 | u64{stack} << 32 | u64{0x8e} << 40 |
                  (handler >> 16 & 0xffff) << 48;
  for (u64 vector = 0; vector < 32; ++vector) w.guest.write_memory(kGates + 16 * vector, bytes(low, 8));
  w.guest.write_memory(kTableRegister, bytes(0x1ff | kGates << 16, 8));
  w.guest.write_memory(kFirstStack, bytes(kStack, 8));
  return w.guest.run();
}

TEST(KvmGuestLimits, a_guest_whose_handler_faults_for_ever_is_stuck) {
  KvmWorld w(kvm::Kernel::kS8);
  const KvmRun run = run_faulting_handler(w, {}, {0x0f, 0x0b}, 1);
  EXPECT_EQ(run.how, How::kStuck) << run.why;
  EXPECT_NE(run.why.find("completed no instruction, the newest at 0x100008"), std::string::npos) << run.why;
  EXPECT_EQ(run.instructions, 1u);
  EXPECT_TRUE(run.ended());
  EXPECT_THROW(w.guest.run(), Error);
}

TEST(KvmGuestLimits, a_guest_whose_handler_exits_for_ever_is_stuck) {
  KvmWorld w(kvm::Kernel::kS8);
  const KvmRun run = run_faulting_handler(w, {0xb9, 0xc9, 0x11, 0, 0}, {0x0f, 0x32}, 1);  // RDMSR 11c9H
  EXPECT_EQ(run.how, How::kStuck) << run.why;
  EXPECT_EQ(run.instructions, 2u);
  EXPECT_GT(run.exits_seen, 100'000u);
}

TEST(KvmGuestLimits, a_guest_whose_frames_use_up_its_stack_shuts_down) {
  KvmWorld w(kvm::Kernel::kS8);
  const KvmRun run = run_faulting_handler(w, {}, {0x0f, 0x0b}, 0);
  EXPECT_EQ(run.how, How::kShutdown) << run.why;
  EXPECT_NE(run.why.find("triple fault"), std::string::npos) << run.why;
}

TEST(KvmGuestLimits, instructions_that_kvm_completes_are_progress) {
  constexpr std::size_t kMany = 135'000;
  KvmWorld w(kvm::Kernel::kS8);
  std::vector<u8> code;
  for (std::size_t i = 0; i < kMany; ++i) code.insert(code.end(), kCpuid.begin(), kCpuid.end());
  code.push_back(0xf4);
  w.guest.load(code);
  const KvmRun run = w.guest.run();
  EXPECT_EQ(run.how, How::kHalted) << run.why;
  EXPECT_EQ(run.exits_seen, kMany + 1);
}

TEST(KvmGuestLimits, exits_are_limited_as_instructions_are) {
  KvmWorld w(kvm::Kernel::kS8);
  constexpr std::array<u8, 4> kLoop = {0x0f, 0xa2, 0xeb, 0xfc};  // cpuid; jmp
  w.guest.load(kLoop);
  KvmRun run = w.guest.run(KvmGuest::kNoLimit, 3);
  EXPECT_EQ(run.how, How::kBudget);
  EXPECT_EQ(run.why, "3 VM exits");
  EXPECT_EQ(run.exits_seen, 3u);
  EXPECT_EQ(run.instructions, 2u);
  run = w.guest.run(5, 100);
  EXPECT_EQ(run.why, "5 instructions");
  EXPECT_EQ(run.instructions, 5u);
  EXPECT_EQ(w.guest.run(5, 0).exits_seen, 0u);
}

/// Appends: mov byte ptr [host's page + offset], value.
void poke(std::vector<u8>& code, u64 at, u8 value) {
  code.insert(code.end(), {0x48, 0xb8});  // mov rax, at
  for (unsigned i = 0; i < 8; ++i) code.push_back(static_cast<u8>(at >> 8 * i));
  code.insert(code.end(), {0xc6, 0x00, value});
}

constexpr u64 kHostPages = u64{16} << 20, kHostCode = kHostPages + 0x4000;
const char* const kHostLost = "the host is lost: the guest wrote to the pages behind its memory";

TEST(KvmGuestRun, ends_when_the_host_does_not_come_to_its_vm_entry) {
  constexpr std::array<u8, 2> kYield = {0xe6, 0x80};  // out 0x80, al
  const std::array<std::vector<u8>, 2> codes = {std::vector<u8>(kYield.begin(), kYield.end()), {0x0f, 0x0b}};
  for (const std::vector<u8>& in_place : codes) {
    KvmWorld w(kvm::Kernel::kS8);
    std::vector<u8> code;
    for (u64 i = 0; i < in_place.size(); ++i) poke(code, kHostCode + 0x10 + i, in_place[i]);
    code.insert(code.end(), kCpuid.begin(), kCpuid.end());
    w.guest.load(code);
    const KvmRun run = w.guest.run(kGuestLimit);
    EXPECT_EQ(run.how, How::kShutdown) << w.trouble(run);
    EXPECT_EQ(run.why, kHostLost);
  }
}

/// Where the VMCS has a field, by changing it. Its place is the model's own.
u64 place_of(vmx::Field field) {
  PhysMem memory(0x1000);
  vmx::Vmcs(memory, 0).write(field, 0xff);
  for (u64 at = 8; at < 0x1000; ++at)
    if (*memory.host(at) == 0xff) return kHostPages + 0x1000 + at;
  return 0;
}

TEST(KvmGuestRun, ends_when_exceptions_of_the_guest_exit_for_ever) {
  KvmWorld w(kvm::Kernel::kS8);
  std::vector<u8> code;
  poke(code, place_of(vmx::Field::kExceptionBitmap), 1 << 6);
  code.insert(code.end(), {0x0f, 0x0b});  // ud2
  w.guest.load(code);
  const KvmRun run = w.guest.run(kGuestLimit);
  EXPECT_EQ(run.how, How::kStuck) << w.trouble(run);
  EXPECT_LT(run.instructions, 5u);
}

TEST(KvmGuestRun, ends_when_the_hosts_timer_does_not_leave_the_guest) {
  KvmWorld w(kvm::Kernel::kS8, {.slice = 100});
  std::vector<u8> code;
  poke(code, place_of(vmx::Field::kPinControls), 0x16);
  // mov rax, 0x100800; lidt [rax]; jmp .
  code.insert(code.end(), {0x48, 0xc7, 0xc0, 0x00, 0x08, 0x10, 0x00, 0x0f, 0x01, 0x18, 0xeb, 0xfe});
  constexpr std::array<u8, 6> kTable = {0xff, 0x0f, 0x00, 0x10, 0x10, 0x00};  // 4 KiB at 0x101000
  constexpr std::array<u8, 6> kGate = {0x00, 0x09, board::kKernelCode, 0, 0, 0x8e};
  code.resize(0x2000);
  std::ranges::copy(kTable, code.begin() + 0x800);
  code[0x900] = 0xeb, code[0x901] = 0xfe;  // the handler: jmp .
  std::ranges::copy(kGate, code.begin() + 0x1000 + 0xec * 16);
  code[0x1000 + 0xec * 16 + 6] = 0x10;
  w.guest.load(code);
  const KvmRun run = w.guest.run(kGuestLimit);
  EXPECT_EQ(run.how, How::kShutdown) << w.trouble(run);
  EXPECT_EQ(run.why, kHostLost);
}

}  // namespace
}  // namespace lastbranch::test
