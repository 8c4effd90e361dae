#pragma once
// Supervisor 64-bit mode: what the interpreter leaves to be done between two runs of it.
//
// A hart with a System has privilege levels. Instructions that change privilege or system state leave
// Core::run() with Exit::kSystem and are executed here; faults, traps and interrupts are delivered here
// through the IDT. So every change of privilege and every access to a counter is at the boundary of a run,
// with the ledger folded. A hart without a System is a user program's: nothing here concerns it.
//
// Modelled: 64-bit code segments at CPL 0-3, GDT, LDT, IDT, 64-bit TSS with RSP0-2 and IST, #DF and triple
// fault, single-stepping with BTF, instruction breakpoints, interrupt shadows of STI and MOV SS, NMI masking.
// Not modelled: real, compatibility and virtual-8086 mode (a transfer to a code segment without L raises #GP
// with its selector), call gates (#GP likewise), task switches, data and I/O breakpoints, alignment checks.
// Sources: SDM vol. 3A, "Interrupt and Exception Handling", "Protection", "System Architecture Overview";
// vol. 3B, "Debug Registers"; vol. 2, the page of each mnemonic.
#include <memory>
#include <optional>

#include "models/cpu/cpu.h"
#include "models/cpu/system_memory.h"
#include "sim/base/far_branches.h"
#include "sim/base/msr.h"

namespace lastbranch {
class DebugControl;
class Virtualization;
class VmxProcessor;
struct VmxEvent;
}  // namespace lastbranch

namespace lastbranch::cpu {

/// The I/O ports of a board. Ports are read and written in pieces of 1, 2 or 4 bytes.
class PortIo {
 public:
  virtual ~PortIo() = default;
  virtual u32 in(u16 port, unsigned size) = 0;
  virtual void out(u16 port, unsigned size, u32 value) = 0;
};

/// What System needs besides the processor; each may be absent.
struct SystemHooks {
  PortIo* ports = nullptr;        ///< nullptr: every port reads as all ones, writes go nowhere
  DebugControl* debug = nullptr;  ///< IA32_DEBUGCTL, for BTF; nullptr: BTF is 0
  DebugEvents* events = nullptr;  ///< told of every #DB that is delivered, before its handler starts
  /// RDPMC of the counter that ECX names, privilege already checked; nullptr: #GP.
  MsrValue (*rdpmc)(const void* self, u32 ecx) = nullptr;
  const void* rdpmc_self = nullptr;
};

/// Something to be delivered through the IDT.
struct Event {
  enum class Kind : u8 {
    kFault,      ///< the instruction at RIP could not be executed: RIP is pushed with RF set
    kTrap,       ///< of an instruction that completed: RIP is the next one
    kSoftware,   ///< INT n, INT3: from the instruction to be executed; the gate's privilege is checked
    kInt1,       ///< INT1 likewise, without that check
    kInterrupt,  ///< from outside, maskable
    kNmi,
  };
  Kind kind = Kind::kFault;
  u8 vector = 0;
  bool has_error = false;
  u32 error = 0;
  u64 address = 0;  ///< CR2 of a #PF; the bits to set in DR6 of a #DB
  u32 length = 0;   ///< kSoftware, kInt1: bytes of the instruction, for RIP to be behind it

  [[nodiscard]] static Event fault(const Fault& f) {
    return {Kind::kFault, static_cast<u8>(f.vector), f.has_error, f.error, f.address};
  }
  [[nodiscard]] static Event trap(Vector v, u64 dr6_bits = 0) {
    return {Kind::kTrap, static_cast<u8>(v), false, 0, dr6_bits};
  }
  [[nodiscard]] static Event interrupt(u8 vector) { return {Kind::kInterrupt, vector}; }
  [[nodiscard]] static Event nmi() { return {Kind::kNmi, static_cast<u8>(Vector::kNMI)}; }
};

class System {
 public:
  /// Makes `cpu` a processor with privilege levels. The ledger is System's business; `branches` only records
  /// what it is told. All must outlive the System, which is attached for good.
  System(Cpu& cpu, FarBranches& branches, const SystemHooks& hooks = {});
  ~System();
  System(const System&) = delete;
  System& operator=(const System&) = delete;

  /// The registers of an idle 64-bit supervisor: CPL 0, paging enabled in CR0, CR4 and EFER as an operating
  /// system has them, no descriptor tables, interrupts off. RIP, RSP and tables are the board's to set.
  void reset();

  /// How things stand after serve() or deliver().
  enum class Next : u8 {
    kRun,       ///< run on
    kHalted,    ///< HLT: nothing runs until an interrupt or NMI is delivered
    kShutdown,  ///< triple fault; only reset() leaves it
  };
  /// Deals with whatever ended Core::run(): executes the system instruction, delivers the fault, the
  /// single-step trap. Exits that are none of its business (kLimit, kIntercept) do nothing. Call it after
  /// every run.
  Next serve(Exit why);

  /// Executes the instruction at Cpu::rip, for which run() ended with Exit::kSystem. Done: it has retired, in
  /// the ledger too, and RIP is the next one. Otherwise the fault to deliver; then nothing has changed.
  std::optional<Fault> execute();

  /// Delivers through the IDT; ends the halted state. A fault while delivering becomes #DF or a shutdown as
  /// the manual has it.
  Next deliver(const Event& event);

  /// A maskable interrupt would be accepted at this instruction boundary.
  [[nodiscard]] bool interrupts_allowed() const;
  [[nodiscard]] bool nmi_allowed() const;
  /// The last instruction was STI or a load of SS: run exactly one instruction before asking again.
  [[nodiscard]] bool shadowed() const;
  [[nodiscard]] bool halted() const { return next_ == Next::kHalted; }
  [[nodiscard]] bool shut_down() const { return next_ == Next::kShutdown; }
  [[nodiscard]] Next state() const { return next_; }

  /// Gives the processor VMX, which must outlive it. Without, VMX instructions are undefined.
  void attach(Virtualization& virtualization);
  /// The processor as VMX sees it.
  [[nodiscard]] VmxProcessor& vmx_processor();
  /// At an instruction boundary, before NMIs. True: a VM exit took place since the guest can take one.
  bool leave_for_nmi_window();
  /// At an instruction boundary, before external interrupts. True: a VM exit took place, since the guest can
  /// take one or since one is `pending` that VMX does not want acknowledged.
  bool leave_for_interrupt(bool pending);

  /// Guest memory as the processor itself reaches it.
  [[nodiscard]] LinearMemory& memory() { return memory_; }

 private:
  struct Ops;       ///< one function per instruction, by family in system_*.cpp
  struct Delivery;  ///< one attempt at delivering an event

  struct VmxPort;  ///< system_vmx.cpp

  void retire(u64 next_rip);
  Next deliver(Event e, const VmxEvent* first, bool injected);
  Next deliver_fault(const Fault& fault);
  bool intercepted();
  void transfer(BranchKind kind, u64 to, u8 cpl, bool record = true);
  void take(const Event& event, u64 handler, u8 cpl, bool injected);
  [[nodiscard]] bool stepping_on_branches() const;

  Cpu& c_;
  FarBranches& branches_;
  SystemHooks hooks_;
  LinearMemory memory_;
  std::unique_ptr<TlbBank> supervisor_tlb_;
  std::unique_ptr<JumpEntry[]> supervisor_jumps_;
  Next next_ = Next::kRun;
  Virtualization* virtualization_ = nullptr;
  std::unique_ptr<VmxProcessor> vmx_port_;
  std::unique_ptr<JumpEntry[]> guest_jumps_;  ///< both banks
  std::optional<u64> cr_value_;  ///< what the instruction accesses in place of a control register
  bool moved_ = false;           ///< a VM entry or exit took the place of the instruction's end
  bool retired_ = false;         ///< the instruction being executed has retired already
  bool nmi_blocked_ = false;
  u64 shadow_at_ = ~u64{0};  ///< value of Cpu::retired() for which interrupts are held off
  bool shadow_all_ = false;  ///< ... NMIs and traps as well (MOV SS)
};

}  // namespace lastbranch::cpu
