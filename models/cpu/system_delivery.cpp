// Exceptions and interrupts through the 64-bit IDT.
// Source: SDM vol. 3A, "Interrupt and Exception Handling": "64-Bit Mode Stack Frame", "Stack Switching in
// IA-32e Mode", "Error Code", "Interrupt 8—Double Fault Exception"; vol. 2, "INT n" (operation).
#include "models/cpu/control.h"
#include "models/cpu/system_ops.h"
#include "sim/base/ledger.h"

namespace lastbranch::cpu {
namespace {

bool is_software(const Event& e) {
  return e.kind == Event::Kind::kSoftware || e.kind == Event::Kind::kInt1;
}
/// #DB as a processor raises it; INT 1 (CD 01) is not one.
bool is_debug(const Event& e) {
  return e.vector == static_cast<u8>(Vector::kDB) && e.kind != Event::Kind::kSoftware &&
         e.kind != Event::Kind::kInterrupt;
}

enum class Severity : u8 { kBenign, kContributory, kPage };
Severity severity(const Event& e) {
  if (e.kind != Event::Kind::kFault) return Severity::kBenign;
  switch (static_cast<Vector>(e.vector)) {
    case Vector::kDE:
    case Vector::kTS:
    case Vector::kNP:
    case Vector::kSS:
    case Vector::kGP:
      return Severity::kContributory;
    case Vector::kPF:
      return Severity::kPage;
    default:
      return Severity::kBenign;
  }
}
/// A second exception while delivering the first: both are lost in a #DF, or the second replaces the first.
bool doubles(Severity first, Severity second) {
  return first == Severity::kContributory ? second == Severity::kContributory
                                          : first == Severity::kPage && second != Severity::kBenign;
}

}  // namespace

/// One attempt: prepare() finds the handler and its stack and pushes the frame, or says what it met.
struct System::Delivery {
  System& s;
  Cpu& c;
  const Event& e;
  u64 return_rip;
  bool injected = false;
  bool external = !is_software(e);
  Gate gate{};
  u8 cpl = 0;
  u64 rsp = 0;

  [[nodiscard]] u32 gate_error() const { return u32{e.vector} << 3 | 2u | (external ? 1u : 0u); }

  Done find_gate() {
    const u64 at = u64{e.vector} * 16;
    if (at + 15 > c.idtr.limit) return general_protection(gate_error());
    if (Done fault = s.memory_.get(c.idtr.base + at, gate)) return fault;
    const bool known = gate.is_system() &&
                       (gate.type() == system_type::kInterruptGate || gate.type() == system_type::kTrapGate);
    if (!known || (e.kind == Event::Kind::kSoftware && gate.dpl() < c.cpl))
      return general_protection(gate_error());
    if (!gate.present()) return Fault{Vector::kNP, true, gate_error()};
    return std::nullopt;
  }

  Done find_code() {
    const u16 selector = gate.selector();
    if (is_null(selector)) return general_protection(external ? 1 : 0);
    const u32 error = selector_error(selector, external);
    Descriptor d;
    if (Done fault = Ops(s).fetch(selector, d, external)) return fault;
    if (!d.is_code() || d.dpl() > c.cpl || !d.long_mode() || d.default_32()) return general_protection(error);
    if (!d.present()) return Fault{Vector::kNP, true, error};
    cpl = d.conforming() ? c.cpl : d.dpl();
    if (!is_canonical(gate.offset())) return general_protection(external ? 1 : 0);
    return std::nullopt;
  }

  Done find_stack() {
    constexpr u64 kRsp0 = 4, kIst1 = 36;
    rsp = c.r[kRsp];
    if (gate.ist() != 0 || cpl < c.cpl) {
      const u64 at = gate.ist() != 0 ? kIst1 + 8 * (gate.ist() - 1) : kRsp0 + 8 * u64{cpl};
      if (at + 7 > c.tr.limit) return Fault{Vector::kTS, true, selector_error(c.tr.selector, external)};
      if (Done fault = s.memory_.get(c.tr.base + at, rsp)) return fault;
    }
    rsp &= ~u64{15};
    if (!is_canonical(rsp) || !is_canonical(rsp - 48)) return Fault{Vector::kSS, true, external ? 1u : 0u};
    return std::nullopt;
  }

  /// RF is set for faults, so that the instruction can be done again without meeting its breakpoint; a
  /// breakpoint's own handler decides itself.
  [[nodiscard]] u64 pushed_flags() const {
    const bool breakpoint = is_debug(e) && (e.address & 0xf) != 0;
    const u64 flags = c.flags() & ~rflags::kRF;
    if (injected) return c.flags();
    switch (e.kind) {
      case Event::Kind::kFault:
        return breakpoint ? flags : flags | rflags::kRF;
      case Event::Kind::kInterrupt:
      case Event::Kind::kNmi:
        return c.flags();
      default:
        return flags;
    }
  }

  Done push() {
    const u64 words[6] = {e.error, return_rip, c.selector[kCs], pushed_flags(), c.r[kRsp], c.selector[kSs]};
    const unsigned first = e.has_error ? 0 : 1;
    const u64 size = (6 - first) * 8;
    rsp -= size;
    return s.memory_.store(rsp, {reinterpret_cast<const u8*>(words + first), size}, cpl == 3);
  }

  Done prepare() {
    if (Done fault = find_gate()) return fault;
    if (Done fault = find_code()) return fault;
    if (Done fault = find_stack()) return fault;
    return push();
  }

  /// The handler's state but for RIP and CPL.
  void enter_handler() {
    c.r[kRsp] = rsp;
    if (cpl != c.cpl) {
      c.selector[kSs] = cpl;  // null, with the privilege as RPL
      c.segment_dpl[kSs] = cpl;
    }
    c.selector[kCs] = static_cast<u16>((gate.selector() & 0xfffc) | cpl);
    const u64 masks_interrupts = gate.type() == system_type::kInterruptGate ? rflags::kIF : 0;
    c.system_flags &= ~(rflags::kTF | rflags::kNT | rflags::kRF | rflags::kVM | masks_interrupts);
    s.shadow_at_ = ~u64{0};
    if (e.kind == Event::Kind::kNmi) s.nmi_blocked_ = true;
    if (is_debug(e) && !injected) {
      c.dr[7] &= ~dr7::kGd;
      if (s.hooks_.events != nullptr) s.hooks_.events->debug_exception();
    }
  }
};

/// Continues in the handler of something that no instruction asked for.
void System::take(const Event& event, u64 handler, u8 cpl, bool injected) {
  const u64 from = c_.rip;
  const u8 cpl_from = c_.cpl;
  c_.ledger->enter(context_of(cpl_from, c_.guest));
  c_.ledger->add(Ev::kBranches);
  c_.ledger->add(Ev::kFarBranches);
  const bool interrupt = event.kind == Event::Kind::kInterrupt || event.kind == Event::Kind::kNmi;
  if (interrupt && !injected) c_.ledger->add(Ev::kInterrupts);
  c_.rip = handler;
  set_cpl(c_, cpl);
  if (is_debug(event) && !injected) return;
  branches_.far_branch(interrupt ? BranchKind::kInterrupt : BranchKind::kException, from, handler, cpl_from,
                       cpl);
}

System::Next System::deliver(const Event& event) {
  return deliver(event, nullptr, false);
}

/// `first` is what was being delivered when `e` came up, or the injected event itself.
System::Next System::deliver(Event e, const VmxEvent* first, bool injected) {
  if (next_ == Next::kShutdown) return next_;
  std::optional<VmxEvent> during;  // VMX non-root operation: what is being delivered
  if (first != nullptr) during = *first;
  for (;;) {
    if (c_.guest && !injected) {
      const VmxEvent now = vmx_event(e);
      if (virtualization_->event(now, during ? &*during : nullptr)) return next_;
      during = now;
    }
    next_ = Next::kRun;
    if (!injected && e.kind == Event::Kind::kFault && e.vector == static_cast<u8>(Vector::kPF))
      c_.cr2 = e.address;
    if (!injected && is_debug(e)) c_.dr[6] |= e.address;
    Delivery d{*this, c_, e, c_.rip + e.length, injected};
    const Done fault = d.prepare();
    if (!fault) {
      d.enter_handler();
      take(e, d.gate.offset(), d.cpl, injected);
      return next_;
    }
    injected = false;
    const Event second = Event::fault(*fault);
    const bool was_double = e.kind == Event::Kind::kFault && e.vector == static_cast<u8>(Vector::kDF);
    if (was_double && severity(second) != Severity::kBenign) {
      if (c_.guest) {
        if (!virtualization_->event(vmx_event(second), &*during)) virtualization_->triple_fault();
        return next_;
      }
      return next_ = Next::kShutdown;
    }
    if (doubles(severity(e), severity(second))) {
      if (c_.guest && virtualization_->event(vmx_event(second), &*during)) return next_;
      if (severity(second) == Severity::kPage) c_.cr2 = second.address;
      e = Event{Event::Kind::kFault, static_cast<u8>(Vector::kDF), true, 0, 0};
    } else {
      e = second;
    }
  }
}

/// INT n, INT3, INT1: the instruction completes when its handler is entered, and faults when that cannot be.
Done System::Ops::software_interrupt(u8 vector, bool checked) {
  const Event e{
      .kind = checked ? Event::Kind::kSoftware : Event::Kind::kInt1, .vector = vector, .length = i.length};
  // INT n is not one of the exceptions that the bitmap is about.
  if (c.guest && c.system_op != SystemOp::kInt &&
      s.virtualization_->event(vmx_event(e, c.system_op), nullptr))
    return std::nullopt;
  Delivery d{s, c, e, c.next_rip};
  if (Done fault = d.prepare()) return fault;
  d.enter_handler();
  s.transfer(BranchKind::kSoftInt, d.gate.offset(), d.cpl, !is_debug(e));
  return std::nullopt;
}

}  // namespace lastbranch::cpu
