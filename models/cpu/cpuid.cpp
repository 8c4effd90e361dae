#include "models/cpu/cpuid.h"

#include <array>
#include <cstring>

namespace lastbranch::cpu {
namespace {

// REP MOVSB works, yet ERMS is left out: glibc would then copy everything past 2 KiB with it, which retires
// as one instruction without branches. At one cycle per instruction such copies would be free, and no LBR
// would show them.
constexpr IsaSet kExecuted = {Isa::kFpu,   Isa::kPse,   Isa::kTsc,    Isa::kMsr,     Isa::kPae,
                              Isa::kCx8,   Isa::kPge,   Isa::kCmov,   Isa::kMmx,     Isa::kFxsr,
                              Isa::kSse,   Isa::kSse2,  Isa::kSse3,   Isa::kSsse3,   Isa::kCx16,
                              Isa::kSse41, Isa::kSse42, Isa::kPopcnt, Isa::kSyscall, Isa::kNx,
                              Isa::kLm,    Isa::kLahf,  Isa::kClfsh,  Isa::kRdtscp,  Isa::kPrefetchw};

enum class Reg : u8 { kEbx, kEcx, kEdx };

/// Where CPUID shows an extension.
struct FeatureBit {
  Isa isa;
  u32 leaf;
  Reg reg;
  u8 bit;
};

constexpr u32 kLeafFeatures = 1;
constexpr u32 kLeafStructured = 7;
constexpr u32 kLeafExtended = 0x80000001;

constexpr FeatureBit kFeatureBits[] = {
    {Isa::kFpu, kLeafFeatures, Reg::kEdx, 0},           {Isa::kPse, kLeafFeatures, Reg::kEdx, 3},
    {Isa::kTsc, kLeafFeatures, Reg::kEdx, 4},           {Isa::kMsr, kLeafFeatures, Reg::kEdx, 5},
    {Isa::kPae, kLeafFeatures, Reg::kEdx, 6},           {Isa::kCx8, kLeafFeatures, Reg::kEdx, 8},
    {Isa::kSep, kLeafFeatures, Reg::kEdx, 11},          {Isa::kPge, kLeafFeatures, Reg::kEdx, 13},
    {Isa::kCmov, kLeafFeatures, Reg::kEdx, 15},         {Isa::kClfsh, kLeafFeatures, Reg::kEdx, 19},
    {Isa::kMmx, kLeafFeatures, Reg::kEdx, 23},          {Isa::kFxsr, kLeafFeatures, Reg::kEdx, 24},
    {Isa::kSse, kLeafFeatures, Reg::kEdx, 25},          {Isa::kSse2, kLeafFeatures, Reg::kEdx, 26},
    {Isa::kSse3, kLeafFeatures, Reg::kEcx, 0},          {Isa::kPclmulqdq, kLeafFeatures, Reg::kEcx, 1},
    {Isa::kSsse3, kLeafFeatures, Reg::kEcx, 9},         {Isa::kFma, kLeafFeatures, Reg::kEcx, 12},
    {Isa::kCx16, kLeafFeatures, Reg::kEcx, 13},         {Isa::kPcid, kLeafFeatures, Reg::kEcx, 17},
    {Isa::kSse41, kLeafFeatures, Reg::kEcx, 19},        {Isa::kSse42, kLeafFeatures, Reg::kEcx, 20},
    {Isa::kMovbe, kLeafFeatures, Reg::kEcx, 22},        {Isa::kPopcnt, kLeafFeatures, Reg::kEcx, 23},
    {Isa::kAes, kLeafFeatures, Reg::kEcx, 25},          {Isa::kXsave, kLeafFeatures, Reg::kEcx, 26},
    {Isa::kAvx, kLeafFeatures, Reg::kEcx, 28},          {Isa::kF16c, kLeafFeatures, Reg::kEcx, 29},
    {Isa::kRdrand, kLeafFeatures, Reg::kEcx, 30},       {Isa::kFsgsbase, kLeafStructured, Reg::kEbx, 0},
    {Isa::kBmi1, kLeafStructured, Reg::kEbx, 3},        {Isa::kHle, kLeafStructured, Reg::kEbx, 4},
    {Isa::kAvx2, kLeafStructured, Reg::kEbx, 5},        {Isa::kSmep, kLeafStructured, Reg::kEbx, 7},
    {Isa::kBmi2, kLeafStructured, Reg::kEbx, 8},        {Isa::kErms, kLeafStructured, Reg::kEbx, 9},
    {Isa::kInvpcid, kLeafStructured, Reg::kEbx, 10},    {Isa::kRtm, kLeafStructured, Reg::kEbx, 11},
    {Isa::kMpx, kLeafStructured, Reg::kEbx, 14},        {Isa::kAvx512f, kLeafStructured, Reg::kEbx, 16},
    {Isa::kAvx512dq, kLeafStructured, Reg::kEbx, 17},   {Isa::kRdseed, kLeafStructured, Reg::kEbx, 18},
    {Isa::kAdx, kLeafStructured, Reg::kEbx, 19},        {Isa::kSmap, kLeafStructured, Reg::kEbx, 20},
    {Isa::kClflushopt, kLeafStructured, Reg::kEbx, 23}, {Isa::kClwb, kLeafStructured, Reg::kEbx, 24},
    {Isa::kAvx512cd, kLeafStructured, Reg::kEbx, 28},   {Isa::kAvx512bw, kLeafStructured, Reg::kEbx, 30},
    {Isa::kAvx512vl, kLeafStructured, Reg::kEbx, 31},   {Isa::kSyscall, kLeafExtended, Reg::kEdx, 11},
    {Isa::kNx, kLeafExtended, Reg::kEdx, 20},           {Isa::kPage1gb, kLeafExtended, Reg::kEdx, 26},
    {Isa::kRdtscp, kLeafExtended, Reg::kEdx, 27},       {Isa::kLm, kLeafExtended, Reg::kEdx, 29},
    {Isa::kLahf, kLeafExtended, Reg::kEcx, 0},          {Isa::kLzcnt, kLeafExtended, Reg::kEcx, 5},
    {Isa::kPrefetchw, kLeafExtended, Reg::kEcx, 8},
};
static_assert(std::size(kFeatureBits) == static_cast<std::size_t>(Isa::kCount),
              "every extension has its bit");

// Monitoring features are facts of the LBR's and PMU's parameters, so they are in no IsaSet.
constexpr u32 kDtes64 = 1u << 2;    // CPUID.1:ECX
constexpr u32 kDsCpl = 1u << 4;     // CPUID.1:ECX
constexpr u32 kPdcm = 1u << 15;     // CPUID.1:ECX: IA32_PERF_CAPABILITIES
constexpr u32 kDs = 1u << 21;       // CPUID.1:EDX
constexpr u32 kArchLbr = 1u << 19;  // CPUID.7.0:EDX

CpuidResult features(const Uarch& u, u32 leaf) {
  const IsaSet shown = u.isa & kExecuted;
  CpuidResult out;
  for (const FeatureBit& f : kFeatureBits) {
    if (f.leaf != leaf || !shown.has(f.isa)) continue;
    const u32 bit = u32{1} << f.bit;
    switch (f.reg) {
      case Reg::kEbx:
        out.ebx |= bit;
        break;
      case Reg::kEcx:
        out.ecx |= bit;
        break;
      case Reg::kEdx:
        out.edx |= bit;
        break;
    }
  }
  return out;
}

u32 word(std::string_view text, std::size_t at) {
  std::array<char, 4> bytes{};
  for (std::size_t i = 0; i < 4 && at + i < text.size(); ++i) bytes.at(i) = text[at + i];
  u32 value = 0;
  std::memcpy(&value, bytes.data(), sizeof value);
  return value;
}

CpuidResult identity(const Uarch& u) {
  CpuidResult out = features(u, kLeafFeatures);
  if (u.pmu.ds_area) {
    out.ecx |= kDtes64 | kDsCpl;
    out.edx |= kDs;
  }
  if (u.pmu.perf_capabilities != 0) out.ecx |= kPdcm;
  const u32 base_family = u.family < 15 ? u.family : 15;
  const u32 extended_family = u.family < 15 ? 0 : u.family - 15;
  out.eax =
      extended_family << 20 | (u.model >> 4) << 16 | base_family << 8 | (u.model & 15) << 4 | u.stepping;
  // CLFLUSH line in 8-byte units; one logical processor; APIC ID 0. The HTT flag stays 0: no siblings.
  out.ebx = (Cache::kLine / 8) << 8 | 1u << 16;
  return out;
}

CpuidResult cache(const Uarch& u, u32 index) {
  if (index >= u.caches.size() || u.caches[index].type == Cache::Type::kNone) return {};
  const Cache& c = u.caches[index];
  constexpr u32 kSelfInitializing = 1u << 8;
  CpuidResult out;
  out.eax = static_cast<u32>(c.type) | u32{c.level} << 5 | kSelfInitializing;
  out.ebx = (Cache::kLine - 1) | (c.ways - 1) << 22;
  out.ecx = c.sets() - 1;
  out.edx = c.inclusive ? 2 : 0;
  return out;
}

CpuidResult structured(const Uarch& u) {
  CpuidResult out = features(u, kLeafStructured);
  if (u.lbr.arch.depth_mask != 0) out.edx |= kArchLbr;
  return out;
}

CpuidResult monitoring(const Uarch& u) {
  const PmuParams& p = u.pmu;
  const MonitoringLeaves& said = u.leaves;
  const u32 gp = said.gp_counters.value_or(p.gp_counters);
  const u32 fixed = p.fixed_counters == 0 ? 0 : p.fixed_counters | p.fixed_width << 5;
  return {.eax = p.version | gp << 8 | p.gp_width << 16 | said.arch_events.value_or(p.arch_events) << 24,
          .ebx = said.absent_events.value_or(p.absent_events),
          .ecx = said.fixed_bitmap.value_or(p.fixed_bitmap),
          .edx = said.edx.value_or(fixed | (p.any_thread_deprecated ? 1u << 15 : 0))};
}

CpuidResult last_branches(const Uarch& u) {
  const ArchLbrParams& a = u.lbr.arch;
  if (a.depth_mask == 0) return {};
  const auto bit = [](bool set, unsigned n) { return u32{set} << n; };
  return {
      .eax = a.depth_mask | bit(a.deep_c_reset, 30) | bit(a.lip, 31),
      .ebx = bit(a.cpl_filter, 0) | bit(a.branch_filter, 1) | bit(a.call_stack, 2),
      .ecx = bit(a.mispredicted, 0) | bit(a.timed, 1) | bit(a.branch_type, 2) | a.event_log_counters << 16,
      .edx = 0};
}

/// Sub-leaf 2 (Auto Counter Reload) is not there: it is not modelled.
CpuidResult monitoring_extended(const Uarch& u, u32 subleaf) {
  const PmuParams& p = u.pmu;
  if (!p.leaf_23h) return {};
  constexpr u32 kSubleaves = 1u << 0 | 1u << 1 | 1u << 3;
  constexpr u32 kArchPebs = 1u << 4 | 1u << 5;
  constexpr u32 kUmask2AndEqual = 3;
  const auto general = [](u64 counters) { return static_cast<u32>(counters); };
  const auto fixed = [](u64 counters) { return static_cast<u32>(counters >> 32); };
  switch (subleaf) {
    case 0:
      return {.eax = kSubleaves | (u.arch_pebs != 0 ? kArchPebs : 0),
              .ebx = p.version >= 6 ? kUmask2AndEqual : 0,
              .ecx = u.leaves.slots,
              .edx = 0};
    case 1:
      return {.eax = p.gp_bitmap != 0 ? p.gp_bitmap : (1u << p.gp_counters) - 1,
              .ebx = p.fixed_bitmap,
              .ecx = 0,
              .edx = 0};
    case 3: {
      const u32 events = ((1u << p.arch_events) - 1) & ~p.absent_events;
      return {.eax = u.leaves.arch_events_23h.value_or(events)};
    }
    case 4:
      return {.ebx = u.arch_pebs};
    case 5:
      if (u.arch_pebs == 0) return {};
      return {.eax = general(p.pebs_counters),
              .ebx = general(p.pdist_counters),
              .ecx = fixed(p.pebs_counters),
              .edx = fixed(p.pdist_counters)};
    default:
      return {};
  }
}

/// One level (SMT, then core) of one processor each; an invalid level echoes the subleaf.
CpuidResult topology(u32 subleaf) {
  const u32 echo = subleaf & 0xff;
  if (subleaf > 1) return {.eax = 0, .ebx = 0, .ecx = echo, .edx = 0};
  return {.eax = 0, .ebx = 1, .ecx = echo | (subleaf + 1) << 8, .edx = 0};
}

CpuidResult brand(const Uarch& u, u32 part) {
  const std::size_t at = std::size_t{part} * 16;
  return {word(u.brand, at), word(u.brand, at + 4), word(u.brand, at + 8), word(u.brand, at + 12)};
}

CpuidResult second_level(const Uarch& u) {
  const Cache& c = u.caches[2];
  // Associativity is coded: 4 = 4-way, 6 = 8-way, 8 = 16-way, which Penryn also reports for its 24 ways.
  // What fits none of them is 7, "see leaf 4".
  const u32 code = c.ways == 4 ? 4 : c.ways == 8 ? 6 : c.ways == 16 || c.ways == 24 ? 8 : 7;
  return {.eax = 0, .ebx = 0, .ecx = c.kib << 16 | code << 12 | Cache::kLine, .edx = 0};
}

CpuidResult basic(const Uarch& u, u32 leaf, u32 subleaf) {
  static constexpr std::string_view kVendor = "GenuineIntel";
  switch (leaf) {
    case 0:
      return {u.max_leaf, word(kVendor, 0), word(kVendor, 8), word(kVendor, 4)};
    case 1:
      return identity(u);
    // One valid register: no TLB descriptors, "see leaf 4" for caches (0FFH), 64-byte prefetch (0F0H).
    case 2:
      return {.eax = 0x00f0ff01, .ebx = 0, .ecx = 0, .edx = 0};
    case 4:
      return cache(u, subleaf);
    case 7:
      return subleaf == 0 ? structured(u) : CpuidResult{};
    case 0xa:
      return monitoring(u);
    case 0xb:
      return topology(subleaf);
    case 0x16: {
      const auto mhz = static_cast<u32>(u.frequency_hz / 1'000'000);
      return {.eax = mhz, .ebx = mhz, .ecx = 100, .edx = 0};
    }
    case 0x1c:
      return subleaf == 0 ? last_branches(u) : CpuidResult{};
    case 0x23:
      return monitoring_extended(u, subleaf);
    default:
      return {};
  }
}

}  // namespace

IsaSet executed_isa() {
  return kExecuted;
}

CpuidResult cpuid(const Uarch& u, u32 leaf, u32 subleaf) {
  constexpr u32 kMaxExtended = 0x80000008;
  switch (leaf) {
    case 0x80000000:
      return {.eax = kMaxExtended};
    case kLeafExtended:
      return features(u, kLeafExtended);
    case 0x80000002:
      return brand(u, 0);
    case 0x80000003:
      return brand(u, 1);
    case 0x80000004:
      return brand(u, 2);
    case 0x80000005:
      return {};
    case 0x80000006:
      return second_level(u);
    case 0x80000007:
      return {.edx = 1u << 8};  // the TSC's rate never changes
    case 0x80000008:
      return {.eax = u.pa_bits | u.va_bits << 8};
    default:
      return basic(u, leaf <= u.max_leaf ? leaf : u.max_leaf, subleaf);
  }
}

}  // namespace lastbranch::cpu
