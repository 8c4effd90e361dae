#include "models/pmu/constraints.h"

#include <algorithm>
#include <array>
#include <bit>

#include "models/pmu/events.h"
#include "models/pmu/pmu_select.h"

namespace lastbranch::pmu {
namespace {

constexpr u16 kAny = Constraint::kAnyUmask;
constexpr u32 kPmc0 = 1;
constexpr u32 kPmc1 = 2;
constexpr u32 kPmc2 = 4;
constexpr u32 kPmc3 = 8;
constexpr u32 kPmc01 = 0x3;
constexpr u32 kLow4 = 0xf;
constexpr u32 kAll = ~u32{0};
constexpr u32 kNot0 = kAll & ~kPmc0;

// clang-format off
constexpr Constraint kCore2Rules[] = {
  {0x10, 0x10, kAny, kPmc0}, {0x14, 0x14, kAny, kPmc0}, {0x18, 0x18, kAny, kPmc0},
  {0xa1, 0xa1, kAny, kPmc0}, {0xc9, 0xc9, kAny, kPmc0}, {0xcb, 0xcb, kAny, kPmc0},
  {0x11, 0x13, kAny, kPmc1}, {0x19, 0x19, kAny, kPmc1},
};
constexpr Constraint kNehalemRules[] = {
  {0x40, 0x43, kAny, kPmc01}, {0x48, 0x48, kAny, kPmc01}, {0x4e, 0x4e, kAny, kPmc01},
  {0x51, 0x51, kAny, kPmc01}, {0x63, 0x63, kAny, kPmc01},
};
constexpr Constraint kSandyBridgeRules[] = {
  {0x48, 0x48, kAny, kPmc2}, {0xa3, 0xa3, 0x02, kPmc2}, {0xa3, 0xa3, 0x06, kPmc2},
  {0xa3, 0xa3, 0x04, kLow4}, {0xa3, 0xa3, 0x05, kLow4},
  {0xc0, 0xc0, 0x01, kPmc1}, {0xcd, 0xcd, kAny, kPmc3}, {0xd0, 0xd3, kAny, kLow4},
};
constexpr Constraint kIvyBridgeRules[] = {
  {0x48, 0x48, 0x01, kPmc2}, {0xa3, 0xa3, 0x08, kPmc2}, {0xa3, 0xa3, 0x0c, kPmc2},
  {0xc0, 0xc0, 0x01, kPmc1}, {0xcd, 0xcd, kAny, kPmc3}, {0xd0, 0xd3, kAny, kLow4},
};
constexpr Constraint kHaswellRules[] = {
  {0x48, 0x48, 0x01, kPmc2}, {0xa3, 0xa3, 0x08, kPmc2}, {0xa3, 0xa3, 0x0c, kPmc2},
  {0xc0, 0xc0, 0x01, kPmc1}, {0xcd, 0xcd, kAny, kPmc3}, {0xd0, 0xd3, kAny, kLow4},
};
constexpr Constraint kBroadwellRules[] = {
  {0x48, 0x48, 0x01, kPmc2}, {0xa3, 0xa3, 0x08, kPmc2}, {0xa3, 0xa3, 0x0c, kPmc2},
  {0xcd, 0xcd, kAny, kLow4}, {0xd0, 0xd3, kAny, kLow4},
};
constexpr u32 kTotalCycles = static_cast<u32>(evtsel::Cmask::of(10) | evtsel::Inv::kMask);
constexpr Constraint kSkylakeRules[] = {
  {0xc0, 0xc0, 0x01, kPmc0 | kPmc2 | kPmc3, false, kTotalCycles}, {0xc0, 0xc0, 0x01, kPmc1},
  {0xc6, 0xc6, kAny, kLow4}, {0xcd, 0xcd, kAny, kLow4}, {0xd0, 0xd2, kAny, kLow4},
};
constexpr Constraint kIceLakeRules[] = {
  {0x00, 0x00, kAny, 0},
  {0x03, 0x0a, kAny, kLow4}, {0x1f, 0x28, kAny, kLow4}, {0x32, 0x32, kAny, kLow4}, {0x48, 0x56, kAny, kLow4},
  {0x60, 0x8b, kAny, kLow4},
  {0xa3, 0xa3, 0x04, kAll}, {0xa3, 0xa3, 0x10, kAll}, {0xa3, 0xa3, 0x14, kAll}, {0xa3, 0xa3, kAny, kLow4},
  {0xa8, 0xb0, kAny, kLow4}, {0xb7, 0xbd, kAny, kLow4}, {0xd0, 0xe6, kAny, kLow4}, {0xef, 0xef, kAny, kLow4},
  {0xf0, 0xf4, kAny, kLow4},
};
constexpr Constraint kGoldenCoveRules[] = {
  {0x00, 0x00, kAny, 0},
  {0x2e, 0x2e, kAny, kAll}, {0x3c, 0x3c, kAny, kAll}, {0x01, 0x8f, kAny, kLow4},
  {0xa3, 0xa3, 0x01, kLow4}, {0xa3, 0xa3, 0x02, kLow4}, {0xa3, 0xa3, 0x08, kLow4},
  {0xa4, 0xa4, 0x04, kPmc0}, {0xa4, 0xa4, 0x08, kPmc0},
  {0xc0, 0xc0, 0x00, kNot0, true}, {0xc0, 0xc0, 0x02, kNot0, true}, {0xc0, 0xc0, 0x08, kNot0, true},
  {0xc0, 0xc0, 0x10, kNot0, true},
  {0xcd, 0xcd, 0x01, kNot0}, {0xcd, 0xcd, 0x02, kPmc0}, {0xce, 0xce, kAny, kPmc0},
  {0xd0, 0xdf, kAny, kLow4},
};
constexpr Constraint kGracemontRules[] = {
  {0xd0, 0xd0, 0x05, kPmc01},
};
// clang-format on

/// The fixed counters' events: their pseudo codes, and the selects that count the same.
struct FixedEvent {
  u16 code;
  u16 general;  ///< 0: only the fixed counter counts it
};
constexpr std::array<FixedEvent, 4> kFixedEvents = {
    {{0x0100, 0x00c0}, {0x0200, 0x003c}, {0x0300, 0}, {0x0400, 0}}};

constexpr u32 kCode = static_cast<u32>(evtsel::Event::kMask | evtsel::Umask::kMask);
constexpr u32 kModifiers =
    static_cast<u32>(evtsel::Edge::kMask | evtsel::Any::kMask | evtsel::Inv::kMask | evtsel::Cmask::kMask);

bool fits(const Constraint& rule, const CounterRequest& request) {
  const u64 event = evtsel::Event::get(request.select);
  if (event < rule.first || event > rule.last) return false;
  if (rule.umask != kAny && rule.umask != evtsel::Umask::get(request.select)) return false;
  if (rule.pebs_only && !request.pebs) return false;
  return rule.modifiers == 0 || rule.modifiers == (request.select & kModifiers);
}

/// What the part's event list says of an event.
u32 listed_counters(EventList list, u64 select) {
  const Event* event = find(list, static_cast<Code>(select & (kCode | kModifiers)));
  if (event == nullptr) event = find(list, static_cast<Code>(select & kCode));
  return event == nullptr || event->counters == 0 ? kAll : event->counters;
}

u64 existing(const PmuParams& p) {
  const u64 gp = p.gp_bitmap != 0 ? p.gp_bitmap : (u64{1} << p.gp_counters) - 1;
  const u64 fixed = p.version >= 2 ? p.fixed_bitmap | ((u64{1} << p.fixed_counters) - 1) : 0;
  return gp | fixed << kFixed;
}

/// Kuhn's matching: `taken` says which request has a counter.
class Matching {
 public:
  explicit Matching(std::span<const u64> allowed) : allowed_(allowed) { taken_.fill(kFree); }

  /// Finds a counter for request `r`, moving others to counters they may use too.
  bool place(std::size_t r) {
    visited_ = 0;
    return augment(r);
  }
  [[nodiscard]] std::size_t holder(CounterBit c) const { return taken_[c]; }
  static constexpr std::size_t kFree = ~std::size_t{0};

 private:
  bool augment(std::size_t r) {
    // Fixed ones first: they leave the general ones to events that need them.
    for (u64 left = allowed_[r] & ~visited_; left != 0; left = allowed_[r] & ~visited_) {
      const u64 fixed = left >> kFixed << kFixed;
      const auto c = static_cast<CounterBit>(std::countr_zero(fixed != 0 ? fixed : left));
      visited_ |= u64{1} << c;
      if (taken_[c] == kFree || augment(taken_[c])) {
        taken_[c] = r;
        return true;
      }
    }
    return false;
  }

  std::span<const u64> allowed_;
  std::array<std::size_t, 64> taken_{};
  u64 visited_ = 0;
};

}  // namespace

ConstraintTable constraint_table(EventList events, std::string_view uarch) {
  switch (events) {
    case EventList::kArchitectural:
      return uarch == "core2" || uarch == "merom" ? ConstraintTable::kCore2 : ConstraintTable::kNone;
    case EventList::kNehalem:
    case EventList::kWestmere:
      return ConstraintTable::kNehalem;
    case EventList::kSandyBridge:
      return ConstraintTable::kSandyBridge;
    case EventList::kIvyBridge:
      return ConstraintTable::kIvyBridge;
    case EventList::kHaswell:
      return ConstraintTable::kHaswell;
    case EventList::kBroadwell:
      return ConstraintTable::kBroadwell;
    case EventList::kSkylake:
    case EventList::kSkylakeX:
    case EventList::kCascadeLakeX:
      return ConstraintTable::kSkylake;
    case EventList::kIceLake:
    case EventList::kIceLakeX:
      return ConstraintTable::kIceLake;
    case EventList::kGoldenCove:
    case EventList::kSapphireRapids:
      return ConstraintTable::kGoldenCove;
    case EventList::kGracemont:
      return ConstraintTable::kGracemont;
    case EventList::kBonnell:
    case EventList::kSilvermont:
    case EventList::kGoldmont:
    case EventList::kGoldmontPlus:
    case EventList::kCount:
      break;
  }
  return ConstraintTable::kNone;
}

std::span<const Constraint> constraints(ConstraintTable table) {
  switch (table) {
    case ConstraintTable::kCore2:
      return kCore2Rules;
    case ConstraintTable::kNehalem:
      return kNehalemRules;
    case ConstraintTable::kSandyBridge:
      return kSandyBridgeRules;
    case ConstraintTable::kIvyBridge:
      return kIvyBridgeRules;
    case ConstraintTable::kHaswell:
      return kHaswellRules;
    case ConstraintTable::kBroadwell:
      return kBroadwellRules;
    case ConstraintTable::kSkylake:
      return kSkylakeRules;
    case ConstraintTable::kIceLake:
      return kIceLakeRules;
    case ConstraintTable::kGoldenCove:
      return kGoldenCoveRules;
    case ConstraintTable::kGracemont:
      return kGracemontRules;
    case ConstraintTable::kNone:
      break;
  }
  return {};
}

u64 allowed_counters(const PmuParams& params, ConstraintTable table, const CounterRequest& request) {
  u64 fixed = 0;
  bool general = evtsel::Event::any(request.select);
  const u64 code = request.select & kCode;
  for (std::size_t i = 0; i < kFixedEvents.size(); ++i) {
    const FixedEvent& event = kFixedEvents[i];
    if (code != event.code && (event.general == 0 || code != event.general)) continue;
    // Fixed counters compare nothing.
    if ((request.select & kModifiers) == 0) fixed = u64{1} << (kFixed + i);
    general = event.general != 0;
  }
  u64 counters = fixed;
  if (general) {
    const CounterRequest on_general = {general_select(request.select), request.pebs};
    const auto rules = constraints(table);
    const auto rule = std::ranges::find_if(rules, [&](const Constraint& c) { return fits(c, on_general); });
    const u32 gp = rule != rules.end() ? rule->counters : listed_counters(params.events, on_general.select);
    counters |= gp;
  }
  if (request.pebs) counters &= params.pebs_counters;
  return counters & existing(params);
}

std::vector<std::optional<CounterBit>> schedule(const PmuParams& params, ConstraintTable table,
                                                std::span<const CounterRequest> requests) {
  std::vector<u64> allowed;
  for (const CounterRequest& r : requests) allowed.push_back(allowed_counters(params, table, r));
  Matching matching(allowed);
  for (std::size_t r = 0; r < requests.size(); ++r) matching.place(r);
  std::vector<std::optional<CounterBit>> placed(requests.size());
  for (CounterBit c = 0; c < 64; ++c) {
    if (matching.holder(c) != Matching::kFree) placed[matching.holder(c)] = c;
  }
  return placed;
}

}  // namespace lastbranch::pmu
