#pragma once
// A VMCS that every check accepts, and a processor that only remembers what VMX asked of it.
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "models/vmx/checks.h"
#include "models/vmx/exits.h"

namespace lastbranch::vmx::test {

inline constexpr u64 kVmxonAt = 0x1000, kVmcsAt = 0x2000, kMsrBitmapAt = 0x3000, kIoBitmapAt = 0x4000,
                     kListAt = 0x6000, kMemory = 0x10000;
inline constexpr u64 kGuestRipValue = 0x8000, kHostRipValue = 0x9000;

/// The registers of the bus that VMX touches, as plain values.
struct FakeMsrs {
  std::map<u32, u64> values;
  std::vector<MsrDef> rows;

  static u64 get(const void* self, u32 index) { return static_cast<const FakeMsrs*>(self)->values.at(index); }
  template <u32 index>
  void add(std::string_view name, u64 writable) {
    values[index] = 0;
    rows.push_back({.index = index,
                    .name = name,
                    .writable = writable,
                    .read = [](const void* self, u32) { return get(self, index); },
                    .write =
                        [](void* self, u32, u64 value) {
                          static_cast<FakeMsrs*>(self)->values[index] = value;
                          return MsrFault::kNone;
                        }});
  }
  FakeMsrs() {
    add<0x174>("IA32_SYSENTER_CS", 0xffffffff);
    add<0x175>("IA32_SYSENTER_ESP", ~u64{0});
    add<0x176>("IA32_SYSENTER_EIP", ~u64{0});
    add<0x1d9>("IA32_DEBUGCTL", 0xffc3);
    add<0x277>("IA32_PAT", ~u64{0});
    add<0x38f>("IA32_PERF_GLOBAL_CTRL", 0x70000000f);
    add<0x14ce>("IA32_LBR_CTL", 0x7f000f);
    add<0xc0000080>("IA32_EFER", 0xd01);
    add<0xc0000082>("IA32_LSTAR", ~u64{0});
  }
};

struct FakeProcessor final : VmxProcessor {
  VmxState now{.cr0 = 0x80050033, .cr4 = 0x26b0, .dr7 = 0x400, .rip = 0x100, .rflags = 2, .efer = 0x500};
  bool guest = false, shut = false;
  unsigned retired = 0;
  u32 groups = 0;
  std::vector<VmxEvent> injected;
  u64 debug = 0;

  [[nodiscard]] VmxState state() const override { return now; }
  void retire() override { ++retired; }
  void enter(const VmxState& state, bool as_guest) override {
    now = state;
    guest = as_guest;
  }
  void intercept(u32 g) override { groups = g; }
  void inject(const VmxEvent& event) override { injected.push_back(event); }
  void raise_debug(u64 dr6) override { debug = dr6; }
  void shut_down() override { shut = true; }
};

struct FakeBranches final : FarBranches {
  std::vector<std::pair<u64, u64>> seen;  ///< from, to
  void far_branch(BranchKind, u64 from, u64 to, u8, u8) override { seen.emplace_back(from, to); }
};

/// VMX in root operation with a current VMCS that can be launched.
struct World {
  PhysMem memory{kMemory};
  FakeMsrs fake;
  MsrBus msrs;
  FakeProcessor processor;
  FakeBranches branches;
  Vmx vmx;

  explicit World(const VmxOptions& options = {})
      : vmx((msrs.attach(fake.rows, &fake), processor), memory, msrs, {.cr4 = 0x7ff}, &branches, options) {
    msrs.write(0x3a, 5);
    for (const u64 at : {kVmxonAt, kVmcsAt}) {
      const u32 revision = static_cast<u32>(msrs.read(0x480).value);
      std::memcpy(memory.host(at), &revision, sizeof revision);
    }
    vmx.execute(VmxOp::kVmxon, kVmxonAt, 0);
    vmx.execute(VmxOp::kVmclear, kVmcsAt, 0);
    vmx.execute(VmxOp::kVmptrld, kVmcsAt, 0);
    fill();
  }

  [[nodiscard]] Vmcs vmcs() { return {memory, kVmcsAt}; }
  [[nodiscard]] EntryView view() { return {vmcs(), vmx.limits()}; }
  void set(Field field, u64 value) { vmcs().write(field, value); }
  [[nodiscard]] u64 get(Field field) { return vmcs().read(field); }
  /// Turns bits of a field on.
  void add(Field field, u64 bits) { set(field, get(field) | bits); }
  VmxOutcome launch() { return vmx.execute(VmxOp::kVmlaunch, 0, 0); }

  void fill() {
    const Features& features = vmx.limits().features;
    set(Field::kPinControls, allowed(Word::kPin, features).ones);
    set(Field::kProcControls, allowed(Word::kProc, features).ones);
    set(Field::kExitControls, allowed(Word::kExit, features).ones | exit_ctl::kSaveDebug);
    set(Field::kEntryControls, allowed(Word::kEntry, features).ones | entry_ctl::kLoadDebug);
    set(Field::kMsrBitmap, kMsrBitmapAt);
    set(Field::kIoBitmapA, kIoBitmapAt);
    set(Field::kIoBitmapB, kIoBitmapAt + 0x1000);
    set(Field::kLinkPointer, ~u64{0});
    for (const Field cr0 : {Field::kGuestCr0, Field::kHostCr0}) set(cr0, 0x80050033);
    for (const Field cr4 : {Field::kGuestCr4, Field::kHostCr4}) set(cr4, 0x26b0);
    for (const Field pat : {Field::kGuestPat, Field::kHostPat}) set(pat, 0x0007040600070406);
    for (const Field efer : {Field::kGuestEfer, Field::kHostEfer}) set(efer, 0x500);
    set(Field::kGuestRip, kGuestRipValue);
    set(Field::kHostRip, kHostRipValue);
    set(Field::kGuestRflags, 2);
    set(Field::kGuestDr7, 0x400);
    for (unsigned n = 0; n < 8; ++n) {
      set(nth(Field::kGuestEsLimit, n), 0xffffffff);
      const u32 rights = n == kVmxCs ? 0xa09b : n == kVmxTr ? 0x8b : n == kVmxLdtr ? 0x82 : 0xc093;
      set(nth(Field::kGuestEsRights, n), rights);
      set(nth(Field::kGuestEsSelector, n), 8);
    }
    set(nth(Field::kGuestEsLimit, kVmxTr), 0x67);
    set(nth(Field::kGuestEsLimit, kVmxLdtr), 0x67);
    for (unsigned n = 0; n < 7; ++n) set(nth(Field::kHostEsSelector, n), 8);
  }
};

struct Change {
  Field field;
  u64 value;
};
inline void apply(World& world, const std::vector<Change>& changes) {
  for (const Change& c : changes) world.set(c.field, c.value);
}

}  // namespace lastbranch::vmx::test
