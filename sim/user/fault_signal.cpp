#include "sim/user/fault_signal.h"

#include <csignal>

#include <fmt/format.h>

namespace lastbranch::user {
namespace {

cpu::Access access_of(const Fault& fault) {
  if ((fault.error & pf::kFetch) != 0) return cpu::Access::kFetch;
  return (fault.error & pf::kWrite) != 0 ? cpu::Access::kWrite : cpu::Access::kRead;
}

SigInfo make(int signal, i32 code, u64 address) {
  SigInfo info;
  info.number = signal;
  info.code = code;
  info.first = address;
  return info;
}

SigInfo page_fault_signal(const Fault& fault, const AddressSpace& space) {
  switch (space.why_refused(fault.address, access_of(fault))) {
    case Refusal::kNotMapped:
      return make(SIGSEGV, SEGV_MAPERR, fault.address);
    case Refusal::kNotAllowed:
      return make(SIGSEGV, SEGV_ACCERR, fault.address);
    case Refusal::kBeyondFile:
      return make(SIGBUS, BUS_ADRERR, fault.address);
    case Refusal::kNoMemory:
      break;
  }
  return make(SIGKILL, si::kKernel, 0);  // as the out-of-memory killer does
}

/// Unmasked exceptions of x87 (status against control) or SSE (MXCSR), in the order Linux looks at them.
i32 float_code(u32 raised) {
  if ((raised & 0x01) != 0) return FPE_FLTINV;
  if ((raised & 0x04) != 0) return FPE_FLTDIV;
  if ((raised & 0x08) != 0) return FPE_FLTOVF;
  if ((raised & 0x12) != 0) return FPE_FLTUND;
  return (raised & 0x20) != 0 ? i32{FPE_FLTRES} : 0;
}

u32 raised_x87(const cpu::Cpu& c) {
  return c.x87.status & ~u32{c.x87.control} & 0x3f;
}
u32 raised_sse(const cpu::Cpu& c) {
  return c.mxcsr & ~(c.mxcsr >> 7) & 0x3f;
}

}  // namespace

SigInfo signal_of_fault(const cpu::Cpu& c, const AddressSpace& space) {
  switch (c.fault.vector) {
    case Vector::kPF:
      return page_fault_signal(c.fault, space);
    case Vector::kDE:
      return make(SIGFPE, FPE_INTDIV, c.rip);
    case Vector::kMF:
      return make(SIGFPE, float_code(raised_x87(c)), c.rip);
    case Vector::kXM:
      return make(SIGFPE, float_code(raised_sse(c)), c.rip);
    case Vector::kUD:
      return make(SIGILL, ILL_ILLOPN, c.rip);
    case Vector::kBP:
      return make(SIGTRAP, si::kKernel, 0);
    case Vector::kDB: {
      const bool step = (c.dr[6] & (u64{1} << 14)) != 0;
      return make(SIGTRAP, step ? i32{TRAP_TRACE} : i32{TRAP_BRKPT}, c.rip);
    }
    case Vector::kAC:
      return make(SIGBUS, BUS_ADRALN, 0);
    case Vector::kSS:
    case Vector::kNP:
      return make(SIGBUS, si::kKernel, 0);
    default:
      return make(SIGSEGV, si::kKernel, 0);
  }
}

TrapState trap_state(const cpu::Cpu& c, const TrapState& before) {
  TrapState state{static_cast<u64>(c.fault.vector), c.fault.has_error ? c.fault.error : 0, before.address};
  if (c.fault.vector == Vector::kPF) state.address = c.fault.address;
  return state;
}

std::string describe_fault(const Fault& fault, const AddressSpace& space) {
  switch (fault.vector) {
    case Vector::kPF:
      break;
    case Vector::kDE:
      return "division error";
    case Vector::kMF:
      return "x87 exception";
    case Vector::kXM:
      return "SSE exception";
    case Vector::kUD:
      return "undefined or unsupported instruction";
    case Vector::kBP:
      return "breakpoint";
    case Vector::kDB:
      return "debug exception";
    case Vector::kGP:
      return "general protection";
    case Vector::kSS:
      return "stack fault";
    case Vector::kAC:
      return "unaligned access";
    default:
      return fmt::format("exception {}", static_cast<unsigned>(fault.vector));
  }
  const char* verb = (fault.error & pf::kFetch) != 0   ? "execute"
                     : (fault.error & pf::kWrite) != 0 ? "write"
                                                       : "read";
  switch (space.why_refused(fault.address, access_of(fault))) {
    case Refusal::kNotMapped:
      return fmt::format("{} at {:#x}, not mapped", verb, fault.address);
    case Refusal::kNotAllowed:
      return fmt::format("{} at {:#x}, not allowed", verb, fault.address);
    case Refusal::kBeyondFile:
      return fmt::format("{} at {:#x}, beyond the end of the mapped file", verb, fault.address);
    case Refusal::kNoMemory:
      break;
  }
  return "simulated memory is used up";
}

}  // namespace lastbranch::user
