// How the PMU's selects and controls decide what each counter counts, and whether it counts.
#include <bit>

#include "models/pmu/pmu.h"
#include "models/pmu/pmu_select.h"

namespace lastbranch::pmu {
namespace {

constexpr CtxSet kUser =
    1u << static_cast<unsigned>(Ctx::kHostUser) | 1u << static_cast<unsigned>(Ctx::kGuestUser);
constexpr CtxSet kKernel = kAllContexts & ~kUser;

constexpr CtxSet contexts_of(bool os, bool usr) {
  return static_cast<CtxSet>((os ? kKernel : 0u) | (usr ? kUser : 0u));
}

constexpr u64 kModifiers =
    evtsel::Edge::kMask | evtsel::Any::kMask | evtsel::Inv::kMask | evtsel::Cmask::kMask;
constexpr u64 kEvent = evtsel::Event::kMask | evtsel::Umask::kMask;

constexpr CycleRule rule_of(u64 select) {
  return {.cmask = static_cast<unsigned>(evtsel::Cmask::get(select)),
          .inv = evtsel::Inv::any(select),
          .edge = evtsel::Edge::any(select),
          .equal = evtsel::Equal::any(select)};
}

/// What fixed counters 0-2 count. The core runs at its base frequency, which is the TSC's.
constexpr Formula kFixedEvents[] = {Ev::kInstructions, Ev::kCycles, Ev::kCycles};

Formula fixed_event(const PmuParams& params, unsigned i) {
  if (i < std::size(kFixedEvents)) return kFixedEvents[i];
  // Slots: each clock has as many as the part issues uops.
  if (i == 3) return {{Ev::kCycles, false, static_cast<u8>(params.slots_per_cycle)}};
  return {};
}

/// Bits of IA32_PERFEVTSELx that a version can have; the part's own mask says which of them it has.
constexpr u64 kSelectBits[] = {
    0,
    0x0000'0000'ffdf'ffff,  // 1
    0x0000'0000'ffdf'ffff,  // 2
    0x0000'0003'ffff'ffff,  // 3: ANY; IN_TX and IN_TXCP where there are transactions
    0x0000'0003'ffff'ffff,  // 4
    0x0000'000f'ffff'ffff,  // 5: ADAPTIVE, branch log
    0x0000'ff1f'ffff'ffff,  // 6: EQ, UMASK2
};

}  // namespace

const Event* Pmu::event_of(u64 evtsel) const {
  if (evtsel::Umask2::any(evtsel)) return nullptr;
  const auto code = [](u64 bits) { return static_cast<Code>(bits); };
  const u64 modifiers = evtsel::Equal::any(evtsel) ? 0 : evtsel & kModifiers;
  const Event* whole = modifiers != 0 ? find(params_.events, code(evtsel & (kEvent | kModifiers))) : nullptr;
  if (whole != nullptr && !whole->supported()) whole = nullptr;
  // An event of the lists with modifiers of its own, whose formula includes them.
  if (whole != nullptr && !whole->per_cycle) return whole;
  const Event* event = find(params_.events, code(evtsel & kEvent));
  // The architectural events work whatever else a part's list calls them.
  if (event == nullptr) event = find(EventList::kArchitectural, code(evtsel & kEvent));
  return event != nullptr && event->supported() ? event : whole != nullptr ? whole : event;
}

void Pmu::program_gp(unsigned n) {
  const u64 select = evtsel_[n];
  const Event* event = event_of(select);
  Formula formula;
  CycleRule rule = rule_of(select);
  if (event != nullptr && !evtsel::InTx::any(select)) {
    formula = event->formula;
    if ((event->select & kModifiers) != 0 && !event->per_cycle) rule = {};
  }
  const bool counts = evtsel::Enable::any(select) && evtsel::Event::any(select);
  if (counts && (event == nullptr || !event->supported())) {
    ++unmodelled_[select & (kEvent | kModifiers | evtsel::Umask2::kMask)];
  }
  const u64 bit = u64{1} << n;
  precise_events_ = event != nullptr && is_precise(*event) ? precise_events_ | bit : precise_events_ & ~bit;
  const CtxSet contexts = contexts_of(evtsel::Os::any(select), evtsel::Usr::any(select)) & contexts_;
  gp_[n].program(formula, contexts, rule, most_);
}

bool Pmu::is_precise(const Event& event) const {
  if (event.is_precise(params_.events)) return true;
  if (params_.events != EventList::kArchitectural) return false;
  // Parts without a list: what PEBS samples of the architectural events.
  const u64 code = event.select & kEvent;
  return code == 0x00c0 || code == 0x00c5 || (code == 0x00c4 && params_.version >= 5);
}

void Pmu::program_fixed(unsigned i) {
  const u64 field = fixedctl::field(fixed_ctrl_, i);
  const CtxSet contexts =
      contexts_of((field & fixedctl::kOs) != 0, (field & fixedctl::kUsr) != 0) & contexts_;
  const Formula formula = fixed_event(params_, i);
  if (formula.empty() && contexts != 0) ++unmodelled_[evtsel::Umask::of(i + 1)];
  fixed_[i].program(formula, contexts, {}, most_);
}

u64 Pmu::enabled() const {
  if ((status_ & global_status::kCtrFrz) != 0) return 0;
  u64 on = 0;
  for (unsigned n = 0; n < gp_.size(); ++n) {
    if (evtsel::Enable::any(evtsel_[n]) && (evtsel_[n] & (evtsel::Os::kMask | evtsel::Usr::kMask)) != 0) {
      on |= u64{1} << n;
    }
  }
  for (unsigned i = 0; i < fixed_.size(); ++i) {
    if ((fixedctl::field(fixed_ctrl_, i) & (fixedctl::kOs | fixedctl::kUsr)) != 0)
      on |= u64{1} << (kFixed + i);
  }
  return on & global_ctrl_ & counters_;
}

void Pmu::update_running() {
  running_ = enabled();
  far_ = 0;
  watching_ = 0;
  for (u64 bits = counters_; bits != 0; bits &= bits - 1) {
    const CounterBit c = static_cast<CounterBit>(std::countr_zero(bits));
    const bool on = ((running_ >> c) & 1) != 0;
    at(c).run(on);
    if (on && at(c).watches_cycles()) watching_ |= u64{1} << c;
  }
}

void Pmu::count_contexts(CtxSet contexts) {
  if (contexts == contexts_) return;
  contexts_ = contexts;
  for (unsigned n = 0; n < gp_.size(); ++n) program_gp(n);
  for (unsigned i = 0; i < fixed_.size(); ++i) program_fixed(i);
  update_running();
}

u64 Pmu::evtsel_bits(unsigned n) const {
  const std::size_t version = std::min<std::size_t>(params_.version, std::size(kSelectBits) - 1);
  u64 bits = params_.evtsel_mask & kSelectBits[version];
  if (params_.any_thread_deprecated) bits &= ~evtsel::Any::kMask;
  if (!perf_cap::PebsBaseline::any(params_.perf_capabilities)) bits &= ~evtsel::Adaptive::kMask;
  if (n != 2) bits &= ~evtsel::InTxCheckpointed::kMask;
  return bits;
}

u64 Pmu::fixed_ctrl_bits() const {
  u64 bits = 0;
  for (unsigned i = 0; i < fixed_.size(); ++i) {
    if (((counters_ >> (kFixed + i)) & 1) == 0) continue;
    u64 field = fixedctl::kOs | fixedctl::kUsr | fixedctl::kPmi;
    if (params_.version >= 3 && !params_.any_thread_deprecated) field |= fixedctl::kAny;
    bits |= field << (4 * i);
    if (perf_cap::PebsBaseline::any(params_.perf_capabilities)) bits |= fixedctl::adaptive(i);
  }
  return bits;
}

u64 Pmu::control(CounterBit counter) const {
  if (counter < kFixed) return evtsel_[counter];
  const unsigned i = counter - kFixed;
  const u64 adaptive = (fixed_ctrl_ & fixedctl::adaptive(i)) != 0 ? u64{1} << 32 : 0;
  return fixedctl::field(fixed_ctrl_, i) | adaptive;
}

bool Pmu::precise(CounterBit counter) const {
  return counter == kFixed || ((precise_events_ >> counter) & 1) != 0;
}

}  // namespace lastbranch::pmu
