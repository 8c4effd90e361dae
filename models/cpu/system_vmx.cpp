// The processor's side of VMX: its instructions' operands and privilege, the move between root and non-root
// operation, and asking VMX about what it wants to hear of.
// Source: SDM vol. 3C, "VMX Instruction Reference", "Changes to Instruction Behavior in VMX Non-Root
// Operation". Not modelled: limits and access rights of segments as they were loaded (a VM exit stores those
// of flat 64-bit segments), RDTSCP apart from RDTSC, the mask of CR0 for SMSW.
#include <algorithm>

#include "models/cpu/control.h"
#include "models/cpu/exec/exec.h"
#include "models/cpu/system_ops.h"
#include "sim/base/assert.h"

namespace lastbranch::cpu {
namespace {

constexpr u32 kUnusable = 1u << 16;
constexpr u32 kCodeRights = 0xa09b, kDataRights = 0xc093, kLdtRights = 0x82, kTssRights = 0x8b;

u8 privilege(const VmxSegment& s) {
  return static_cast<u8>(s.rights >> 5 & 3);
}

/// Which group of the intercept table a group of VMX is part of.
constexpr std::array<Sensitive, static_cast<std::size_t>(VmxSensitive::kCount)> kGroups = {
    Sensitive::kCpuid,  Sensitive::kRdmsr, Sensitive::kWrmsr,      Sensitive::kRdpmc,
    Sensitive::kRdtsc,  Sensitive::kHlt,   Sensitive::kMovCr,      Sensitive::kMovCr,
    Sensitive::kMovCr,  Sensitive::kMovCr, Sensitive::kMovDr,      Sensitive::kMovDr,
    Sensitive::kInvlpg, Sensitive::kIo,    Sensitive::kCacheFlush, Sensitive::kVmx};

struct Sensitivity {
  SystemOp op;
  VmxSensitive what;
};
constexpr Sensitivity kSensitive[] = {
    {SystemOp::kRdmsr, VmxSensitive::kRdmsr},   {SystemOp::kWrmsr, VmxSensitive::kWrmsr},
    {SystemOp::kRdpmc, VmxSensitive::kRdpmc},   {SystemOp::kHlt, VmxSensitive::kHlt},
    {SystemOp::kReadCr, VmxSensitive::kReadCr}, {SystemOp::kWriteCr, VmxSensitive::kWriteCr},
    {SystemOp::kClts, VmxSensitive::kClts},     {SystemOp::kLmsw, VmxSensitive::kLmsw},
    {SystemOp::kReadDr, VmxSensitive::kReadDr}, {SystemOp::kWriteDr, VmxSensitive::kWriteDr},
    {SystemOp::kInvlpg, VmxSensitive::kInvlpg}, {SystemOp::kIn, VmxSensitive::kIo},
    {SystemOp::kOut, VmxSensitive::kIo},        {SystemOp::kIns, VmxSensitive::kIo},
    {SystemOp::kOuts, VmxSensitive::kIo},       {SystemOp::kInvd, VmxSensitive::kInvd},
};

}  // namespace

VmxEvent vmx_event(const Event& e, SystemOp op) {
  const auto type = [&] {
    switch (e.kind) {
      case Event::Kind::kSoftware:
        return op == SystemOp::kInt3 ? VmxEventType::kSoftwareException : VmxEventType::kSoftwareInterrupt;
      case Event::Kind::kInt1:
        return VmxEventType::kPrivileged;
      case Event::Kind::kInterrupt:
        return VmxEventType::kInterrupt;
      case Event::Kind::kNmi:
        return VmxEventType::kNmi;
      default:
        return VmxEventType::kException;
    }
  };
  return {type(), e.vector, e.has_error, e.error, e.address, e.length};
}

struct System::VmxPort final : VmxProcessor {
  System& s;
  Cpu& c;
  InterceptTable host{};  ///< in VMX root operation

  explicit VmxPort(System& system) : s(system), c(system.c_), host(c.intercept) {}

  [[nodiscard]] VmxState state() const override {
    VmxState v;
    v.cr0 = c.cr0;
    v.cr3 = c.cr3;
    v.cr4 = c.cr4;
    v.dr7 = c.dr[7];
    v.rsp = c.r[kRsp];
    v.rip = c.rip;
    v.rflags = c.flags();
    v.efer = c.efer;
    for (unsigned n = kEs; n <= kGs; ++n) v.segment[n] = segment(n);
    v.segment[kVmxLdtr] = {c.ldtr.selector, c.ldtr.base, c.ldtr.limit,
                           is_null(c.ldtr.selector) ? kUnusable : kLdtRights};
    v.segment[kVmxTr] = {c.tr.selector, c.tr.base, c.tr.limit, kTssRights};
    v.gdtr_base = c.gdtr.base;
    v.gdtr_limit = c.gdtr.limit;
    v.idtr_base = c.idtr.base;
    v.idtr_limit = c.idtr.limit;
    v.halted = s.next_ == Next::kHalted;
    if (s.shadowed()) v.blocking |= s.shadow_all_ ? vmx_block::kMovSs : vmx_block::kSti;
    if (s.nmi_blocked_) v.blocking |= vmx_block::kNmi;
    return v;
  }

  [[nodiscard]] VmxSegment segment(unsigned n) const {
    const u64 base = n == kFs ? c.r[17] : n == kGs ? c.r[18] : 0;
    // A supervisor's null SS still has a privilege.
    if (n != kCs && is_null(c.selector[n])) {
      const u32 dpl = n == kSs ? u32{c.cpl} << 5 : 0;
      return {c.selector[n], base, 0xffffffff, kUnusable | dpl};
    }
    const u32 dpl = n == kCs || n == kSs ? c.cpl : c.segment_dpl[n];
    return {c.selector[n], base, 0xffffffff, (n == kCs ? kCodeRights : kDataRights) | dpl << 5};
  }

  void retire() override { s.retire(c.next_rip); }

  void enter(const VmxState& v, bool guest) override {
    c.fold(c.fold_self);
    c.guest = guest;
    c.cr0 = v.cr0;
    c.cr3 = v.cr3;
    c.cr4 = v.cr4;
    c.efer = v.efer;
    c.dr[7] = v.dr7;
    c.r[kRsp] = v.rsp;
    c.rip = v.rip;
    c.set_flags(v.rflags);
    for (unsigned n = kEs; n <= kGs; ++n) {
      c.selector[n] = v.segment[n].selector;
      c.segment_dpl[n] = privilege(v.segment[n]);
    }
    c.fs_base() = v.segment[kVmxFs].base;
    c.gs_base() = v.segment[kVmxGs].base;
    c.ldtr = {v.segment[kVmxLdtr].selector, v.segment[kVmxLdtr].base, v.segment[kVmxLdtr].limit};
    if ((v.segment[kVmxLdtr].rights & kUnusable) != 0) c.ldtr.limit = 0;
    c.tr = {v.segment[kVmxTr].selector, v.segment[kVmxTr].base, v.segment[kVmxTr].limit};
    c.gdtr = {v.gdtr_base, static_cast<u16>(v.gdtr_limit)};
    c.idtr = {v.idtr_base, static_cast<u16>(v.idtr_limit)};
    set_cpl(c, privilege(v.segment[kVmxSs]));
    update_gates(c);
    update_breakpoints(c);
    if (!c.walker->fixed()) forget_all_translations(c);
    s.next_ = v.halted ? Next::kHalted : Next::kRun;
    s.nmi_blocked_ = (v.blocking & vmx_block::kNmi) != 0;
    const bool shadow = (v.blocking & (vmx_block::kSti | vmx_block::kMovSs)) != 0;
    s.shadow_at_ = shadow ? c.retired() : ~u64{0};
    s.shadow_all_ = (v.blocking & vmx_block::kMovSs) != 0;
    if (!guest) c.intercept = host;
    s.moved_ = s.retired_ = true;
  }

  void intercept(u32 groups) override {
    c.intercept = host;
    for (std::size_t n = 0; n < kGroups.size(); ++n) {
      if ((groups >> n & 1) != 0) c.intercept[static_cast<std::size_t>(kGroups[n])] = Action::kExit;
    }
  }

  void inject(const VmxEvent& e) override {
    static constexpr Event::Kind kKinds[] = {
        Event::Kind::kInterrupt, Event::Kind::kInterrupt, Event::Kind::kNmi,     Event::Kind::kFault,
        Event::Kind::kSoftware,  Event::Kind::kInt1,      Event::Kind::kSoftware};
    const bool software = e.type == VmxEventType::kSoftwareInterrupt || e.type == VmxEventType::kPrivileged ||
                          e.type == VmxEventType::kSoftwareException;
    s.deliver({kKinds[static_cast<std::size_t>(e.type)], e.vector, e.has_error, e.error, 0,
               software ? e.length : 0},
              &e, true);
  }

  void raise_debug(u64 dr6) override { s.deliver(Event::trap(Vector::kDB, dr6)); }
  void shut_down() override { s.next_ = Next::kShutdown; }
};

void System::attach(Virtualization& virtualization) {
  LASTBRANCH_ASSERT(virtualization_ == nullptr, "VMX twice for one processor");
  virtualization_ = &virtualization;
  guest_jumps_ = make_jumps(2);
  c_.jump_banks[2] = guest_jumps_.get();
  c_.jump_banks[3] = guest_jumps_.get() + kJumpSlots;
}

VmxProcessor& System::vmx_processor() {
  if (vmx_port_ == nullptr) vmx_port_ = std::make_unique<VmxPort>(*this);
  return *vmx_port_;
}

bool System::leave_for_nmi_window() {
  if (!c_.guest || shut_down()) return false;
  const bool open = !nmi_blocked_ && !(shadowed() && shadow_all_);
  return open && virtualization_->nmi_window();
}

bool System::leave_for_interrupt(bool pending) {
  if (!c_.guest || shut_down()) return false;
  const bool open = (c_.system_flags & rflags::kIF) != 0 && !shadowed();
  if (open && virtualization_->interrupt_window()) return true;
  return pending && interrupts_allowed() && virtualization_->interrupt_waiting();
}

/// The fault of the system instruction at RIP: of a software interrupt, it is one of its delivery.
System::Next System::deliver_fault(const Fault& fault) {
  const bool software =
      c_.system_op == SystemOp::kInt || c_.system_op == SystemOp::kInt3 || c_.system_op == SystemOp::kInt1;
  if (!c_.guest || !software) return deliver(Event::fault(fault));
  const bool named = c_.system_op != SystemOp::kInt;
  const VmxEvent first =
      vmx_event({.kind = c_.system_op == SystemOp::kInt1 ? Event::Kind::kInt1 : Event::Kind::kSoftware,
                 .vector = named ? (c_.system_op == SystemOp::kInt3 ? static_cast<u8>(Vector::kBP)
                                                                    : static_cast<u8>(Vector::kDB))
                                 : static_cast<u8>(c_.system_insn.imm),
                 .length = c_.system_insn.length},
                c_.system_op);
  return deliver(Event::fault(fault), &first, false);
}

/// VMX non-root operation met an instruction of a group that VMX wants to hear of. True: nothing is left to
/// do. The privilege checks come before the exit, but for MOV DR.
bool System::intercepted() {
  VmxInsn insn{.length = c_.system_insn.length};
  const bool in_core = c_.sensitive == Sensitive::kCpuid || c_.sensitive == Sensitive::kRdtsc;
  if (in_core) {
    insn.what = c_.sensitive == Sensitive::kCpuid ? VmxSensitive::kCpuid : VmxSensitive::kRdtsc;
    return virtualization_->instruction(insn).exited;
  }
  const auto row = std::find_if(std::begin(kSensitive), std::end(kSensitive),
                                [&](const Sensitivity& r) { return r.op == c_.system_op; });
  if (row == std::end(kSensitive)) return false;
  insn.what = row->what;
  const Ops ops(*this);
  const Insn& i = c_.system_insn;
  switch (insn.what) {
    case VmxSensitive::kRdmsr:
    case VmxSensitive::kWrmsr:
      insn.value = static_cast<u32>(c_.r[kRcx]);
      break;
    case VmxSensitive::kRdpmc:
      if (c_.cpl != 0 && (c_.cr4 & cr4::kPce) == 0) {
        deliver(Event::fault(general_protection()));
        return true;
      }
      insn.value = static_cast<u32>(c_.r[kRcx]);
      break;
    case VmxSensitive::kReadCr:
    case VmxSensitive::kReadDr:
      insn.number = i.r1;
      insn.gpr = i.r0 / 8;
      break;
    case VmxSensitive::kWriteCr:
    case VmxSensitive::kWriteDr:
      insn.number = i.r0;
      insn.gpr = i.r1 / 8;
      insn.value = reg<u64>(c_, i.r1);
      break;
    case VmxSensitive::kLmsw: {
      u16 source = 0;
      if (const Done fault = Ops(*this).source16(i.r0, source)) {
        deliver(Event::fault(*fault));
        return true;
      }
      insn.value = source;
      insn.memory = ops.form.memory;
      break;
    }
    case VmxSensitive::kInvlpg:
      insn.value = ops.address();
      break;
    case VmxSensitive::kIo:
      insn.in = c_.system_op == SystemOp::kIn || c_.system_op == SystemOp::kIns;
      insn.string = c_.system_op == SystemOp::kIns || c_.system_op == SystemOp::kOuts;
      insn.rep = ops.form.rep;
      insn.immediate = !insn.string && ops.form.variant;
      insn.size = ops.form.size == 8 ? 4 : ops.form.size;
      insn.port = insn.immediate ? static_cast<u8>(i.imm) : static_cast<u16>(c_.r[kRdx]);
      if (const Done fault = Ops(*this).port_access(insn.port, insn.size)) {
        deliver(Event::fault(*fault));
        return true;
      }
      break;
    default:
      break;
  }
  const VmxDecision decision = virtualization_->instruction(insn);
  cr_value_ = decision.value;
  return decision.exited;
}

/// MOV to and from CR0 and CR4, CLTS and LMSW where the hypervisor owns some of the bits.
Done System::Ops::access_cr(u64 value) {
  if (c.system_op != SystemOp::kReadCr) {
    const bool cr4 = c.system_op == SystemOp::kWriteCr && i.r0 == 4;
    return cr4 ? write_cr4(value) : write_cr0(value);
  }
  set_reg<u64>(c, i.r0, value);
  return std::nullopt;
}

Done System::Ops::vmx() {
  const auto op = static_cast<VmxOp>(i.imm);
  Virtualization* const v = s.virtualization_;
  if (v == nullptr || op == VmxOp::kInvept || op == VmxOp::kInvvpid) return kUndefined;
  if (c.guest) {
    const bool addressed = form.memory && op != VmxOp::kVmread && op != VmxOp::kVmwrite;
    v->instruction({.what = VmxSensitive::kVmx,
                    .op = op,
                    .length = i.length,
                    .value = addressed ? static_cast<u64>(i.disp) : 0});
    return std::nullopt;
  }
  if ((c.cr4 & cr4::kVmxe) == 0 || (!v->on() && op != VmxOp::kVmxon)) return kUndefined;
  if (c.cpl != 0) return general_protection();
  u64 first = 0, second = 0;
  switch (op) {
    case VmxOp::kVmxon:
    case VmxOp::kVmclear:
    case VmxOp::kVmptrld:
      if (Done fault = s.memory_.get(address(), first)) return fault;
      break;
    case VmxOp::kVmread:
      first = reg<u64>(c, i.r1);
      break;
    case VmxOp::kVmwrite:
      first = reg<u64>(c, i.r0);
      if (!form.memory) {
        second = reg<u64>(c, i.r1);
      } else if (Done fault = s.memory_.get(address(), second)) {
        return fault;
      }
      break;
    default:
      break;
  }
  const VmxOutcome outcome = v->execute(op, first, second);
  using How = VmxOutcome::How;
  if (outcome.how == How::kFault) return outcome.fault;
  if (outcome.how == How::kMoved) return std::nullopt;
  if (outcome.how == How::kSucceed && (op == VmxOp::kVmptrst || (op == VmxOp::kVmread && form.memory))) {
    if (Done fault = s.memory_.put(address(), outcome.value)) return fault;
  } else if (outcome.how == How::kSucceed && op == VmxOp::kVmread) {
    set_reg<u64>(c, i.r0, outcome.value);
  }
  c.f.set_status(outcome.how == How::kFailInvalid ? rflags::kCF
                 : outcome.how == How::kFailValid ? rflags::kZF
                                                  : 0);
  return std::nullopt;
}

}  // namespace lastbranch::cpu
