// Sensitive instructions: each asks the intercept table first, then does what the architecture says.
//
// Modelled here: CPUID, RDTSC and RDTSCP, moves from segment registers. Everything else that depends on or
// changes privilege or system state leaves run() for cpu::System to execute (system.h); a hart without one is
// a user program's, where the privileged ones raise #GP(0), INT n and INT3 are reported as traps, and
// segment registers take null or unchanged selectors.
// Source: SDM vol. 2, the page of each mnemonic; vol. 3A, "Privileged Instructions".
#include "models/cpu/control_registers.h"
#include "models/cpu/exec/bind.h"
#include "models/cpu/exec/rows.h"
#include "sim/base/virtualization.h"

namespace lastbranch::cpu {
namespace {

constexpr u8 kRaxField = kRax * 8, kRbxField = kRbx * 8, kRcxField = kRcx * 8, kRdxField = kRdx * 8;
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
/// Instructions that nothing intercepts.
constexpr Sensitive kNever = Sensitive::kCount;

/// Leaves the interpreter for cpu::System, if the table has nothing against it. The privilege check comes
/// before an intercept.
template <SystemOp op, Sensitive what, bool kPrivileged>
const Insn* leave_for_system(Cpu& c, const Insn* i) {
  if (kPrivileged && c.cpl != 0) return trap(c, i, general_protection());
  if constexpr (what != kNever) {
    switch (c.intercept[static_cast<std::size_t>(what)]) {
      case Action::kExit:
        c.system_op = op;
        return leave(c, i, what);
      case Action::kFault:
        return trap(c, i, general_protection());
      case Action::kExecute:
        break;
    }
  }
  c.system_op = op;
  c.exit = Exit::kSystem;
  c.miss = Miss::kNone;
  return resolve(c, i);
}
/// With a cpu::System: leaves for it. Without: what a user program meets.
template <SystemOp op, Sensitive what, bool kPrivileged, Op without>
const Insn* system_op(Cpu& c, const Insn* i) {
  if (c.has_system) return leave_for_system<op, what, kPrivileged>(c, i);
  return without(c, i);
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
  if ((c.cr4 & cr4::kTsd) != 0 && c.cpl != 0) return false;
  const u64 t = c.cycles(c) + c.tsc_offset;
  set_reg<u32>(c, kRaxField, static_cast<u32>(t));
  set_reg<u32>(c, kRdxField, static_cast<u32>(t >> 32));
  return true;
}
bool rdtscp(Cpu& c, const Insn* i) {
  if (!rdtsc(c, i)) return false;
  set_reg<u32>(c, kRcxField, c.tsc_aux);
  return true;
}
const Insn* refuse(Cpu& c, const Insn* i) {
  return trap(c, i, general_protection());
}
const Insn* unknown(Cpu& c, const Insn* i) {
  return trap(c, i, Fault{.vector = Vector::kUD});
}
/// As `refuse`, for what a board may want to serve itself.
template <Sensitive what>
const Insn* refuse_or_leave(Cpu& c, const Insn* i) {
  if (c.intercept[static_cast<std::size_t>(what)] == Action::kExit && c.cpl == 0) return leave(c, i, what);
  return refuse(c, i);
}

/// SYSCALL without a board that serves it is undefined (IA32_EFER.SCE is the board's business).
template <class V>
const Insn* syscall(Cpu& c, const Insn* i) {
  if (c.intercept[static_cast<std::size_t>(Sensitive::kSyscall)] == Action::kExit) {
    return leave(c, i, Sensitive::kSyscall);
  }
  return trap(c, i, Fault{.vector = Vector::kUD});
}
const Insn* xsetbv(Cpu& c, const Insn* i) {
  return c.has_system ? unknown(c, i) : refuse(c, i);
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
/// Binds `op` with what System must know of the instruction.
template <Op op>
Op bind_system(const Shape& s, Insn& insn) {
  const bool memory = s.kind(0) == Kind::kMem || s.kind(1) == Kind::kMem;
  insn.r2 =
      SystemForm{.size = s.size, .memory = memory, .addr32 = s.address_size == 4, .rep = s.rep || s.repne}
          .pack();
  return op;
}
/// IN and OUT: the port is an immediate or DX.
template <Op op>
Op bind_port(const Shape& s, Insn& insn) {
  insn.r2 = SystemForm{.size = s.size, .variant = s.kind(0) == Kind::kImm || s.kind(1) == Kind::kImm}.pack();
  return op;
}
template <Op op>
Op bind_verw(const Shape& s, Insn& insn) {
  insn.r2 = SystemForm{.size = s.size, .memory = s.kind(0) == Kind::kMem, .variant = true}.pack();
  return op;
}
/// Far JMP, CALL and RET; the near ones are not ours.
template <Op op>
Op bind_far(const Shape& s, Insn& insn) {
  return s.far ? bind_system<op>(s, insn) : nullptr;
}
template <Op op, Segment which>
Op bind_far_pointer(const Shape& s, Insn& insn) {
  insn.imm = which;
  return bind_system<op>(s, insn);
}
/// POP FS and POP GS; the segment register in r0.
template <Op op>
Op bind_pop_segment(const Shape& s, Insn& insn) {
  return s.kind(0) == Kind::kSeg ? bind_system<op>(s, insn) : nullptr;
}

/// VMX instructions; which one in `imm`.
constexpr Op kVmx = &system_op<SystemOp::kVmx, kNever, false, &unknown>;
template <VmxOp which>
Op bind_vmx(const Shape& s, Insn& insn) {
  insn.imm = static_cast<i64>(which);
  return bind_system<kVmx>(s, insn);
}

template <class V>
Op bind_mov_system(const Shape& s, Insn& insn) {
  constexpr Op kReadCr = &system_op<SystemOp::kReadCr, Sensitive::kMovCr, true, &refuse>;
  constexpr Op kWriteCr = &system_op<SystemOp::kWriteCr, Sensitive::kMovCr, true, &refuse>;
  constexpr Op kReadDr = &system_op<SystemOp::kReadDr, Sensitive::kMovDr, false, &refuse>;
  constexpr Op kWriteDr = &system_op<SystemOp::kWriteDr, Sensitive::kMovDr, false, &refuse>;
  if (s.kind(1) == Kind::kSeg) {
    if (s.kind(0) == Kind::kMem) return &mov_from_segment<V, true>;
    return s.op[0].size == 2 ? &mov_from_segment16<V> : &mov_from_segment<V, false>;
  }
  if (s.kind(0) == Kind::kSeg) {
    if (insn.r0 == kCs) return nullptr;
    constexpr SystemOp kLoad = SystemOp::kLoadSegment;
    return s.kind(1) == Kind::kMem
               ? bind_system<&system_op<kLoad, kNever, false, &mov_to_segment<V, true>>>(s, insn)
               : bind_system<&system_op<kLoad, kNever, false, &mov_to_segment<V, false>>>(s, insn);
  }
  if (s.kind(0) == Kind::kCr) return kWriteCr;
  if (s.kind(1) == Kind::kCr) return kReadCr;
  if (s.kind(0) == Kind::kDr) return kWriteDr;
  if (s.kind(1) == Kind::kDr) return kReadDr;
  return nullptr;
}

template <Op op>
Op bind_plain(const Shape&, Insn&) {
  return op;
}
template <class V, Sensitive what, bool (*body)(Cpu&, const Insn*)>
inline constexpr OpRow inline_row(const char* name) {
  return {name, bind_plain<&guarded<V, what, body>>};
}
/// Only at CPL 0.
template <SystemOp op, Sensitive what>
inline constexpr OpRow privileged_row(const char* name) {
  return {name, bind_system<&system_op<op, what, true, &refuse_or_leave<what>>>};
}
template <SystemOp op>
inline constexpr OpRow privileged_row(const char* name) {
  return {name, bind_system<&system_op<op, kNever, true, &refuse>>};
}
/// At any privilege, or where the check is more than CPL 0. A user program gets `without`.
template <SystemOp op, Sensitive what, Op without = &refuse>
inline constexpr OpRow checked_row(const char* name) {
  return {name, bind_system<&system_op<op, what, false, without>>};
}
template <Segment which>
inline constexpr OpRow far_pointer_row(const char* name) {
  return {name, bind_far_pointer<&system_op<SystemOp::kLoadFarPointer, kNever, false, &unknown>, which>};
}
template <SystemOp op, Sensitive what>
inline constexpr OpRow port_row(const char* name) {
  return {name, bind_port<&system_op<op, what, false, &refuse>>};
}

template <class V>
constexpr OpRow kRows[] = {
    inline_row<V, Sensitive::kCpuid, cpuid>("cpuid"),
    inline_row<V, Sensitive::kRdtsc, rdtsc>("rdtsc"),
    inline_row<V, Sensitive::kRdtsc, rdtscp>("rdtscp"),
    checked_row<SystemOp::kRdpmc, Sensitive::kRdpmc>("rdpmc"),
    privileged_row<SystemOp::kRdmsr, Sensitive::kRdmsr>("rdmsr"),
    privileged_row<SystemOp::kWrmsr, Sensitive::kWrmsr>("wrmsr"),
    checked_row<SystemOp::kCli, kNever>("cli"),
    checked_row<SystemOp::kSti, kNever>("sti"),
    port_row<SystemOp::kIn, Sensitive::kIo>("in"),
    port_row<SystemOp::kOut, Sensitive::kIo>("out"),
    checked_row<SystemOp::kIns, Sensitive::kIo>("insb"),
    checked_row<SystemOp::kIns, Sensitive::kIo>("insw"),
    checked_row<SystemOp::kIns, Sensitive::kIo>("insd"),
    checked_row<SystemOp::kOuts, Sensitive::kIo>("outsb"),
    checked_row<SystemOp::kOuts, Sensitive::kIo>("outsw"),
    checked_row<SystemOp::kOuts, Sensitive::kIo>("outsd"),
    {"mov", bind_mov_system<V>},
    {"pop", bind_pop_segment<&system_op<SystemOp::kPopSegment, kNever, false, &unknown>>},
    far_pointer_row<kSs>("lss"),
    far_pointer_row<kFs>("lfs"),
    far_pointer_row<kGs>("lgs"),
    checked_row<SystemOp::kVerify, kNever, &unknown>("verr"),
    {"verw", bind_verw<&system_op<SystemOp::kVerify, kNever, false, &unknown>>},
    checked_row<SystemOp::kLar, kNever, &unknown>("lar"),
    checked_row<SystemOp::kLsl, kNever, &unknown>("lsl"),
    privileged_row<SystemOp::kInvlpg, Sensitive::kInvlpg>("invlpg"),
    privileged_row<SystemOp::kHlt, Sensitive::kHlt>("hlt"),
    checked_row<SystemOp::kSyscall, Sensitive::kSyscall, &syscall<V>>("syscall"),
    checked_row<SystemOp::kInt3, kNever, &software_trap<V, Vector::kBP>>("int3"),
    checked_row<SystemOp::kInt1, kNever, &software_trap<V, Vector::kDB>>("int1"),
    checked_row<SystemOp::kInt, Sensitive::kSoftInt, &int_n<V>>("int"),
    privileged_row<SystemOp::kLgdt, Sensitive::kDescriptorTable>("lgdt"),
    privileged_row<SystemOp::kLidt, Sensitive::kDescriptorTable>("lidt"),
    privileged_row<SystemOp::kLldt, Sensitive::kDescriptorTable>("lldt"),
    privileged_row<SystemOp::kLtr, Sensitive::kDescriptorTable>("ltr"),
    privileged_row<SystemOp::kLmsw, Sensitive::kMovCr>("lmsw"),
    privileged_row<SystemOp::kClts, Sensitive::kMovCr>("clts"),
    privileged_row<SystemOp::kInvd, Sensitive::kCacheFlush>("invd"),
    privileged_row<SystemOp::kCacheFlush, Sensitive::kCacheFlush>("wbinvd"),
    privileged_row<SystemOp::kSwapgs>("swapgs"),
    checked_row<SystemOp::kSysret, kNever>("sysret"),
    privileged_row<SystemOp::kSysexit>("sysexit"),
    checked_row<SystemOp::kSysenter, kNever, &unknown>("sysenter"),
    checked_row<SystemOp::kIret, Sensitive::kIret>("iretq"),
    checked_row<SystemOp::kIret, Sensitive::kIret>("iretd"),
    checked_row<SystemOp::kIret, Sensitive::kIret>("iret"),
    {"jmp", bind_far<&system_op<SystemOp::kFarJmp, kNever, false, &unknown>>},
    {"call", bind_far<&system_op<SystemOp::kFarCall, kNever, false, &unknown>>},
    {"ret", bind_far<&system_op<SystemOp::kFarRet, kNever, false, &unknown>>},
    // Allowed at CPL 3 without UMIP; without a System they show an operating system that is not there.
    checked_row<SystemOp::kSgdt, Sensitive::kDescriptorTable>("sgdt"),
    checked_row<SystemOp::kSidt, Sensitive::kDescriptorTable>("sidt"),
    checked_row<SystemOp::kSldt, Sensitive::kDescriptorTable>("sldt"),
    checked_row<SystemOp::kStr, Sensitive::kDescriptorTable>("str"),
    checked_row<SystemOp::kSmsw, kNever>("smsw"),
    {"vmxon", bind_vmx<VmxOp::kVmxon>},
    {"vmxoff", bind_vmx<VmxOp::kVmxoff>},
    {"vmclear", bind_vmx<VmxOp::kVmclear>},
    {"vmptrld", bind_vmx<VmxOp::kVmptrld>},
    {"vmptrst", bind_vmx<VmxOp::kVmptrst>},
    {"vmread", bind_vmx<VmxOp::kVmread>},
    {"vmwrite", bind_vmx<VmxOp::kVmwrite>},
    {"vmlaunch", bind_vmx<VmxOp::kVmlaunch>},
    {"vmresume", bind_vmx<VmxOp::kVmresume>},
    {"vmcall", bind_vmx<VmxOp::kVmcall>},
    {"invept", bind_vmx<VmxOp::kInvept>},
    {"invvpid", bind_vmx<VmxOp::kInvvpid>},
    // CPUID advertises neither XSAVE nor MONITOR. A user program meets an operating system that set
    // CR4.OSXSAVE.
    {"xsetbv", bind_plain<&xsetbv>},
    {"monitor", bind_plain<&unknown>},
    {"mwait", bind_plain<&unknown>},
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
const Insn* no_device(Cpu& c, const Insn* i) {
  return trap(c, i, Fault{.vector = Vector::kNM});
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
