// Sensitive instructions: each asks the intercept table first, then does what the architecture says.
//
// Modelled: CPUID, RDTSC, RDTSCP, RDPMC, RDMSR, WRMSR, HLT, SYSCALL, INT n, INT3, INT1, UD2, CLI, STI, I/O,
// MOV CR/DR, INVLPG, moves to and from segment registers (null or unchanged selectors in user mode). At CPL 3
// the privileged ones raise #GP(0). What only an operating system executes (descriptor tables, IRET, SYSRET)
// is a row that raises #GP at CPL 3 and #UD at CPL 0.
// Source: SDM vol. 2, the page of each mnemonic; vol. 3A, "Privileged Instructions".
#include "models/cpu/exec/bind.h"
#include "models/cpu/exec/rows.h"
#include "sim/base/msr_bus.h"

namespace lastbranch::cpu {
namespace {

constexpr u8 kRaxField = kRax * 8, kRbxField = kRbx * 8, kRcxField = kRcx * 8, kRdxField = kRdx * 8;
constexpr u64 kCr4Tsd = 1 << 2, kCr4Pce = 1 << 8;

const Insn* leave(Cpu& c, const Insn* i, Sensitive what) {
  c.sensitive = what;
  c.exit = Exit::kIntercept;
  c.miss = Miss::kNone;
  return resolve(c, i);
}

/// Asks the table, then runs `body`, which returns false for #GP(0).
template <class V, Sensitive what, bool (*body)(Cpu&, const Insn*)>
const Insn* guarded(Cpu& c, const Insn* i) {
  switch (c.intercept[static_cast<std::size_t>(what)]) {
    case Action::kExit:
      return leave(c, i, what);
    case Action::kFault:
      return trap(c, i, general_protection());
    case Action::kExecute:
      break;
  }
  if (!body(c, i)) return trap(c, i, general_protection());
  return next<V>(c, i);
}
/// As guarded, for CPL 0 only. The privilege check comes before the intercept.
template <class V, Sensitive what, bool (*body)(Cpu&, const Insn*)>
const Insn* privileged(Cpu& c, const Insn* i) {
  if (c.cpl != 0) return trap(c, i, general_protection());
  return guarded<V, what, body>(c, i);
}

bool cpuid(Cpu& c, const Insn*) {
  const CpuidResult r = c.cpuid(c.cpuid_self, reg<u32>(c, kRaxField), reg<u32>(c, kRcxField));
  set_reg<u32>(c, kRaxField, r.eax);
  set_reg<u32>(c, kRbxField, r.ebx);
  set_reg<u32>(c, kRcxField, r.ecx);
  set_reg<u32>(c, kRdxField, r.edx);
  return true;
}
bool rdtsc(Cpu& c, const Insn*) {
  if ((c.cr4 & kCr4Tsd) != 0 && c.cpl != 0) return false;
  const u64 t = c.cycles(c) + c.tsc_offset;
  set_reg<u32>(c, kRaxField, static_cast<u32>(t));
  set_reg<u32>(c, kRdxField, static_cast<u32>(t >> 32));
  return true;
}
bool rdtscp(Cpu& c, const Insn* i) {
  if (!rdtsc(c, i)) return false;
  set_reg<u32>(c, kRcxField, 0);  // IA32_TSC_AUX: processor 0
  return true;
}
bool rdmsr(Cpu& c, const Insn*) {
  const MsrValue v = c.msrs->read(reg<u32>(c, kRcxField));
  if (!v.ok()) return false;
  set_reg<u32>(c, kRaxField, static_cast<u32>(v.value));
  set_reg<u32>(c, kRdxField, static_cast<u32>(v.value >> 32));
  return true;
}
bool wrmsr(Cpu& c, const Insn*) {
  const u64 v = (u64{reg<u32>(c, kRdxField)} << 32) | reg<u32>(c, kRaxField);
  return c.msrs->write(reg<u32>(c, kRcxField), v) == MsrFault::kNone;
}
/// IA32_PMCx and IA32_FIXED_CTRx by the MSR rows that the PMU attaches. Source: SDM vol. 2, "RDPMC".
bool rdpmc(Cpu& c, const Insn*) {
  if ((c.cr4 & kCr4Pce) == 0 && c.cpl != 0) return false;
  constexpr u32 kFixed = 1u << 30;
  const u32 n = reg<u32>(c, kRcxField);
  const MsrValue v = c.msrs->read((n & kFixed) != 0 ? 0x309 + (n & ~kFixed) : 0xc1 + n);
  if (!v.ok()) return false;
  set_reg<u32>(c, kRaxField, static_cast<u32>(v.value));
  set_reg<u32>(c, kRdxField, static_cast<u32>(v.value >> 32));
  return true;
}
/// MOV to and from CR0, CR2, CR3, CR4, CR8; r2 holds the control register, bit 7 set for a write.
bool mov_cr(Cpu& c, const Insn* i) {
  const bool write = (i->r2 & 0x80) != 0;
  u64* cr = nullptr;
  switch (i->r2 & 0x7f) {
    case 0:
      cr = &c.cr0;
      break;
    case 2:
      cr = &c.cr2;
      break;
    case 3:
      cr = &c.cr3;
      break;
    case 4:
      cr = &c.cr4;
      break;
    case 8:
      cr = &c.cr8;
      break;
    default:
      return false;
  }
  if (write) {
    *cr = reg<u64>(c, i->r1);
    if ((i->r2 & 0x7f) == 3) c.tlb->flush();
  } else {
    set_reg<u64>(c, i->r0, *cr);
  }
  return true;
}
bool mov_dr(Cpu& c, const Insn* i) {
  const unsigned n = i->r2 & 7u;
  if ((i->r2 & 0x80) != 0) {
    c.dr[n] = reg<u64>(c, i->r1);
  } else {
    set_reg<u64>(c, i->r0, c.dr[n]);
  }
  return true;
}
bool cli(Cpu& c, const Insn*) {
  c.system_flags &= ~rflags::kIF;
  return true;
}
bool sti(Cpu& c, const Insn*) {
  c.system_flags |= rflags::kIF;
  return true;
}
bool refuse(Cpu&, const Insn*) {
  return false;
}

template <class V>
const Insn* invlpg(Cpu& c, const Insn* i) {
  if (c.cpl != 0) return trap(c, i, general_protection());
  if (c.intercept[static_cast<std::size_t>(Sensitive::kInvlpg)] == Action::kExit) {
    return leave(c, i, Sensitive::kInvlpg);
  }
  c.tlb->flush_page(ea<V>(c, i));
  return next<V>(c, i);
}
template <class V>
const Insn* hlt(Cpu& c, const Insn* i) {
  if (c.cpl != 0) return trap(c, i, general_protection());
  if (c.intercept[static_cast<std::size_t>(Sensitive::kHlt)] == Action::kExit)
    return leave(c, i, Sensitive::kHlt);
  c.exit = Exit::kHalted;
  c.miss = Miss::kNone;
  return resolve(c, i);
}
/// SYSCALL without a board that serves it is undefined (IA32_EFER.SCE is the board's business).
template <class V>
const Insn* syscall(Cpu& c, const Insn* i) {
  if (c.intercept[static_cast<std::size_t>(Sensitive::kSyscall)] == Action::kExit) {
    return leave(c, i, Sensitive::kSyscall);
  }
  return trap(c, i, Fault{.vector = Vector::kUD});
}
/// INT3, INT1 and INT n: traps, reported with RIP behind the instruction.
template <class V, Vector vector>
const Insn* software_trap(Cpu& c, const Insn* i) {
  c.trap_like = true;
  return trap(c, i, Fault{.vector = vector});
}
/// INT n from CPL 3 through a gate that is not there: #GP with the gate's selector as error code.
template <class V>
const Insn* int_n(Cpu& c, const Insn* i) {
  const u8 n = static_cast<u8>(i->imm);
  if (n == 3) return software_trap<V, Vector::kBP>(c, i);
  if (n == 4) return software_trap<V, Vector::kOF>(c, i);
  return trap(c, i, general_protection((u32{n} << 3) | 2));
}

template <class V, bool kMem>
const Insn* mov_from_segment(Cpu& c, const Insn* i) {
  const u16 v = c.selector[i->r1];
  if constexpr (kMem) {
    if (!store<u16>(c, ea<V>(c, i), v)) [[unlikely]]
      return trap(c, i);
  } else {
    set_reg<u64>(c, i->r0, v);
  }
  return next<V>(c, i);
}
template <class V>
const Insn* mov_from_segment16(Cpu& c, const Insn* i) {
  set_reg<u16>(c, i->r0, c.selector[i->r1]);
  return next<V>(c, i);
}
/// Loading DS, ES, FS, GS: null selectors (which clear the base of FS and GS) and the value that is there
/// already.
template <class V, bool kMem>
const Insn* mov_to_segment(Cpu& c, const Insn* i) {
  u16 v = 0;
  if constexpr (kMem) {
    const u8* p = load_ptr<u16>(c, ea<V>(c, i));
    if (p == nullptr) [[unlikely]]
      return trap(c, i);
    v = get<u16>(p);
  } else {
    v = reg<u16>(c, i->r1);
  }
  if (v > 3 && v != c.selector[i->r0] && v != c.selector[kSs])
    return trap(c, i, general_protection(v & 0xfffcu));
  if (i->r0 == kSs && v <= 3) return trap(c, i, general_protection());
  c.selector[i->r0] = v;
  if (v <= 3 && i->r0 == kFs) c.fs_base() = 0;
  if (v <= 3 && i->r0 == kGs) c.gs_base() = 0;
  return next<V>(c, i);
}
template <class V>
Op bind_mov_system(const Shape& s, Insn& insn) {
  if (s.kind(1) == Kind::kSeg) {
    if (s.kind(0) == Kind::kMem) return &mov_from_segment<V, true>;
    return s.op[0].size == 2 ? &mov_from_segment16<V> : &mov_from_segment<V, false>;
  }
  if (s.kind(0) == Kind::kSeg) {
    if (insn.r0 == kCs) return nullptr;
    return s.kind(1) == Kind::kMem ? &mov_to_segment<V, true> : &mov_to_segment<V, false>;
  }
  if (s.kind(0) == Kind::kCr || s.kind(0) == Kind::kDr) {
    insn.r2 = static_cast<u8>(insn.r0 | 0x80);
    return s.kind(0) == Kind::kCr ? &privileged<V, Sensitive::kMovCr, mov_cr>
                                  : &privileged<V, Sensitive::kMovDr, mov_dr>;
  }
  if (s.kind(1) == Kind::kCr || s.kind(1) == Kind::kDr) {
    insn.r2 = insn.r1;
    return s.kind(1) == Kind::kCr ? &privileged<V, Sensitive::kMovCr, mov_cr>
                                  : &privileged<V, Sensitive::kMovDr, mov_dr>;
  }
  return nullptr;
}
/// SLDT, SMSW, STR, SGDT, SIDT: allowed at CPL 3 without UMIP, but they show an operating system that is not
/// there.
template <class V>
const Insn* os_only(Cpu& c, const Insn* i) {
  if (c.cpl != 0) return trap(c, i, general_protection());
  return trap(c, i, Fault{.vector = Vector::kUD});
}
/// MONITOR and MWAIT outside CPL 0; CPUID does not advertise them.
template <class V>
const Insn* undefined_here(Cpu& c, const Insn* i) {
  return trap(c, i, Fault{.vector = Vector::kUD});
}
template <class V, Op op>
Op bind_plain(const Shape&, Insn&) {
  return op;
}

template <class V, Sensitive what, bool (*body)(Cpu&, const Insn*)>
inline constexpr OpRow unprivileged_row(const char* name) {
  return {name, bind_plain<V, &guarded<V, what, body>>};
}
template <class V, Sensitive what, bool (*body)(Cpu&, const Insn*)>
inline constexpr OpRow privileged_row(const char* name) {
  return {name, bind_plain<V, &privileged<V, what, body>>};
}
template <class V>
inline constexpr OpRow os_row(const char* name) {
  return {name, bind_plain<V, &os_only<V>>};
}

template <class V>
constexpr OpRow kRows[] = {
    unprivileged_row<V, Sensitive::kCpuid, cpuid>("cpuid"),
    unprivileged_row<V, Sensitive::kRdtsc, rdtsc>("rdtsc"),
    unprivileged_row<V, Sensitive::kRdtsc, rdtscp>("rdtscp"),
    unprivileged_row<V, Sensitive::kRdpmc, rdpmc>("rdpmc"),
    privileged_row<V, Sensitive::kRdmsr, rdmsr>("rdmsr"),
    privileged_row<V, Sensitive::kWrmsr, wrmsr>("wrmsr"),
    privileged_row<V, Sensitive::kInterrupt, cli>("cli"),
    privileged_row<V, Sensitive::kInterrupt, sti>("sti"),
    privileged_row<V, Sensitive::kIo, refuse>("in"),
    privileged_row<V, Sensitive::kIo, refuse>("out"),
    privileged_row<V, Sensitive::kIo, refuse>("insb"),
    privileged_row<V, Sensitive::kIo, refuse>("insw"),
    privileged_row<V, Sensitive::kIo, refuse>("insd"),
    privileged_row<V, Sensitive::kIo, refuse>("outsb"),
    privileged_row<V, Sensitive::kIo, refuse>("outsw"),
    privileged_row<V, Sensitive::kIo, refuse>("outsd"),
    {"mov", bind_mov_system<V>},
    {"invlpg", bind_plain<V, &invlpg<V>>},
    {"hlt", bind_plain<V, &hlt<V>>},
    {"syscall", bind_plain<V, &syscall<V>>},
    {"int3", bind_plain<V, &software_trap<V, Vector::kBP>>},
    {"int1", bind_plain<V, &software_trap<V, Vector::kDB>>},
    {"int", bind_plain<V, &int_n<V>>},
    os_row<V>("lgdt"),
    os_row<V>("lidt"),
    os_row<V>("lldt"),
    os_row<V>("ltr"),
    os_row<V>("lmsw"),
    os_row<V>("clts"),
    os_row<V>("invd"),
    os_row<V>("wbinvd"),
    os_row<V>("swapgs"),
    os_row<V>("sysret"),
    os_row<V>("sysexit"),
    os_row<V>("iretq"),
    os_row<V>("iretd"),
    os_row<V>("iret"),
    os_row<V>("sgdt"),
    os_row<V>("sidt"),
    os_row<V>("sldt"),
    os_row<V>("str"),
    os_row<V>("smsw"),
    os_row<V>("xsetbv"),
    {"monitor", bind_plain<V, &undefined_here<V>>},
    {"mwait", bind_plain<V, &undefined_here<V>>},
};

}  // namespace

template <class V>
std::span<const OpRow> system_rows() {
  return kRows<V>;
}
template std::span<const OpRow> system_rows<Fast>();
template std::span<const OpRow> system_rows<Observed>();

/// The functions of OpTable::Special that belong to no mnemonic.
const Insn* undefined(Cpu& c, const Insn* i) {
  return trap(c, i, Fault{.vector = Vector::kUD});
}
const Insn* fetch_fault(Cpu& c, const Insn* i) {
  const bool page = static_cast<Vector>(i->r2) == Vector::kPF;
  return trap(c, i,
              Fault{.vector = static_cast<Vector>(i->r2),
                    .has_error = true,
                    .error = static_cast<u32>(i->disp),
                    .address = page ? static_cast<u64>(i->imm) : 0});
}

}  // namespace lastbranch::cpu
