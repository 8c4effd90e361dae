#include "tests/cpu/generator.h"

#include <bit>
#include <cstring>
#include <string>
#include <unordered_map>

#include <Zydis/Zydis.h>
#include <fmt/format.h>

#include "sim/base/error.h"
#include "tests/cpu/addressing.h"

namespace lastbranch::host {
namespace {

using Type = Wanted::Type;

ZydisMnemonic mnemonic_named(std::string_view name) {
  static const std::unordered_map<std::string_view, ZydisMnemonic> kByName = [] {
    std::unordered_map<std::string_view, ZydisMnemonic> m;
    for (int i = 1; i <= ZYDIS_MNEMONIC_MAX_VALUE; ++i) {
      m.emplace(ZydisMnemonicGetString(static_cast<ZydisMnemonic>(i)), static_cast<ZydisMnemonic>(i));
    }
    return m;
  }();
  const auto found = kByName.find(name);
  if (found == kByName.end()) throw Error("mnemonic \"{}\": not one of the decoder's", name);
  return found->second;
}

/// The GPRs that a form names: their values are the instruction's, not an address'.
u32 fixed_registers(const Form& form) {
  u32 set = 0;
  for (const Wanted& w : form) {
    if (w.type != Type::kFixedReg) continue;
    const ZydisRegister full =
        ZydisRegisterGetLargestEnclosing(ZYDIS_MACHINE_MODE_LONG_64, static_cast<ZydisRegister>(w.reg));
    if (full >= ZYDIS_REGISTER_RAX && full <= ZYDIS_REGISTER_R15) set |= 1u << (full - ZYDIS_REGISTER_RAX);
  }
  return set;
}

u64 choose_target(Rng& rng, u64 address, unsigned bits, const RowOptions& options) {
  const u64 size = bits / 8;
  // Behind the INT3 that follows, in the same granule of decoded code.
  if (options.near_code) return address + 16 + (size < 16 ? rng.below(24) : 16 * rng.below(3));
  if (options.fault_one_in != 0 && rng.one_in(options.fault_one_in)) {
    const u64 within = size == 0 ? 0 : rng.below(size);
    switch (rng.below(4)) {
      case 0:
        return kData + kDataSize - within;  // off the end, or across it
      case 1:
        return kData - 1 - within;  // before the start, or across it
      case 2:
        return kReadOnly + rng.below(kPageSize - 512);
      default:
        return kReadOnly + kPageSize - within;
    }
  }
  if (size > 1 && rng.one_in(10)) return kData + kPageSize - 1 - rng.below(size - 1);
  // The stack is left to the stack instructions.
  u64 target = kData + rng.below(kPageSize + 0x400);
  const u64 alignment = std::bit_ceil(size == 0 ? 1 : size);
  const bool astray = options.fault_one_in != 0 && rng.one_in(12);
  if (size >= 16 ? options.align && !astray : rng.one_in(2)) target &= ~(alignment - 1);
  return target;
}

bool uses_32_bits(ZydisRegister r) {
  return r >= ZYDIS_REGISTER_EAX && r <= ZYDIS_REGISTER_R15D;
}

i64 signed_immediate(Rng& rng, unsigned bits) {
  const u64 v = rng.interesting(bits);
  return bits == 64 ? static_cast<i64>(v) : static_cast<i64>(v << (64 - bits)) >> (64 - bits);
}

}  // namespace

u64 Generator::filler(Fill fill) {
  switch (fill) {
    case Fill::kF32:
      return u64{rng.interesting_f32()} << 32 | rng.interesting_f32();
    case Fill::kF64:
    case Fill::kF80:
      return rng.interesting_f64();
    case Fill::kBcd: {
      u64 v = 0;
      for (unsigned i = 0; i < 16; ++i) v = v << 4 | rng.below(rng.one_in(100) ? 16 : 10);
      return v;
    }
    case Fill::kInt:
      break;
  }
  // Elements of all the sizes that packed instructions have.
  const unsigned bits = rng.pick<unsigned>({8, 16, 32, 64});
  u64 v = 0;
  for (unsigned i = 0; i < 64; i += bits) v |= rng.interesting(bits) << i;
  return v;
}

void Generator::randomize(Image& image, const RowOptions& options) {
  Regs& r = image.regs;
  for (u64& v : r.gpr) v = rng.interesting(rng.pick<unsigned>({64, 64, 32, 16, 8}));
  r.gpr[RSP] = kStack;
  r.rip = kEntry;
  r.rflags = 0x202 | (rng.next() & 0x8d5) | (rng.one_in(8) ? 0x400 : 0);
  r.gs_base = 0;
  for (Xmm& x : r.xmm) {
    const u64 halves[2] = {filler(options.fill), filler(options.fill)};
    std::memcpy(x.data(), halves, sizeof halves);
  }
  const bool unmasked = !options.masked && rng.one_in(6);
  r.mxcsr = 0x1f80 | static_cast<u32>(rng.below(4) << 13) | static_cast<u32>(rng.below(64));
  if (rng.one_in(4)) r.mxcsr |= 0x8000;
  if (rng.one_in(4)) r.mxcsr |= 0x40;
  r.fcw = static_cast<u16>(0x7f | rng.pick<unsigned>({0, 2, 3, 3}) << 8 | rng.below(4) << 10);
  r.fsw = static_cast<u16>(rng.below(8) << 11 | (rng.next() & 0x4700) | (rng.next() & 0x3f));
  if (unmasked) {
    // Nothing may be pending already.
    r.mxcsr &= ~(static_cast<u32>(rng.below(64)) << 7 | 0x3fu);
    r.fcw = static_cast<u16>(r.fcw & ~rng.below(64));
    r.fsw &= 0xffc0;
  }
  r.valid = rng.one_in(3) ? static_cast<u8>(rng.next()) : 0xff;
  for (auto& st : r.st) {
    rng.interesting_f80(st.data());
    if (options.fill != Fill::kF80) {
      const u64 mantissa = filler(options.fill);
      std::memcpy(st.data(), &mantissa, sizeof mantissa);
    }
  }
  // Random values are dear by the thousand: instances share a pattern, each starting elsewhere in it.
  if (pattern_uses_-- == 0 || pattern_fill_ != options.fill) {
    pattern_uses_ = 64;
    pattern_fill_ = options.fill;
    for (std::size_t i = 0; i < pattern_.size(); i += 8) {
      const u64 v = filler(options.fill);
      std::memcpy(&pattern_[i], &v, sizeof v);
    }
  }
  const std::size_t start = rng.below(pattern_.size() / 8) * 8;
  std::memcpy(image.data.data(), &pattern_[start], pattern_.size() - start);
  if (start != 0) std::memcpy(&image.data[pattern_.size() - start], pattern_.data(), start);
  image.code.fill(0xcc);
}

void Generator::fill_operand(Image& image, u64 address, unsigned bits, Fill fill) {
  std::array<u8, 16> value;
  for (unsigned i = 0; i < 16; i += 8) {
    u64 v = filler(fill);
    if (fill == Fill::kF80 && bits == 32) v = rng.interesting_f32();
    std::memcpy(&value[i], &v, sizeof v);
  }
  if (fill == Fill::kF80 && bits == 80) rng.interesting_f80(value.data());
  for (unsigned i = 0; i < bits / 8 && i < 16; ++i) {
    const u64 a = address + i;
    if (a >= kData && a < kData + kDataSize) image.data[a - kData] = value[i];
    if (a >= kCode && a < kCode + kCodeSize) image.code[a - kCode] = value[i];
  }
}

bool Generator::encode(std::string_view mnemonic, const Form& form, u64 address, Image& image,
                       std::vector<u8>& code, const RowOptions& options, u32 pointers) {
  ZydisEncoderRequest request{};
  request.machine_mode = ZYDIS_MACHINE_MODE_LONG_64;
  request.allowed_encodings = ZYDIS_ENCODABLE_ENCODING_LEGACY;
  request.mnemonic = mnemonic_named(mnemonic);
  request.operand_count = static_cast<ZyanU8>(form.size());
  const Regs regs = image.regs;
  const auto pick_gpr = [&] {
    u64 n = rng.below(16);
    while ((pointers >> n & 1) != 0) n = rng.below(16);
    return n;
  };
  bool ip_relative = false;
  u64 target = 0;
  unsigned target_bits = 0;
  for (std::size_t n = 0; n < form.size(); ++n) {
    const Wanted& w = form[n];
    ZydisEncoderOperand& op = request.operands[n];
    op.type = ZYDIS_OPERAND_TYPE_REGISTER;
    switch (w.type) {
      case Type::kGpr:
        if (w.bits == 8) {
          const u64 high = rng.below(4);
          const bool high_allowed = (pointers >> high & 1) == 0;
          const u64 r = pick_gpr();
          // Zydis' order: AL CL DL BL, AH CH DH BH, SPL BPL SIL DIL, R8B...
          op.reg.value = rng.one_in(4) && high_allowed ? zydis(ZYDIS_REGISTER_AH, high)
                         : r < 4                       ? zydis(ZYDIS_REGISTER_AL, r)
                                                       : zydis(ZYDIS_REGISTER_SPL, r - 4);
        } else {
          op.reg.value = gpr(w.bits, pick_gpr());
        }
        break;
      case Type::kXmm:
        op.reg.value = zydis(ZYDIS_REGISTER_XMM0, rng.below(16));
        break;
      case Type::kMmx:
        op.reg.value = zydis(ZYDIS_REGISTER_MM0, rng.below(8));
        break;
      case Type::kSt:
        op.reg.value = zydis(ZYDIS_REGISTER_ST0, rng.below(8));
        break;
      case Type::kFixedReg:
        op.reg.value = static_cast<ZydisRegister>(w.reg);
        break;
      case Type::kMem: {
        op.type = ZYDIS_OPERAND_TYPE_MEMORY;
        op.mem.size = static_cast<ZyanU16>(w.bits / 8);
        target = w.bits == 0 ? rng.interesting(64) : choose_target(rng, address, w.bits, options);
        if (w.bits == 0)
          target = rng.one_in(2) ? target & 0x7fffffff : static_cast<u64>(static_cast<i32>(target));
        target_bits = w.bits;
        Addressing(rng, image.regs, pointers, options.reserved | fixed_registers(form))
            .choose(op, target, request.prefixes);
        ip_relative = op.mem.base == ZYDIS_REGISTER_RIP;
        if (w.bits == 0) op.mem.size = uses_32_bits(op.mem.base) || uses_32_bits(op.mem.index) ? 4 : 8;
        if (options.lock && n == 0 && rng.one_in(2)) request.prefixes |= ZYDIS_ATTRIB_HAS_LOCK;
        break;
      }
      case Type::kImm:
        op.type = ZYDIS_OPERAND_TYPE_IMMEDIATE;
        op.imm.s = signed_immediate(rng, w.bits);
        break;
      case Type::kUnsignedImm:
        op.type = ZYDIS_OPERAND_TYPE_IMMEDIATE;
        op.imm.u = rng.interesting(w.bits);
        break;
      case Type::kOne:
        op.type = ZYDIS_OPERAND_TYPE_IMMEDIATE;
        op.imm.u = 1;
        break;
    }
  }
  u8 buffer[ZYDIS_MAX_INSTRUCTION_LENGTH];
  ZyanUSize length = sizeof buffer;
  const ZyanStatus status = ip_relative
                                ? ZydisEncoderEncodeInstructionAbsolute(&request, buffer, &length, address)
                                : ZydisEncoderEncodeInstruction(&request, buffer, &length);
  if (!ZYAN_SUCCESS(status)) {
    image.regs = regs;
    return false;
  }
  code.insert(code.end(), buffer, buffer + length);
  if (target_bits != 0) fill_operand(image, target, target_bits, options.fill);
  return true;
}

void Generator::make(const Row& row, const Form& form, Instance& out) {
  for (unsigned attempt = 0; attempt < 64; ++attempt) {
    randomize(out.before, row.options);
    if (row.options.prepare != nullptr) row.options.prepare(out.before, rng);
    out.code.clear();
    if (!encode(row.mnemonic, form, kEntry, out.before, out.code, row.options)) continue;
    out.before.put_code(out.code.data(), out.code.size());
    return;
  }
  throw Error("{} \"{}\": the encoder refuses this form", row.mnemonic, row.forms);
}

std::string disassemble(std::span<const u8> code, u64 address) {
  ZydisDecoder decoder;
  ZydisDecoderInit(&decoder, ZYDIS_MACHINE_MODE_LONG_64, ZYDIS_STACK_WIDTH_64);
  ZydisFormatter formatter;
  ZydisFormatterInit(&formatter, ZYDIS_FORMATTER_STYLE_INTEL);
  std::string out;
  while (!code.empty()) {
    ZydisDecodedInstruction insn;
    ZydisDecodedOperand operands[ZYDIS_MAX_OPERAND_COUNT];
    char text[96] = "(bad)";
    std::size_t length = 1;
    if (ZYAN_SUCCESS(ZydisDecoderDecodeFull(&decoder, code.data(), code.size(), &insn, operands))) {
      ZydisFormatterFormatInstruction(&formatter, &insn, operands, insn.operand_count_visible, text,
                                      sizeof text, address, nullptr);
      length = insn.length;
    }
    out += fmt::format("  {:#x}: {:<40} ; {:02x}\n", address, text, fmt::join(code.first(length), " "));
    code = code.subspan(length);
    address += length;
  }
  return out;
}

}  // namespace lastbranch::host
