#include "tests/cpu/machine_state.h"

#include <cstring>

#include <fmt/format.h>

#include "sim/base/assert.h"

namespace lastbranch::host {
namespace {

constexpr const char* kGprNames[16] = {"rax", "rcx", "rdx", "rbx", "rsp", "rbp", "rsi", "rdi",
                                       "r8",  "r9",  "r10", "r11", "r12", "r13", "r14", "r15"};
constexpr const char* kVectorNames[20] = {"#DE", "#DB", "NMI", "#BP", "#OF", "#BR", "#UD",
                                          "#NM", "#DF", "9",   "#TS", "#NP", "#SS", "#GP",
                                          "#PF", "15",  "#MF", "#AC", "#MC", "#XM"};
/// Status flags, TF, DF, IOPL, NT, AC, ID; not RF, which a fault's saved image has and a run's end has not.
constexpr u64 kComparedFlags = 0x247fd7;

class Report {
 public:
  template <class T>
  void hex(std::string_view name, T native, T simulated) {
    if (native == simulated) return;
    out_ += fmt::format("  {}: native {:#x}, simulated {:#x}\n", name, native, simulated);
  }
  template <std::size_t N>
  void bytes(std::string_view name, const std::array<u8, N>& native, const std::array<u8, N>& simulated) {
    if (native == simulated) return;
    out_ += fmt::format("  {}: native {}, simulated {}\n", name, text(native), text(simulated));
  }
  void window(std::string_view name, u64 address, const Window& native, const Window& simulated) {
    if (std::memcmp(native.data(), simulated.data(), native.size()) == 0) return;
    unsigned shown = 0;
    for (std::size_t i = 0; i < native.size() && shown < 4; i += 8) {
      u64 n = 0, s = 0;
      std::memcpy(&n, &native[i], 8);
      std::memcpy(&s, &simulated[i], 8);
      if (n == s) continue;
      out_ += fmt::format("  {} [{:#x}]: native {:#018x}, simulated {:#018x}\n", name, address + i, n, s);
      ++shown;
    }
  }
  void line(const std::string& text) { out_ += text; }
  [[nodiscard]] std::string take() { return std::move(out_); }

 private:
  /// Most significant byte first.
  template <std::size_t N>
  static std::string text(const std::array<u8, N>& v) {
    std::string s;
    for (std::size_t i = N; i-- > 0;) s += fmt::format("{:02x}{}", v[i], i == 8 ? "_" : "");
    return s;
  }
  std::string out_;
};

/// RFLAGS as letters, for a difference that a reader can understand at once.
std::string flag_text(u64 v) {
  constexpr std::pair<u64, const char*> kNames[] = {
      {0x1, "CF"},   {0x4, "PF"},   {0x10, "AF"},  {0x40, "ZF"},   {0x80, "SF"},    {0x100, "TF"},
      {0x200, "IF"}, {0x400, "DF"}, {0x800, "OF"}, {0x4000, "NT"}, {0x40000, "AC"}, {0x200000, "ID"}};
  std::string s;
  for (const auto& [bit, name] : kNames) {
    if ((v & bit) == 0) continue;
    if (!s.empty()) s += ' ';
    s += name;
  }
  return s.empty() ? "none" : s;
}

}  // namespace

void Image::put_code(const u8* bytes, std::size_t size, u64 address) {
  LASTBRANCH_CHECK(address >= kCode && address + size <= kCode + kCodeSize, "code at {:#x}", address);
  std::memcpy(&code[address - kCode], bytes, size);
}

std::string describe(const Outcome& outcome) {
  if (outcome.filler) return fmt::format("end of code at {:#x}", outcome.after.regs.rip);
  if (outcome.limit) return fmt::format("limit at {:#x}", outcome.after.regs.rip);
  const unsigned v = static_cast<unsigned>(outcome.fault.vector);
  std::string s = v < 20 ? kVectorNames[v] : fmt::format("vector {}", v);
  if (outcome.fault.has_error) s += fmt::format("({:#x})", outcome.fault.error);
  if (outcome.fault.vector == Vector::kPF) s += fmt::format(" on {:#x}", outcome.fault.address);
  return s + fmt::format(" at {:#x}", outcome.after.regs.rip);
}

std::string differences(const Outcome& native, const Outcome& simulated, const Ignore& ignore) {
  Report r;
  u32 error_mask = ~u32{0};
  if (ignore.pf_write && native.fault.vector == Vector::kPF) error_mask = ~pf::kWrite;
  const bool same_end =
      native.filler == simulated.filler && native.limit == simulated.limit &&
      (!native.faulted() || (native.fault.vector == simulated.fault.vector &&
                             native.fault.has_error == simulated.fault.has_error &&
                             ((native.fault.error ^ simulated.fault.error) & error_mask) == 0 &&
                             native.fault.address == simulated.fault.address));
  if (!same_end || native.after.regs.rip != simulated.after.regs.rip)
    r.line(fmt::format("  end: native {}, simulated {}\n", describe(native), describe(simulated)));
  if (native.executed != 0 && native.executed != simulated.executed)
    r.line(fmt::format("  executed: native {}, simulated {}\n", native.executed, simulated.executed));
  const Regs& n = native.after.regs;
  const Regs& s = simulated.after.regs;
  for (unsigned i = 0; i < 16; ++i) r.hex(kGprNames[i], n.gpr[i], s.gpr[i]);
  const u64 flags = (n.rflags ^ s.rflags) & kComparedFlags & ~ignore.flags;
  if (flags != 0) {
    r.line(fmt::format("  rflags: native {}, simulated {} (differ in {})\n", flag_text(n.rflags),
                       flag_text(s.rflags), flag_text(flags)));
  }
  for (unsigned i = 0; i < 16; ++i) r.bytes(fmt::format("xmm{}", i), n.xmm[i], s.xmm[i]);
  r.hex("mxcsr", n.mxcsr & ~ignore.mxcsr, s.mxcsr & ~ignore.mxcsr);
  if (!ignore.x87) {
    r.hex("fcw", n.fcw, s.fcw);
    r.hex("fsw", static_cast<u16>(n.fsw & ~ignore.fsw), static_cast<u16>(s.fsw & ~ignore.fsw));
    r.hex("ftw (valid)", n.valid, s.valid);
    if (!ignore.x87_pointers) {
      r.hex("fop", n.fop, s.fop);
      r.hex("fip", n.fip, s.fip);
      r.hex("fdp", n.fdp, s.fdp);
    }
    const unsigned top = (n.fsw >> 11) & 7;
    for (unsigned i = 0; i < 8; ++i) {
      const bool empty = (n.valid >> ((top + i) & 7) & 1) == 0;
      if (!(empty && ignore.x87_empty)) r.bytes(fmt::format("st{}", i), n.st[i], s.st[i]);
    }
  }
  r.window("data", kData, native.after.data, simulated.after.data);
  r.window("code", kCode, native.after.code, simulated.after.code);
  return r.take();
}

}  // namespace lastbranch::host
