#pragma once
// The system instructions, one function each, by family in system_*.cpp. Each either does everything, or
// returns the fault and has changed nothing. Internal to cpu::System.
#include "models/cpu/control_registers.h"
#include "models/cpu/descriptors.h"
#include "models/cpu/system.h"
#include "sim/base/virtualization.h"

namespace lastbranch::cpu {

/// How an instruction went: the fault to deliver, or nothing.
using Done = std::optional<Fault>;

inline constexpr Fault kUndefined{.vector = Vector::kUD};

/// The event as VMX sees it; `op` tells INT3 from INT n.
[[nodiscard]] VmxEvent vmx_event(const Event& e, SystemOp op = SystemOp::kInt);

struct System::Ops {
  System& s;
  Cpu& c;
  const Insn& i;
  const SystemForm form;

  explicit Ops(System& system)
      : s(system),
        c(system.c_),
        i(system.c_.system_insn),
        form(SystemForm::unpack(system.c_.system_insn.r2)) {}

  Done dispatch();

  // system_tables.cpp
  Done load_table(TableRegister& table);
  Done store_table(const TableRegister& table);
  Done lldt();
  Done ltr();
  Done store_selector(u16 selector);
  Done verify();
  Done lar();
  Done lsl();
  // system_control.cpp
  Done read_cr();
  Done write_cr();
  Done write_cr0(u64 value);
  Done write_cr4(u64 value);
  Done read_dr();
  Done write_dr();
  Done lmsw();
  Done smsw();
  Done clts();
  Done invlpg();
  // system_msr.cpp
  Done rdmsr();
  Done wrmsr();
  Done rdpmc();
  // system_flags.cpp
  Done cli();
  Done sti();
  Done popf();
  Done hlt();
  // system_io.cpp
  Done in();
  Done out();
  Done ins();
  Done outs();
  Done port_access(u16 port, unsigned size);
  // system_segments.cpp
  Done fetch(u16 selector, Descriptor& d, bool external = false);
  Done load_segment(unsigned which, u16 selector);
  void set_null(unsigned which, u16 selector);
  Done mov_to_segment();
  Done pop_segment();
  Done load_far_pointer();
  // system_far.cpp
  Done check_code(u16 selector, u64 to);
  Done far_jmp();
  Done far_call();
  Done far_ret();
  Done iret();
  Done check_return(u64 rip, u16 cs);
  Done check_return_stack(u16 cs, u16 ss);
  void enter_stack(u64 rsp, u16 ss, u8 cpl);
  Done far_operand(u64& offset, u16& selector);
  // system_calls.cpp
  Done syscall();
  Done sysret();
  Done sysenter();
  Done sysexit();
  Done swapgs();
  void set_flat(u16 cs, u16 ss, u8 cpl);
  // system_delivery.cpp
  Done software_interrupt(u8 vector, bool checked);

  // system_vmx.cpp
  Done vmx();
  Done access_cr(u64 value);

  // What they share.
  [[nodiscard]] bool user() const { return c.cpl == 3; }
  [[nodiscard]] u64 iopl() const { return c.system_flags >> 12 & 3; }
  [[nodiscard]] u64 address() const;
  /// The 16-bit operand: register `field` or memory.
  Done source16(u8 field, u16& value);
  void set_gpr(unsigned number, u64 value, unsigned size);
};

}  // namespace lastbranch::cpu
