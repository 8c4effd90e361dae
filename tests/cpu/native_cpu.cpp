#include "tests/cpu/native_cpu.h"

#include <cerrno>
#include <csignal>
#include <cstring>

#include <asm/prctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/ucontext.h>
#include <ucontext.h>
#include <unistd.h>

#include "sim/base/assert.h"
#include "sim/base/error.h"

namespace lastbranch::host {
namespace {

constexpr u64 kTrapFlag = 0x100;
/// Flags that software can set but a signal's return does not: they leave with the run, not come with it.
constexpr u64 kStickyFlags = 0x244000;  // ID, AC, NT
/// Bytes of the FXSAVE image before the part in which the kernel keeps its own words.
constexpr std::size_t kFxBytes = 416;
constexpr std::size_t kXstateHeader = 512;
constexpr u32 kXstateMagic = 0x46505853;

enum class Phase : u8 { kIdle, kEntering, kInside };

struct Switch {
  volatile Phase phase = Phase::kIdle;
  const Image* before = nullptr;
  Outcome* out = nullptr;
  u64 limit = 0;  ///< 0: run freely
  u64 last_rip = 0;
  greg_t host_gregs[NGREG];
  u8 host_fx[kFxBytes];
};
Switch now;

/// The kernel restores x87 and SSE state only if the header says that they are not in their initial state.
void mark_fp_present(u8* fx) {
  u32 magic = 0;
  std::memcpy(&magic, fx + 464, sizeof magic);
  if (magic != kXstateMagic) return;
  u64 present = 0;
  std::memcpy(&present, fx + kXstateHeader, sizeof present);
  present |= 3;
  std::memcpy(fx + kXstateHeader, &present, sizeof present);
}

constexpr int kGregs[16] = {REG_RAX, REG_RCX, REG_RDX, REG_RBX, REG_RSP, REG_RBP, REG_RSI, REG_RDI,
                            REG_R8,  REG_R9,  REG_R10, REG_R11, REG_R12, REG_R13, REG_R14, REG_R15};

template <class T>
void put(u8* p, const T& v) {
  std::memcpy(p, &v, sizeof v);
}
template <class T>
void get(const u8* p, T& v) {
  std::memcpy(&v, p, sizeof v);
}

void load(const Regs& s, greg_t* g, u8* fx) {
  for (unsigned i = 0; i < 16; ++i) g[kGregs[i]] = static_cast<greg_t>(s.gpr[i]);
  g[REG_RIP] = static_cast<greg_t>(s.rip);
  g[REG_EFL] = static_cast<greg_t>(s.rflags);
  put(fx + 0, s.fcw);
  put(fx + 2, s.fsw);
  put(fx + 4, static_cast<u16>(s.valid));
  put(fx + 6, s.fop);
  put(fx + 8, s.fip);
  put(fx + 16, s.fdp);
  put(fx + 24, s.mxcsr);
  for (unsigned i = 0; i < 8; ++i) put(fx + 32 + 16 * i, s.st[i]);
  for (unsigned i = 0; i < 16; ++i) put(fx + 160 + 16 * i, s.xmm[i]);
  mark_fp_present(fx);
}

void save(Regs& s, const greg_t* g, const u8* fx) {
  for (unsigned i = 0; i < 16; ++i) s.gpr[i] = static_cast<u64>(g[kGregs[i]]);
  s.rip = static_cast<u64>(g[REG_RIP]);
  s.rflags = static_cast<u64>(g[REG_EFL]);
  get(fx + 0, s.fcw);
  get(fx + 2, s.fsw);
  s.valid = fx[4];
  get(fx + 6, s.fop);
  get(fx + 8, s.fip);
  get(fx + 16, s.fdp);
  get(fx + 24, s.mxcsr);
  for (unsigned i = 0; i < 8; ++i) get(fx + 32 + 16 * i, s.st[i]);
  for (unsigned i = 0; i < 16; ++i) get(fx + 160 + 16 * i, s.xmm[i]);
}

/// A step of a repeated string instruction that is not its last: the trap comes after each iteration.
bool inside_repeat(u64 rip) {
  if (rip != now.last_rip || rip < kCode || rip >= kCode + kCodeSize) return false;
  const u8* p = reinterpret_cast<const u8*>(rip);
  bool repeat = false;
  for (;; ++p) {
    if (*p == 0xf2 || *p == 0xf3)
      repeat = true;
    else if (*p != 0x66 && *p != 0x67 && *p != 0x65 && *p != 0x2e && *p != 0x36 && *p != 0x3e && *p != 0x26)
      break;
  }
  if ((*p & 0xf0) == 0x40) ++p;
  return repeat && ((*p >= 0xa4 && *p <= 0xa7) || (*p >= 0xaa && *p <= 0xaf));
}

constexpr bool has_error(int vector) {
  return vector == 8 || (vector >= 10 && vector <= 14) || vector == 17;
}

void leave(ucontext_t* context, bool limit) {
  greg_t* g = context->uc_mcontext.gregs;
  u8* fx = reinterpret_cast<u8*>(context->uc_mcontext.fpregs);
  Outcome& out = *now.out;
  Regs& regs = out.after.regs;
  save(regs, g, fx);
  regs.rflags &= ~kTrapFlag;
  out.limit = limit;
  out.fault = {};
  out.filler = false;
  if (!limit) {
    const int vector = static_cast<int>(g[REG_TRAPNO]);
    if (vector == 3) {
      --regs.rip;  // INT3 is a trap; the run ends before it
      const bool inside = regs.rip >= kCode && regs.rip < kCode + kCodeSize;
      out.filler = inside && now.before->code[regs.rip - kCode] == 0xcc;
    }
    out.fault.vector = static_cast<Vector>(vector);
    out.fault.has_error = has_error(vector);
    if (out.fault.has_error) out.fault.error = static_cast<u32>(g[REG_ERR]);
    if (vector == 14) out.fault.address = static_cast<u64>(g[REG_CR2]);
  }
  std::memcpy(g, now.host_gregs, sizeof now.host_gregs);
  std::memcpy(fx, now.host_fx, kFxBytes);
  now.phase = Phase::kIdle;
}

void on_signal(int signal_number, siginfo_t*, void* raw) {
  auto* context = static_cast<ucontext_t*>(raw);
  greg_t* g = context->uc_mcontext.gregs;
  u8* fx = reinterpret_cast<u8*>(context->uc_mcontext.fpregs);
  switch (now.phase) {
    case Phase::kIdle:
      // Not ours: let it happen again with the default action.
      std::signal(signal_number, SIG_DFL);
      return;
    case Phase::kEntering:
      std::memcpy(now.host_gregs, g, sizeof now.host_gregs);
      std::memcpy(now.host_fx, fx, kFxBytes);
      load(now.before->regs, g, fx);
      if (now.limit != 0) g[REG_EFL] |= static_cast<greg_t>(kTrapFlag);
      now.last_rip = now.before->regs.rip;
      now.phase = Phase::kInside;
      return;
    case Phase::kInside:
      if (now.limit != 0 && g[REG_TRAPNO] == 1) {
        const u64 rip = static_cast<u64>(g[REG_RIP]);
        if (inside_repeat(rip)) return;
        now.last_rip = rip;
        if (++now.out->executed < now.limit) return;
        leave(context, true);
        return;
      }
      leave(context, false);
      return;
  }
}

u8* map(u64 address, u64 size, int protection) {
  void* p = ::mmap(reinterpret_cast<void*>(address), size, protection,
                   MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE | MAP_POPULATE, -1, 0);
  if (p == MAP_FAILED)
    throw Error("host oracle: mapping {:#x} bytes at {:#x}: {}", size, address, std::strerror(errno));
  return static_cast<u8*>(p);
}

}  // namespace

NativeCpu& NativeCpu::instance() {
  static NativeCpu cpu;
  return cpu;
}

NativeCpu::NativeCpu() {
  // The guard pages are reserved, so that no library is ever mapped there.
  map(kData - kPageSize, kDataSize + 4 * kPageSize, PROT_NONE);
  map(kCode - kPageSize, kCodeSize + 2 * kPageSize, PROT_NONE);
  const auto allow = [](u64 address, u64 size, int protection) {
    if (::mprotect(reinterpret_cast<void*>(address), size, protection) != 0)
      throw Error("host oracle: mprotect at {:#x}: {}", address, std::strerror(errno));
    volatile u8* p = reinterpret_cast<volatile u8*>(address);
    for (u64 i = 0; i < size; i += kPageSize) {
      if ((protection & PROT_WRITE) != 0)
        p[i] = 0;
      else
        (void)p[i];
    }
  };
  allow(kData, kDataSize, PROT_READ | PROT_WRITE);
  allow(kReadOnly, kPageSize, PROT_READ);
  allow(kCode, kCodeSize, PROT_READ | PROT_WRITE | PROT_EXEC);

  constexpr std::size_t kSignalStack = 256 * 1024;
  stack_t stack{};
  stack.ss_sp = ::mmap(nullptr, kSignalStack, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  stack.ss_size = kSignalStack;
  if (stack.ss_sp == MAP_FAILED || ::sigaltstack(&stack, nullptr) != 0)
    throw Error("host oracle: signal stack: {}", std::strerror(errno));
  struct sigaction action {};
  action.sa_sigaction = on_signal;
  action.sa_flags = SA_SIGINFO | SA_ONSTACK | SA_NODEFER;
  for (const int s : {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP}) ::sigaction(s, &action, nullptr);
}

void NativeCpu::run(const Image& before, Outcome& out) {
  enter(before, 0, out);
}

void NativeCpu::step(const Image& before, u64 limit, Outcome& out) {
  enter(before, limit, out);
}

void NativeCpu::enter(const Image& before, u64 limit, Outcome& out) {
  LASTBRANCH_CHECK(before.regs.fs_base == 0, "native runs keep the process's FS base");
  std::memcpy(reinterpret_cast<void*>(kData), before.data.data(), kDataSize);
  std::memcpy(reinterpret_cast<void*>(kCode), before.code.data(), kCodeSize);
  now.before = &before;
  now.out = &out;
  now.limit = limit;
  out.executed = 0;
  if (before.regs.gs_base != 0) ::syscall(SYS_arch_prctl, ARCH_SET_GS, before.regs.gs_base);
  now.phase = Phase::kEntering;
  // Caller-saved state needs no clobbers: the handler brings everything back.
  asm volatile("int3" ::: "memory");
  if (before.regs.gs_base != 0) ::syscall(SYS_arch_prctl, ARCH_SET_GS, 0UL);
  asm volatile(
      "pushfq\n\t"
      "andq %0, (%%rsp)\n\t"
      "popfq"
      :
      : "r"(~kStickyFlags)
      : "memory", "cc");
  out.after.regs.fs_base = 0;
  out.after.regs.gs_base = before.regs.gs_base;
  std::memcpy(out.after.data.data(), reinterpret_cast<const void*>(kData), kDataSize);
  std::memcpy(out.after.code.data(), reinterpret_cast<const void*>(kCode), kCodeSize);
}

}  // namespace lastbranch::host
