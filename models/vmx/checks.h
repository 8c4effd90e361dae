#pragma once
// What VM entry checks, as tables: one row per rule, in the manual's order.
//
// The first rule that is broken decides how the entry fails. Rules on what this model has no controls for are
// left out; what the capability MSRs fix (64-bit guests and hosts) is in the rules on the controls.
// Source: SDM vol. 3C, "VM Entries": "Checks on VMX Controls and Host-State Area", "Checking and Loading
// Guest State". Each row names its subsection.
#include "models/vmx/rules.h"
#include "models/vmx/vmx.h"

namespace lastbranch::vmx {

/// A VMCS about to be entered.
struct EntryView {
  Vmcs v;
  const Limits& limits;
  u32 pin = v.read32(Field::kPinControls), proc = v.read32(Field::kProcControls),
      exit = v.read32(Field::kExitControls), entry = v.read32(Field::kEntryControls),
      event = v.read32(Field::kEntryEvent), blocking = v.read32(Field::kGuestBlocking);

  [[nodiscard]] u64 operator[](Field f) const { return v.read(f); }
  [[nodiscard]] bool injects() const { return (event >> 31) != 0; }
  [[nodiscard]] VmxEventType event_type() const { return static_cast<VmxEventType>(event >> 8 & 7); }
  [[nodiscard]] u8 event_vector() const { return static_cast<u8>(event); }
  [[nodiscard]] bool injects(VmxEventType type) const { return injects() && event_type() == type; }
  [[nodiscard]] bool injects_software() const {
    return injects(VmxEventType::kSoftwareInterrupt) || injects(VmxEventType::kPrivileged) ||
           injects(VmxEventType::kSoftwareException);
  }
  [[nodiscard]] bool fits(u64 address) const { return address >> limits.physical_bits == 0; }
  /// An aligned structure of `bytes` behind `address`.
  [[nodiscard]] bool placed(Field address, u64 alignment, u64 bytes) const {
    const u64 at = (*this)[address];
    return (at & (alignment - 1)) == 0 && fits(at) && fits(at + bytes - 1);
  }
  [[nodiscard]] bool list_placed(Field address, Field count) const {
    const u64 n = (*this)[count];
    return n == 0 || placed(address, 16, 16 * n);
  }
  [[nodiscard]] u64 selector(unsigned n) const { return (*this)[nth(Field::kGuestEsSelector, n)]; }
  [[nodiscard]] u64 base(unsigned n) const { return (*this)[nth(Field::kGuestEsBase, n)]; }
  [[nodiscard]] u64 limit(unsigned n) const { return (*this)[nth(Field::kGuestEsLimit, n)]; }
  [[nodiscard]] u32 rights(unsigned n) const { return v.read32(nth(Field::kGuestEsRights, n)); }
  [[nodiscard]] bool usable(unsigned n) const { return (rights(n) >> 16 & 1) == 0; }
};

struct Check {
  std::string_view rule;
  std::string_view source;
  bool (*broken)(const EntryView&);
  u64 qualification = 0;  ///< of the exit, guest state only
};

/// VMfail with error 7.
[[nodiscard]] std::span<const Check> control_checks();
/// VMfail with error 8.
[[nodiscard]] std::span<const Check> host_checks();
/// A VM exit with reason 33.
[[nodiscard]] std::span<const Check> guest_checks();

/// The first rule of `checks` that the VMCS breaks; nullptr: none.
[[nodiscard]] const Check* first_broken(std::span<const Check> checks, const EntryView& view);

/// The memory types of IA32_PAT.
[[nodiscard]] constexpr bool valid_pat(u64 pat) {
  for (unsigned n = 0; n < 8; ++n) {
    const u64 type = pat >> (8 * n) & 0xff;
    if (type > 7 || type == 2 || type == 3) return false;
  }
  return true;
}

}  // namespace lastbranch::vmx
