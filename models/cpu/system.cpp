#include "models/cpu/system.h"

#include <utility>

#include "models/cpu/block.h"
#include "models/cpu/control.h"
#include "models/cpu/exec/exec.h"
#include "models/cpu/system_ops.h"
#include "sim/base/assert.h"
#include "sim/base/debugctl.h"

namespace lastbranch::cpu {

System::System(Cpu& cpu, FarBranches& branches, const SystemHooks& hooks)
    : c_(cpu),
      branches_(branches),
      hooks_(hooks),
      memory_(cpu),
      supervisor_tlb_(std::make_unique<TlbBank>()),
      supervisor_jumps_(make_jumps()) {
  LASTBRANCH_ASSERT(!cpu.has_system, "a second System for one processor");
  supervisor_tlb_->user = false;
  c_.tlb_banks[0] = supervisor_tlb_.get();
  c_.jump_banks[0] = supervisor_jumps_.get();
  c_.has_system = true;
  reset();
}

System::~System() = default;

void System::reset() {
  c_.fold(c_.fold_self);
  c_.guest = false;
  set_cpl(c_, 0);
  c_.cr0 = cr0::kPe | cr0::kMp | cr0::kEt | cr0::kNe | cr0::kWp | cr0::kPg;
  c_.cr4 = cr4::kPae | cr4::kPge | cr4::kOsfxsr | cr4::kOsxmmexcpt;
  c_.cr2 = c_.cr3 = c_.cr8 = 0;
  c_.efer = efer::kLme | efer::kLma;
  c_.dr = {0, 0, 0, 0, 0, 0, dr6::kFixed, dr7::kFixed};
  c_.set_flags(0);
  c_.selector = {};
  c_.segment_dpl = {};
  c_.gdtr = c_.idtr = {};
  c_.ldtr = c_.tr = {};
  c_.fs_base() = c_.gs_base() = c_.kernel_gs_base = 0;
  update_gates(c_);
  update_breakpoints(c_);
  next_ = Next::kRun;
  nmi_blocked_ = false;
  shadow_at_ = ~u64{0};
}

bool System::shadowed() const {
  return shadow_at_ == c_.retired();
}
bool System::interrupts_allowed() const {
  if (c_.guest && virtualization_->takes_interrupts()) return next_ != Next::kShutdown && !shadowed();
  return next_ != Next::kShutdown && (c_.system_flags & rflags::kIF) != 0 && !shadowed();
}
bool System::nmi_allowed() const {
  const bool blocked = nmi_blocked_ && !(c_.guest && virtualization_->virtual_nmis());
  return next_ != Next::kShutdown && !blocked && !(shadowed() && shadow_all_);
}
bool System::stepping_on_branches() const {
  return hooks_.debug != nullptr && (hooks_.debug->debugctl() & debugctl::kBtf) != 0;
}

System::Next System::serve(Exit why) {
  switch (why) {
    case Exit::kFault:
      return deliver(Event::fault(c_.fault));
    case Exit::kStep:
      if (!c_.branched && stepping_on_branches()) return next_;
      return deliver(Event::trap(Vector::kDB, dr6::kBs));
    case Exit::kIntercept:
      if (!c_.guest || intercepted()) return next_;
      [[fallthrough]];
    case Exit::kSystem: {
      const bool stepped = (c_.system_flags & rflags::kTF) != 0;
      const bool by_branch = stepping_on_branches();
      if (const Done fault = execute()) return deliver_fault(*fault);
      if (std::exchange(moved_, false)) return next_;
      // What clears TF on the way to the operating system does not trap there; other instructions that clear
      // it still do. After a load of SS the trap is lost.
      const bool enters = c_.system_op == SystemOp::kSyscall || c_.system_op == SystemOp::kInt ||
                          c_.system_op == SystemOp::kInt3 || c_.system_op == SystemOp::kInt1;
      if (!stepped || (enters && (c_.system_flags & rflags::kTF) == 0)) return next_;
      if (shadowed() && shadow_all_) return next_;
      if (by_branch && (c_.system_facts & fact::kFar) == 0) return next_;
      return deliver(Event::trap(Vector::kDB, dr6::kBs));
    }
    default:
      return next_;
  }
}

Done System::execute() {
  retired_ = false;
  moved_ = false;
  Ops ops(*this);
  const std::optional<u64> cr = std::exchange(cr_value_, std::nullopt);
  if (Done fault = cr ? ops.access_cr(*cr) : ops.dispatch()) return fault;
  if (!retired_) retire(c_.next_rip);
  return std::nullopt;
}

/// The instruction being executed is complete at the present privilege.
void System::retire(u64 next_rip) {
  if (c_.observer != nullptr && c_.at != nullptr) c_.observer(c_.observer_self, c_, c_.at);
  retire_intercepted(c_, c_.system_facts);
  c_.system_flags &= ~rflags::kRF;
  c_.rip = next_rip;
  c_.fold(c_.fold_self);
  retired_ = true;
}

/// Completes a far transfer: retires it at the old privilege, continues at `to` with the new one.
void System::transfer(BranchKind kind, u64 to, u8 cpl, bool record) {
  const u64 from = c_.rip;
  const u8 cpl_from = c_.cpl;
  retire(to);
  set_cpl(c_, cpl);
  if (record) branches_.far_branch(kind, from, to, cpl_from, cpl);
}

Done System::Ops::dispatch() {
  switch (c.system_op) {
    case SystemOp::kLgdt:
      return load_table(c.gdtr);
    case SystemOp::kLidt:
      return load_table(c.idtr);
    case SystemOp::kSgdt:
      return store_table(c.gdtr);
    case SystemOp::kSidt:
      return store_table(c.idtr);
    case SystemOp::kLldt:
      return lldt();
    case SystemOp::kSldt:
      return store_selector(c.ldtr.selector);
    case SystemOp::kLtr:
      return ltr();
    case SystemOp::kStr:
      return store_selector(c.tr.selector);
    case SystemOp::kLmsw:
      return lmsw();
    case SystemOp::kSmsw:
      return smsw();
    case SystemOp::kClts:
      return clts();
    case SystemOp::kReadCr:
      return read_cr();
    case SystemOp::kWriteCr:
      return write_cr();
    case SystemOp::kReadDr:
      return read_dr();
    case SystemOp::kWriteDr:
      return write_dr();
    case SystemOp::kInvlpg:
      return invlpg();
    case SystemOp::kInvd:
    case SystemOp::kCacheFlush:
      return std::nullopt;  // memory is always up to date
    case SystemOp::kRdmsr:
      return rdmsr();
    case SystemOp::kWrmsr:
      return wrmsr();
    case SystemOp::kRdpmc:
      return rdpmc();
    case SystemOp::kHlt:
      return hlt();
    case SystemOp::kCli:
      return cli();
    case SystemOp::kSti:
      return sti();
    case SystemOp::kPopf:
      return popf();
    case SystemOp::kIn:
      return in();
    case SystemOp::kOut:
      return out();
    case SystemOp::kIns:
      return ins();
    case SystemOp::kOuts:
      return outs();
    case SystemOp::kLoadSegment:
      return mov_to_segment();
    case SystemOp::kPopSegment:
      return pop_segment();
    case SystemOp::kLoadFarPointer:
      return load_far_pointer();
    case SystemOp::kVerify:
      return verify();
    case SystemOp::kLar:
      return lar();
    case SystemOp::kLsl:
      return lsl();
    case SystemOp::kFarJmp:
      return far_jmp();
    case SystemOp::kFarCall:
      return far_call();
    case SystemOp::kFarRet:
      return far_ret();
    case SystemOp::kIret:
      return iret();
    case SystemOp::kSyscall:
      return syscall();
    case SystemOp::kSysret:
      return sysret();
    case SystemOp::kSysenter:
      return sysenter();
    case SystemOp::kSysexit:
      return sysexit();
    case SystemOp::kSwapgs:
      return swapgs();
    case SystemOp::kInt:
      return software_interrupt(static_cast<u8>(i.imm), true);
    case SystemOp::kInt3:
      return software_interrupt(static_cast<u8>(Vector::kBP), true);
    case SystemOp::kInt1:
      return software_interrupt(static_cast<u8>(Vector::kDB), false);
    case SystemOp::kVmx:
      return vmx();
  }
  return kUndefined;
}

u64 System::Ops::address() const {
  return ea<Fast>(c, &i);
}

Done System::Ops::source16(u8 field, u16& value) {
  if (form.memory) return s.memory_.get(address(), value, user());
  value = reg<u16>(c, field);
  return std::nullopt;
}

void System::Ops::set_gpr(unsigned number, u64 value, unsigned size) {
  const u8 field = static_cast<u8>(number * 8);
  switch (size) {
    case 1:
      set_reg<u8>(c, field, static_cast<u8>(value));
      break;
    case 2:
      set_reg<u16>(c, field, static_cast<u16>(value));
      break;
    case 4:
      set_reg<u32>(c, field, static_cast<u32>(value));
      break;
    default:
      set_reg<u64>(c, field, value);
  }
}

}  // namespace lastbranch::cpu
