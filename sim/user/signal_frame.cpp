#include "sim/user/signal_frame.h"

#include <csignal>

namespace lastbranch::user {
namespace {

using cpu::Cpu;

constexpr u64 kRedZone = 128;
constexpr u64 kRestorerFlag = 0x04000000;  // SA_RESTORER
constexpr u64 kUcFlags = 2 | 4;            // UC_SIGCONTEXT_SS, UC_STRICT_RESTORE_SS; no UC_FP_XSTATE
constexpr i32 kDisabled = 2;               // SS_DISABLE
/// RFLAGS bits that a handler's return may change.
constexpr u64 kRestorableFlags = cpu::rflags::kStatus | cpu::rflags::kDF | cpu::rflags::kTF |
                                 cpu::rflags::kAC | cpu::rflags::kRF | cpu::rflags::kID | cpu::rflags::kNT;
/// The order of general registers in the context.
constexpr u8 kOrder[] = {cpu::kR8,  cpu::kR9,  cpu::kR10, cpu::kR11, cpu::kR12, cpu::kR13,
                         cpu::kR14, cpu::kR15, cpu::kRdi, cpu::kRsi, cpu::kRbp, cpu::kRbx,
                         cpu::kRdx, cpu::kRax, cpu::kRcx, cpu::kRsp};

/// struct sigcontext.
struct Context {
  u64 gpr[16];
  u64 rip, flags;
  u16 cs, gs, fs, ss;
  u64 error, trap, old_mask, cr2;
  u64 fpstate;
  u64 reserved[8];
};
static_assert(sizeof(Context) == 256);

/// struct ucontext.
struct UContext {
  u64 flags, link;
  AltStack stack;
  Context context;
  u64 mask;
};
static_assert(sizeof(UContext) == 304);

struct Frame {
  u64 return_address;
  UContext uc;
  SigInfo info;
};
static_assert(sizeof(Frame) == 440);

/// FXSAVE's 64-bit image.
struct Fxsave {
  u16 control, status;
  u8 tag, pad;
  u16 opcode;
  u64 instruction, data;
  u32 mxcsr, mxcsr_mask;
  cpu::X87Slot st[8];
  cpu::Xmm xmm[16];
  u8 reserved[96];
};
static_assert(sizeof(Fxsave) == 512);

Fxsave save_fpu(const Cpu& c) {
  Fxsave f{};
  const cpu::X87& x = c.x87;
  f.control = x.control;
  f.status = static_cast<u16>(x.status | (x.top << 11));
  f.tag = x.valid;
  f.opcode = x.opcode;
  f.instruction = x.instruction;
  f.data = x.data;
  f.mxcsr = c.mxcsr;
  f.mxcsr_mask = 0xffff;
  for (unsigned i = 0; i < 8; ++i) f.st[i] = x.physical[(x.top + i) & 7];
  for (unsigned i = 0; i < 16; ++i) f.xmm[i] = c.xmm[i];
  return f;
}

void restore_fpu(Cpu& c, const Fxsave& f) {
  cpu::X87& x = c.x87;
  x.control = f.control;
  x.top = static_cast<u8>((f.status >> 11) & 7);
  x.status = static_cast<u16>(f.status & ~(7u << 11));
  x.valid = f.tag;
  x.opcode = f.opcode;
  x.instruction = f.instruction;
  x.data = f.data;
  c.mxcsr = f.mxcsr & 0xffff;
  for (unsigned i = 0; i < 8; ++i) {
    x.physical[(x.top + i) & 7] = {.mantissa = f.st[i].mantissa, .sign_exponent = f.st[i].sign_exponent};
  }
  for (unsigned i = 0; i < 16; ++i) c.xmm[i] = f.xmm[i];
}

bool on_alternate(const AltStack& a, u64 sp) {
  return (a.flags & kDisabled) == 0 && sp > a.base && sp - a.base <= a.size;
}

Context save_context(const Cpu& c, const TrapState& trap, u64 mask, u64 fpstate) {
  Context x{};
  for (unsigned i = 0; i < 16; ++i) x.gpr[i] = c.r[kOrder[i]];
  x.rip = c.rip;
  x.flags = c.flags();
  x.cs = c.selector[cpu::kCs];
  x.ss = c.selector[cpu::kSs];
  x.error = trap.error;
  x.trap = trap.number;
  x.old_mask = mask;
  x.cr2 = trap.address;
  x.fpstate = fpstate;
  return x;
}

}  // namespace

bool enter_handler(Cpu& c, AddressSpace& space, Signals& signals, const SigInfo& info,
                   const TrapState& trap) {
  const SigAction action = signals.action(info.number);
  if ((action.flags & kRestorerFlag) == 0) return false;
  u64 sp = c.r[cpu::kRsp] - kRedZone;
  const AltStack& alternate = signals.alternate;
  const bool nested = on_alternate(alternate, c.r[cpu::kRsp]);
  if ((action.flags & SA_ONSTACK) != 0 && (alternate.flags & kDisabled) == 0 && !nested) {
    sp = alternate.base + alternate.size;
  }
  const u64 fpstate = (sp - sizeof(Fxsave)) & ~u64{63};
  const u64 at = ((fpstate - sizeof(Frame)) & ~u64{15}) - 8;
  // Linux refuses a frame that would run out of the alternate stack rather than write below it.
  if (on_alternate(alternate, sp) && at < alternate.base) return false;

  Frame frame{};
  frame.return_address = action.restorer;
  frame.uc.flags = kUcFlags;
  frame.uc.stack = alternate;
  frame.uc.context = save_context(c, trap, signals.mask(), fpstate);
  frame.uc.mask = signals.mask();
  frame.info = info;
  if (!space.write(fpstate, save_fpu(c)) || !space.write(at, frame)) return false;

  c.r[cpu::kRdi] = static_cast<u64>(info.number);
  c.r[cpu::kRsi] = at + offsetof(Frame, info);
  c.r[cpu::kRdx] = at + offsetof(Frame, uc);
  c.r[cpu::kRax] = 0;
  c.r[cpu::kRsp] = at;
  c.rip = action.handler;
  c.set_flags(c.flags() & ~(cpu::rflags::kDF | cpu::rflags::kRF | cpu::rflags::kTF));
  // Handlers start with a fresh x87 and SSE state, as after exec.
  c.x87 = {};
  c.mxcsr = 0x1f80;
  c.xmm = {};
  u64 mask = signals.mask() | action.mask;
  if ((action.flags & SA_NODEFER) == 0) mask |= Signals::bit(info.number);
  signals.set_mask(mask);
  if ((action.flags & SA_RESETHAND) != 0) {
    SigAction reset = action;
    reset.handler = Signals::kDefault;
    signals.set_action(info.number, reset);
  }
  return true;
}

bool leave_handler(Cpu& c, AddressSpace& space, Signals& signals) {
  UContext uc{};
  // The handler's RET popped the return address; the frame begins one word below.
  if (!space.read(c.r[cpu::kRsp], uc)) return false;
  const Context& x = uc.context;
  if (x.fpstate != 0) {
    Fxsave f{};
    if (!space.read(x.fpstate, f) || (f.mxcsr & ~u32{0xffff}) != 0) return false;
    restore_fpu(c, f);
  } else {
    c.x87 = {};
    c.mxcsr = 0x1f80;
    c.xmm = {};
  }
  for (unsigned i = 0; i < 16; ++i) c.r[kOrder[i]] = x.gpr[i];
  c.next_rip = x.rip;
  c.set_flags((c.flags() & ~kRestorableFlags) | (x.flags & kRestorableFlags & ~cpu::rflags::kRF));
  signals.set_mask(uc.mask);
  const bool known_flags = uc.stack.flags == 0 || uc.stack.flags == kDisabled;
  if (known_flags && !on_alternate(signals.alternate, c.r[cpu::kRsp])) signals.alternate = uc.stack;
  return true;
}

}  // namespace lastbranch::user
