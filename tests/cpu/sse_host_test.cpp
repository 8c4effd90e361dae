// Every SSE mnemonic in every shape against the host's processor. RCPPS and RSQRTPS are the host's own by
// design, so they agree by construction here and only their operands and memory accesses are tested.
#include <cstring>
#include <memory>

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "models/cpu/exec/rows.h"
#include "models/cpu/exec/sse.h"
#include "tests/cpu/sse_rows.h"

namespace lastbranch::host {
namespace {

// What the encoder does not make: implied operands, and sequences around MXCSR.

/// RDI (or EDI) anywhere in the window, across a page boundary, across its ends, and on the page that refuses
/// stores. Whether bytes that the mask does not select fault is the processor's choice: at the ends it
/// selects the outer ones.
void prepare_masked_store(Image& image, Rng& rng) {
  const u64 starts[] = {kReadOnly + 64, kData + kDataSize, kData, kData + kPageSize,
                        kData + rng.below(kDataSize - 16)};
  const u64 choice = rng.below(8);
  image.regs.gpr[RDI] = choice < 4 ? starts[choice] - rng.below(16) : starts[4];
  Xmm& mask = image.regs.xmm[2];
  if (choice < 3) {
    mask.front() |= 0x80;
    mask.back() |= 0x80;
  } else if (rng.one_in(4)) {
    mask.fill(0x7f);
  }
}
void prepare_gs_masked_store(Image& image, Rng& rng) {
  prepare_masked_store(image, rng);
  image.regs.gs_base = rng.below(0x1000);
  image.regs.gpr[RDI] -= image.regs.gs_base;
}
void prepare_blend(Image& image, Rng& rng) {
  image.regs.gpr[RBX] = kData + 16 * rng.below(64) + (rng.one_in(8) ? 8 : 0);
}

/// RBX points to an MXCSR value: mostly a good one, sometimes with a bit that every processor reserves.
void prepare_ldmxcsr(Image& image, Rng& rng) {
  u32 v = static_cast<u32>(rng.next()) & 0xffff;
  if (rng.one_in(2)) v |= 0x1f80;
  if (rng.one_in(8)) v |= 1u << (18 + rng.below(14));
  const u64 offset = rng.below(kPageSize);
  image.regs.gpr[RBX] = kData + offset;
  std::memcpy(&image.data[offset], &v, sizeof v);
}

// XMM2 is the mask.
const BytesRow kMaskedStores[] = {
    {"maskmovdqu xmm1, xmm2", {0x66, 0x0f, 0xf7, 0xca}, {.prepare = prepare_masked_store}},
    {"maskmovdqu xmm2, xmm2", {0x66, 0x0f, 0xf7, 0xd2}, {.prepare = prepare_masked_store}},
    {"maskmovdqu with EDI", {0x67, 0x66, 0x0f, 0xf7, 0xca}, {.prepare = prepare_masked_store}},
    {"maskmovdqu in GS", {0x65, 0x66, 0x0f, 0xf7, 0xca}, {.prepare = prepare_gs_masked_store}},
};

const BytesRow kBlends[] = {
    {"pblendvb xmm1, xmm2", {0x66, 0x0f, 0x38, 0x10, 0xca}, {}},
    {"pblendvb xmm0, xmm2", {0x66, 0x0f, 0x38, 0x10, 0xc2}, {}},
    {"pblendvb xmm9, xmm0", {0x66, 0x44, 0x0f, 0x38, 0x10, 0xc8}, {}},
    {"pblendvb xmm1, [rbx]", {0x66, 0x0f, 0x38, 0x10, 0x0b}, {.prepare = prepare_blend}},
    {"blendvps xmm1, xmm2", {0x66, 0x0f, 0x38, 0x14, 0xca}, {}},
    {"blendvps xmm0, xmm2", {0x66, 0x0f, 0x38, 0x14, 0xc2}, {}},
    {"blendvps xmm1, [rbx]", {0x66, 0x0f, 0x38, 0x14, 0x0b}, {.prepare = prepare_blend}},
    {"blendvpd xmm1, xmm2", {0x66, 0x0f, 0x38, 0x15, 0xca}, {}},
    {"blendvpd xmm0, xmm2", {0x66, 0x0f, 0x38, 0x15, 0xc2}, {}},
    {"blendvpd xmm1, [rbx]", {0x66, 0x0f, 0x38, 0x15, 0x0b}, {.prepare = prepare_blend}},
};

// 0f ae /2 is LDMXCSR, /3 STMXCSR.
const BytesRow kMxcsrSequences[] = {
    {"ldmxcsr [rbx]", {0x0f, 0xae, 0x13}, {.weight = 4, .prepare = prepare_ldmxcsr}},
    {"ldmxcsr [rbx]; stmxcsr [rsp]",
     {0x0f, 0xae, 0x13, 0x0f, 0xae, 0x1c, 0x24},
     {.weight = 4, .prepare = prepare_ldmxcsr}},
    {"ldmxcsr [rbx]; addps xmm1, xmm2; stmxcsr [rsp]",
     {0x0f, 0xae, 0x13, 0x0f, 0x58, 0xca, 0x0f, 0xae, 0x1c, 0x24},
     {.fill = Fill::kF32, .weight = 16, .prepare = prepare_ldmxcsr}},
    {"divsd xmm1, xmm2; ldmxcsr [rbx]; cvtsd2ss xmm3, xmm1; stmxcsr [rsp]; mulsd xmm1, xmm1",
     {0xf2, 0x0f, 0x5e, 0xca, 0x0f, 0xae, 0x13, 0xf2, 0x0f, 0x5a, 0xd9, 0x0f, 0xae, 0x1c, 0x24, 0xf2, 0x0f,
      0x59, 0xc9},
     {.fill = Fill::kF64, .masked = false, .weight = 16, .prepare = prepare_ldmxcsr}},
};

/// All 256 immediates of `code` xmm1, xmm2, ib, each from a few states; `name` begins with the mnemonic.
void check_immediates(std::string_view name, std::vector<u8> code, const RowOptions& options) {
  std::vector<BytesRow> rows;
  code.push_back(0xca);
  code.push_back(0);
  for (unsigned imm = 0; imm < 256; ++imm) {
    code.back() = static_cast<u8>(imm);
    rows.push_back({fmt::format("{} xmm1, xmm2, {:#x}", name, imm), code, options});
  }
  check_bytes(rows, 6);
}

TEST(SseHost, moves_agree_with_the_host) {
  check_rows(xmm_move_rows());
}
TEST(SseHost, integer_operations_agree_with_the_host) {
  check_rows(xmm_integer_rows());
}
TEST(SseHost, shuffles_agree_with_the_host) {
  check_rows(xmm_shuffle_rows());
}
TEST(SseHost, blends_by_xmm0_agree_with_the_host) {
  check_bytes(kBlends);
}
TEST(SseHost, floating_point_agrees_with_the_host) {
  check_rows(xmm_float_rows());
}
TEST(SseHost, conversions_agree_with_the_host) {
  check_rows(xmm_convert_rows());
}
TEST(SseHost, string_compares_agree_with_the_host) {
  check_rows(xmm_string_rows());
}
TEST(SseHost, control_instructions_agree_with_the_host) {
  check_rows(xmm_control_rows());
}
TEST(SseHost, masked_stores_agree_with_the_host) {
  check_bytes(kMaskedStores, 256);
}
TEST(SseHost, mxcsr_sequences_agree_with_the_host) {
  check_bytes(kMxcsrSequences);
}

TEST(SseHost, every_immediate_agrees_with_the_host) {
  check_immediates("pshufd", {0x66, 0x0f, 0x70}, {});
  check_immediates("pshuflw", {0xf2, 0x0f, 0x70}, {});
  check_immediates("pshufhw", {0xf3, 0x0f, 0x70}, {});
  check_immediates("shufps", {0x0f, 0xc6}, {});
  check_immediates("shufpd", {0x66, 0x0f, 0xc6}, {});
  check_immediates("palignr", {0x66, 0x0f, 0x3a, 0x0f}, {});
  check_immediates("pblendw", {0x66, 0x0f, 0x3a, 0x0e}, {});
  check_immediates("blendps", {0x66, 0x0f, 0x3a, 0x0c}, {});
  check_immediates("blendpd", {0x66, 0x0f, 0x3a, 0x0d}, {});
  check_immediates("insertps", {0x66, 0x0f, 0x3a, 0x21}, {});
  check_immediates("mpsadbw", {0x66, 0x0f, 0x3a, 0x42}, {});
  check_immediates("dpps", {0x66, 0x0f, 0x3a, 0x40}, {.fill = Fill::kF32});
  check_immediates("dppd", {0x66, 0x0f, 0x3a, 0x41}, {.fill = Fill::kF64});
  check_immediates("cmpps", {0x0f, 0xc2}, {.fill = Fill::kF32});
  check_immediates("roundps", {0x66, 0x0f, 0x3a, 0x08}, {.fill = Fill::kF32});
  check_immediates("roundsd", {0x66, 0x0f, 0x3a, 0x0b}, {.fill = Fill::kF64});
}

TEST(SseHost, every_string_immediate_agrees_with_the_host) {
  const RowOptions options{.weight = 4, .prepare = prepare_strings};
  check_immediates("pcmpestrm", {0x66, 0x0f, 0x3a, 0x60}, options);
  check_immediates("pcmpestri", {0x66, 0x0f, 0x3a, 0x61}, options);
  check_immediates("pcmpistrm", {0x66, 0x0f, 0x3a, 0x62}, options);
  check_immediates("pcmpistri", {0x66, 0x0f, 0x3a, 0x63}, options);
  // With REX.W the lengths are RAX and RDX.
  check_immediates("pcmpestrm", {0x66, 0x48, 0x0f, 0x3a, 0x60}, options);
  check_immediates("pcmpestri", {0x66, 0x48, 0x0f, 0x3a, 0x61}, options);
}

/// Divides 1 by 0 and rounds 1/3 as the host's MXCSR says.
float divide_by_zero_and_three() {
  __m128 v = _mm_set_ss(1);
  const __m128 zero = _mm_setzero_ps(), three = _mm_set_ss(3);
  __m128 third = v;
  asm volatile("divss %2, %0\n\tdivss %3, %1" : "+x"(v), "+x"(third) : "x"(zero), "x"(three));
  return _mm_cvtss_f32(third);
}

TEST(SseMxcsr, host_has_the_guests_mode_meanwhile_and_its_own_afterwards) {
  const auto c = std::make_unique<cpu::Cpu>();
  const u32 host = _mm_getcsr();
  const float nearest = divide_by_zero_and_three();
  _mm_setcsr(host);
  c->mxcsr = 0x5f80 & ~(cpu::mxcsr::kDivideByZero << cpu::mxcsr::kMaskShift);  // upwards; not masked

  float upwards = 0;
  {
    const cpu::HostMxcsr loaded(*c);
    upwards = divide_by_zero_and_three();
  }

  EXPECT_EQ(_mm_getcsr(), host);
  EXPECT_EQ(c->mxcsr & cpu::mxcsr::kFlags, cpu::mxcsr::kDivideByZero | cpu::mxcsr::kPrecision);
  EXPECT_GE(upwards, nearest);
  EXPECT_GT(upwards * 3.0, 1.0);
}

TEST(SseMxcsr, unmasked_exceptions_are_undefined_opcodes_without_osxmmexcpt) {
  const auto c = std::make_unique<cpu::Cpu>();
  const u32 guest = 0x1f80 & ~(cpu::mxcsr::kInvalid << cpu::mxcsr::kMaskShift);
  c->mxcsr = guest;
  const cpu::HostMxcsr loaded(*c);

  c->cr4 |= 1u << 10;
  ASSERT_TRUE(cpu::raise_unmasked(*c, guest, cpu::mxcsr::kInvalid));
  EXPECT_EQ(c->fault.vector, Vector::kXM);
  EXPECT_FALSE(c->fault.has_error);
  c->cr4 &= ~u64{1 << 10};
  ASSERT_TRUE(cpu::raise_unmasked(*c, guest, cpu::mxcsr::kInvalid));
  EXPECT_EQ(c->fault.vector, Vector::kUD);
  EXPECT_FALSE(cpu::raise_unmasked(*c, guest, cpu::mxcsr::kPrecision));
}

TEST(SseHost, every_row_of_the_tables_is_tested) {
  using cpu::Fast;

  expect_covered(cpu::sse_int_rows<Fast>(), names(xmm_integer_rows()));
  expect_covered(cpu::sse_float_rows<Fast>(), names(xmm_float_rows()));
  expect_covered(cpu::sse_convert_rows<Fast>(), names(xmm_convert_rows()));
  expect_covered(cpu::sse_string_rows<Fast>(), names(xmm_string_rows()));

  std::set<std::string> moves = names(xmm_move_rows());
  moves.merge(names(kMaskedStores));
  expect_covered(cpu::sse_move_rows<Fast>(), moves);
  std::set<std::string> shuffles = names(xmm_shuffle_rows());
  shuffles.merge(names(kBlends));
  expect_covered(cpu::sse_shuffle_rows<Fast>(), shuffles);
  std::set<std::string> control = names(xmm_control_rows());
  control.merge(names(kMxcsrSequences));
  expect_covered(cpu::sse_control_rows<Fast>(), control);
}

}  // namespace
}  // namespace lastbranch::host
