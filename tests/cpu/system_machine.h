#pragma once
// A small supervisor machine for tests: a core with a System over an identity map, with a GDT, an IDT whose
// handlers all halt, a TSS with stacks, and a list of everything that was recorded.
#include <map>
#include <memory>
#include <set>
#include <vector>

#include "models/cpu/control_registers.h"
#include "models/cpu/core.h"
#include "models/cpu/identity_map.h"
#include "models/cpu/system.h"
#include "models/cpu/system_msrs.h"
#include "sim/base/debugctl.h"
#include "sim/base/msr_bus.h"

namespace lastbranch::cpu {

/// Takes near branches from the core and far ones from the System.
struct BranchLog final : FarBranches {
  std::vector<RetiredBranch> branches;
  void branch(const RetiredBranch& b) { branches.push_back(b); }
  void far_branch(BranchKind kind, u64 from, u64 to, u8 cpl_from, u8 cpl_to) override {
    branches.push_back({.from = from,
                        .to = to,
                        .time = 0,
                        .kind = kind,
                        .length = 0,
                        .cpl_from = cpl_from,
                        .cpl_to = cpl_to});
  }
};

/// IA32_DEBUGCTL as far as System asks for it.
struct FakeDebug final : DebugControl, DebugEvents {
  u64 value = 0;
  unsigned exceptions = 0;
  [[nodiscard]] u64 debugctl() const override { return value; }
  void legacy_freeze() override {}
  void set_frozen(bool) override {}
  [[nodiscard]] std::size_t records(std::span<LbrRecord>) const override { return 0; }
  void debug_exception() override {
    ++exceptions;
    value &= ~(debugctl::kLbr | debugctl::kBtf);
  }
};

/// Remembers what was written, answers with the port's number and size.
struct FakePorts final : PortIo {
  struct Write {
    u16 port;
    unsigned size;
    u32 value;
    bool operator==(const Write&) const = default;
  };
  std::vector<Write> writes;
  u32 in(u16 port, unsigned size) override { return u32{port} * 0x10001u + size; }
  void out(u16 port, unsigned size, u32 value) override { writes.push_back({port, size, value}); }
};

/// An identity map with pages that are absent, the supervisor's only, or elsewhere.
struct TestMap final : Walker {
  explicit TestMap(const PhysMem& memory) : identity(memory) {}
  IdentityMap identity;
  std::set<u64> absent, supervisor;
  std::map<u64, u64> moved;
  bool is_fixed = true;

  Translation walk(u64 linear, Access access, bool user) override {
    const u32 error = (access == Access::kWrite ? pf::kWrite : 0) |
                      (access == Access::kFetch ? pf::kFetch : 0) | (user ? pf::kUser : 0);
    if (absent.contains(linear)) return {.fault = page_fault(linear, error)};
    if (user && supervisor.contains(linear)) return {.fault = page_fault(linear, error | pf::kPresent)};
    const auto to = moved.find(linear);
    return identity.walk(to == moved.end() ? linear : to->second, access, user);
  }
  [[nodiscard]] bool fixed() const override { return is_fixed; }
};

// Selectors of the machine's GDT.
inline constexpr u16 kKernelCode = 0x08, kKernelData = 0x10, kUserData = 0x20 | 3, kUserCode = 0x28 | 3,
                     kTss = 0x30, kAbsentCode = 0x40, kConformingCode = 0x48, kAbsentData = 0x50,
                     kCode32 = 0x58, kLdt = 0x60, kCallGateSelector = 0x70, kBasedData = 0x80 | 3,
                     kExecuteOnly = 0x88, kAbsentTss = 0x90, kReadOnlyData = 0xa0, kBeyond = 0x1000;
inline constexpr u64 kDataBase = 0x12345000;  ///< of kBasedData

// Where things are.
inline constexpr u64 kGdtAt = 0x1000, kIdtAt = 0x2000, kTssAt = 0x3000, kLdtAt = 0x3800, kHandlers = 0x8000,
                     kCodeAt = 0x10000, kUserCodeAt = 0x20000, kOperands = 0x30000, kKernelStack = 0x40000,
                     kRsp0 = 0x50000, kIst1 = 0x60000, kUserStack = 0x70000;
inline constexpr u16 kTssLimit = 0x67 + 32 + 1;  ///< with a bitmap for 256 ports
[[nodiscard]] constexpr u64 handler(unsigned vector) {
  return kHandlers + 16 * vector;
}

class SupervisorMachine {
 public:
  struct Policies {
    using Hub = BranchLog;
    using Timing = UnitTiming;
    using V = Fast;
  };

  SupervisorMachine();

  /// Puts code at `at` and continues there.
  void load(const std::vector<u8>& bytes, u64 at);
  void load(const std::vector<u8>& bytes) { load(bytes, c.cpl == 3 ? kUserCodeAt : kCodeAt); }
  /// One instruction, or what came of it.
  System::Next step();
  /// Up to `most` steps, until the machine halts.
  System::Next run(unsigned most = 1000);
  /// CPL 3 with its stack, at kUserCodeAt.
  void enter_user();

  void set_gate(unsigned vector, u16 selector, u64 offset, unsigned type = 14, unsigned dpl = 0,
                unsigned ist = 0, bool present = true);
  void set_descriptor(u16 selector, u64 low);

  template <class T>
  [[nodiscard]] T peek(u64 at) const {
    T v;
    std::memcpy(&v, memory.host(at), sizeof v);
    return v;
  }
  template <class T>
  void poke(u64 at, T v) {
    std::memcpy(memory.host(at), &v, sizeof v);
  }
  /// Word `n` of the newest frame.
  [[nodiscard]] u64 frame(unsigned n) const { return peek<u64>(c.r[kRsp] + 8 * n); }
  [[nodiscard]] const RetiredBranch& last() const { return log.branches.back(); }

  PhysMem memory{u64{1} << 20};
  TestMap map{memory};
  BranchLog log;
  Ledger ledger;
  MsrBus msrs;
  FakeDebug debug;
  FakePorts ports;
  Core<Policies> core{memory, map, log, ledger};
  Cpu& c = core.cpu();
  System system;
};

/// What came of one instruction: the vector whose handler was entered and the error code on its stack.
struct Raised {
  int vector = -1;  ///< -1: the instruction completed
  u64 error = 0;
  bool operator==(const Raised&) const = default;
};
std::ostream& operator<<(std::ostream& out, const Raised& r);
/// Steps once and says which.
Raised step_and_tell(SupervisorMachine& m);

}  // namespace lastbranch::cpu
