#pragma once
// The data-source word of PEBS records: where a sampled load found its data, as each generation encodes it.
//
// Modelled: bits 3:0 (Lion Cove 7:0) and the flags beside them, for loads; the store status. Crestmont's own
// 5-bit codes are not known to us: Gracemont's stand in, with Crestmont's flags. Sources: SDM vol. 3B, "Data
// Source Encoding for Load Latency Record" and "Layout of Precise Store Information"; Linux 6.12
// arch/x86/events/intel/ds.c.
#include <array>

#include "sim/base/units.h"

namespace lastbranch::pmu {

/// Where the data came from; what a generation cannot say is code 0, unknown.
enum class MemoryOrigin : u8 {
  kUnknown,
  kL1,
  kFillBuffer,  ///< a miss already pending
  kL2,
  kL2Mhb,            ///< pending in L2's miss buffer (Lion Cove)
  kL3NoSnoop,        ///< L3, no other core asked
  kL3SnoopMiss,      ///< L3, asked: clean or not there
  kL3SnoopHit,       ///< another core had it and did not forward
  kL3SnoopForward,   ///< another core forwarded it, unmodified
  kL3Hitm,           ///< another core had it modified
  kRemoteForward,    ///< a cache of another socket, unmodified
  kRemoteHitm,       ///< a cache of another socket, modified
  kMemorySideCache,  ///< L4 or local persistent memory
  kRemoteMemorySideCache,
  kLocalDramShared,
  kRemoteDramShared,
  kLocalDramExclusive,
  kRemoteDramExclusive,
  kIo,
  kUncacheable,
  kCount,
};

enum class DataSourceCode : u8 {
  kNehalem,      ///< and Westmere
  kSandyBridge,  ///< to Broadwell
  kSkylake,      ///< to Ice Lake
  kGoldenCove,   ///< and Sapphire Rapids: Skylake's codes, and the blocks
  kGracemont,
  kCrestmont,
  kLionCove,
  kCount,
};

struct DataSource {
  MemoryOrigin origin = MemoryOrigin::kUnknown;
  bool stlb_miss = false;
  bool locked = false;
  bool data_blocked = false;     ///< store forwarding failed
  bool address_blocked = false;  ///< blocked by an unknown store address
};

/// The word of a load.
[[nodiscard]] u64 encode_load(DataSourceCode code, const DataSource& source);
/// The word of a store (precise store, DataLA). L1 hit means that the line was in L1D.
[[nodiscard]] u64 encode_store(const DataSource& source);

}  // namespace lastbranch::pmu
