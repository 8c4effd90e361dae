// What CR0 does to x87, MMX and FXSAVE: nothing that a user program of the host could show.
// Sources: SDM vol. 3A "Device Not Available Exception (#NM)", "Control Registers" (EM, MP, TS).
#include <memory>

#include <gtest/gtest.h>

#include "tests/cpu/host_oracle.h"

namespace lastbranch::host {
namespace {

constexpr u64 kMp = 1 << 1, kEm = 1 << 2, kTs = 1 << 3;
constexpr u64 kPlain = 0x80050031;  ///< PG, AM, WP, NE, ET, PE

/// CR0 of the shared processor for the lifetime of the object.
class WithCr0 {
 public:
  explicit WithCr0(u64 value) : before_(simulated().cpu().cr0) { simulated().cpu().cr0 = value; }
  ~WithCr0() { simulated().cpu().cr0 = before_; }
  WithCr0(const WithCr0&) = delete;
  WithCr0& operator=(const WithCr0&) = delete;

 private:
  u64 before_;
};

struct Case {
  const char* name;
  std::vector<u8> code;
  Vector with_em, with_ts;
};
const std::vector<Case> kCases = {
    {"fld1", {0xd9, 0xe8}, Vector::kNM, Vector::kNM},
    {"fadd m32", {0xd8, 0x03}, Vector::kNM, Vector::kNM},
    {"fninit", {0xdb, 0xe3}, Vector::kNM, Vector::kNM},
    {"fnstsw ax", {0xdf, 0xe0}, Vector::kNM, Vector::kNM},
    {"fnstcw m16", {0xd9, 0x3b}, Vector::kNM, Vector::kNM},
    {"fnop", {0xd9, 0xd0}, Vector::kNM, Vector::kNM},
    {"fxsave", {0x0f, 0xae, 0x03}, Vector::kNM, Vector::kNM},
    {"fxrstor", {0x0f, 0xae, 0x0b}, Vector::kNM, Vector::kNM},
    {"paddb mm1, mm2", {0x0f, 0xfc, 0xca}, Vector::kUD, Vector::kNM},
    {"movq mm1, m64", {0x0f, 0x6f, 0x0b}, Vector::kUD, Vector::kNM},
    {"emms", {0x0f, 0x77}, Vector::kUD, Vector::kNM},
};

Outcome& run(const std::vector<u8>& code) {
  static const auto before = std::make_unique<Image>();
  static const auto out = std::make_unique<Outcome>();
  *before = Image();
  before->regs.gpr[RBX] = kData;
  before->put_code(code.data(), code.size());
  simulated().run(*before, *out);
  return *out;
}

TEST(X87System, emulation_and_task_switched_refuse_instructions) {
  for (const Case& test : kCases) {
    SCOPED_TRACE(test.name);
    {
      const WithCr0 em(kPlain | kEm);
      const Outcome& out = run(test.code);
      EXPECT_TRUE(out.faulted());
      EXPECT_EQ(out.fault.vector, test.with_em);
      EXPECT_FALSE(out.fault.has_error);
      EXPECT_EQ(out.after.regs.rip, kEntry);
      EXPECT_EQ(out.after.regs.valid, 0);
    }
    const WithCr0 ts(kPlain | kTs);
    EXPECT_EQ(run(test.code).fault.vector, test.with_ts);
  }
}

TEST(X87System, wait_looks_at_task_switched_only_with_monitor_coprocessor) {
  const std::vector<u8> wait = {0x9b};
  for (const auto& [cr0, faults] : {std::pair{kPlain, false},
                                    {kPlain | kTs, false},
                                    {kPlain | kMp, false},
                                    {kPlain | kEm, false},
                                    {kPlain | kMp | kTs, true}}) {
    const WithCr0 with(cr0);
    const Outcome& out = run(wait);
    EXPECT_EQ(out.faulted(), faults) << std::hex << cr0;
    if (faults) {
      EXPECT_EQ(out.fault.vector, Vector::kNM);
    }
  }
}

}  // namespace
}  // namespace lastbranch::host
