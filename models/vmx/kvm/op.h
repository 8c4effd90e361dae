#pragma once
// One operation as the rules see it: the states it works on, what is asked, and working values that one table
// leaves for the next. Source: kvm-lbr-semantics.md, "Versions" (register numbers and bits).
#include <fmt/core.h>

#include "models/vmx/kvm/rules.h"
#include "models/vmx/kvm/state.h"

namespace lastbranch::kvm {

namespace msr {
inline constexpr u32 kPmc0 = 0xc1, kEvtsel0 = 0x186, kFullPmc0 = 0x4c1, kFixed0 = 0x309;
inline constexpr u32 kLbrSelect = 0x1c8, kLbrTos = 0x1c9, kDebugctl = 0x1d9;
inline constexpr u32 kLastBranchFrom = 0x1db, kLastIntTo = 0x1de;
inline constexpr u32 kPerfCapabilities = 0x345;
inline constexpr u32 kFixedCtrCtrl = 0x38d, kGlobalStatus = 0x38e, kGlobalCtrl = 0x38f, kOvfCtrl = 0x390;
inline constexpr u32 kPebsEnable = 0x3f1, kPebsDataCfg = 0x3f2, kDsArea = 0x600;
inline constexpr u32 kAmdEvtsel0 = 0xc0010000, kAmdCtl0 = 0xc0010200;
}  // namespace msr

namespace perfcap {
inline constexpr u64 kLbrFmt = 0x3f, kPebsTrap = 1u << 6, kPebsArchReg = 1u << 7, kPebsFormat = 0xf00;
inline constexpr u64 kFwWrites = 1u << 13, kPebsBaseline = 1u << 14, kPebsTiming = 1u << 17;
inline constexpr u64 kPebsMask = 0x4fc0;
/// The capabilities' PEBS bits as kernel `k` groups them.
[[nodiscard]] constexpr u64 pebs_mask(Kernel k) {
  return k == Kernel::k7_3 ? kPebsMask | kPebsTiming : kPebsMask;
}
}  // namespace perfcap

/// Bits of MSR_LBR_SELECT that the CPU takes. Source: SDM vol. 4, MSR_LBR_SELECT.
inline constexpr u64 kLbrSelectBits = 0x3ff;

/// The registers of the CPU the vCPU runs on, for those that are passed through or written for the guest.
class HardwareMsrs {
 public:
  virtual ~HardwareMsrs() = default;
  /// Nothing: the read faults.
  [[nodiscard]] virtual std::optional<u64> read(u32 index) = 0;
  /// False: the write faults.
  virtual bool write(u32 index, u64 value) = 0;
};

/// What an operation does beside its answer.
struct Effects {
  unsigned log_lines = 0;       ///< messages in the host's log
  unsigned events_created = 0;  ///< perf events made
  unsigned hardware_writes = 0;
  unsigned intercept_updates = 0;
  int last_intercept = -1;  ///< 1: intercepts were set, 0: cleared, -1: untouched
  unsigned warnings = 0;    ///< "guest LBR may be wrong"
  unsigned lvtpc = 0;       ///< interrupts sent to the local APIC's LVTPC
};

struct Op {
  const HostState& host;
  const ModuleState& module;
  VmState& vm;
  VcpuState& vcpu;
  HardwareMsrs& hardware;
  Trace* trace = nullptr;

  u32 msr = 0;   ///< register, or ECX of RDPMC
  u64 data = 0;  ///< value to be written; tables may change it
  Who who = Who::kGuest;
  bool write = false;

  u64 value = 0;       ///< the answer's value, or a mask that is being made
  u64 supported = 0;   ///< DEBUGCTL bits that are legal
  u64 invalid = 0;     ///< DEBUGCTL bits that are left to complain about
  unsigned index = 0;  ///< counter, register or event within its bank
  bool dr7_valid = true, loads_debugctl = false, run_pending = false;  ///< of a nested entry
  u64 l1_debugctl = 0;                                                 ///< saved before a nested entry
  bool l1_saved = false;
  PerfLbr* probed = nullptr;       ///< what perf's probe works on
  LbrRecordSet* record = nullptr;  ///< what x86_perf_get_lbr fills
  ModuleState* loading = nullptr;  ///< while the module is loaded: op.module, to be filled
  const EventFilter* filter = nullptr;
  Effects did{};

  [[nodiscard]] bool guest() const { return who == Who::kGuest; }
  [[nodiscard]] bool is(KernelSet set) const { return set.contains(host.kernel); }
};

}  // namespace lastbranch::kvm
