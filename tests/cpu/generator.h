#pragma once
// Makes instances of an instruction: operands of every shape, addresses inside the data window, interesting
// values.
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "tests/cpu/machine_state.h"
#include "tests/cpu/rng.h"

namespace lastbranch::host {

/// What registers and memory are filled with.
enum class Fill : u8 {
  kInt,  ///< 0, 1, -1, min, max, single bits, random
  kF32,  ///< single precision: zeros, denormals, infinities, NaNs, integers, near ties, random
  kF64,
  kF80,  ///< x87 registers as 80-bit values, memory operands as 80-, 64- or 32-bit ones by their size
  kBcd,  ///< packed decimal digits, mostly valid ones
};

struct RowOptions {
  Ignore ignore{};
  Fill fill = Fill::kInt;
  bool lock = false;       ///< also with LOCK where operand 0 is memory
  bool align = true;       ///< 128-bit memory operands are mostly aligned (the others make #GP, as natively)
  bool masked = true;      ///< floating-point exceptions are always masked; false: sometimes not
  bool alone = false;      ///< right only for what `prepare` made: not for random sequences
  unsigned weight = 1;     ///< multiplies the number of instances
  u32 reserved = 0;        ///< GPRs (bit set) that addresses must leave as `prepare` made them
  bool near_code = false;  ///< memory operands lie just behind the instruction itself
  unsigned fault_one_in =
      24;  ///< how many memory operands lie on or cross into a page that refuses them; 0: none
  /// Adjusts the random state before addresses are chosen, e.g. so that a division mostly does not overflow.
  void (*prepare)(Image&, Rng&) = nullptr;
};

/// One mnemonic in the shapes that are to be tested.
///
/// `forms`: alternatives separated by '|', operands by ','. An operand is
///   rb rw rd rq rv  GPR of 8 (high-byte ones included), 16, 32, 64 bits; v stands for w, d and q in turn
///   mb mw md mq mv m80 m128 ...  memory of that many bits; m0: an address only (LEA)
///   rmb rmv ...  register or memory;  xm128, xm64, ym64: the same for XMM, MMX
///   x, y, st  XMM, MMX, x87 register;  st0 ... exactly that one
///   ib iw id iv  signed immediate (iv: operand size, but 32 bits for q); iq: 64 bits;  ub uw  unsigned
///   al ax eax rax cl dx ...  exactly that register;  av  the accumulator of size v;  1  the constant
/// The letter v means the same size in all operands of one form. "" is the form without operands.
/// Examples: {"add", "rmb,rb|rmv,rv|rb,mb|rv,mv|rmb,ib|rmv,iv"}, {"addps", "x,xm128", {.fill = Fill::kF32}}.
struct Row {
  std::string_view mnemonic;  ///< Zydis' spelling, lower case, as in the operation tables
  std::string_view forms;
  RowOptions options{};
};

/// One operand of one concrete form.
struct Wanted {
  enum class Type : u8 { kGpr, kMem, kXmm, kMmx, kSt, kImm, kUnsignedImm, kFixedReg, kOne } type = Type::kGpr;
  unsigned bits = 0;
  int reg = 0;  ///< kFixedReg: ZydisRegister
};
using Form = std::vector<Wanted>;

/// Expands Row::forms; throws Error on a word it does not know.
[[nodiscard]] std::vector<Form> expand(std::string_view forms);

/// Code at kEntry and the state it starts from.
struct Instance {
  std::vector<u8> code;
  Image before;
};

class Generator {
 public:
  explicit Generator(u64 seed) : rng(seed) {}

  /// Fills registers and both windows; RSP is kStack and the code window all INT3 afterwards.
  void randomize(Image& image, const RowOptions& options = {});

  /// Appends one random instance of `form`, to run at `address`, and sets the registers that its memory
  /// operand needs. `pointers`: GPRs (bit set) that hold data-window addresses; when not 0, memory operands
  /// use only these, and registers are neither written by explicit operands nor changed here, so that whole
  /// sequences can be made. False when this choice cannot be encoded (try again). Throws Error when the
  /// mnemonic is unknown.
  bool encode(std::string_view mnemonic, const Form& form, u64 address, Image& image, std::vector<u8>& code,
              const RowOptions& options = {}, u32 pointers = 0);

  /// A whole random instance: randomize, encode, place at kEntry. Throws Error when nothing can be encoded.
  void make(const Row& row, const Form& form, Instance& out);

  Rng rng;

 private:
  u64 filler(Fill fill);
  void fill_operand(Image& image, u64 address, unsigned bits, Fill fill);

  Window pattern_{};
  unsigned pattern_uses_ = 0;
  Fill pattern_fill_ = Fill::kInt;
};

/// Disassembly of all of `code`, as if at `address`, one line per instruction, with the bytes.
[[nodiscard]] std::string disassemble(std::span<const u8> code, u64 address);

}  // namespace lastbranch::host
