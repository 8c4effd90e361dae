#include "sim/user/process.h"

#include <array>
#include <cerrno>
#include <csignal>

#include <fmt/format.h>

#include "models/cpu/control.h"
#include "models/cpu/decode.h"
#include "sim/base/assert.h"
#include "sim/base/error.h"
#include "sim/load/symbol_file.h"
#include "sim/user/fault_signal.h"
#include "sim/user/start.h"
#include "sim/user/syscall_table.h"
#include "sim/user/vdso.h"

namespace lastbranch::user {
namespace {

using cpu::Cpu;

constexpr u8 kUserLevel = 3, kKernelLevel = 0;
constexpr u16 kUserCode = 0x33, kUserData = 0x2b;

/// A program that goes on after SIGILL may have met what the part would execute: that is to be seen. UD2
/// means it.
void tally_instruction(Kernel& k, u64 address) {
  std::array<u8, 15> bytes{};
  std::size_t size = bytes.size();
  while (size > 0 && !k.memory.copy_in(bytes.data(), address, size)) --size;
  if (size >= 2 && bytes[0] == 0x0f && bytes[1] == 0x0b) return;
  const std::string text = cpu::describe_instruction({bytes.data(), size}, address);
  k.tally.refuse(~u64{0}, fmt::format("instruction {} at {:#x}", text, address), "SIGILL");
}

bool is_trap(Vector v) {
  return v == Vector::kBP || v == Vector::kDB || v == Vector::kOF;
}

}  // namespace

Process::Process(const ProcessConfig& config, PhysMem& memory)
    : config_(config), kernel_(std::make_unique<Kernel>(config_, memory)) {
  start_program(*kernel_);
}
Process::~Process() = default;

AddressSpace& Process::memory() {
  return kernel_->memory;
}

void Process::start(Cpu& c, FarBranches& branches) {
  branches_ = &branches;
  kernel_->cpu = &c;
  kernel_->memory.attach(c);
  c.walker = &kernel_->memory;
  c.cpl = kUserLevel;
  c.selector = {};
  c.selector[cpu::kCs] = kUserCode;
  c.selector[cpu::kSs] = kUserData;
  for (u8 r = cpu::kRax; r <= cpu::kR15; ++r) c.r[r] = 0;
  c.r[cpu::kRsp] = kernel_->stack.pointer;
  c.fs_base() = c.gs_base() = 0;
  c.set_flags(cpu::rflags::kIF);
  c.rip = kernel_->program.entry;
  c.intercept[static_cast<std::size_t>(cpu::Sensitive::kSyscall)] = cpu::Action::kExit;
}

Process::Next Process::handle() {
  switch (kernel_->cpu->exit) {
    case cpu::Exit::kIntercept:
      LASTBRANCH_CHECK(kernel_->cpu->sensitive == cpu::Sensitive::kSyscall, "sensitive {}",
                       static_cast<unsigned>(kernel_->cpu->sensitive));
      return system_call();
    case cpu::Exit::kFault:
      return fault();
    default:
      return Next::kContinue;
  }
}

Process::Next Process::system_call() {
  Kernel& k = *kernel_;
  Cpu& c = *k.cpu;
  const u64 from = c.rip, number = c.r[cpu::kRax];
  const Args args{
      {c.r[cpu::kRdi], c.r[cpu::kRsi], c.r[cpu::kRdx], c.r[cpu::kR10], c.r[cpu::kR8], c.r[cpu::kR9]}};
  k.context_restored = false;
  const i64 result = serve_syscall(k, number, args);
  if (result == kRestart) return Next::kContinue;

  cpu::retire_intercepted(c, cpu::fact::kBranch | cpu::fact::kFar);
  branches_->far_branch(BranchKind::kSyscall, from, kernel::kSyscallEntry, kUserLevel, kKernelLevel);
  if (k.exit_status) {
    flush();
    return Next::kExited;
  }
  if (!k.context_restored) {
    c.r[cpu::kRax] = static_cast<u64>(result);
    c.r[cpu::kRcx] = c.rip;
    c.r[cpu::kR11] = c.flags();
  }
  int handlers = 0;
  if (!deliver_signals(handlers)) return Next::kKilled;
  // SYSRET can only return to where SYSCALL came from; Linux uses IRET for everything else.
  const bool plain = handlers == 0 && !k.context_restored;
  branches_->far_branch(plain ? BranchKind::kSysret : BranchKind::kIret,
                        plain ? kernel::kSysret : kernel::kIret, c.rip, kKernelLevel, kUserLevel);
  return Next::kContinue;
}

Process::Next Process::fault() {
  Kernel& k = *kernel_;
  Cpu& c = *k.cpu;
  if (c.fault.vector == Vector::kPF) c.cr2 = c.fault.address;
  const bool software = c.fault.vector == Vector::kBP || c.fault.vector == Vector::kOF;
  branches_->far_branch(software ? BranchKind::kSoftInt : BranchKind::kException,
                        is_trap(c.fault.vector) && c.at != nullptr ? c.rip - c.at->length : c.rip,
                        kernel::kExceptionEntry, kUserLevel, kKernelLevel);
  const SigInfo info = signal_of_fault(c, k.memory);
  k.trap = trap_state(c, k.trap);
  death_.by_fault = true;
  death_.fault = c.fault;
  death_.reason = describe_fault(c.fault, k.memory);
  k.signals.force(info);
  const u64 at = c.rip;
  int handlers = 0;
  if (!deliver_signals(handlers)) return Next::kKilled;
  if (death_.fault.vector == Vector::kUD) tally_instruction(k, at);
  death_ = {};
  branches_->far_branch(BranchKind::kIret, kernel::kIret, c.rip, kKernelLevel, kUserLevel);
  return Next::kContinue;
}

bool Process::deliver_signals(int& handlers) {
  Signals& signals = kernel_->signals;
  while (const std::optional<SigInfo> info = signals.next()) {
    const u64 handler = signals.action(info->number).handler;
    if (handler == Signals::kIgnore) continue;
    if (handler != Signals::kDefault && info->number != SIGKILL) {
      if (!deliver(*info)) return false;
      ++handlers;
      continue;
    }
    switch (Signals::default_fate(info->number)) {
      case Signals::Fate::kIgnore:
        break;
      case Signals::Fate::kStop:
        kernel_->tally.refuse(62, fmt::format("stop by signal {}", info->number), "ignored");
        break;
      case Signals::Fate::kDie:
        die(info->number);
        return false;
    }
  }
  return true;
}

bool Process::deliver(const SigInfo& info) {
  Kernel& k = *kernel_;
  if (enter_handler(*k.cpu, k.memory, k.signals, info, k.trap)) return true;
  // No room for the frame: SIGSEGV, and without mercy when that was the signal. Source: force_sigsegv().
  if (info.number == SIGSEGV) k.signals.set_action(SIGSEGV, {});
  k.signals.force({.number = SIGSEGV, .code = si::kKernel});
  if (death_.reason.empty())
    death_.reason = fmt::format("no stack for the handler of signal {}", info.number);
  return true;
}

void Process::die(int signal) {
  death_.signal = signal;
  death_.rip = kernel_->cpu->rip;
  if (death_.reason.empty()) death_.reason = "sent by the program itself";
  flush();
}

int Process::exit_status() const {
  if (death_.signal != 0) return 128 + death_.signal;
  return kernel_->exit_status.value_or(0);
}

void Process::flush() {
  kernel_->memory.shared_pages().flush_all();
}

std::vector<RefusedCall> Process::refused_calls() const {
  return kernel_->tally.rows();
}
u64 Process::system_calls() const {
  return kernel_->system_calls;
}
const std::string& Process::executable() const {
  return kernel_->executable;
}
const std::string& Process::name() const {
  return kernel_->name;
}

std::string Process::describe(u64 address) const {
  const Vma* v = kernel_->memory.vmas().find(address);
  if (v != nullptr && v->role == Role::kVdso) {
    const std::string function = describe_vdso(address - v->start);
    if (!function.empty()) return fmt::format("{} ([vdso])", function);
  }
  if (v == nullptr || !v->file) return fmt::format("{:#x}", address);
  try {
    const load::SymbolFile file(v->file->host_path());
    if (const auto hit = file.at_offset(v->offset_of(address))) {
      return fmt::format("{}+{:#x} ({})", hit->name, hit->offset, v->file->guest_path());
    }
  } catch (const Error&) {
    // Not an ELF file or gone by now: the mapping still says something.
  }
  return fmt::format("{:#x} ({}+{:#x})", address, v->file->guest_path(), v->offset_of(address));
}

}  // namespace lastbranch::user
