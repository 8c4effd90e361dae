#pragma once
// The guest's local APIC in the kernel, as far as performance-monitoring interrupts need it: an x2APIC's
// LVTPC, SVR and EOI, and what is pending.
//
// Modelled: fixed and NMI delivery of LVTPC, its mask, which newer kernels set with each delivery, one
// interrupt in service at a time. Not modelled: everything else of an APIC; its other registers do not exist.
// Sources: SDM vol. 3A, "Advanced Programmable Interrupt Controller (APIC)"; Linux 6.1.192 and 6.12
// arch/x86/kvm/lapic.c (LVTPC is masked when it delivers).
#include <optional>

#include "models/vmx/kvm/kernels.h"
#include "sim/base/units.h"

namespace lastbranch {

class KvmApic {
 public:
  explicit KvmApic(kvm::Kernel kernel) : masks_(kvm::kLate.contains(kernel)) {}

  [[nodiscard]] static constexpr bool owns(u32 msr) { return msr == kBase || (msr >> 8) == 8; }
  /// Nothing: #GP.
  [[nodiscard]] std::optional<u64> read(u32 msr) const;
  /// False: #GP.
  bool write(u32 msr, u64 value);

  /// A PMI: what LVTPC says becomes pending.
  void pmi();
  [[nodiscard]] bool nmi_pending() const { return nmi_; }
  void take_nmi() { nmi_ = false; }
  /// The vector that may be delivered now.
  [[nodiscard]] std::optional<u8> pending() const;
  void take_interrupt();

 private:
  static constexpr u32 kBase = 0x1b, kId = 0x802, kVersion = 0x803, kEoi = 0x80b, kSvr = 0x80f,
                       kLvtpc = 0x834;
  static constexpr u64 kEnabled = 0x100, kMasked = 0x10000;

  bool masks_;
  u64 svr_ = 0xff, lvtpc_ = kMasked;
  bool nmi_ = false;
  std::optional<u8> requested_, in_service_;
};

}  // namespace lastbranch
