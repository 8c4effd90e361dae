#pragma once
// What VMX and a processor want of each other without including each other.
//
// The processor executes instructions and delivers events; VMX decides which of them leave VMX non-root
// operation, and moves the processor between the two sides. Everything happens between two runs of the core.
// Source: SDM vol. 3C, "Introduction to Virtual Machine Extensions", "VMX Non-Root Operation".
#include <array>
#include <optional>

#include "sim/base/fault.h"
#include "sim/base/units.h"

namespace lastbranch {

enum class VmxOp : u8 {
  kVmxon,
  kVmxoff,
  kVmclear,
  kVmptrld,
  kVmptrst,
  kVmread,
  kVmwrite,
  kVmlaunch,
  kVmresume,
  kVmcall,
  kInvept,
  kInvvpid,
};

/// A segment register with its hidden part, as a VMCS holds it.
struct VmxSegment {
  u16 selector = 0;
  u64 base = 0;
  u32 limit = 0;
  u32 rights = 0;  ///< bit 16: unusable
  bool operator==(const VmxSegment&) const = default;
};

/// Numbers of VmxState::segment, in the order of the VMCS encodings.
enum VmxSegmentName : u8 { kVmxEs, kVmxCs, kVmxSs, kVmxDs, kVmxFs, kVmxGs, kVmxLdtr, kVmxTr };

/// Bits of the interruptibility state.
namespace vmx_block {
inline constexpr u32 kSti = 1u << 0, kMovSs = 1u << 1, kSmi = 1u << 2, kNmi = 1u << 3;
}  // namespace vmx_block

/// The registers that a VM entry or exit changes and that are no MSRs of the bus.
struct VmxState {
  u64 cr0 = 0, cr3 = 0, cr4 = 0, dr7 = 0, rsp = 0, rip = 0, rflags = 0, efer = 0;
  std::array<VmxSegment, 8> segment{};
  u64 gdtr_base = 0, idtr_base = 0;
  u32 gdtr_limit = 0, idtr_limit = 0;
  bool halted = false;
  u32 blocking = 0;  ///< vmx_block:: bits
};

/// How an event comes about: the interruption type of the VMCS.
enum class VmxEventType : u8 {
  kInterrupt = 0,
  kNmi = 2,
  kException = 3,          ///< raised by the hardware
  kSoftwareInterrupt = 4,  ///< INT n
  kPrivileged = 5,         ///< INT1
  kSoftwareException = 6,  ///< INT3, INTO
};

struct VmxEvent {
  VmxEventType type = VmxEventType::kException;
  u8 vector = 0;
  bool has_error = false;
  u32 error = 0;
  u64 detail = 0;  ///< address of a #PF, DR6 bits of a #DB
  u32 length = 0;  ///< bytes of the instruction that asks for it
};

/// Groups of instructions that may leave VMX non-root operation.
enum class VmxSensitive : u8 {
  kCpuid,
  kRdmsr,
  kWrmsr,
  kRdpmc,
  kRdtsc,
  kHlt,
  kReadCr,
  kWriteCr,
  kClts,
  kLmsw,
  kReadDr,
  kWriteDr,
  kInvlpg,
  kIo,
  kInvd,
  kVmx,
  kCount,
};

/// One instruction, as far as VMX has to know of it.
struct VmxInsn {
  VmxSensitive what = VmxSensitive::kCpuid;
  VmxOp op = VmxOp::kVmcall;  ///< kVmx
  u8 length = 0;
  u8 number = 0;  ///< of the control or debug register
  u8 gpr = 0;     ///< its other operand
  u64 value = 0;  ///< what is written; the MSR or counter (ECX); the address of INVLPG
  u16 port = 0;
  u8 size = 0;  ///< of the port access, bytes
  bool in = false, string = false, rep = false, immediate = false;
  bool memory = false;  ///< LMSW: the source is memory
};

/// The processor as VMX sees it.
class VmxProcessor {
 public:
  virtual ~VmxProcessor() = default;
  [[nodiscard]] virtual VmxState state() const = 0;
  /// The VMX instruction being executed is complete, in the present context.
  virtual void retire() = 0;
  /// Continues with `state`, in VMX non-root operation if `guest`. Translations are forgotten.
  virtual void enter(const VmxState& state, bool guest) = 0;
  /// Which groups are to be asked about in VMX non-root operation: bits 1 << VmxSensitive.
  virtual void intercept(u32 groups) = 0;
  /// Delivers an event as VM entry does: no exception bitmap, one last-branch record even for #DB, debug
  /// registers and IA32_DEBUGCTL unchanged.
  virtual void inject(const VmxEvent& event) = 0;
  /// A debug exception that was pending when the guest was left: DR6 bits.
  virtual void raise_debug(u64 dr6) = 0;
  /// A VMX abort, or a triple fault of the host.
  virtual void shut_down() = 0;
};

/// What became of a VMX instruction.
struct VmxOutcome {
  enum class How : u8 {
    kSucceed,      ///< VMsucceed
    kFailInvalid,  ///< VMfailInvalid
    kFailValid,    ///< VMfailValid: the error number is in the VMCS
    kFault,        ///< `fault`
    kMoved,        ///< a VM entry or exit: flags and RIP are done
  };
  How how = How::kSucceed;
  Fault fault{};
  u64 value = 0;  ///< VMREAD, VMPTRST
};

/// What becomes of an instruction that VMX was asked about.
struct VmxDecision {
  bool exited = false;
  std::optional<u64> value{};  ///< control registers: read or write this instead
};

/// VMX as the processor sees it.
class Virtualization {
 public:
  virtual ~Virtualization() = default;
  /// In VMX operation: VMXON was executed.
  [[nodiscard]] virtual bool on() const = 0;
  /// A VMX instruction at CPL 0, CR4.VMXE set. `first` is the field encoding or the address that the memory
  /// operand holds, `second` what VMWRITE writes.
  virtual VmxOutcome execute(VmxOp op, u64 first, u64 second) = 0;
  /// In VMX non-root operation: an instruction of a group that intercept() named, its privilege checked.
  virtual VmxDecision instruction(const VmxInsn& insn) = 0;
  /// In VMX non-root operation: an event about to be delivered, perhaps while delivering `first`. True: a VM
  /// exit instead.
  virtual bool event(const VmxEvent& event, const VmxEvent* first) = 0;
  /// In VMX non-root operation: no way to deliver even #DF.
  virtual void triple_fault() = 0;
  /// In VMX non-root operation: an external interrupt is waiting. True: it led to a VM exit that leaves it
  /// where it is.
  virtual bool interrupt_waiting() = 0;
  /// In VMX non-root operation, at an instruction boundary where the guest can take an interrupt. True: a VM
  /// exit because of that.
  virtual bool interrupt_window() = 0;
  /// The same for NMIs.
  virtual bool nmi_window() = 0;
  /// In VMX non-root operation: external interrupts cause VM exits, whatever RFLAGS.IF.
  [[nodiscard]] virtual bool takes_interrupts() const = 0;
  /// In VMX non-root operation: what blocks NMIs is virtual, real ones always get through.
  [[nodiscard]] virtual bool virtual_nmis() const = 0;
  /// In VMX non-root operation: IRET ends the blocking of NMIs.
  [[nodiscard]] virtual bool iret_unblocks() const = 0;
  /// VMX operation lets software write this to CR0 or CR4.
  [[nodiscard]] virtual bool allows_cr(unsigned number, u64 value) const = 0;
};

}  // namespace lastbranch
