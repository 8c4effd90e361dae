#pragma once
// Bonnell and Saltwell, the first Atoms: eight records of bare linear addresses, no filter, no misprediction
// flag.
//
// The record is of an early stepping, on which a PMI does not freeze the records (quirk lbr_no_freeze; off
// for stepping 10). CPUID of Bonnell counts one fixed counter of the three. That the format is 1 and
// IA32_PERF_CAPABILITIES 0C1H are assumptions; with format 2 the records differ only where CS has a base.
// Sources: SDM vol. 3B, "Last Branch, Interrupt, and Exception Recording (Intel Core 2 Duo and Intel Atom
// Processors)", "Performance Monitoring (45 nm and 32 nm Intel Atom Processors)"; Linux 6.12 lbr.c.
#include "models/cpu/uarch/core2.h"

namespace lastbranch::cpu {

inline constexpr Uarch kBonnell = [] {
  Uarch u = kMerom;
  u.name = "bonnell";
  u.title = "Bonnell (Atom)";
  u.brand = "Intel(R) Atom(TM) CPU  230   @ 1.60GHz";
  u.model = 0x1c;
  u.stepping = 2;
  u.max_leaf = 0xa;
  u.frequency_hz = 1'600'000'000;
  u.pa_bits = 32;
  u.isa = kMeromIsa | IsaSet{Isa::kMovbe};
  u.caches = {data_cache(24, 6), instruction_cache(32, 8), unified_cache(2, 512, 8)};
  u.lbr.depth = 8;
  u.lbr.record_suspends_on_tr = false;
  u.lbr.quirks = {};
  u.lbr.quirks.no_freeze = true;
  u.lbr.quirks.freeze_clears_tr = true;
  u.pmu.version = 3;
  u.pmu.slots_per_cycle = 2;
  u.pmu.any_thread = true;
  u.pmu.perf_capabilities = perfcap::kClassic;
  u.pmu.events = EventList::kBonnell;
  u.leaves.edx = 0x2501;
  return complete(u);
}();

inline constexpr Uarch kSaltwell = [] {
  Uarch u = kBonnell;
  u.name = "saltwell";
  u.title = "Saltwell (Atom)";
  u.brand = "Intel(R) Atom(TM) CPU D2700   @ 2.13GHz";
  u.model = 0x36;
  u.stepping = 1;
  u.frequency_hz = 2'130'000'000;
  u.pa_bits = 36;
  u.lbr.quirks.no_freeze = false;
  u.leaves = {};
  return complete(u);
}();

}  // namespace lastbranch::cpu
