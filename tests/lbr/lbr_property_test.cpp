// Random branch streams, filters, freezes and register writes through the model and through the naive one.
#include <gtest/gtest.h>

#include "models/lbr/lbr.h"
#include "sim/base/msr_bus.h"
#include "sim/base/rng.h"
#include "tests/lbr/naive_lbr.h"

namespace lastbranch::lbr {
namespace {

// Sanitizers make a step twenty times as slow.
#if defined(__SANITIZE_ADDRESS__) || !defined(NDEBUG)
constexpr u64 kSteps = 400'000;
#else
constexpr u64 kSteps = 10'000'000;
#endif

LbrParams legacy(unsigned depth, unsigned format) {
  LbrParams p;
  p.depth = depth;
  p.format = static_cast<LbrFormat>(format);
  p.select_mask = 0x3ff;
  p.has_call_stack = true;
  p.debugctl_mask = 0xffc3;
  p.jmp_filters_drop_calls = format == 3;
  return p;
}

LbrParams architectural() {
  LbrParams p;
  p.depth = 32;
  p.format = LbrFormat::kNone;
  p.debugctl_mask = 0xffc2;
  p.arch.depth_mask = 0xb;
  return p;
}

/// Both models and the same accidents for each.
class Pair {
 public:
  Pair(const LbrParams& p, u64 seed) : lbr_(p), naive_(p), rng_(seed) { bus_.attach(lbr_.rows(), &lbr_); }

  void run(u64 steps) {
    for (u64 n = 0; n < steps; ++n) {
      const u64 dice = rng_.below(1024);
      if (dice < 984) {
        branch();
      } else {
        ASSERT_NO_FATAL_FAILURE(accident(dice - 984)) << "step " << n;
      }
      ASSERT_NO_FATAL_FAILURE(compare(n % 61 == 0 || dice >= 984)) << "step " << n << " dice " << dice;
    }
  }

 private:
  u64 address() { return rng_.below(u64{1} << 47) | 1 | (rng_.chance(1, 3) ? 0xffff'8000'0000'0000 : 0); }

  void branch() {
    const u64 r = rng_();
    // Mostly near branches of user code, as in life.
    const auto kind = static_cast<BranchKind>((r & 7) < 6 ? r & 7 : (r >> 3) % 13);
    const bool far = kind >= BranchKind::kFar;
    const u64 from = address();
    const auto cpl = static_cast<u8>((r >> 8) % 3 == 0 ? 0 : 3);
    time_ += (r >> 16) % 64 == 0 ? rng_.below(200'000) : (r >> 24) % 16;
    RetiredBranch b{.from = from,
                    .to = (r >> 32) % 16 == 0 ? from + 5 : address(),
                    .time = time_,
                    .kind = kind,
                    .length = 5,
                    .cpl_from = cpl,
                    .cpl_to = far ? static_cast<u8>((r >> 40) & 3) : cpl};
    b.mispredicted = (r >> 48) % 4 == 0;
    b.in_tx = (r >> 52) % 8 == 0;
    b.abort = (r >> 56) % 16 == 0;
    lbr_.push(b);
    naive_.branch(b);
  }

  void accident(u64 dice) {
    const bool arch = naive_.arch;
    switch (dice % 20) {
      case 0:
      case 1:
      case 2: {
        const u64 value = (arch ? 0xffc2u : 0xffc3u) & rng_() & 0xfe03;
        ASSERT_EQ(bus_.write(0x1d9, value), MsrFault::kNone);
        naive_.control([&] { naive_.debugctl = value; });
        break;
      }
      case 3:
      case 4:
      case 5:
      case 6:
        arch ? write_ctl() : write_select();
        break;
      case 7:
        naive_.control([&] { naive_.frozen = true; });
        lbr_.set_frozen(true);
        break;
      case 8:
      case 9:
        naive_.control([&] { naive_.frozen = false; });
        lbr_.set_frozen(false);
        break;
      case 10:
        lbr_.debug_exception();
        naive_.control([&] {
          naive_.debugctl &= ~u64{3};
          naive_.ctl &= ~u64{1};
        });
        break;
      case 11:
        lbr_.legacy_freeze();
        naive_.control([&] { naive_.debugctl &= ~u64{1}; });
        break;
      case 12:
        if (rng_.chance(1, 4)) {
          lbr_.deep_c_state();
          if (arch) {
            naive_.wipe(naive_.r.size());
            naive_.ler = {};
          }
        }
        break;
      case 13:
        lbr_.clear();
        if (arch) {
          naive_.wipe(naive_.r.size());
        } else {
          for (auto& e : naive_.r) e = {};
          naive_.tos = 0;
        }
        break;
      case 14:
        if (arch) {
          write_depth();
        } else if (naive_.p.depth > 1) {
          const u64 value = rng_();
          ASSERT_EQ(bus_.write(0x1c9, value), MsrFault::kNone);
          naive_.tos = static_cast<unsigned>(value % naive_.p.depth);
        }
        break;
      default:
        write_record();
    }
  }

  void write_ctl() {
    u64 value = rng_() & 0x7f'000f;
    if (rng_.chance(1, 2)) value |= 0x7f'0007;  // mostly something is recorded
    if (rng_.chance(1, 2)) value &= ~u64{8};
    ASSERT_EQ(bus_.write(0x14ce, value), MsrFault::kNone);
    naive_.control([&] { naive_.ctl = value; });
  }

  void write_select() {
    const u64 value = rng_.chance(1, 3) ? 0x3c4 : rng_() & rng_() & (rng_.chance(1, 2) ? 0x1ff : 0x3ff);
    ASSERT_EQ(bus_.write(0x1c8, value), MsrFault::kNone);
    naive_.select = value;
  }

  void write_depth() {
    const u64 value = rng_.chance(1, 8) ? 24 : u64{8} << rng_.below(3);
    const bool legal = value != 24;
    ASSERT_EQ(bus_.write(0x14cf, value), legal ? MsrFault::kNone : MsrFault::kValue);
    if (legal) naive_.wipe(value);
  }

  /// FROM or TO of one record, now and then not canonical.
  void write_record() {
    const LbrParams& p = naive_.p;
    const std::size_t i = rng_.below(naive_.r.size());
    if (p.format == LbrFormat::kOffsets32) return;
    const bool canonical = rng_.chance(3, 4);
    const u64 value = canonical ? address() : address() ^ (u64{1} << 55);
    const bool from = rng_.chance(1, 2);
    const u32 base = naive_.arch ? (from ? 0x1500u : 0x1600u) : (from ? p.from_base : p.to_base);
    const bool count_above = !from && p.format == LbrFormat::kTime;
    const MsrFault fault = bus_.write(base + static_cast<u32>(i), value);
    ASSERT_EQ(fault, canonical || count_above ? MsrFault::kNone : MsrFault::kNonCanonical);
    if (fault != MsrFault::kNone) return;
    NaiveLbr::Record& e = naive_.r[i];
    if (!from) {
      e.to = value;
      if (count_above) {
        e.cycles = value >> 48;
        e.to = (value & 0x7fff'ffff'ffff) | ((value >> 47) & 1 ? 0xffff'8000'0000'0000 : 0);
      }
      return;
    }
    e.from = value;
    if (p.format == LbrFormat::kFlags || p.format == LbrFormat::kTime || p.format == LbrFormat::kFlagsTsx) {
      e.mispredicted = value >> 63 != 0;
    }
    if (p.format == LbrFormat::kFlagsTsx) {
      e.in_tx = ((value >> 62) & 1) != 0;
      e.abort = ((value >> 61) & 1) != 0;
    }
  }

  void compare_record(std::size_t i) {
    const LbrParams& p = naive_.p;
    const auto n = static_cast<u32>(i);
    ASSERT_EQ(bus_.read((naive_.arch ? 0x1500 : p.from_base) + n).value, naive_.from(i)) << "FROM " << i;
    if (p.format != LbrFormat::kOffsets32) {
      ASSERT_EQ(bus_.read((naive_.arch ? 0x1600 : p.to_base) + n).value, naive_.to(i)) << "TO " << i;
    }
    if (naive_.arch || p.format == LbrFormat::kInfo || p.format == LbrFormat::kInfoNoTsx) {
      ASSERT_EQ(bus_.read((naive_.arch ? 0x1200 : p.info_base) + n).value, naive_.info(i)) << "INFO " << i;
    }
  }

  void compare(bool all) {
    ASSERT_EQ(lbr_.tos(), naive_.tos);
    ASSERT_NO_FATAL_FAILURE(compare_record(naive_.tos));
    if (!all) return;
    for (std::size_t i = 0; i < naive_.r.size(); ++i) ASSERT_NO_FATAL_FAILURE(compare_record(i));
    ASSERT_EQ(bus_.read(0x1dd).value, naive_.ler.from);
    ASSERT_EQ(bus_.read(0x1de).value, naive_.ler.to);
    ASSERT_EQ(bus_.read(0x1d9).value, naive_.debugctl);
    ASSERT_EQ(lbr_.inserts(), naive_.inserts);
  }

  Lbr lbr_;
  NaiveLbr naive_;
  MsrBus bus_;
  Rng rng_;
  u64 time_ = 0;
};

// Rows: lbr-3-update-order, lbr-3-newest-to-oldest, lbr-4-polarity, lbr-4-kept-iff, lbr-4-cpl-destination,
// Rows: lbr-4-filtered-move-nothing, lbr-2-side-effects, lbr-7-unit, lbr-5-call, lbr-5-ret
TEST(LbrProperty, legacy_rings_agree_with_the_naive_model) {
  unsigned seed = 0;
  for (const unsigned depth : {1u, 4u, 8u, 16u, 32u}) {
    for (unsigned format = 0; format <= 7; ++format) {
      SCOPED_TRACE("depth " + std::to_string(depth) + " format " + std::to_string(format));
      Pair pair(legacy(depth, format), ++seed);
      ASSERT_NO_FATAL_FAILURE(pair.run(kSteps / 2 / 40));
    }
  }
}

// Rows: lbr-2-arch-ctl, lbr-2-arch-depth, lbr-5-arch-ret, lbr-2-arch-newest-first
TEST(LbrProperty, architectural_records_agree_with_the_naive_model) {
  for (u64 seed = 1; seed <= 10; ++seed) {
    Pair pair(architectural(), seed);
    ASSERT_NO_FATAL_FAILURE(pair.run(kSteps / 2 / 10));
  }
}

}  // namespace
}  // namespace lastbranch::lbr
