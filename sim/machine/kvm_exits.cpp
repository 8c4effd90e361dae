#include "sim/machine/kvm_exits.h"

#include <algorithm>
#include <array>
#include <utility>

#include <fmt/format.h>

#include "models/cpu/control_registers.h"
#include "models/cpu/cpuid.h"
#include "sim/board/layout.h"

namespace lastbranch {
namespace {

using vmx::Field;
using vmx::Reason;

constexpr u32 kValid = 1u << 31, kHasError = 1u << 11;
constexpr u32 kInterruptType = 0, kNmiType = 2u << 8, kExceptionType = 3u << 8;
constexpr u64 kIf = 1u << 9;

/// Registers of the CPU that KVM lets every guest have, whatever the model's rules are about.
constexpr std::array<u32, 11> kEveryGuests = {
    0x10, 0x8b, 0xfe, 0x277, 0x2ff, 0xc0000080, 0xc0000081, 0xc0000082, 0xc0000083, 0xc0000084, 0xc0000103};
bool every_guests(u32 index) {
  return std::ranges::find(kEveryGuests, index) != kEveryGuests.end();
}
constexpr std::string_view kApicNote = "a register of the local APIC in the kernel";
constexpr std::string_view kCpuNote = "a register that KVM has for every guest";

u32 replace(u32 value, u32 mask, u32 by) {
  return (value & ~mask) | (by & mask);
}

/// What user space has given the vCPU: the CPU's leaves without what KVM does not virtualize, and those that
/// the model knows.
cpu::CpuidResult guest_cpuid(const cpu::Uarch& part, const kvm::GuestCpuid& guest, u32 leaf, u32 subleaf) {
  if (!guest.present) return {};
  constexpr u32 kArchLbrLeaf = 0x1c, kTraceLeaf = 0x14, kMonitoringLeaf = 0x23;
  if (leaf == kArchLbrLeaf || leaf == kTraceLeaf || leaf == kMonitoringLeaf) return {};
  if (leaf == 0xa) {
    if (!guest.has_leaf_0a) return {};
    return {guest.leaf0a_eax, guest.leaf0a_ebx, 0, guest.leaf0a_edx};
  }
  cpu::CpuidResult r = cpu::cpuid(part, leaf, subleaf);
  if (leaf == 1) {
    constexpr u32 kDtes64 = 1u << 2, kDsCpl = 1u << 4, kPdcm = 1u << 15, kX2apic = 1u << 21,
                  kHypervisor = 1u << 31, kApic = 1u << 9, kDs = 1u << 21;
    r.eax = guest.leaf1_eax;
    r.ecx = replace(r.ecx, kDtes64 | kDsCpl | kPdcm, guest.leaf1_ecx) | kX2apic | kHypervisor;
    r.edx = replace(r.edx, kDs, guest.leaf1_edx) | kApic;
  } else if (leaf == 7 && subleaf == 0) {
    constexpr u32 kHle = 1u << 4, kRtm = 1u << 11, kTrace = 1u << 25, kBusLock = 1u << 24,
                  kArchLbr = 1u << 19;
    r.ebx = replace(r.ebx, kHle | kRtm | kTrace, guest.leaf7_ebx);
    r.ecx = replace(r.ecx, kBusLock, guest.leaf7_ecx);
    r.edx &= ~kArchLbr;
  }
  return r;
}

}  // namespace

bool KvmExits::handle(KvmExit& exit, KvmRun& run) {
  switch (exit.reason) {
    case Reason::kException:
    case Reason::kExternalInterrupt:
      return false;  // NMIs and interrupts of the host's own; exceptions do not exit
    case Reason::kInterruptWindow:
    case Reason::kNmiWindow:
      return false;
    case Reason::kTripleFault:
      run.how = KvmRun::How::kShutdown;
      run.why = fmt::format("triple fault at {:#x}", exit.rip);
      return true;
    case Reason::kCpuid:
      cpuid(exit);
      return false;
    case Reason::kHlt:
      return halt(run);
    case Reason::kInvd:
      skip();
      return false;
    case Reason::kRdpmc:
      rdpmc(exit);
      break;
    case Reason::kRdmsr:
      read_msr(exit);
      break;
    case Reason::kWrmsr:
      write_msr(exit);
      break;
    case Reason::kIo:
      return io(exit, run);
    case Reason::kCr:
      return control_register(exit, run);
    default:
      return vmx_instruction(exit, run);
  }
  run.log_lines += exit.note.empty() ? vcpu_.last().did.log_lines : 0;
  finish(exit);
  return false;
}

void KvmExits::take(KvmExit& exit, const kvm::GuestAnswer& answer) {
  exit.gp = answer.gp;
  exit.answer = answer.value;
  exit.code = answer.code;
  exit.rules = vcpu_.rules();
}

void KvmExits::read_msr(KvmExit& exit) {
  exit.index = static_cast<u32>(gpr(cpu::kRcx));
  const auto give = [&](std::optional<u64> value, std::string_view note) {
    exit.note = note;
    exit.gp = !value;
    exit.answer = value.value_or(0);
  };
  if (KvmApic::owns(exit.index)) {
    give(apic_.read(exit.index), kApicNote);
  } else if (every_guests(exit.index)) {
    give(cpu_.read(exit.index), kCpuNote);
  } else {
    take(exit, vcpu_.guest_rdmsr(exit.index));
  }
  if (!exit.gp) set_edx_eax(exit.answer);
}

void KvmExits::write_msr(KvmExit& exit) {
  exit.index = static_cast<u32>(gpr(cpu::kRcx));
  exit.value = (gpr(cpu::kRdx) << 32) | static_cast<u32>(gpr(cpu::kRax));
  if (KvmApic::owns(exit.index)) {
    exit.note = kApicNote;
    exit.gp = !apic_.write(exit.index, exit.value);
  } else if (every_guests(exit.index)) {
    exit.note = kCpuNote;
    exit.gp = !cpu_.write(exit.index, exit.value);
  } else {
    take(exit, vcpu_.guest_wrmsr(exit.index, exit.value));
  }
}

void KvmExits::rdpmc(KvmExit& exit) {
  exit.index = static_cast<u32>(gpr(cpu::kRcx));
  take(exit, vcpu_.rdpmc(exit.index));
  if (!exit.gp) set_edx_eax(exit.answer);
}

void KvmExits::cpuid(KvmExit& exit) {
  exit.index = static_cast<u32>(gpr(cpu::kRax));
  exit.value = static_cast<u32>(gpr(cpu::kRcx));
  const cpu::CpuidResult r =
      guest_cpuid(cpu_.processor.part, vcpu_.state.cpuid, exit.index, static_cast<u32>(exit.value));
  exit.answer = u64{r.ebx} << 32 | r.eax;
  gpr(cpu::kRax) = r.eax;
  gpr(cpu::kRbx) = r.ebx;
  gpr(cpu::kRcx) = r.ecx;
  gpr(cpu::kRdx) = r.edx;
  skip();
}

bool KvmExits::io(KvmExit& exit, KvmRun& run) {
  const u64 how = cpu_.vmread(Field::kExitQualification);
  const unsigned size = (how & 7) + 1;
  const bool in = (how & 8) != 0, string = (how & 16) != 0;
  exit.index = static_cast<u32>(how >> 16 & 0xffff);
  const u64 mask = size == 4 ? 0xffffffff : (u64{1} << 8 * size) - 1;
  u64& rax = gpr(cpu::kRax);
  if (!string && exit.index == board::kOutputPort) {
    if (in) {
      exit.answer = board::kOutputPort;
      rax = size == 4 ? exit.answer : (rax & ~mask) | exit.answer;
    } else {
      exit.value = rax & mask;
      const char byte = static_cast<char>(rax);
      if (output_) output_({&byte, 1});
    }
    skip();
    return false;
  }
  if (!string && !in && exit.index == board::kExitPort) {
    exit.value = rax & mask;
    skip();
    run.how = KvmRun::How::kExited;
    run.status = board::exit_status(static_cast<u32>(exit.value));
    run.why = fmt::format("the guest wrote {} to the exit port", exit.value);
    return true;
  }
  return unhandled(run, fmt::format("{} {} of {} byte{} at port {:#x}", string ? "string" : "port",
                                    in ? "input" : "output", size, size == 1 ? "" : "s", exit.index));
}

bool KvmExits::halt(KvmRun& run) {
  skip();
  if (wakes()) return false;
  run.how = KvmRun::How::kHalted;
  run.why = "HLT, and nothing is pending";
  return true;
}

bool KvmExits::wakes() const {
  return apic_.nmi_pending() || (apic_.pending() && (cpu_.vmread(Field::kGuestRflags) & kIf) != 0);
}

/// CR4.VMXE, which the host keeps set: the guest's CPUID has no VMX, so it may not set it.
bool KvmExits::control_register(KvmExit& exit, KvmRun& run) {
  const u64 how = cpu_.vmread(Field::kExitQualification);
  exit.index = static_cast<u32>(how & 0xf);
  exit.value = gpr(how >> 8 & 0xf);
  if (exit.index == 4 && (how >> 4 & 3) == 0) {
    exit.gp = true;
    exception(Vector::kGP, true);
    return false;
  }
  return unhandled(run, fmt::format("access of CR{}", exit.index));
}

bool KvmExits::vmx_instruction(KvmExit& exit, KvmRun& run) {
  const auto reason = static_cast<unsigned>(exit.reason);
  if (exit.reason == Reason::kVmcall) {
    constexpr u64 kNoSuchCall = ~u64{999};  // -1000, KVM_ENOSYS
    exit.value = gpr(cpu::kRax);
    exit.answer = gpr(cpu::kRax) = kNoSuchCall;
    skip();
    return false;
  }
  if (reason >= static_cast<unsigned>(Reason::kVmclear) && reason <= static_cast<unsigned>(Reason::kVmxon)) {
    exception(Vector::kUD, false);
    return false;
  }
  return unhandled(run, fmt::format("exit for {}", name(exit.reason)));
}

void KvmExits::finish(const KvmExit& exit) {
  if (exit.gp) {
    exception(Vector::kGP, true);
  } else {
    skip();
  }
}

void KvmExits::skip() {
  cpu_.vmwrite(Field::kGuestRip, cpu_.vmread(Field::kGuestRip) + cpu_.vmread(Field::kExitLength));
  // A shadow of STI or MOV SS ends with the instruction.
  const u64 blocking = cpu_.vmread(Field::kGuestBlocking);
  cpu_.vmwrite(Field::kGuestBlocking, blocking & ~u64{vmx_block::kSti | vmx_block::kMovSs});
  counts_.completed_instruction();
  ++completed_;
}

void KvmExits::exception(Vector vector, bool has_error) {
  exception_ = kValid | kExceptionType | static_cast<u32>(vector) | (has_error ? kHasError : 0);
}

bool KvmExits::unhandled(KvmRun& run, std::string why) {
  run.how = KvmRun::How::kUnhandled;
  run.why = std::move(why);
  return true;
}

void KvmExits::inject() {
  u64 proc = cpu_.vmread(Field::kProcControls);
  proc &= ~u64{vmx::proc::kInterruptWindow | vmx::proc::kNmiWindow};
  const u64 blocking = cpu_.vmread(Field::kGuestBlocking);
  const bool shadow = (blocking & (vmx_block::kSti | vmx_block::kMovSs)) != 0;
  u32 event = std::exchange(exception_, 0);
  const bool nmi = apic_.nmi_pending();
  if (event == 0 && nmi && (blocking & vmx_block::kNmi) == 0 && !shadow) {
    apic_.take_nmi();
    event = kValid | kNmiType | static_cast<u32>(Vector::kNMI);
  } else if (nmi) {
    proc |= vmx::proc::kNmiWindow;
  }
  if (const std::optional<u8> vector = apic_.pending()) {
    const bool open = (cpu_.vmread(Field::kGuestRflags) & kIf) != 0 && !shadow;
    if (event == 0 && open) {
      apic_.take_interrupt();
      event = kValid | kInterruptType | *vector;
    } else {
      proc |= vmx::proc::kInterruptWindow;
    }
  }
  cpu_.vmwrite(Field::kProcControls, proc);
  cpu_.vmwrite(Field::kEntryEvent, event);
  cpu_.vmwrite(Field::kEntryError, 0);
}

void KvmExits::set_edx_eax(u64 value) {
  gpr(cpu::kRax) = static_cast<u32>(value);
  gpr(cpu::kRdx) = value >> 32;
}

void KvmExits::reset() {
  exception_ = 0;
}

}  // namespace lastbranch
