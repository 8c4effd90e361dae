#include "models/pmu/pebs_frontend.h"

namespace lastbranch::pmu {
namespace {

using Id = Field<7, 0>;
using Latency = Field<19, 8>;
using Bubbles = Field<22, 20>;

constexpr u64 kLatencyId = 0x06;

struct Row {
  u8 id;
  FrontendEvent event;
  EventList from;  ///< the first list that has it
};

constexpr Row kRows[] = {
    {0x01, FrontendEvent::kAnyDsbMiss, EventList::kSkylake},
    {0x07, FrontendEvent::kUnknownBranchCycles, EventList::kGoldenCove},
    {0x08, FrontendEvent::kMsFlows, EventList::kGoldenCove},
    {0x11, FrontendEvent::kDsbMiss, EventList::kSkylake},
    {0x12, FrontendEvent::kL1iMiss, EventList::kSkylake},
    {0x13, FrontendEvent::kL2Miss, EventList::kSkylake},
    {0x14, FrontendEvent::kItlbMiss, EventList::kSkylake},
    {0x15, FrontendEvent::kStlbMiss, EventList::kSkylake},
    {0x17, FrontendEvent::kUnknownBranch, EventList::kGoldenCove},
};

}  // namespace

u64 frontend_writable(EventList list) {
  const u64 thresholds = Latency::kMask | Bubbles::kMask;
  switch (list) {
    case EventList::kSkylake:
    case EventList::kSkylakeX:
    case EventList::kCascadeLakeX:
    case EventList::kIceLake:
    case EventList::kIceLakeX:
      return thresholds | 0x17;
    case EventList::kGoldenCove:
    case EventList::kSapphireRapids:
      return thresholds | 0x1f;
    default:
      return 0;
  }
}

FrontendSelector frontend_selector(EventList list, u64 value) {
  if (frontend_writable(list) == 0) return {};
  const u64 id = Id::get(value);
  if (id == kLatencyId) {
    return {.event = FrontendEvent::kLatency,
            .latency = static_cast<unsigned>(Latency::get(value)),
            .bubbles = static_cast<unsigned>(Bubbles::get(value))};
  }
  for (const Row& row : kRows) {
    if (row.id == id && list >= row.from) return {.event = row.event};
  }
  return {};
}

}  // namespace lastbranch::pmu
