#include "models/cpu/decode.h"

#include <algorithm>
#include <array>
#include <cstdio>
#include <cstring>
#include <vector>

#include <Zydis/Zydis.h>

#include "models/cpu/cpu.h"

namespace lastbranch::cpu {
namespace {

void init(ZydisDecoder& d) {
  ZydisDecoderInit(&d, ZYDIS_MACHINE_MODE_LONG_64, ZYDIS_STACK_WIDTH_64);
  for (const auto m : {ZYDIS_DECODER_MODE_TZCNT, ZYDIS_DECODER_MODE_LZCNT, ZYDIS_DECODER_MODE_CET,
                       ZYDIS_DECODER_MODE_MPX, ZYDIS_DECODER_MODE_CLDEMOTE, ZYDIS_DECODER_MODE_KNC}) {
    ZydisDecoderEnableMode(&d, m, ZYAN_FALSE);
  }
}

struct Register {
  Kind kind;
  u8 number;
  bool high;
};

Register classify(ZydisRegister r) {
  const auto id = static_cast<u8>(std::max<ZyanI8>(0, ZydisRegisterGetId(r)));
  switch (ZydisRegisterGetClass(r)) {
    case ZYDIS_REGCLASS_GPR8:
      // AL CL DL BL, AH CH DH BH, SPL BPL SIL DIL, R8B...
      if (r >= ZYDIS_REGISTER_AH && r <= ZYDIS_REGISTER_BH) {
        return {Kind::kGpr, static_cast<u8>(r - ZYDIS_REGISTER_AH), true};
      }
      if (r >= ZYDIS_REGISTER_SPL) return {Kind::kGpr, static_cast<u8>(r - ZYDIS_REGISTER_SPL + 4), false};
      return {Kind::kGpr, static_cast<u8>(r - ZYDIS_REGISTER_AL), false};
    case ZYDIS_REGCLASS_GPR16:
    case ZYDIS_REGCLASS_GPR32:
    case ZYDIS_REGCLASS_GPR64:
      return {Kind::kGpr, id, false};
    case ZYDIS_REGCLASS_XMM:
      return {Kind::kXmm, id, false};
    case ZYDIS_REGCLASS_MMX:
      return {Kind::kMmx, id, false};
    case ZYDIS_REGCLASS_X87:
      return {Kind::kSt, id, false};
    case ZYDIS_REGCLASS_SEGMENT:
      return {Kind::kSeg, id, false};
    case ZYDIS_REGCLASS_CONTROL:
      return {Kind::kCr, id, false};
    case ZYDIS_REGCLASS_DEBUG:
      return {Kind::kDr, id, false};
    default:
      return {Kind::kNone, 0, false};
  }
}

/// Byte offset of the register in its file, as execution functions use it.
u8 field_of(const Register& r) {
  switch (r.kind) {
    case Kind::kGpr:
      return static_cast<u8>(r.number * 8 + (r.high ? 1 : 0));
    case Kind::kXmm:
      return static_cast<u8>(r.number * 16);
    default:
      return r.number;
  }
}

RegSet set_of(ZydisRegister r) {
  const Register k = classify(r);
  switch (k.kind) {
    case Kind::kGpr:
      return regset::gpr(k.number);
    case Kind::kXmm:
      return regset::xmm(k.number);
    case Kind::kMmx:
    case Kind::kSt:
      return regset::kX87;
    case Kind::kSeg:
    case Kind::kCr:
    case Kind::kDr:
      return regset::kSystem;
    default:
      break;
  }
  switch (ZydisRegisterGetClass(r)) {
    case ZYDIS_REGCLASS_FLAGS:
      return regset::kFlags;
    case ZYDIS_REGCLASS_IP:
    case ZYDIS_REGCLASS_INVALID:
      return 0;
    default:
      return r == ZYDIS_REGISTER_X87CONTROL || r == ZYDIS_REGISTER_X87STATUS || r == ZYDIS_REGISTER_X87TAG
                 ? regset::kX87
                 : regset::kSystem;
  }
}

constexpr u32 kStatusFlags = ZYDIS_CPUFLAG_CF | ZYDIS_CPUFLAG_PF | ZYDIS_CPUFLAG_AF | ZYDIS_CPUFLAG_ZF |
                             ZYDIS_CPUFLAG_SF | ZYDIS_CPUFLAG_OF;
static_assert(kStatusFlags == rflags::kStatus);

bool is_shift(ZydisMnemonic m) {
  switch (m) {
    case ZYDIS_MNEMONIC_SHL:
    case ZYDIS_MNEMONIC_SHR:
    case ZYDIS_MNEMONIC_SAR:
    case ZYDIS_MNEMONIC_ROL:
    case ZYDIS_MNEMONIC_ROR:
    case ZYDIS_MNEMONIC_RCL:
    case ZYDIS_MNEMONIC_RCR:
    case ZYDIS_MNEMONIC_SHLD:
    case ZYDIS_MNEMONIC_SHRD:
      return true;
    default:
      return false;
  }
}

/// A count of zero writes no flags: only a constant count that is not surely does.
bool writes_flags_surely(const ZydisDecodedInstruction& z, const ZydisDecodedOperand* ops) {
  if (!is_shift(z.mnemonic)) return true;
  const ZydisDecodedOperand& count = ops[z.operand_count_visible - 1];
  return z.operand_count_visible >= 2 && count.type == ZYDIS_OPERAND_TYPE_IMMEDIATE &&
         (count.imm.value.u & 31) != 0;
}

void note_flags(const ZydisDecodedInstruction& z, const ZydisDecodedOperand* ops, InsnInfo& info) {
  if (z.cpu_flags == nullptr) return;
  const ZydisAccessedFlags& f = *z.cpu_flags;
  info.flags_read = static_cast<u16>(f.tested & kStatusFlags);
  if (writes_flags_surely(z, ops)) {
    info.flags_written = static_cast<u16>((f.modified | f.set_0 | f.set_1 | f.undefined) & kStatusFlags);
  }
}

/// Memory operands of these are hints or addresses, never accesses.
bool touches_no_memory(const ZydisDecodedInstruction& z) {
  return z.meta.category == ZYDIS_CATEGORY_NOP || z.meta.category == ZYDIS_CATEGORY_WIDENOP ||
         z.meta.category == ZYDIS_CATEGORY_PREFETCH;
}

u32 branch_facts(const ZydisDecodedInstruction& z, const Shape& s) {
  if (z.meta.branch_type == ZYDIS_BRANCH_TYPE_FAR) return fact::kBranch | fact::kFar | fact::kEndsBlock;
  switch (z.meta.category) {
    case ZYDIS_CATEGORY_COND_BR:
      return fact::kBranch | fact::kCond | fact::kEndsBlock;
    case ZYDIS_CATEGORY_UNCOND_BR:
      return fact::kBranch | fact::kEndsBlock | (s.kind(0) == Kind::kRel ? 0 : fact::kIndirect);
    case ZYDIS_CATEGORY_CALL:
      return fact::kBranch | fact::kCall | fact::kEndsBlock | (s.kind(0) == Kind::kRel ? 0 : fact::kIndirect);
    case ZYDIS_CATEGORY_RET:
      return z.mnemonic == ZYDIS_MNEMONIC_RET ? fact::kBranch | fact::kReturn | fact::kEndsBlock
                                              : fact::kBranch | fact::kFar | fact::kEndsBlock;
    case ZYDIS_CATEGORY_INTERRUPT:
    case ZYDIS_CATEGORY_SYSCALL:
    case ZYDIS_CATEGORY_SYSRET:
      return fact::kBranch | fact::kFar | fact::kEndsBlock;
    default:
      return 0;
  }
}

/// Instructions after which nothing decoded before may be assumed, or which may leave the interpreter
/// completed.
bool ends_block(const ZydisDecodedInstruction& z) {
  if (z.meta.category == ZYDIS_CATEGORY_SYSTEM || z.meta.category == ZYDIS_CATEGORY_IOSTRINGOP) return true;
  switch (z.mnemonic) {
    case ZYDIS_MNEMONIC_CPUID:
    case ZYDIS_MNEMONIC_RDTSC:
    case ZYDIS_MNEMONIC_RDTSCP:
    case ZYDIS_MNEMONIC_RDPMC:
    case ZYDIS_MNEMONIC_RDMSR:
    case ZYDIS_MNEMONIC_WRMSR:
    case ZYDIS_MNEMONIC_HLT:
    case ZYDIS_MNEMONIC_POPF:
    case ZYDIS_MNEMONIC_POPFQ:
    case ZYDIS_MNEMONIC_CLI:
    case ZYDIS_MNEMONIC_STI:
    case ZYDIS_MNEMONIC_IN:
    case ZYDIS_MNEMONIC_OUT:
    case ZYDIS_MNEMONIC_INVLPG:
    case ZYDIS_MNEMONIC_UD0:
    case ZYDIS_MNEMONIC_UD1:
    case ZYDIS_MNEMONIC_UD2:
    case ZYDIS_MNEMONIC_LDMXCSR:
    case ZYDIS_MNEMONIC_FXRSTOR:
    case ZYDIS_MNEMONIC_FXRSTOR64:
    case ZYDIS_MNEMONIC_CLFLUSH:
    case ZYDIS_MNEMONIC_MFENCE:
      return true;
    case ZYDIS_MNEMONIC_MOV:
      return z.opcode_map == ZYDIS_OPCODE_MAP_0F;  // control and debug registers
    default:
      return false;
  }
}

/// The operand's type in a form name: R32, M64, I, XMM, ...
void append_operand(std::string& name, const Operand& op) {
  const auto bits = std::to_string(op.size * 8);
  switch (op.kind) {
    case Kind::kGpr:
      name += "R" + bits + (op.size == 1 ? (op.high ? "h" : "l") : "");
      break;
    case Kind::kMem:
      name += "M" + bits;
      break;
    case Kind::kImm:
      name += "I";
      break;
    case Kind::kXmm:
      name += "XMM";
      break;
    case Kind::kMmx:
      name += "MM";
      break;
    case Kind::kSt:
      name += "ST";
      break;
    case Kind::kSeg:
      name += "SEG";
      break;
    case Kind::kCr:
      name += "CR";
      break;
    case Kind::kDr:
      name += "DR";
      break;
    case Kind::kRel:
      name += "Rel";
      break;
    case Kind::kFarPtr:
      name += "Far";
      break;
    case Kind::kNone:
      break;
  }
}

std::string form_name(const char* mnemonic, const Shape& s) {
  std::string name;
  if (s.lock) name += "LOCK ";
  if (s.rep) name += "REP ";
  if (s.repne) name += "REPNE ";
  for (const char* p = mnemonic; *p != 0; ++p)
    name += static_cast<char>(*p >= 'a' && *p <= 'z' ? *p - 32 : *p);
  if (s.count == 0) return name;
  name += " (";
  for (unsigned k = 0; k < s.count; ++k) {
    if (k != 0) name += ", ";
    append_operand(name, s.op[k]);
  }
  return name + ")";
}

}  // namespace

struct Decoder::State {
  ZydisDecoder decoder;
  std::vector<std::span<const Bind>> binds;  ///< by ZydisMnemonic
};

Decoder::Decoder(const OpTable& ops) : state_(std::make_unique<State>()) {
  init(state_->decoder);
  state_->binds.resize(ZYDIS_MNEMONIC_MAX_VALUE + 1);
  for (int m = 0; m <= ZYDIS_MNEMONIC_MAX_VALUE; ++m) {
    const char* name = ZydisMnemonicGetString(static_cast<ZydisMnemonic>(m));
    if (name != nullptr) state_->binds[static_cast<std::size_t>(m)] = ops.find(name);
  }
}

Decoder::~Decoder() = default;

namespace {

/// Fills the address parts of `insn` from a memory operand.
void set_memory(const ZydisDecodedOperand& op, u64 end, Insn& insn, Shape& s) {
  const auto& m = op.mem;
  insn.base = insn.index = insn.seg = kZeroReg;
  insn.disp = m.disp.has_displacement ? m.disp.value : 0;
  if (m.base == ZYDIS_REGISTER_RIP || m.base == ZYDIS_REGISTER_EIP) {
    insn.disp += static_cast<i64>(end);
  } else if (m.base != ZYDIS_REGISTER_NONE) {
    insn.base = field_of(classify(m.base));
  }
  if (m.index != ZYDIS_REGISTER_NONE) {
    insn.index = field_of(classify(m.index));
    insn.scale = static_cast<u8>(m.scale == 8 ? 3 : m.scale == 4 ? 2 : m.scale == 2 ? 1 : 0);
  }
  if (m.segment == ZYDIS_REGISTER_FS) insn.seg = kFsBase;
  if (m.segment == ZYDIS_REGISTER_GS) insn.seg = kGsBase;
  if (s.address_size == 4) insn.scale |= kAddr32;
  s.base_only = insn.index == kZeroReg && insn.seg == kZeroReg && s.address_size == 8;
}

void set_operand(unsigned k, const ZydisDecodedOperand& op, u64 va, const ZydisDecodedInstruction& z,
                 Decoded& out) {
  Operand& o = out.shape.op[k];
  o.size = static_cast<u8>(op.size / 8);
  switch (op.type) {
    case ZYDIS_OPERAND_TYPE_REGISTER: {
      const Register r = classify(op.reg.value);
      o.kind = r.kind;
      o.reg = r.number;
      o.high = r.high;
      (k == 0 ? out.insn.r0 : k == 1 ? out.insn.r1 : out.insn.r2) = field_of(r);
      break;
    }
    case ZYDIS_OPERAND_TYPE_MEMORY:
      o.kind = Kind::kMem;
      set_memory(op, va + z.length, out.insn, out.shape);
      break;
    case ZYDIS_OPERAND_TYPE_IMMEDIATE:
      o.kind = op.imm.is_relative ? Kind::kRel : Kind::kImm;
      if (k != 0 && out.shape.op[k - 1].kind == Kind::kImm) {
        o.reg = static_cast<u8>(op.imm.value.u);  // ENTER's second immediate
      } else {
        out.insn.imm = op.imm.is_signed ? op.imm.value.s : static_cast<i64>(op.imm.value.u);
        if (op.imm.is_relative) out.insn.imm += static_cast<i64>(va + z.length);
      }
      break;
    default:
      o.kind = Kind::kFarPtr;
      break;
  }
}

void note_accesses(const ZydisDecodedInstruction& z, const ZydisDecodedOperand* ops, InsnInfo& info) {
  for (unsigned k = 0; k < z.operand_count; ++k) {
    const ZydisDecodedOperand& op = ops[k];
    const bool reads = (op.actions & ZYDIS_OPERAND_ACTION_MASK_READ) != 0;
    const bool writes = (op.actions & ZYDIS_OPERAND_ACTION_MASK_WRITE) != 0;
    if (op.type == ZYDIS_OPERAND_TYPE_REGISTER) {
      if (reads) info.reads |= set_of(op.reg.value);
      if (writes) info.writes |= set_of(op.reg.value);
    } else if (op.type == ZYDIS_OPERAND_TYPE_MEMORY) {
      info.reads |= set_of(op.mem.base) | set_of(op.mem.index);
      if (op.mem.type == ZYDIS_MEMOP_TYPE_MEM && !touches_no_memory(z)) {
        if (reads) info.facts |= fact::kLoad;
        if (writes) info.facts |= fact::kStore;
      }
    }
  }
}

/// May anything but completion come of it?
bool can_fault(const ZydisDecodedInstruction& z, const Decoded& d) {
  if ((d.info.facts & (fact::kLoad | fact::kStore)) != 0) return true;
  if (z.mnemonic == ZYDIS_MNEMONIC_DIV || z.mnemonic == ZYDIS_MNEMONIC_IDIV) return true;
  if (((d.info.reads | d.info.writes) & ~(RegSet{0xffff} | regset::kFlags)) != 0) return true;
  return d.binds.empty() || (d.info.facts & fact::kEndsBlock) != 0;
}

/// By instruction-set extension, without what the SDM excepts.
Unit unit_of(const ZydisDecodedInstruction& z) {
  switch (z.mnemonic) {
    case ZYDIS_MNEMONIC_FWAIT:
      return Unit::kWait;
    case ZYDIS_MNEMONIC_FXSAVE:
    case ZYDIS_MNEMONIC_FXSAVE64:
    case ZYDIS_MNEMONIC_FXRSTOR:
    case ZYDIS_MNEMONIC_FXRSTOR64:
      return Unit::kFxsave;
    case ZYDIS_MNEMONIC_SFENCE:
    case ZYDIS_MNEMONIC_LFENCE:
    case ZYDIS_MNEMONIC_MFENCE:
    case ZYDIS_MNEMONIC_MOVNTI:
    case ZYDIS_MNEMONIC_CRC32:
    case ZYDIS_MNEMONIC_POPCNT:
      return Unit::kNone;
    default:
      break;
  }
  if (z.meta.category == ZYDIS_CATEGORY_PREFETCH) return Unit::kNone;
  switch (z.meta.isa_ext) {
    case ZYDIS_ISA_EXT_X87:
      return Unit::kX87;
    case ZYDIS_ISA_EXT_MMX:
      return Unit::kMmx;
    case ZYDIS_ISA_EXT_SSE:
    case ZYDIS_ISA_EXT_SSE2:
    case ZYDIS_ISA_EXT_SSE3:
    case ZYDIS_ISA_EXT_SSSE3:
    case ZYDIS_ISA_EXT_SSE4:
      return z.meta.category == ZYDIS_CATEGORY_MMX ? Unit::kMmx : Unit::kSse;
    default:
      return Unit::kNone;
  }
}

/// What FP_ARITH_INST_RETIRED counts, by perfmon's description: conversions and comparisons are not in it.
u32 arithmetic_facts(ZydisMnemonic m) {
  switch (m) {
    case ZYDIS_MNEMONIC_ADDSS:
    case ZYDIS_MNEMONIC_SUBSS:
    case ZYDIS_MNEMONIC_MULSS:
    case ZYDIS_MNEMONIC_DIVSS:
    case ZYDIS_MNEMONIC_MINSS:
    case ZYDIS_MNEMONIC_MAXSS:
    case ZYDIS_MNEMONIC_SQRTSS:
    case ZYDIS_MNEMONIC_RSQRTSS:
    case ZYDIS_MNEMONIC_RCPSS:
      return fact::kFpScalarSingle;
    case ZYDIS_MNEMONIC_ADDSD:
    case ZYDIS_MNEMONIC_SUBSD:
    case ZYDIS_MNEMONIC_MULSD:
    case ZYDIS_MNEMONIC_DIVSD:
    case ZYDIS_MNEMONIC_MINSD:
    case ZYDIS_MNEMONIC_MAXSD:
    case ZYDIS_MNEMONIC_SQRTSD:
      return fact::kFpScalarDouble;
    case ZYDIS_MNEMONIC_ADDPS:
    case ZYDIS_MNEMONIC_SUBPS:
    case ZYDIS_MNEMONIC_HADDPS:
    case ZYDIS_MNEMONIC_HSUBPS:
    case ZYDIS_MNEMONIC_ADDSUBPS:
    case ZYDIS_MNEMONIC_MULPS:
    case ZYDIS_MNEMONIC_DIVPS:
    case ZYDIS_MNEMONIC_MINPS:
    case ZYDIS_MNEMONIC_MAXPS:
    case ZYDIS_MNEMONIC_SQRTPS:
    case ZYDIS_MNEMONIC_RSQRTPS:
    case ZYDIS_MNEMONIC_RCPPS:
      return fact::kFpPackedSingle;
    case ZYDIS_MNEMONIC_DPPS:
      return fact::kFpPackedSingle | fact::kFpTwice;
    case ZYDIS_MNEMONIC_ADDPD:
    case ZYDIS_MNEMONIC_SUBPD:
    case ZYDIS_MNEMONIC_HADDPD:
    case ZYDIS_MNEMONIC_HSUBPD:
    case ZYDIS_MNEMONIC_ADDSUBPD:
    case ZYDIS_MNEMONIC_MULPD:
    case ZYDIS_MNEMONIC_DIVPD:
    case ZYDIS_MNEMONIC_MINPD:
    case ZYDIS_MNEMONIC_MAXPD:
    case ZYDIS_MNEMONIC_SQRTPD:
      return fact::kFpPackedDouble;
    case ZYDIS_MNEMONIC_DPPD:
      return fact::kFpPackedDouble | fact::kFpTwice;
    default:
      return 0;
  }
}

u32 single_facts(ZydisMnemonic m) {
  switch (m) {
    case ZYDIS_MNEMONIC_PAUSE:
      return fact::kPause;
    case ZYDIS_MNEMONIC_LFENCE:
      return fact::kLfence;
    case ZYDIS_MNEMONIC_ENDBR32:
    case ZYDIS_MNEMONIC_ENDBR64:
      return fact::kNop;
    case ZYDIS_MNEMONIC_PREFETCHNTA:
      return fact::kPrefetchNta;
    case ZYDIS_MNEMONIC_PREFETCHT0:
      return fact::kPrefetchT0;
    case ZYDIS_MNEMONIC_PREFETCHT1:
    case ZYDIS_MNEMONIC_PREFETCHT2:
      return fact::kPrefetchT1T2;
    case ZYDIS_MNEMONIC_PREFETCHW:
      return fact::kPrefetchW;
    default:
      return 0;
  }
}

/// MMX proper, not what moves or converts between MMX and XMM registers.
bool is_mmx(const Shape& s) {
  bool mmx = false;
  for (unsigned k = 0; k < s.count; ++k) {
    if (s.kind(k) == Kind::kXmm) return false;
    mmx = mmx || s.kind(k) == Kind::kMmx;
  }
  return mmx;
}

u32 class_facts(const ZydisDecodedInstruction& z, const Shape& s) {
  const u32 facts = single_facts(z.mnemonic) | (is_mmx(s) ? fact::kMmx : 0);
  switch (z.meta.category) {
    case ZYDIS_CATEGORY_X87_ALU:
    case ZYDIS_CATEGORY_FCMOV:
      return facts | fact::kX87;
    case ZYDIS_CATEGORY_MMX:
      return facts | fact::kMmx;
    case ZYDIS_CATEGORY_NOP:
    case ZYDIS_CATEGORY_WIDENOP:
      return facts | fact::kNop;
    case ZYDIS_CATEGORY_SSE:
      return facts | arithmetic_facts(z.mnemonic) |
             (z.meta.exception_class == ZYDIS_EXCEPTION_CLASS_SSE2 ||
                      z.meta.exception_class == ZYDIS_EXCEPTION_CLASS_SSE3
                  ? fact::kSseFp
                  : 0);
    default:
      return facts | arithmetic_facts(z.mnemonic);
  }
}

}  // namespace

DecodeStatus Decoder::decode(std::span<const u8> bytes, u64 va, Decoded& out) const {
  ZydisDecodedInstruction z;
  ZydisDecodedOperand ops[ZYDIS_MAX_OPERAND_COUNT];
  const ZyanStatus status = ZydisDecoderDecodeFull(&state_->decoder, bytes.data(), bytes.size(), &z, ops);
  // Of fifteen bytes that are not the whole instruction, both say the same.
  if (status == ZYDIS_STATUS_NO_MORE_DATA || status == ZYDIS_STATUS_INSTRUCTION_TOO_LONG) {
    return DecodeStatus::kTruncated;
  }
  if (!ZYAN_SUCCESS(status)) return DecodeStatus::kInvalid;

  out = Decoded{};
  Shape& s = out.shape;
  Insn& insn = out.insn;
  insn.base = insn.index = insn.seg = kZeroReg;
  insn.length = z.length;
  s.address = va;
  s.fop =
      static_cast<u16>((z.opcode & 7) << 8 | z.raw.modrm.mod << 6 | z.raw.modrm.reg << 3 | z.raw.modrm.rm);
  s.size = static_cast<u8>(z.operand_width / 8);
  s.address_size = static_cast<u8>(z.address_width / 8);
  s.lock = (z.attributes & ZYDIS_ATTRIB_HAS_LOCK) != 0;
  s.rep = (z.attributes & (ZYDIS_ATTRIB_HAS_REP | ZYDIS_ATTRIB_HAS_REPE)) != 0;
  s.repne = (z.attributes & ZYDIS_ATTRIB_HAS_REPNE) != 0;
  s.far = z.meta.branch_type == ZYDIS_BRANCH_TYPE_FAR;
  s.count = static_cast<u8>(std::min<unsigned>(z.operand_count_visible, 4));
  for (unsigned k = 0; k < s.count; ++k) set_operand(k, ops[k], va, z, out);
  // String instructions and masked stores: the segment is an override of the hidden operand. For an explicit
  // one set_memory() has done the same.
  if ((z.attributes & ZYDIS_ATTRIB_HAS_SEGMENT_FS) != 0) insn.seg = kFsBase;
  if ((z.attributes & ZYDIS_ATTRIB_HAS_SEGMENT_GS) != 0) insn.seg = kGsBase;

  out.binds = state_->binds[static_cast<std::size_t>(z.mnemonic)];
  note_flags(z, ops, out.info);
  out.info.facts = branch_facts(z, s) | class_facts(z, s) | (s.lock ? fact::kLocked : 0) |
                   (ends_block(z) ? fact::kEndsBlock : 0);
  note_accesses(z, ops, out.info);
  if (z.mnemonic == ZYDIS_MNEMONIC_XCHG && (out.info.facts & fact::kStore) != 0)
    out.info.facts |= fact::kLocked;
  out.info.form = form_id(form_name(ZydisMnemonicGetString(z.mnemonic), s).c_str());
  out.info.may_fault = can_fault(z, out);

  out.unit = unit_of(z);
  out.is_cmp = z.mnemonic == ZYDIS_MNEMONIC_CMP;
  out.is_test = z.mnemonic == ZYDIS_MNEMONIC_TEST;
  out.is_jcc = z.meta.category == ZYDIS_CATEGORY_COND_BR &&
               (z.opcode_map == ZYDIS_OPCODE_MAP_0F || (z.opcode & 0xf0) == 0x70);
  out.cond = static_cast<Cond>(z.opcode & 0xf);
  // A branch carries its own address: in imm when a memory operand needs disp.
  if ((out.info.facts & fact::kBranch) != 0 && !s.far) {
    if ((out.info.facts & fact::kIndirect) != 0)
      insn.imm = static_cast<i64>(va);
    else
      insn.disp = static_cast<i64>(va);
  }
  return DecodeStatus::kOk;
}

std::string describe_instruction(std::span<const u8> bytes, u64 va) {
  ZydisDecoder decoder;
  ZydisDecoderInit(&decoder, ZYDIS_MACHINE_MODE_LONG_64, ZYDIS_STACK_WIDTH_64);
  ZydisDecodedInstruction z;
  ZydisDecodedOperand ops[ZYDIS_MAX_OPERAND_COUNT];
  const bool ok = ZYAN_SUCCESS(ZydisDecoderDecodeFull(&decoder, bytes.data(), bytes.size(), &z, ops));
  std::string text;
  char hex[4];
  for (std::size_t k = 0; k < std::min<std::size_t>(bytes.size(), ok ? z.length : 8); ++k) {
    std::snprintf(hex, sizeof hex, "%02x ", bytes[k]);
    text += hex;
  }
  if (!ok) return text + "(not an instruction)";
  ZydisFormatter formatter;
  ZydisFormatterInit(&formatter, ZYDIS_FORMATTER_STYLE_INTEL);
  char line[128];
  ZydisFormatterFormatInstruction(&formatter, &z, ops, z.operand_count_visible, line, sizeof line, va,
                                  nullptr);
  return text + " " + line + "  (" + ZydisISASetGetString(z.meta.isa_set) + ")";
}

}  // namespace lastbranch::cpu
