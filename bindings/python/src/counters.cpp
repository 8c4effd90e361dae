#include "bindings/python/src/counters.h"

#include <bit>

#include "bindings/python/src/registers.h"
#include "models/pmu/constraints.h"
#include "models/pmu/event_spec.h"
#include "models/pmu/pmu_select.h"
#include "sim/base/error.h"

namespace lastbranch::python {
namespace {

using pmu::CounterBit;
using pmu::kFixed;

constexpr u32 kGeneral = 0xc1, kFullWidth = 0x4c1, kSelect = 0x186, kFixedCounter = 0x309;
constexpr u32 kFixedControl = 0x38d, kStatus = 0x38e, kGlobalControl = 0x38f, kStatusReset = 0x390;

/// A register that the part has: without the search that a stranger's number needs.
u64 get(MsrBus& msrs, u32 index) {
  const MsrValue read = msrs.read(index);
  return read.ok() ? read.value : read_msr(msrs, index);
}

void put(MsrBus& msrs, u32 index, u64 value) {
  if (msrs.write(index, value) != MsrFault::kNone) write_msr(msrs, index, value);  // says what is wrong
}

u64 ones(unsigned bits) {
  return (u64{1} << bits) - 1;
}

}  // namespace

u64 CounterBank::all() const {
  const PmuParams& p = part.pmu;
  const u64 general = p.gp_bitmap != 0 ? p.gp_bitmap : ones(p.gp_counters);
  const u64 fixed = p.fixed_bitmap != 0 ? p.fixed_bitmap : ones(p.fixed_counters);
  return general | fixed << kFixed;
}

void CounterBank::expect(CounterBit counter) const {
  if (counter < 64 && has(counter)) return;
  throw Error("counter: expected one of {}'s (general 0 to {}, fixed from 32), found {}", part.name,
              part.pmu.gp_counters - 1, counter);
}

u64 CounterBank::programmed() {
  u64 set = 0;
  for (u64 rest = all(); rest != 0; rest &= rest - 1) {
    const auto c = static_cast<CounterBit>(std::countr_zero(rest));
    const bool on = c >= kFixed ? (pmu::fixedctl::field(get(msrs, kFixedControl), c - kFixed) & 3) != 0
                                : pmu::evtsel::Enable::any(get(msrs, kSelect + c));
    if (on) set |= u64{1} << c;
  }
  return set;
}

void CounterBank::set(CounterBit counter, u64 value) {
  const PmuParams& p = part.pmu;
  if (counter >= kFixed) {
    put(msrs, kFixedCounter + counter - kFixed, value & ones(p.fixed_width));
  } else if (pmu::perf_cap::FullWidthWrite::get(p.perf_capabilities) != 0) {
    put(msrs, kFullWidth + counter, value & ones(p.gp_width));
  } else {
    put(msrs, kGeneral + counter, value & ones(32));
  }
}

void CounterBank::arm(CounterBit counter, u64 left) {
  const bool full = counter >= kFixed || pmu::perf_cap::FullWidthWrite::get(part.pmu.perf_capabilities) != 0;
  const unsigned width = counter >= kFixed ? part.pmu.fixed_width : part.pmu.gp_width;
  const u64 most = full ? ones(width) : ones(31);
  if (left > most) {
    throw Error("period: expected 1 to {}, which counter {} can hold, found {}", most, counter, left);
  }
  set(counter, 0 - left);
}

CounterBit CounterBank::program(const std::string& event, std::optional<u64> period,
                                std::optional<CounterBit> counter, bool pmi) {
  const pmu::EventSpec spec = pmu::parse_event(part.pmu.events, part.name, event);
  if (!spec.supported()) throw Error("event {}: known, but nothing supplies its facts yet", spec.text);
  if (period && *period == 0) throw Error("period: expected at least 1, found 0");
  const pmu::ConstraintTable table = pmu::constraint_table(part.pmu.events, part.name);
  const u64 possible = pmu::allowed_counters(part.pmu, table, {.select = spec.select}) & all();
  if (counter) {
    expect(*counter);
    if (((possible >> *counter) & 1) == 0) {
      throw Error("event {}: expected a counter that takes it on {} (bits {:#x}), found {}", spec.text,
                  part.name, possible, *counter);
    }
  } else {
    const u64 free = possible & ~programmed();
    if (free == 0) throw Error("event {}: expected a free counter of {}, found none", spec.text, part.name);
    // Fixed ones first, as a driver takes them.
    const u64 fixed = free >> kFixed;
    counter =
        static_cast<CounterBit>(fixed != 0 ? std::countr_zero(fixed) + int{kFixed} : std::countr_zero(free));
  }
  const CounterBit c = *counter;
  stop(c);
  if (period) {
    arm(c, *period);
  } else {
    set(c, 0);
  }
  const bool os = !spec.user_only, usr = !spec.kernel_only;
  if (c >= kFixed) {
    const u64 bits =
        (os ? pmu::fixedctl::kOs : 0) | (usr ? pmu::fixedctl::kUsr : 0) | (pmi ? pmu::fixedctl::kPmi : 0);
    const u64 control = get(msrs, kFixedControl);
    put(msrs, kFixedControl, control | bits << (4 * (c - kFixed)));
  } else {
    using namespace pmu::evtsel;
    put(msrs, kSelect + c,
        pmu::general_select(spec.select) | Os::of(os) | Usr::of(usr) | Int::of(pmi) | Enable::of(1));
  }
  if (part.pmu.version >= 2) {
    put(msrs, kGlobalControl, get(msrs, kGlobalControl) | u64{1} << c);
  }
  return c;
}

void CounterBank::stop(CounterBit counter) {
  expect(counter);
  if (counter >= kFixed) {
    const u64 control = get(msrs, kFixedControl);
    put(msrs, kFixedControl, control & ~(u64{15} << (4 * (counter - kFixed))));
  } else {
    put(msrs, kSelect + counter, 0);
  }
}

u64 CounterBank::read(CounterBit counter) {
  expect(counter);
  return get(msrs, counter >= kFixed ? kFixedCounter + counter - kFixed : kGeneral + counter);
}

u64 CounterBank::status() {
  return part.pmu.version >= 2 ? get(msrs, kStatus) & all() : 0;
}

void CounterBank::acknowledge(u64 bits) {
  if (part.pmu.version < 2) return;
  const u64 frozen = get(msrs, kStatus) & (pmu::global_status::kLbrFrz | pmu::global_status::kCtrFrz);
  put(msrs, kStatusReset, bits | frozen);
}

}  // namespace lastbranch::python
