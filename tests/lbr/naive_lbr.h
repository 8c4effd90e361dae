#pragma once
// Last-branch records as the manual's sentences have them, one place for each, without regard for speed: what
// the model is compared with. Knows no quirks; the filter tests the destination's privilege.
#include <algorithm>
#include <array>
#include <optional>
#include <vector>

#include "sim/base/lbr_params.h"
#include "sim/base/retire.h"

namespace lastbranch::lbr {

struct NaiveLbr {
  struct Record {
    u64 from = 0, to = 0, cycles = 0, type = 0;
    bool valid = false, mispredicted = false, in_tx = false, abort = false;
  };

  explicit NaiveLbr(const LbrParams& part) : p(part), arch(part.format == LbrFormat::kNone), r(part.depth) {}

  const LbrParams p;
  const bool arch;
  std::vector<Record> r;  ///< by MSR number; architectural: 0 is the newest
  Record ler;
  unsigned tos = 0;
  u64 debugctl = 0, select = 0, ctl = 0, inserts = 0;
  bool frozen = false;
  std::optional<u64> last;  ///< when the last record was written

  bool enabled() const { return ((arch ? ctl : debugctl) & 1) != 0; }
  bool stack_mode() const { return arch ? bit(ctl, 3) : bit(select, 9); }
  static bool bit(u64 value, unsigned n) { return ((value >> n) & 1) != 0; }

  /// Whatever changes the enables goes through here: recording starts without a time to count from.
  template <typename Change>
  void control(Change change) {
    const bool was = enabled() && !frozen;
    change();
    if (!was && enabled() && !frozen) last.reset();
  }

  bool suppressed(const RetiredBranch& b) const {
    // Class bits in order of BranchKind; all far kinds share the last.
    static constexpr std::array<unsigned, 7> kSelect = {2, 7, 6, 3, 4, 5, 8};
    static constexpr std::array<unsigned, 7> kCtl = {16, 17, 18, 19, 20, 21, 22};
    const std::size_t kind = std::min<std::size_t>(static_cast<std::size_t>(b.kind), 6);
    const bool from_elsewhere = !p.quirks.arch_zeroes_kernel_from && !bit(ctl, b.cpl_from == 0 ? 1 : 2);
    if (arch) return !bit(ctl, kCtl.at(kind)) || !bit(ctl, b.cpl_to == 0 ? 1 : 2) || from_elsewhere;
    if (bit(select, b.cpl_to == 0 ? 0 : 1) || bit(select, kSelect.at(kind))) return true;
    if (!p.jmp_filters_drop_calls) return false;
    const bool rel = b.kind == BranchKind::kRelCall;
    const bool ind = b.kind == BranchKind::kIndCall || b.kind == BranchKind::kRet;
    return (rel && bit(select, 7)) || (ind && bit(select, 6));
  }

  void branch(const RetiredBranch& b) {
    if (!enabled() || frozen) return;
    if (b.kind >= BranchKind::kSoftInt) ler = r[tos];
    if (suppressed(b)) return;
    if (stack_mode()) {
      if (b.kind == BranchKind::kRet) return pop();
      const bool call = b.kind == BranchKind::kRelCall || b.kind == BranchKind::kIndCall;
      if (call && b.from + b.length == b.to) return;
    }
    Record e{.from = b.from, .to = b.to, .in_tx = b.in_tx, .abort = b.abort};
    e.mispredicted = b.mispredicted && b.kind < BranchKind::kFar;
    static constexpr std::array<u64, 6> kTypes = {0, 2, 1, 4, 3, 5};
    e.type = b.kind < BranchKind::kFar ? kTypes.at(static_cast<std::size_t>(b.kind)) : 8;
    e.valid = last.has_value();
    if (e.valid) e.cycles = std::min<u64>(b.time - *last, 0xffff);
    last = b.time;
    ++inserts;
    if (arch) {
      if (!bit(ctl, b.cpl_from == 0 ? 1 : 2)) e.from = 0;
      r.insert(r.begin(), e);
      r.pop_back();
    } else {
      tos = (tos + 1) % p.depth;
      r[tos] = e;
    }
  }

  void pop() {
    if (r[tos].from != 0) ++inserts;
    if (arch) {
      r.erase(r.begin());
      r.emplace_back();
    } else {
      r[tos] = {};
      tos = (tos + p.depth - 1) % p.depth;
    }
  }

  void wipe(std::size_t depth) {
    r.assign(depth, {});
    tos = 0;
    last.reset();
  }

  // The registers of record `i`, from the manual's pictures.
  u64 flags(const Record& e, bool tx) const {
    return (u64{e.mispredicted} << 63) | (tx ? (u64{e.in_tx} << 62) | (u64{e.abort} << 61) : 0);
  }
  u64 from(std::size_t i) const {
    const Record& e = r[i];
    switch (static_cast<int>(p.format)) {
      case 0:
        return (e.from & 0xffff'ffff) | (e.to << 32);
      case 3:
      case 6:
        return (e.from & 0x7fff'ffff'ffff'ffff) | flags(e, false);
      case 4:
        return (e.from & 0x1fff'ffff'ffff'ffff) | flags(e, true);
      default:
        return e.from;
    }
  }
  u64 to(std::size_t i) const {
    return static_cast<int>(p.format) == 6 ? (r[i].to & 0xffff'ffff'ffff) | (r[i].cycles << 48) : r[i].to;
  }
  u64 info(std::size_t i) const {
    const Record& e = r[i];
    const u64 more = arch ? (e.type << 56) | (u64{e.valid} << 60) : 0;
    return e.cycles | more | flags(e, static_cast<int>(p.format) != 7);
  }
};

}  // namespace lastbranch::lbr
