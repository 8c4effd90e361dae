#include "tests/cpu/sequence.h"

#include <algorithm>
#include <array>
#include <cstring>

#include <Zydis/Zydis.h>

#include "sim/base/assert.h"
#include "tests/cpu/int_rows.h"

namespace lastbranch::host {
namespace {

/// Registers that keep data-window addresses throughout; RSP keeps the stack.
constexpr u32 kPointers = 1u << RSP | 1u << RBP | 1u << R12 | 1u << R13;
/// The loop counter: beyond what memory operands reach and the stack uses.
constexpr u64 kCounter = kData + kDataSize - 8;
/// Bytes of an instruction and a branch displacement of one byte: how far short branches skip.
constexpr std::size_t kShortReach = 6;

struct FlagUse {
  u64 tested, written;
};
FlagUse flag_use(const std::vector<u8>& code, std::size_t at) {
  static const ZydisDecoder kDecoder = [] {
    ZydisDecoder d;
    ZydisDecoderInit(&d, ZYDIS_MACHINE_MODE_LONG_64, ZYDIS_STACK_WIDTH_64);
    return d;
  }();
  ZydisDecodedInstruction insn;
  ZydisDecodedOperand operands[ZYDIS_MAX_OPERAND_COUNT];
  LASTBRANCH_CHECK(
      ZYAN_SUCCESS(ZydisDecoderDecodeFull(&kDecoder, &code[at], code.size() - at, &insn, operands)));
  if (insn.cpu_flags == nullptr) return {0, 0};
  const auto& f = *insn.cpu_flags;
  return {f.tested, static_cast<u64>(f.modified) | f.set_0 | f.set_1};
}

/// Shifts by zero write no flags at all.
bool may_keep_flags(std::string_view mnemonic) {
  constexpr std::array kShifts = {"shl", "shr", "sar", "rol", "ror", "rcl", "rcr", "shld", "shrd"};
  for (const std::string_view s : kShifts) {
    if (mnemonic == s) return true;
  }
  return false;
}

}  // namespace

Ignore Sequence::ignore_at(u64 rip) const {
  const auto found = undefined_flags.find(rip);
  Ignore ignore;
  ignore.flags = found == undefined_flags.end() ? 0 : found->second;
  return ignore;
}

SequenceGenerator::SequenceGenerator(u64 seed, std::initializer_list<std::span<const Row>> more)
    : generator(seed) {
  for (const auto rows : {arithmetic_rows(), arithmetic_rows(), shift_rows(), multiply_rows(), move_rows(),
                          move_rows(), condition_rows(), bit_rows(), stack_rows()}) {
    add(rows);
  }
  for (const auto rows : more) add(rows);
}

void SequenceGenerator::add(std::span<const Row> rows) {
  for (const Row& row : rows) {
    const Ignore& i = row.options.ignore;
    if (row.options.alone || i.fsw != 0 || i.mxcsr != 0 || i.x87 || i.pf_write || !i.x87_pointers) continue;
    for (Form& form : expand(row.forms)) candidates_.push_back({&row, std::move(form)});
  }
}

void SequenceGenerator::make(const SequenceOptions& options, Sequence& out) {
  Rng& rng = generator.rng;
  generator.randomize(out.instance.before);
  auto& gpr = out.instance.before.regs.gpr;
  gpr[RBP] = kData + rng.below(0x1000);
  gpr[R12] = kData + 8 * rng.below(0x200);
  gpr[R13] = kData + rng.below(0x1000);
  out.instance.before.regs.rip = options.address;
  out.instance.code.clear();
  out.starts.clear();
  out.undefined_flags.clear();
  jumps_.clear();
  undefined_at_.clear();
  patches_.clear();
  undefined_ = 0;
  for (std::size_t n = 0; n < options.length; ++n) {
    out.starts.push_back(options.address + out.instance.code.size());
    undefined_ |= undefined_at_[n];
    out.undefined_flags[out.starts.back()] = undefined_;
    if (options.branches && rng.one_in(5)) {
      append_branch(options, n, out);
    } else if (options.patches && n + 1 < options.length && patches_.empty() && rng.one_in(4)) {
      append_patch(n, out);
    } else if (!patches_.empty() && (rng.one_in(3) || n + 1 == options.length)) {
      while (!append_patched(options, out)) {
      }
    } else {
      while (!append_plain(options, out)) {
      }
    }
  }
  out.starts.push_back(options.address + out.instance.code.size());
  undefined_ |= undefined_at_[options.length];
  if (options.rounds > 1) append_loop_end(options, out);
  out.undefined_flags[out.starts.back()] = undefined_;
  for (const Jump& j : jumps_) {
    const i64 distance = static_cast<i64>(out.starts[j.target] - (options.address + j.field + j.size));
    std::memcpy(&out.instance.code[j.field], &distance, j.size);
  }
  // Last, because operands fill memory, too.
  std::memcpy(&out.instance.before.data[kCounter - kData], &options.rounds, sizeof options.rounds);
  // What does not fit into the window is cut off: a fault of the fetch.
  const std::size_t room = kCode + kCodeSize - options.address;
  out.instance.before.put_code(out.instance.code.data(), std::min(room, out.instance.code.size()),
                               options.address);
}

void SequenceGenerator::append_branch(const SequenceOptions& options, std::size_t n, Sequence& out) {
  Rng& rng = generator.rng;
  std::vector<u8>& code = out.instance.code;
  const bool is_short = rng.one_in(2);
  const std::size_t skipped = rng.below(is_short ? kShortReach : 10);
  const std::size_t target = std::min<std::size_t>(n + 1 + skipped, options.length);
  u8 condition = static_cast<u8>(rng.below(16));
  // A condition on undefined flags would compare noise; an unconditional jump tests nothing.
  constexpr u64 kTested[8] = {0x800, 0x1, 0x40, 0x41, 0x80, 0x4, 0x880, 0x8c0};
  const bool always = rng.one_in(8) || (kTested[condition / 2] & undefined_) != 0;
  if (is_short) {
    code.push_back(always ? 0xeb : static_cast<u8>(0x70 + condition));
  } else if (always) {
    code.push_back(0xe9);
  } else {
    code.insert(code.end(), {0x0f, static_cast<u8>(0x80 + condition)});
  }
  const unsigned size = is_short ? 1 : 4;
  jumps_.push_back({code.size(), size, target});
  code.insert(code.end(), size, 0);
  undefined_at_[target] |= undefined_;
}

bool SequenceGenerator::append_plain(const SequenceOptions& options, Sequence& out) {
  Rng& rng = generator.rng;
  std::vector<u8>& code = out.instance.code;
  const Candidate& c = candidates_[rng.below(candidates_.size())];
  RowOptions row_options = c.row->options;
  row_options.fault_one_in = options.fault_one_in;
  const std::size_t at = code.size();
  if (!generator.encode(c.row->mnemonic, c.form, options.address + at, out.instance.before, code, row_options,
                        kPointers)) {
    return false;
  }
  const FlagUse use = flag_use(code, at);
  if ((use.tested & undefined_) != 0) {
    code.resize(at);
    return false;
  }
  const u64 undefined = c.row->options.ignore.flags;
  if (!may_keep_flags(c.row->mnemonic)) undefined_ &= ~use.written;
  undefined_ |= undefined;
  return true;
}

/// XOR DWORD PTR [RIP + later], difference: both are filled in when the later instruction is known.
void SequenceGenerator::append_patch(std::size_t n, Sequence& out) {
  std::vector<u8>& code = out.instance.code;
  patches_.push_back({code.size(), n});
  code.insert(code.end(), {0x81, 0x35, 0, 0, 0, 0, 0, 0, 0, 0});
  undefined_ = 0x10;
}

/// An instruction of four bytes that the pending patch exchanges for another one.
bool SequenceGenerator::append_patched(const SequenceOptions& options, Sequence& out) {
  std::vector<u8>& code = out.instance.code;
  const std::size_t at = code.size();
  const u64 before = undefined_;
  u64 after[2];
  u32 bytes[2];
  for (unsigned k = 0; k < 2; ++k) {
    undefined_ = before;
    do {
      code.resize(at);
      undefined_ = before;
    } while (!append_plain(options, out) || code.size() - at != 4);
    after[k] = undefined_;
    std::memcpy(&bytes[k], &code[at], 4);
    if (k == 0) code.resize(at);
  }
  undefined_ = after[0] | after[1];
  const Patch patch = patches_.back();
  patches_.pop_back();
  const u32 difference = bytes[0] ^ bytes[1];
  const i32 distance = static_cast<i32>(at - (patch.at + 10));
  std::memcpy(&code[patch.at + 2], &distance, 4);
  std::memcpy(&code[patch.at + 6], &difference, 4);
  return true;
}

/// SUB DWORD PTR [counter], 1; JNZ start. It defines all flags.
void SequenceGenerator::append_loop_end(const SequenceOptions& options, Sequence& out) {
  std::vector<u8>& code = out.instance.code;
  code.insert(code.end(), {0x83, 0x2c, 0x25, 0, 0, 0, 0, 1});
  const u32 counter = static_cast<u32>(kCounter);
  std::memcpy(&code[code.size() - 5], &counter, 4);
  out.undefined_flags[options.address + code.size()] = 0;
  code.insert(code.end(), {0x0f, 0x85, 0, 0, 0, 0});
  const i32 back = -static_cast<i32>(code.size());
  std::memcpy(&code[code.size() - 4], &back, 4);
  out.undefined_flags[options.address + code.size()] = 0;
}

}  // namespace lastbranch::host
