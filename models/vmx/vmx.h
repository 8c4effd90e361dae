#pragma once
// VMX of one logical processor: VMX operation, the instructions, VM entries and VM exits.
//
// Modelled: what fields.h and controls.h list; entry checks, instruction and event exits and MSR lists as
// rule tables, one row per rule in the manual's order; the last-branch rules of entry and exit. The ring of
// records is the processor's only one: IA32_DEBUGCTL decides on which side it records. Not modelled: 32-bit
// and unrestricted guests, guest-physical memory other than physical memory, SMM and the dual-monitor
// treatment, pending MTF. A VM entry or exit is no record unless the options say so: the manual does not
// mention one. Sources: SDM vol. 3C, "Virtual Machine Control Structures", "VMX Non-Root Operation", "VM
// Entries", "VM Exits"; vol. 3D, "VMX Capability Reporting Facility", "VMX Basic Exit Reasons".
#include <functional>
#include <string_view>
#include <vector>

#include "models/vmx/controls.h"
#include "models/vmx/vmcs.h"
#include "sim/base/far_branches.h"
#include "sim/base/msr_bus.h"
#include "sim/base/virtualization.h"

namespace lastbranch::vmx {

/// What VMX must know of the part.
struct VmxPart {
  u64 cr4 = 0x27ff;             ///< bits of CR4 that exist
  unsigned physical_bits = 39;  ///< width of physical addresses
};

struct VmxOptions {
  bool record_entry = false;  ///< a VM entry is a last-branch record of its own
  bool record_exit = false;   ///< a VM exit would be one; recording is off behind it
};

/// Basic exit reasons.
enum class Reason : u16 {
  kException = 0,  ///< or NMI
  kExternalInterrupt = 1,
  kTripleFault = 2,
  kInterruptWindow = 7,
  kNmiWindow = 8,
  kCpuid = 10,
  kHlt = 12,
  kInvd = 13,
  kInvlpg = 14,
  kRdpmc = 15,
  kRdtsc = 16,
  kVmcall = 18,
  kVmclear = 19,
  kVmlaunch = 20,
  kVmptrld = 21,
  kVmptrst = 22,
  kVmread = 23,
  kVmresume = 24,
  kVmwrite = 25,
  kVmxoff = 26,
  kVmxon = 27,
  kCr = 28,
  kMovDr = 29,
  kIo = 30,
  kRdmsr = 31,
  kWrmsr = 32,
  kInvalidGuestState = 33,
  kMsrLoading = 34,
};
inline constexpr u32 kEntryFailure = 1u << 31;  ///< beside the reason

/// VM-instruction errors.
enum class InstructionError : u8 {
  kVmcallInRoot = 1,
  kVmclearAddress = 2,
  kVmclearVmxon = 3,
  kLaunchNotClear = 4,
  kResumeNotLaunched = 5,
  kControls = 7,
  kHostState = 8,
  kVmptrldAddress = 9,
  kVmptrldVmxon = 10,
  kWrongRevision = 11,
  kUnknownField = 12,
  kReadOnlyField = 13,
  kVmxonInRoot = 15,
  kBlockedByMovSs = 26,
};

/// Bits of registers as VMX looks at them.
struct Limits {
  Features features;
  u64 debugctl = 0, perf_global_ctrl = 0, lbr_ctl = 0, efer = 0;  ///< bits that exist
  u64 cr0_ones = 0, cr4_ones = 0, cr4_may = 0;                    ///< in VMX operation
  unsigned physical_bits = 39;
};

/// A register that reports what VMX can do, or locks it.
struct CapabilityMsr {
  u32 index;
  std::string_view name;
  std::string_view source;  ///< of the manual: volume, chapter and section
  u64 (*read)(const void* self, u32 n);
  u64 writable = 0;
  MsrFault (*write)(void* self, u32 n, u64 value) = nullptr;
};

struct Crossing;
struct OpRule;
enum class Window : u8;

class Vmx final : public Virtualization {
 public:
  /// `msrs` has the rows of the LBR, the PMU and the processor already; Vmx attaches its own. All
  /// must outlive it.
  Vmx(VmxProcessor& processor, PhysMem& memory, MsrBus& msrs, const VmxPart& part,
      FarBranches* branches = nullptr, const VmxOptions& options = {});

  [[nodiscard]] bool on() const override { return vmxon_ != kNoVmcs; }
  VmxOutcome execute(VmxOp op, u64 first, u64 second) override;
  VmxDecision instruction(const VmxInsn& insn) override;
  bool event(const VmxEvent& event, const VmxEvent* first) override;
  void triple_fault() override;
  bool interrupt_waiting() override;
  bool interrupt_window() override;
  bool nmi_window() override;
  [[nodiscard]] bool takes_interrupts() const override;
  [[nodiscard]] bool virtual_nmis() const override;
  [[nodiscard]] bool iret_unblocks() const override;
  [[nodiscard]] bool allows_cr(unsigned number, u64 value) const override;

  [[nodiscard]] static std::span<const CapabilityMsr> capabilities();
  [[nodiscard]] bool in_guest() const { return in_guest_; }
  [[nodiscard]] const Limits& limits() const { return limits_; }
  /// Physical address of the current VMCS; kNoVmcs when there is none.
  [[nodiscard]] u64 current() const { return current_; }
  /// The rule that decided last, in words: a check that failed, a cause of a VM exit.
  [[nodiscard]] std::string_view decided_by() const { return decided_; }
  /// Where the manual has that rule: volume, chapter and section.
  [[nodiscard]] std::string_view decided_source() const { return source_; }

 private:
  struct ExitInfo {
    Reason reason = Reason::kException;
    u64 qualification = 0;
    u32 length = 0;
    const VmxEvent* event = nullptr;      ///< interruption information
    const VmxEvent* vectoring = nullptr;  ///< IDT-vectoring information
  };

  [[nodiscard]] Vmcs vmcs() const { return {memory_, current_}; }
  VmxOutcome vmread(u64 encoding);
  void vmwrite(u64 encoding, u64 value);
  VmxOutcome enter(bool launch);
  VmxOutcome fail(InstructionError error);
  VmxOutcome fail(const OpRule& rule);

  void load_guest(Vmcs v);
  /// The number of the entry that could not be loaded, 1 the first; 0: all were.
  u64 load_list(u64 address, u64 count);
  bool store_list(u64 address, u64 count);
  void leave(const ExitInfo& info);
  [[nodiscard]] Crossing crossing(Vmcs v, VmxState& state, u64 from);
  void load_host(Vmcs v);
  void fail_entry(Reason reason, u64 qualification);
  bool leave_by(Window what);
  void abort(u32 indicator);
  [[nodiscard]] u32 intercepts(Vmcs v) const;
  void decided(std::string_view rule, std::string_view source) {
    decided_ = rule;
    source_ = source;
  }

  struct Access;  ///< the rows' functions
  static std::span<const MsrDef> rows();

  VmxProcessor& processor_;
  PhysMem& memory_;
  MsrBus& msrs_;
  FarBranches* branches_;
  VmxOptions options_;
  Limits limits_;
  u64 feature_control_ = 0;
  u64 vmxon_ = kNoVmcs, current_ = kNoVmcs;
  bool in_guest_ = false;
  std::string_view decided_, source_;
};

}  // namespace lastbranch::vmx
