// Far JMP, CALL and RET, and IRET, among 64-bit code segments. Source: SDM vol. 2, the page of each mnemonic.
// Not modelled: gates and task switches, and code segments without L, which raise #GP(selector).
#include "models/cpu/control.h"
#include "models/cpu/exec/exec.h"
#include "models/cpu/system_ops.h"

namespace lastbranch::cpu {
namespace {

bool is_64_bit(const Descriptor& d) {
  return d.long_mode() && !d.default_32();
}

u16 with_rpl(u16 selector, u8 cpl) {
  return static_cast<u16>((selector & 0xfffc) | cpl);
}

}  // namespace

/// The target of a far JMP or CALL: a code segment of the same privilege.
Done System::Ops::check_code(u16 selector, u64 to) {
  if (is_null(selector)) return general_protection();
  const u32 error = selector_error(selector);
  Descriptor d;
  if (Done fault = fetch(selector, d)) return fault;
  if (!d.is_code() || !is_64_bit(d)) return general_protection(error);
  if (d.conforming() ? d.dpl() > c.cpl : d.dpl() != c.cpl || (selector & 3) > c.cpl)
    return general_protection(error);
  if (!d.present()) return Fault{Vector::kNP, true, error};
  if (!is_canonical(to)) return general_protection();
  return std::nullopt;
}

Done System::Ops::far_jmp() {
  u64 to = 0;
  u16 selector = 0;
  if (Done fault = far_operand(to, selector)) return fault;
  if (Done fault = check_code(selector, to)) return fault;
  c.selector[kCs] = with_rpl(selector, c.cpl);
  s.transfer(BranchKind::kFar, to, c.cpl);
  return std::nullopt;
}

Done System::Ops::far_call() {
  u64 to = 0;
  u16 selector = 0;
  if (Done fault = far_operand(to, selector)) return fault;
  if (Done fault = check_code(selector, to)) return fault;
  u8 frame[16] = {};
  const u64 cs = c.selector[kCs];
  std::memcpy(frame, &c.next_rip, form.size);
  std::memcpy(frame + form.size, &cs, form.size);
  const u64 rsp = c.r[kRsp] - 2u * form.size;
  if (Done fault = s.memory_.store(rsp, {frame, 2u * form.size}, user())) return fault;
  c.r[kRsp] = rsp;
  c.selector[kCs] = with_rpl(selector, c.cpl);
  s.transfer(BranchKind::kFar, to, c.cpl);
  return std::nullopt;
}

/// The code segment and address that a far return or IRET goes to.
Done System::Ops::check_return(u64 rip, u16 cs) {
  if (is_null(cs)) return general_protection();
  const u32 error = selector_error(cs);
  const u8 rpl = cs & 3;
  Descriptor d;
  if (Done fault = fetch(cs, d)) return fault;
  if (!d.is_code() || rpl < c.cpl || !is_64_bit(d)) return general_protection(error);
  if (d.conforming() ? d.dpl() > rpl : d.dpl() != rpl) return general_protection(error);
  if (!d.present()) return Fault{Vector::kNP, true, error};
  if (!is_canonical(rip)) return general_protection();
  return std::nullopt;
}

Done System::Ops::check_return_stack(u16 cs, u16 ss) {
  const u8 rpl = cs & 3;
  if (is_null(ss)) return rpl == 3 || (ss & 3) != rpl ? Done(general_protection()) : std::nullopt;
  const u32 error = selector_error(ss);
  Descriptor d;
  if (Done fault = fetch(ss, d)) return fault;
  if ((ss & 3) != rpl || !d.writable_data() || d.dpl() != rpl) return general_protection(error);
  if (!d.present()) return Fault{Vector::kSS, true, error};
  return std::nullopt;
}

/// Takes over a stack; on the way out, data segments that the lower privilege may not have become null.
void System::Ops::enter_stack(u64 rsp, u16 ss, u8 cpl) {
  c.r[kRsp] = rsp;
  c.selector[kSs] = ss;
  c.segment_dpl[kSs] = cpl;
  if (cpl == c.cpl) return;
  for (const unsigned which : {kEs, kDs, kFs, kGs}) {
    if (!is_null(c.selector[which]) && c.segment_dpl[which] < cpl) set_null(which, 0);
  }
}

Done System::Ops::far_ret() {
  const u64 released = static_cast<u16>(i.imm);
  u64 frame[2] = {}, stack[2] = {};
  const auto pop = [&](u64 at, u64(&words)[2]) -> Done {
    for (unsigned k = 0; k < 2; ++k) {
      if (Done fault =
              s.memory_.load(at + k * form.size, {reinterpret_cast<u8*>(&words[k]), form.size}, user()))
        return fault;
    }
    return std::nullopt;
  };
  if (Done fault = pop(c.r[kRsp], frame)) return fault;
  const u64 rip = frame[0];
  const u16 cs = static_cast<u16>(frame[1]);
  const u8 cpl = cs & 3;
  if (Done fault = check_return(rip, cs)) return fault;
  const u64 behind = c.r[kRsp] + 2u * form.size + released;
  if (cpl == c.cpl) {
    c.r[kRsp] = behind;
  } else {
    if (Done fault = pop(behind, stack)) return fault;
    if (Done fault = check_return_stack(cs, static_cast<u16>(stack[1]))) return fault;
    enter_stack(stack[0] + released, static_cast<u16>(stack[1]), cpl);
  }
  c.selector[kCs] = cs;
  s.transfer(BranchKind::kFar, rip, cpl);
  return std::nullopt;
}

Done System::Ops::iret() {
  if (!c.guest || s.virtualization_->iret_unblocks()) s.nmi_blocked_ = false;  // even if it faults
  if ((c.system_flags & rflags::kNT) != 0) return general_protection();
  u64 frame[5] = {};  // RIP, CS, RFLAGS, RSP, SS
  for (unsigned k = 0; k < 5; ++k) {
    if (Done fault = s.memory_.load(c.r[kRsp] + k * form.size, {reinterpret_cast<u8*>(&frame[k]), form.size},
                                    user())) {
      return fault;
    }
  }
  const u16 cs = static_cast<u16>(frame[1]), ss = static_cast<u16>(frame[4]);
  if (Done fault = check_return(frame[0], cs)) return fault;
  if (Done fault = check_return_stack(cs, ss)) return fault;

  u64 mask = rflags::kStatus | rflags::kTF | rflags::kDF | rflags::kNT;
  if (form.size != 2) mask |= rflags::kRF | rflags::kAC | rflags::kID;
  if (c.cpl <= iopl()) mask |= rflags::kIF;
  if (c.cpl == 0) mask |= rflags::kIOPL | (form.size != 2 ? rflags::kVIF | rflags::kVIP : 0);
  const u64 flags = (c.flags() & ~mask) | (frame[2] & mask);
  const u8 cpl = cs & 3;
  enter_stack(frame[3], ss, cpl);
  c.selector[kCs] = cs;
  s.transfer(BranchKind::kIret, frame[0], cpl);
  c.set_flags(flags);
  // RF only holds off breakpoints; without any it would be carried along for ever.
  if (c.breakpoints == 0) c.system_flags &= ~rflags::kRF;
  return std::nullopt;
}

}  // namespace lastbranch::cpu
