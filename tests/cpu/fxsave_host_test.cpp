// FXSAVE and FXRSTOR against the host.
#include <cstring>
#include <memory>

#include <gtest/gtest.h>

#include "models/cpu/exec/exec.h"
#include "models/cpu/exec/rows.h"
#include "tests/cpu/x87_rows.h"

namespace lastbranch::host {
namespace {

constexpr unsigned kCount = 400;
constexpr u64 kMask = 28;  ///< MXCSR_MASK in the area
constexpr u64 kMxcsr = 24;
constexpr u64 kAreaSize = 512;

struct Runs {
  Instance instance;
  Outcome native, simulated;
};

template <class T>
void poke(Image& i, u64 address, T v) {
  std::memcpy(&i.data[address - kData], &v, sizeof v);
}

/// RBX is the area: aligned but for a few, inside the window but for a few. Exceptions pending in some.
void place(Image& i, Rng& r) {
  if (r.one_in(3))
    x87_pending(i, r);
  else
    x87_masked(i, r);
  const bool pending = (i.regs.fsw & 0x80) != 0;
  // AMD keeps the pointers only of a pending exception.
  i.regs.fop = pending ? static_cast<u16>(r.below(0x800)) : 0;
  i.regs.fip = pending ? r.next() >> 17 : 0;
  i.regs.fdp = pending ? r.next() >> 17 : 0;
  u64& rbx = i.regs.gpr[RBX];
  rbx = kData + 16 * r.below((kDataSize - kAreaSize) / 16);
  if (r.one_in(24)) rbx += r.below(16);
  if (r.one_in(24)) rbx = kData + kDataSize - 16 * (1 + r.below(0x1f));
  if (r.one_in(24)) rbx = kReadOnly + 16 * r.below(0x40);
}

/// An image that a program could have written: any words, MXCSR mostly without reserved bits.
void image(Image& i, Rng& r) {
  place(i, r);
  const u64 a = i.regs.gpr[RBX];
  if (a < kData || a + kAreaSize > kData + kDataSize) return;
  poke(i, a, r.next());
  poke(i, a + 8, r.next() >> 17);
  poke(i, a + 16, r.next() >> 17);
  u32 mxcsr = static_cast<u32>(r.next() & 0xffff) | 0x1f80;
  if (r.one_in(8)) mxcsr |= 0x40000u << r.below(14);
  poke(i, a + kMxcsr, mxcsr);
  for (u64 n = 0; n < 8; ++n) {
    u8 value[10];
    r.interesting_f80(value);
    std::memcpy(&i.data[a + 32 + 16 * n - kData], value, sizeof value);
  }
}

const std::vector<BytesRow>& area_rows() {
  static const std::vector<BytesRow> kRows = {
      {"fxsave", {0x0f, 0xae, 0x03}, {.fill = Fill::kF80, .prepare = place}},
      {"fxsave64", {0x48, 0x0f, 0xae, 0x03}, {.fill = Fill::kF80, .prepare = place}},
      {"fxrstor", {0x0f, 0xae, 0x0b}, {.fill = Fill::kF80, .prepare = image}},
      {"fxrstor64", {0x48, 0x0f, 0xae, 0x0b}, {.fill = Fill::kF80, .prepare = image}},
  };
  return kRows;
}

/// Where the host's processor may differ from the modelled one, the native outcome is made the same.
void adjust(Runs& runs) {
  Outcome& n = runs.native;
  Outcome& s = runs.simulated;
  const u64 rbx = runs.instance.before.regs.gpr[RBX];
  const u64 at = rbx + kMask - kData;
  // AMD has one more MXCSR bit, and so another mask.
  if (!n.faulted() && at < kDataSize) std::memcpy(&n.after.data[at], &s.after.data[at], 4);
  if (n.fault.vector == Vector::kPF && s.fault.vector == Vector::kPF &&
      (n.fault.address ^ s.fault.address) < kPageSize) {
    n.fault.address = s.fault.address;
  }
}

TEST(FxsaveHost, areas_agree) {
  const auto runs = std::make_unique<Runs>();
  for (const BytesRow& row : area_rows()) {
    SCOPED_TRACE(row.name);
    Generator generator(cpu::form_id(row.name.c_str()));
    unsigned completed = 0, failures = 0;
    for (unsigned k = 0; k < kCount && failures < 3; ++k) {
      Image& before = runs->instance.before;
      runs->instance.code = row.code;
      generator.randomize(before, row.options);
      row.options.prepare(before, generator.rng);
      before.put_code(row.code.data(), row.code.size());
      NativeCpu::instance().run(before, runs->native);
      simulated().run(before, runs->simulated);
      adjust(*runs);
      Ignore ignore;
      ignore.x87_pointers = (runs->native.after.regs.fsw & 0x80) == 0;
      const std::string text = differences(runs->native, runs->simulated, ignore);
      EXPECT_EQ(text, "") << disassemble(row.code, kEntry) << std::hex << "rbx " << before.regs.gpr[RBX];
      failures += text.empty() ? 0 : 1;
      completed += runs->native.faulted() ? 0 : 1;
    }
    EXPECT_GT(completed, kCount / 2);
  }
}

TEST(FxsaveHost, mask_of_mxcsr_names_the_modelled_bits) {
  const auto runs = std::make_unique<Runs>();
  runs->instance.before.regs.gpr[RBX] = kData;
  runs->instance.before.put_code(area_rows()[0].code.data(), 3);
  simulated().run(runs->instance.before, runs->simulated);
  u32 mask;
  std::memcpy(&mask, &runs->simulated.after.data[kMask], sizeof mask);
  EXPECT_EQ(mask, 0xffffu);
}

TEST(FxsaveHost, every_row_of_the_table_is_tested) {
  expect_covered(cpu::fxsave_rows<cpu::Fast>(), names(std::span<const BytesRow>(area_rows())));
}

}  // namespace
}  // namespace lastbranch::host
