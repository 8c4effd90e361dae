#include "tests/cpu/sim_cpu.h"

#include <algorithm>
#include <cstring>

#include "models/cpu/core.h"

namespace lastbranch::host {
namespace {

constexpr u64 kMemory = u64{1} << 20;
constexpr u64 kDataAt = 0x10000, kReadOnlyAt = 0x20000, kCodeAt = 0x30000;

/// The windows, each in one piece of physical memory.
class WindowWalker : public cpu::Walker {
 public:
  cpu::Translation walk(u64 linear, cpu::Access access, bool) override {
    struct Range {
      u64 first, size, paddr;
      bool writable, executable;
    };
    constexpr Range kRanges[] = {{kData, kDataSize, kDataAt, true, false},
                                 {kReadOnly, kPageSize, kReadOnlyAt, false, false},
                                 {kCode, kCodeSize, kCodeAt, true, true}};
    u32 error = pf::kUser;
    if (access == cpu::Access::kWrite) error |= pf::kWrite;
    if (access == cpu::Access::kFetch) error |= pf::kFetch;
    for (const Range& r : kRanges) {
      if (linear < r.first || linear >= r.first + r.size) continue;
      const bool allowed =
          access == cpu::Access::kRead || (access == cpu::Access::kWrite ? r.writable : r.executable);
      if (!allowed) return {.fault = page_fault(linear, error | pf::kPresent)};
      return {.ok = true, .writable = r.writable, .page = r.paddr + (page_of(linear) - r.first)};
    }
    return {.fault = page_fault(linear, error)};
  }
};

void load(const Regs& s, cpu::Cpu& c) {
  std::copy(s.gpr.begin(), s.gpr.end(), c.r.begin());
  c.rip = s.rip;
  c.set_flags(s.rflags);
  c.fs_base() = s.fs_base;
  c.gs_base() = s.gs_base;
  for (unsigned i = 0; i < 16; ++i) std::memcpy(c.xmm[i].bytes, s.xmm[i].data(), 16);
  c.mxcsr = s.mxcsr;
  c.x87 = {};
  c.x87.control = s.fcw;
  c.x87.status = s.fsw & 0xc7ff;
  c.x87.top = static_cast<u8>((s.fsw >> 11) & 7);
  c.x87.valid = s.valid;
  c.x87.opcode = s.fop;
  c.x87.instruction = s.fip;
  c.x87.data = s.fdp;
  for (unsigned i = 0; i < 8; ++i) {
    auto& slot = c.x87.physical[(c.x87.top + i) & 7u];
    std::memcpy(&slot.mantissa, s.st[i].data(), 8);
    std::memcpy(&slot.sign_exponent, s.st[i].data() + 8, 2);
  }
  // As Linux has them.
  c.selector = {0, 0x33, 0x2b, 0, 0, 0};
}

void save(cpu::Cpu& c, Regs& s) {
  std::copy_n(c.r.begin(), 16, s.gpr.begin());
  s.rip = c.rip;
  s.rflags = c.flags();
  s.gs_base = c.gs_base();
  s.fs_base = c.fs_base();
  for (unsigned i = 0; i < 16; ++i) std::memcpy(s.xmm[i].data(), c.xmm[i].bytes, 16);
  s.mxcsr = c.mxcsr;
  s.fcw = c.x87.control;
  s.fsw = static_cast<u16>((c.x87.status & 0xc7ff) | c.x87.top << 11);
  s.valid = c.x87.valid;
  s.fop = c.x87.opcode;
  s.fip = c.x87.instruction;
  s.fdp = c.x87.data;
  for (unsigned i = 0; i < 8; ++i) {
    const auto& slot = c.x87.physical[(c.x87.top + i) & 7u];
    std::memcpy(s.st[i].data(), &slot.mantissa, 8);
    std::memcpy(s.st[i].data() + 8, &slot.sign_exponent, 2);
  }
}

template <class Variant>
struct Policies {
  using Hub = BranchList;
  using Timing = cpu::UnitTiming;
  using V = Variant;
};

}  // namespace

struct SimCpu::Machine {
  virtual ~Machine() = default;
  virtual cpu::Cpu& cpu() = 0;
  virtual cpu::RunResult run(u64 limit) = 0;

  PhysMem memory{kMemory};
  WindowWalker walker;
  BranchList hub;
  Ledger ledger;
  std::vector<u64> observed;
};

namespace {

template <class Variant>
struct MachineOf final : SimCpu::Machine {
  MachineOf() : core(memory, walker, hub, ledger) {
    core.cpu().observer_self = this;
    core.cpu().observer = [](void* self, cpu::Cpu& c, const cpu::Insn* i) {
      const cpu::Block& b = *c.block;
      static_cast<MachineOf*>(self)->observed.push_back(b.va + b.info[i - b.code()].offset);
    };
  }
  cpu::Cpu& cpu() override { return core.cpu(); }
  cpu::RunResult run(u64 limit) override { return core.run(limit); }

  cpu::Core<Policies<Variant>> core;
};

}  // namespace

SimCpu::SimCpu(bool observed) {
  if (observed)
    machine_ = std::make_unique<MachineOf<cpu::Observed>>();
  else
    machine_ = std::make_unique<MachineOf<cpu::Fast>>();
}

SimCpu::~SimCpu() = default;

cpu::Cpu& SimCpu::cpu() {
  return machine_->cpu();
}
const Ledger& SimCpu::ledger() const {
  return machine_->ledger;
}
const std::vector<RetiredBranch>& SimCpu::branches() const {
  return machine_->hub.branches;
}
const std::vector<u64>& SimCpu::observed() const {
  return machine_->observed;
}

void SimCpu::run(const Image& before, Outcome& out, u64 limit, u64 piece) {
  Machine& m = *machine_;
  cpu::Cpu& c = m.cpu();
  std::memcpy(m.memory.host(kDataAt), before.data.data(), kDataSize);
  std::memcpy(m.memory.host(kCodeAt), before.code.data(), kCodeSize);
  cpu::forget_code(c, kCodeAt, kCodeSize);
  m.hub.branches.clear();
  m.observed.clear();
  load(before.regs, c);

  out.executed = 0;
  cpu::RunResult result{};
  do {
    const u64 left = limit - out.executed;
    result = m.run(piece == 0 ? left : std::min(piece, left));
    out.executed += result.instructions;
  } while (result.why == cpu::Exit::kLimit && out.executed < limit);

  save(c, out.after.regs);
  std::memcpy(out.after.data.data(), m.memory.host(kDataAt), kDataSize);
  std::memcpy(out.after.code.data(), m.memory.host(kCodeAt), kCodeSize);
  out.filler = false;
  out.limit = result.why == cpu::Exit::kLimit;
  out.fault = out.limit ? Fault{} : c.fault;
  if (out.faulted() && out.fault.vector == Vector::kBP) {
    // INT3 is a trap that retires; the native run, too, is said to end before it.
    --out.after.regs.rip;
    --out.executed;
    const u64 rip = out.after.regs.rip;
    out.filler = rip >= kCode && rip < kCode + kCodeSize && before.code[rip - kCode] == 0xcc;
  }
}

}  // namespace lastbranch::host
