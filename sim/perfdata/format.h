#pragma once
/// The on-disk format of perf.data: container, event attribute, feature sections, records.
/// Models the file and the pipe mode as perf 6.1 writes and reads them, and what later versions added. Not
/// here: the payloads of AUX area data and of the features that lastbranch does not use. Sources: Linux
/// UAPI linux/perf_event.h; tools/perf/Documentation/perf.data-file-format.txt; where the two leave a
/// question open (order of NRCPUS, padding of strings), what perf 6.1 does with a file; for the types from
/// 32768 on, Android's simpleperf, which extends the format.
#include <array>
#include <cstddef>
#include <string_view>

#include "sim/base/units.h"

namespace lastbranch::perfdata {

inline constexpr u64 kMagic = 0x32454c4946524550;         ///< "PERFILE2", read as a little-endian number
inline constexpr u64 kMagicSwapped = 0x50455246494c4532;  ///< the same of a machine with the other byte order
inline constexpr u64 kMagicVersion1 = 0x454c494646524550;  ///< "PERFFILE", before Linux 2.6.33
inline constexpr u64 kMagicVersion1Swapped = 0x50455246464c4546;
inline constexpr u64 kPipeHeaderSize = 16;
inline constexpr u64 kHeaderSizeWithoutFeatures = 72;  ///< before Linux 2.6.35
/// Number that a kHeaderFeature record without a body has, behind all others: perf 6.1's first unknown one.
inline constexpr u64 kPipeFeaturesEnd = 32;
inline constexpr std::size_t kFeatureBits = 256;

/// A range of the file, in bytes.
struct Section {
  u64 offset = 0;
  u64 size = 0;
};
static_assert(sizeof(Section) == 16);

struct FileHeader {
  u64 magic = kMagic;
  u64 size = 104;     ///< of this header
  u64 attr_size = 0;  ///< of one entry of `attrs`: an attribute and the section of its ids
  Section attrs;
  Section data;
  Section event_types;  ///< no longer used
  std::array<u64, kFeatureBits / 64> features{};
};
static_assert(sizeof(FileHeader) == 104);
static_assert(offsetof(FileHeader, data) == 40 && offsetof(FileHeader, features) == 72);

/// perf_event_attr with every field known to Linux 6.x; files hold a prefix of it, `size` says how long.
struct Attr {
  u32 type = 0;
  u32 size = 0;
  u64 config = 0;
  u64 sample_period = 0;  ///< or a frequency in Hz, see kAttrFreq
  u64 sample_type = 0;
  u64 read_format = 0;
  u64 flags = 0;
  u32 wakeup_events = 0;
  u32 bp_type = 0;
  u64 config1 = 0;
  u64 config2 = 0;
  u64 branch_sample_type = 0;
  u64 sample_regs_user = 0;
  u32 sample_stack_user = 0;
  i32 clockid = 0;
  u64 sample_regs_intr = 0;
  u32 aux_watermark = 0;
  u16 sample_max_stack = 0;
  u16 reserved_2 = 0;
  u32 aux_sample_size = 0;
  u32 reserved_3 = 0;
  u64 sig_data = 0;
  u64 config3 = 0;
  u64 config4 = 0;
};
static_assert(sizeof(Attr) == 144);
static_assert(offsetof(Attr, sample_type) == 24 && offsetof(Attr, flags) == 40 &&
              offsetof(Attr, config1) == 56);
static_assert(offsetof(Attr, branch_sample_type) == 72 && offsetof(Attr, clockid) == 92);
static_assert(offsetof(Attr, sample_max_stack) == 108 && offsetof(Attr, config4) == 136);

inline constexpr u32 kAttrSizeMin = 64;  ///< PERF_ATTR_SIZE_VER0
inline constexpr u32 kAttrSizeWritten =
    112;  ///< VER5: the oldest that has all we need, read by everything we tried

/// Bits of Attr::flags. precise_ip is a field of two bits at 15.
enum AttrFlag : u64 {
  kAttrDisabled = 1u << 0,
  kAttrInherit = 1u << 1,
  kAttrExcludeUser = 1u << 4,
  kAttrExcludeKernel = 1u << 5,
  kAttrExcludeHv = 1u << 6,
  kAttrMmap = 1u << 8,
  kAttrComm = 1u << 9,
  kAttrFreq = 1u << 10,
  kAttrEnableOnExec = 1u << 12,
  kAttrTask = 1u << 13,
  kAttrSampleIdAll = 1u << 18,
  kAttrMmap2 = 1u << 23,
  kAttrCommExec = 1u << 24,
  kAttrBuildId = u64{1} << 34,
};
inline constexpr unsigned kAttrPreciseIpShift = 15;

/// Bits of Attr::sample_type: which fields a sample has.
enum SampleBit : u64 {
  kSampleIp = 1u << 0,
  kSampleTid = 1u << 1,
  kSampleTime = 1u << 2,
  kSampleAddr = 1u << 3,
  kSampleRead = 1u << 4,
  kSampleCallchain = 1u << 5,
  kSampleId = 1u << 6,
  kSampleCpu = 1u << 7,
  kSamplePeriod = 1u << 8,
  kSampleStreamId = 1u << 9,
  kSampleRaw = 1u << 10,
  kSampleBranchStack = 1u << 11,
  kSampleRegsUser = 1u << 12,
  kSampleStackUser = 1u << 13,
  kSampleWeight = 1u << 14,
  kSampleDataSrc = 1u << 15,
  kSampleIdentifier = 1u << 16,
  kSampleTransaction = 1u << 17,
  kSampleRegsIntr = 1u << 18,
  kSamplePhysAddr = 1u << 19,
  kSampleAux = 1u << 20,
  kSampleCgroup = 1u << 21,
  kSampleDataPageSize = 1u << 22,
  kSampleCodePageSize = 1u << 23,
  kSampleWeightStruct = 1u << 24,
};
inline constexpr u64 kSampleBitsKnown = (u64{1} << 25) - 1;

/// Bits of Attr::read_format.
enum ReadFormat : u64 {
  kReadTimeEnabled = 1u << 0,
  kReadTimeRunning = 1u << 1,
  kReadId = 1u << 2,
  kReadGroup = 1u << 3,
  kReadLost = 1u << 4,
};

/// Bits of Attr::branch_sample_type.
enum BranchSampleBit : u64 {
  kBranchUser = 1u << 0,
  kBranchKernel = 1u << 1,
  kBranchHv = 1u << 2,
  kBranchAny = 1u << 3,
  kBranchAnyCall = 1u << 4,
  kBranchAnyReturn = 1u << 5,
  kBranchIndCall = 1u << 6,
  kBranchAbortTx = 1u << 7,
  kBranchInTx = 1u << 8,
  kBranchNoTx = 1u << 9,
  kBranchCond = 1u << 10,
  kBranchCallStack = 1u << 11,
  kBranchIndJump = 1u << 12,
  kBranchCall = 1u << 13,
  kBranchNoFlags = 1u << 14,
  kBranchNoCycles = 1u << 15,
  kBranchTypeSave = 1u << 16,
  kBranchHwIndex = 1u << 17,
  kBranchPrivSave = 1u << 18,
  kBranchCounters = 1u << 19,
};

enum class RecordType : u32 {
  kMmap = 1,
  kLost = 2,
  kComm = 3,
  kExit = 4,
  kThrottle = 5,
  kUnthrottle = 6,
  kFork = 7,
  kRead = 8,
  kSample = 9,
  kMmap2 = 10,
  kAux = 11,
  kItraceStart = 12,
  kLostSamples = 13,
  kSwitch = 14,
  kSwitchCpuWide = 15,
  kNamespaces = 16,
  kKsymbol = 17,
  kBpfEvent = 18,
  kCgroup = 19,
  kTextPoke = 20,
  kAuxOutputHwId = 21,
  kHeaderAttr = 64,         ///< pipe mode: an attribute and its ids
  kHeaderEventType = 65,    ///< pipe mode before Linux 3.12: a name
  kHeaderTracingData = 66,  ///< followed by raw bytes that its header does not count
  kBuildId = 67,
  kFinishedRound = 68,
  kIdIndex = 69,
  kAuxtraceInfo = 70,
  kAuxtrace = 71,  ///< followed by raw bytes that its header does not count
  kAuxtraceError = 72,
  kThreadMap = 73,
  kCpuMap = 74,
  kStatConfig = 75,
  kStat = 76,
  kStatRound = 77,
  kEventUpdate = 78,  ///< pipe mode: names an event
  kTimeConv = 79,
  kHeaderFeature = 80,  ///< pipe mode: a feature section; its number, then its body
  kCompressed = 81,
  kFinishedInit = 82,
  kCompressed2 = 83,
  kBpfMetadata = 84,
  kSchedstatCpu = 85,
  kSchedstatDomain = 86,
  kSimpleperfEventId = 32774,  ///< u64 count, then the index of an attribute and an id, each u64
};

/// From here on types are simpleperf's: their size has 32 bits, the upper half in the place of `misc`.
inline constexpr u32 kFirstSimpleperfRecord = 32768;

/// Records from here on are perf's own and carry no sample_id trailer.
inline constexpr u32 kFirstToolRecord = 64;

struct RecordHeader {
  u32 type = 0;
  u16 misc = 0;
  u16 size = 0;  ///< including this header; a multiple of 8
};
static_assert(sizeof(RecordHeader) == 8);
inline constexpr std::size_t kRecordSizeMax = 0xfff8;

/// RecordHeader::misc: where the processor was (lowest three bits), and flags.
enum class CpuMode : u16 {
  kUnknown = 0,
  kKernel = 1,
  kUser = 2,
  kHypervisor = 3,
  kGuestKernel = 4,
  kGuestUser = 5,
};
inline constexpr u16 kMiscCpuModeMask = 7;
inline constexpr u16 kMiscMmapData = 1u << 13;
inline constexpr u16 kMiscCommExec = 1u << 13;
inline constexpr u16 kMiscMmapBuildId = 1u << 14;
inline constexpr u16 kMiscBuildIdSize = 1u << 15;

/// Feature sections, by bit number.
enum class Feature : u32 {
  kBuildId = 2,
  kHostname = 3,
  kOsRelease = 4,
  kVersion = 5,
  kArch = 6,
  kNrCpus = 7,
  kCpuDesc = 8,
  kCpuId = 9,
  kTotalMem = 10,
  kCmdline = 11,
  kEventDesc = 12,
  kBranchStack = 15,
  kGroupDesc = 17,
  kSampleTime = 21,
  kDirFormat = 24,
  kCompressed = 27,
  kCpuPmuCaps = 28,
  kPmuCaps = 31,
  kSimpleperfMetaInfo = 129,  ///< pairs of strings, each with its NUL
};
/// The features that perf is known to have end before this one.
inline constexpr u32 kFirstUnknownFeature = 33;

/// A callchain's marker before user addresses (PERF_CONTEXT_USER); kernel's: -128.
inline constexpr u64 kContextUser = static_cast<u64>(i64{-512});
inline constexpr u64 kContextKernel = static_cast<u64>(i64{-128});

/// Strings of feature sections: u32 length, then the text with its NUL, padded to this.
inline constexpr std::size_t kStringAlign = 64;

/// Rounded up to a multiple of `unit`, a power of two.
[[nodiscard]] constexpr std::size_t align_up(std::size_t value, std::size_t unit) {
  return (value + unit - 1) & ~(unit - 1);
}

}  // namespace lastbranch::perfdata
