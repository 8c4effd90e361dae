#pragma once
// Makes instances of an instruction: operands of every shape, addresses inside the data window, interesting values.
#include <initializer_list>
#include <random>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "tests/cpu/machine_state.h"

namespace lastbranch::host {

/// What registers and memory are filled with.
enum class Fill : u8 {
  kInt,  ///< 0, 1, -1, min, max, single bits, random
  kF32,  ///< single precision: zeros, denormals, infinities, NaNs, integers, near ties, random
  kF64,
  kF80,  ///< x87 stack and memory as 80-bit values (memory also as 32/64-bit by operand size)
  kBcd,  ///< packed decimal in memory, mostly valid
};

/// One mnemonic in the shapes that are to be tested.
///
/// `forms`: alternatives separated by '|', operands by ','. An operand is
///   rb rw rd rq rv    GPR of 8 (high-byte ones included), 16, 32, 64 bits; v stands for w, d and q in turn
///   mb mw md mq mv m80 m128 ...   memory of that size in bits
///   rmb rmv rm32 ...  register or memory;  xm128 ym64: the same for XMM, MMX
///   x, y, st          XMM, MMX, x87 register;  st0 exactly that one
///   ib iw id iv       signed immediate (iv: operand size, 32 bits for q), ub uw unsigned;  iq  64 bits
///   al ax eax rax cl dx 1   exactly that one;  av  the accumulator of size v;  rsp, ...  any GPR by name
/// The letter v means the same size in all operands of one form. "" is the form without operands.
/// Examples: {"add", "rmb,rb|rmv,rv|rb,mb|rv,mv|rmb,ib|rmv,iv"}, {"addps", "x,xm128", {.fill = Fill::kF32}}.
struct RowOptions {
  Ignore ignore{};
  Fill fill = Fill::kInt;
  bool lock = false;      ///< also with LOCK where the first operand is memory
  unsigned weight = 1;    ///< multiplies the number of instances
  bool align = true;      ///< 128-bit memory operands mostly aligned (else any address)
  bool masked = true;     ///< floating-point exceptions always masked; false: sometimes not
};
struct Row {
  std::string_view mnemonic;  ///< Zydis' spelling, lower case, as in the operation tables
  std::string_view forms;
  RowOptions options{};
};

/// A small fast generator with a reproducible stream.
class Rng {
 public:
  explicit Rng(u64 seed) : state_(seed) {}
  u64 next();
  /// Uniform in [0, n), n > 0.
  u64 below(u64 n) { return next() % n; }
  bool one_in(u64 n) { return below(n) == 0; }
  template <class T>
  T pick(std::initializer_list<T> list) {
    return *(list.begin() + below(list.size()));
  }
  /// An interesting integer of `bits` bits (zero-extended).
  u64 interesting(unsigned bits = 64);
  float interesting_f32();
  double interesting_f64();
  void interesting_f80(u8* out);

 private:
  u64 state_;
};

/// One operand of one concrete form.
struct Wanted {
  enum class Type : u8 { kGpr, kMem, kXmm, kMmx, kSt, kImm, kUImm, kFixed } type = Type::kGpr;
  unsigned bits = 0;
  int fixed = -1;  ///< ZydisRegister, ST number, or the constant 1
};
using Form = std::vector<Wanted>;

/// Expands Row::forms; throws Error on a word it does not know.
[[nodiscard]] std::vector<Form> expand(std::string_view forms);

/// Code at kEntry and the state it starts from.
struct Instance {
  std::vector<u8> code;
  Image before;
  [[nodiscard]] std::string text() const;  ///< disassembly and bytes
};

class Generator {
 public:
  explicit Generator(u64 seed) : rng(seed) {}

  /// Fills registers and memory of `image`; RSP is kStack afterwards.
  void randomize(Image& image, const RowOptions& options);
  /// Encodes one random instance of `form` for an instruction at `address`, and sets the registers of `regs` that its
  /// memory operand needs; registers in `keep` (bit set) are left alone and not used for addresses.
  /// False when the random choice cannot be encoded (try again); throws Error when the mnemonic is unknown.
  bool encode(std::string_view mnemonic, const Form& form, u64 address, Regs& regs, std::vector<u8>& code,
              const RowOptions& options = {}, u32 keep = 0);
  /// A whole random instance: randomize, encode (many tries), place. Throws Error when nothing can be encoded.
  void make(const Row& row, const Form& form, Instance& out);

  Rng rng;

 private:
  u64 filler(Fill fill);
};

/// Disassembly of the instruction at the start of `code`, as if at `address`.
[[nodiscard]] std::string disassemble(std::span<const u8> code, u64 address);

}  // namespace lastbranch::host
