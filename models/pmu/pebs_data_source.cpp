#include "models/pmu/pebs_data_source.h"

namespace lastbranch::pmu {
namespace {

constexpr std::size_t kOrigins = static_cast<std::size_t>(MemoryOrigin::kCount);
constexpr std::size_t kCodes = static_cast<std::size_t>(DataSourceCode::kCount);

struct Row {
  MemoryOrigin origin;
  std::array<u8, kCodes> code;  ///< by DataSourceCode; 0: cannot be said
};

using enum MemoryOrigin;

// clang-format off
constexpr std::array<Row, kOrigins> kRows = {{
    //                        NHM   SNB   SKL   GLC   GRT   CMT   LNC
    {kUnknown,               {0x0,  0x0,  0x0,  0x0,  0x0,  0x0,  0x00}},
    {kL1,                    {0x1,  0x1,  0x1,  0x1,  0x1,  0x1,  0x01}},
    {kFillBuffer,            {0x2,  0x2,  0x2,  0x2,  0x2,  0x2,  0x03}},
    {kL2,                    {0x3,  0x3,  0x3,  0x3,  0x3,  0x3,  0x05}},
    {kL2Mhb,                 {0x3,  0x3,  0x3,  0x3,  0x3,  0x3,  0x06}},
    {kL3NoSnoop,             {0x4,  0x4,  0x4,  0x4,  0x4,  0x4,  0x08}},
    {kL3SnoopMiss,           {0x5,  0x5,  0x5,  0x5,  0x4,  0x4,  0x08}},
    {kL3SnoopHit,            {0x5,  0x6,  0x6,  0x6,  0x5,  0x5,  0x08}},
    {kL3SnoopForward,        {0x5,  0x6,  0x6,  0x6,  0x8,  0x8,  0x0c}},
    {kL3Hitm,                {0x6,  0x7,  0x7,  0x7,  0x6,  0x6,  0x0d}},
    {kRemoteForward,         {0x8,  0x8,  0xc,  0xc,  0xc,  0xc,  0x00}},
    {kRemoteHitm,            {0x0,  0x9,  0xd,  0xd,  0xd,  0xd,  0x0f}},
    {kMemorySideCache,       {0x0,  0x0,  0x8,  0x8,  0x0,  0x0,  0x10}},
    {kRemoteMemorySideCache, {0x0,  0x0,  0x9,  0x9,  0x9,  0x9,  0x00}},
    {kLocalDramShared,       {0xa,  0xa,  0xa,  0xa,  0xa,  0xa,  0x11}},
    {kRemoteDramShared,      {0xb,  0xb,  0xb,  0xb,  0xb,  0xb,  0x00}},
    {kLocalDramExclusive,    {0xc,  0xc,  0xa,  0xa,  0xa,  0xa,  0x11}},
    {kRemoteDramExclusive,   {0xd,  0xd,  0xb,  0xb,  0xb,  0xb,  0x00}},
    {kIo,                    {0xe,  0xe,  0xe,  0xe,  0xe,  0xe,  0x00}},
    {kUncacheable,           {0xf,  0xf,  0xf,  0xf,  0xf,  0xf,  0x00}},
}};
// clang-format on

static_assert([] {
  for (std::size_t i = 0; i < kOrigins; ++i) {
    if (kRows[i].origin != static_cast<MemoryOrigin>(i)) return false;
  }
  return true;
}());

/// Which bits say what beside the code; 0: the generation has no such bit.
struct Flags {
  u64 stlb_miss, locked, data_blocked, address_blocked;
};

constexpr std::array<Flags, kCodes> kFlags = {{
    {0, 0, 0, 0},                              // Nehalem
    {1u << 4, 1u << 5, 0, 0},                  // Sandy Bridge
    {1u << 4, 1u << 5, 0, 0},                  // Skylake
    {1u << 4, 1u << 5, 1u << 6, 1u << 7},      // Golden Cove
    {1u << 4, 1u << 5, 1u << 6, 1u << 7},      // Gracemont
    {1u << 6, 1u << 5, 1u << 7, 0},            // Crestmont
    {1u << 10, 1u << 11, 1u << 12, 1u << 13},  // Lion Cove
}};

}  // namespace

u64 encode_load(DataSourceCode code, const DataSource& source) {
  const auto c = static_cast<std::size_t>(code);
  const Flags& flags = kFlags[c];
  u64 word = kRows[static_cast<std::size_t>(source.origin)].code[c];
  if (source.stlb_miss) word |= flags.stlb_miss;
  if (source.locked) word |= flags.locked;
  if (source.data_blocked) word |= flags.data_blocked;
  if (source.address_blocked) word |= flags.address_blocked;
  return word;
}

u64 encode_store(const DataSource& source) {
  u64 word = source.origin == MemoryOrigin::kL1 ? 1 : 0;
  if (source.stlb_miss) word |= 1u << 4;
  if (source.locked) word |= 1u << 5;
  return word;
}

}  // namespace lastbranch::pmu
