#pragma once
// One record per microarchitecture: identity, sizes and monitoring resources, as data.
//
// Modelled: what CPUID, the LBR and the PMU need of a part. Sizes for timing come with the timing model. The
// defaults name one retail part of each core, so that family, model, stepping, brand and caches fit
// together.
// Sources: SDM vol. 4, "Model-Specific Registers"; SDM vol. 3B, LBR and performance-monitoring chapters;
// CPUID dumps of the parts named (InstLatx64); Linux 6.12 arch/x86/events/intel for LBR depths and formats.
#include <array>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "models/cpu/uarch/isa.h"
#include "sim/base/lbr_params.h"
#include "sim/base/pmu_params.h"
#include "sim/base/units.h"

namespace lastbranch::cpu {

/// One cache as CPUID leaf 4 describes it. Lines have 64 bytes on every part here.
struct Cache {
  enum class Type : u8 { kNone, kData, kInstruction, kUnified };
  Type type = Type::kNone;
  u8 level = 0;
  u32 kib = 0;
  u32 ways = 0;
  bool inclusive = false;  ///< of the levels below

  static constexpr u32 kLine = 64;
  [[nodiscard]] constexpr u32 sets() const { return kib * 1024 / (ways * kLine); }
  constexpr bool operator==(const Cache&) const = default;
};

[[nodiscard]] constexpr Cache data_cache(u32 kib, u32 ways) {
  return {Cache::Type::kData, 1, kib, ways};
}
[[nodiscard]] constexpr Cache instruction_cache(u32 kib, u32 ways) {
  return {Cache::Type::kInstruction, 1, kib, ways};
}
[[nodiscard]] constexpr Cache unified_cache(u8 level, u32 kib, u32 ways, bool inclusive = false) {
  return {Cache::Type::kUnified, level, kib, ways, inclusive};
}

/// Where CPUID's monitoring leaves say something else than the part does, or more.
struct MonitoringLeaves {
  // Leaf 0AH; without a value it tells the truth. Hybrid parts report what both kinds of core have.
  std::optional<u32> gp_counters;    ///< EAX[15:8]
  std::optional<u32> arch_events;    ///< EAX[31:24]
  std::optional<u32> absent_events;  ///< EBX
  std::optional<u32> fixed_bitmap;   ///< ECX
  std::optional<u32> edx;            ///< EDX whole: it is wrong on the first Core 2 and on early Atoms
  // Leaf 23H.
  u32 slots = 0;                       ///< 23H.0:ECX[7:0]; performance cores report 0
  std::optional<u32> arch_events_23h;  ///< 23H.3:EAX, where it knows events that leaf 0AH does not

  constexpr bool operator==(const MonitoringLeaves&) const = default;
};

struct Uarch {
  std::string_view name;   ///< as `--uarch` takes it
  std::string_view title;  ///< for people
  std::string_view brand;  ///< CPUID 80000002H-80000004H: the part that the record describes
  unsigned family = 6;     ///< display family
  unsigned model = 0;      ///< display model
  unsigned stepping = 0;
  u32 max_leaf = 0xb;     ///< highest basic CPUID leaf
  u64 frequency_hz = 0;   ///< the part's base frequency: rate of TSC and reference clock, and of core clocks
  unsigned pa_bits = 36;  ///< physical address bits
  /// Linear address bits of software: 48 on every part, as 5-level paging does not execute. How far a part's
  /// LBRs sign-extend is lbr.va_bits.
  unsigned va_bits = 48;
  IsaSet isa;                     ///< what the silicon has, executed here or not
  std::array<Cache, 4> caches{};  ///< in leaf 4's order
  LbrParams lbr;
  PmuParams pmu;
  MonitoringLeaves leaves;
  bool uncore_pmi = false;  ///< IA32_DEBUGCTL.ENABLE_UNCORE_PMI exists
  /// Architectural PEBS instead of the DS area's: CPUID.23H.4:EBX, what a counter's CFG_C offers in bits
  /// 63:32. 0: not.
  u32 arch_pebs = 0;

  bool operator==(const Uarch&) const = default;

  /// "GenuineIntel,6,94,3": how perf.data and perfmon's mapfile name a part.
  [[nodiscard]] std::string cpuid_string() const;
};

/// Name of the record that is used when nobody asks for another.
inline constexpr std::string_view kDefaultUarch = "skylake";

/// All records, oldest core first.
[[nodiscard]] std::span<const Uarch> uarchs();

/// The record of that name or of one of its aliases ("skl"), in any case of letters. Throws Error, listing
/// the known names.
[[nodiscard]] const Uarch& uarch(std::string_view name);

/// One field of the record by name: what `lastbranch list params` shows, what an option can override.
struct UarchField {
  std::string_view name;     ///< "lbr_depth"
  std::string_view unit;     ///< "records"; empty where there is none
  std::string_view meaning;  ///< one phrase
  std::string (*get)(const Uarch&);
  /// Sets the field after checking the value's range; nullptr: the field is fixed. Throws Error.
  void (*set)(Uarch&, u64 value);
};

/// Every field, in the order of printing.
[[nodiscard]] std::span<const UarchField> uarch_fields();

/// Overrides one field by name: `override_field(u, "lbr_depth", 16)`. Throws Error when there is no such
/// field, it cannot be changed, or the value is out of range.
void override_field(Uarch& u, std::string_view field, u64 value);

/// The effective configuration: (field, value) in a fixed order; printed with every run and stored in every
/// result.
[[nodiscard]] std::vector<std::pair<std::string, std::string>> configuration(const Uarch& u);

}  // namespace lastbranch::cpu
