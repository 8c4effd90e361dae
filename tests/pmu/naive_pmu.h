#pragma once
// The PMU once more, by the book and event by event: no ledger, no horizon, nothing shared with the model but
// the part's numbers. What it costs does not matter.
#include <array>
#include <vector>

#include "sim/base/pmu_params.h"
#include "sim/base/units.h"

namespace lastbranch::pmu {

class NaivePmu {
 public:
  struct Instruction {
    bool user = false;
    unsigned branches = 0, cycles = 0;
  };

  NaivePmu(const PmuParams& p, u64 skid) : p_(p), skid_(skid) {
    const u64 gp = p.gp_bitmap != 0 ? p.gp_bitmap : (1u << p.gp_counters) - 1;
    exist = gp | (p.version < 2 ? 0 : u64{p.fixed_bitmap | ((1u << p.fixed_counters) - 1)} << 32);
    global_ctrl = p.version < 2 || p.global_ctrl_reset_enables_gp ? gp : 0;
  }

  u64 exist, global_ctrl, status = 0, fixed_ctrl = 0, debugctl = 0, pmis = 0;
  std::array<u64, 32> select{};

  u64 value(unsigned c) const { return counters_[c].value; }
  bool write_pmc(unsigned n, u64 v) {
    const u64 low = v & 0xffff'ffff;
    return counters_[n].value = ((low >> 31) != 0 ? low | 0xffff'ffff'0000'0000 : low) & mask(n), true;
  }
  bool write_full(unsigned c, u64 v) {
    if (v > mask(c)) return false;
    counters_[c].value = v;
    return true;
  }
  bool write_select(unsigned n, u64 v) {
    if ((v & ~p_.evtsel_mask) != 0 || (n != 2 && ((v >> 33) & 1) != 0)) return false;
    forget(n);
    return select[n] = v, true;
  }
  bool write_fixed_ctrl(u64 v) {
    for (unsigned bit = 0; bit < 64; ++bit) {
      if (((v >> bit) & 1) == 0) continue;
      const bool adaptive = bit >= 32;
      if (((exist >> (32 + (bit % 32) / 4)) & 1) == 0) return false;
      if (adaptive && (bit % 4 != 0 || ((p_.perf_capabilities >> 14) & 1) == 0)) return false;
      if (!adaptive && bit % 4 == 2 && (p_.version < 3 || p_.any_thread_deprecated)) return false;
    }
    return fixed_ctrl = v, true;
  }
  bool write_global_ctrl(u64 v) {
    if ((v & ~exist) != 0 && (v & ~exist) != metrics()) return false;
    global_ctrl = v;
    return forget_stopped(), true;
  }
  void status_reset(u64 v) { status &= ~v; }
  void status_set(u64 v) { status |= v, forget_stopped(); }

  void retire(const Instruction& in) {
    clock_ += in.cycles;
    u64 wants_pmi = 0;
    for (unsigned c = 0; c < 64; ++c) {
      if (!counts(c)) continue;
      Counter& k = counters_[c];
      k.value += added(c, in);
      if (k.value <= mask(c)) continue;
      k.value &= mask(c);
      status |= u64{1} << c;
      if (((c < 32 ? select[c] >> 20 : fixed_ctrl >> (4 * (c - 32) + 3)) & 1) != 0) wants_pmi = 1;
    }
    if (wants_pmi != 0) {
      const bool lbrs = ((debugctl >> 11) & 1) != 0, perfmon = ((debugctl >> 12) & 1) != 0;
      if (p_.freeze == FreezeMode::kStreamlined) {
        status |= u64{lbrs} << 58 | u64{perfmon} << 59;
      } else if (p_.version >= 2) {
        if (lbrs) debugctl &= ~u64{1};
        if (perfmon) global_ctrl = 0;
      }
      forget_stopped();
      if (!pending_) due_ = clock_ + skid_;
      pending_ = true;
    }
    if (pending_ && clock_ >= due_) {
      pending_ = false;
      ++pmis;
    }
  }

 private:
  struct Counter {
    u64 value = 0, pending = 0;
    bool held = false;  ///< the last cycle met the condition
  };
  u64 mask(unsigned c) const { return (u64{1} << (c < 32 ? p_.gp_width : p_.fixed_width)) - 1; }
  u64 metrics() const { return ((p_.perf_capabilities >> 15) & 1) << 48; }
  bool counts(unsigned c) const {
    if (((exist & global_ctrl) >> c & 1) == 0 || ((status >> 59) & 1) != 0) return false;
    if (c >= 32) return ((fixed_ctrl >> (4 * (c - 32))) & 3) != 0;
    return ((select[c] >> 22) & 1) != 0 && ((select[c] >> 16) & 3) != 0;
  }
  void forget(unsigned c) { counters_[c].pending = 0, counters_[c].held = false; }
  void forget_stopped() {
    for (unsigned c = 0; c < 64; ++c) {
      if (!counts(c)) forget(c);
    }
  }
  /// The conditions of a select, cycle by cycle: `n` increments, as late as they can be spread evenly.
  u64 added(unsigned c, const Instruction& in) {
    const unsigned who = c < 32 ? (in.user ? 16 : 17) : 4 * (c - 32) + (in.user ? 1 : 0);
    const bool match = (((c < 32 ? select[c] : fixed_ctrl) >> who) & 1) != 0;
    if (c >= 32) {
      const u64 what[] = {1, in.cycles, in.cycles, u64{in.cycles} * p_.slots_per_cycle};
      return match && c < 36 ? what[c - 32] : 0;
    }
    const u64 s = select[c], cmask = (s >> 24) & 255, event = s & 0xffff;
    const bool known = event == 0xc0 || event == 0x3c || event == 0xc4;
    if (!known || ((s >> 32) & 1) != 0 || ((s >> 40) & 255) != 0) return 0;
    const u64 n = !match ? 0 : event == 0xc0 ? 1 : event == 0x3c ? in.cycles : in.branches;
    const bool edge = ((s >> 18) & 1) != 0, inv = ((s >> 23) & 1) != 0, equal = ((s >> 36) & 1) != 0;
    if (cmask == 0 && !edge) return n;
    Counter& k = counters_[c];
    if (!match) {
      if (in.cycles != 0) forget(c);
      return 0;
    }
    k.pending += n;
    if (in.cycles == 0) return 0;
    std::vector<u64> cycle(in.cycles, 0);
    for (u64 i = 0; i < k.pending; ++i) ++cycle[in.cycles - 1 - i % in.cycles];
    k.pending = 0;
    u64 sum = 0;
    for (const u64 m : cycle) {
      const bool holds = cmask == 0 ? m != 0 : (equal ? m == cmask : m >= cmask) != inv;
      sum += edge ? holds && !k.held : holds;
      k.held = holds;
    }
    return sum;
  }

  PmuParams p_;
  u64 skid_, clock_ = 0, due_ = 0;
  bool pending_ = false;
  std::array<Counter, 64> counters_{};
};

}  // namespace lastbranch::pmu
