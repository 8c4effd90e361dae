// The TLB's corner cases, on a core over a flat map.
#include <cstring>
#include <vector>

#include <gtest/gtest.h>

#include "models/cpu/core.h"

namespace lastbranch::cpu {
namespace {

struct NoHub {
  void branch(const RetiredBranch&) {}
};
struct Policies {
  using Hub = NoHub;
  using Timing = UnitTiming;
  using V = Fast;
};

/// Linear address = physical address, everything allowed.
class Flat final : public Walker {
 public:
  Translation walk(u64 linear, Access, bool) override {
    ++walks;
    return {.ok = true, .writable = true, .mmio = false, .page = linear, .fault = {}};
  }
  u64 walks = 0;
};

constexpr u64 kCode = 0x1000;
constexpr u64 kData = 0x40'0000;
/// Another page of the same slot.
constexpr u64 kSameSlot = kData + (TlbBank::kSlots << kPageShift);

struct Fixture {
  PhysMem memory{u64{64} << 20};
  Flat map;
  NoHub hub;
  Ledger ledger;
  Core<Policies> core{memory, map, hub, ledger};

  explicit Fixture(const std::vector<u8>& code) {
    std::memcpy(memory.host(kCode), code.data(), code.size());
    core.cpu().rip = kCode;
  }
};

struct Case {
  const char* name;
  std::vector<u8> code;
};

class SameSlot : public testing::TestWithParam<Case> {};

TEST_P(SameSlot, load_and_store_of_one_instruction_make_progress) {
  Fixture f(GetParam().code);
  Cpu& c = f.core.cpu();
  c.r[kRax] = kData;
  c.r[kRsi] = kData;
  c.r[kRdi] = kSameSlot;
  c.r[kRsp] = kSameSlot + 0x100;
  c.r[kRcx] = 3;
  const u64 target = 0x2000;
  std::memcpy(f.memory.host(kData), &target, sizeof target);

  const RunResult r = f.core.run(1);

  EXPECT_EQ(r.why, Exit::kLimit);
  EXPECT_EQ(r.instructions, 1U);
  EXPECT_LE(f.map.walks, 8U) << "the pages evict each other";
}

INSTANTIATE_TEST_SUITE_P(Tlb, SameSlot,
                         testing::Values(Case{"push", {0xff, 0x30}}, Case{"call", {0xff, 0x10}},
                                         Case{"pop", {0x8f, 0x00}}, Case{"movsq", {0x48, 0xa5}},
                                         Case{"cmpsq", {0x48, 0xa7}}, Case{"rep_movsq", {0xf3, 0x48, 0xa5}}),
                         [](const auto& p) { return p.param.name; });

TEST(Tlb, page_crossing_store_reaches_both_pages) {
  Fixture f({0x48, 0x89, 0x10});  // mov [rax], rdx
  Cpu& c = f.core.cpu();
  c.r[kRax] = kData + kPageSize - 3;
  c.r[kRdx] = 0x1122334455667788;

  f.core.run(1);

  u64 stored = 0;
  std::memcpy(&stored, f.memory.host(kData + kPageSize - 3), sizeof stored);
  EXPECT_EQ(stored, 0x1122334455667788U);
}

}  // namespace
}  // namespace lastbranch::cpu
