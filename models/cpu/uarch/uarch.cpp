#include "models/cpu/uarch/uarch.h"

#include <algorithm>
#include <bit>

#include "models/cpu/uarch/core2.h"
#include "models/cpu/uarch/silvermont.h"
#include "models/cpu/uarch/skylake.h"
#include "sim/base/error.h"

namespace lastbranch::cpu {
namespace {

constexpr std::array<Uarch, 10> kUarchs = {kCore2,   kNehalem,    kWestmere,  kSandyBridge, kIvyBridge,
                                           kHaswell, kSilvermont, kBroadwell, kSkylake,     kSkylakeServer};

struct Alias {
  std::string_view alias;
  std::string_view name;
};
constexpr std::array<Alias, 10> kAliases = {{{"penryn", "core2"},
                                             {"nhm", "nehalem"},
                                             {"wsm", "westmere"},
                                             {"snb", "sandybridge"},
                                             {"ivb", "ivybridge"},
                                             {"hsw", "haswell"},
                                             {"slm", "silvermont"},
                                             {"bdw", "broadwell"},
                                             {"skl", "skylake"},
                                             {"skylake-server", "skx"}}};

std::string lower(std::string_view text) {
  std::string out(text);
  for (char& c : out) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  return out;
}

void set_frequency(Uarch& u, u64 value) {
  if (value < 1'000'000 || value > 10'000'000'000) {
    throw Error("frequency_hz: expected 1000000 to 10000000000 Hz, found {}", value);
  }
  u.frequency_hz = value;
}

void set_depth(Uarch& u, u64 value) {
  if (value < 4 || value > 32 || !std::has_single_bit(value)) {
    throw Error("lbr_depth: expected 4, 8, 16 or 32 records, found {}", value);
  }
  u.lbr.depth = static_cast<unsigned>(value);
}

void set_format(Uarch& u, u64 value) {
  if (value > 7) throw Error("lbr_format: expected 0 to 7, found {}", value);
  u.lbr.format = static_cast<LbrFormat>(value);
}

constexpr std::array<UarchField, 20> kFields = {{
    {"uarch", "", "record", [](const Uarch& u) { return std::string(u.name); }, nullptr},
    {"brand", "", "the part the record describes", [](const Uarch& u) { return std::string(u.brand); },
     nullptr},
    {"cpuid", "", "vendor, family, model, stepping", [](const Uarch& u) { return u.cpuid_string(); },
     nullptr},
    {"frequency_hz", "Hz", "rate of core clocks and TSC",
     [](const Uarch& u) { return std::to_string(u.frequency_hz); }, set_frequency},
    {"pa_bits", "bits", "physical addresses", [](const Uarch& u) { return std::to_string(u.pa_bits); },
     nullptr},
    {"va_bits", "bits", "linear addresses", [](const Uarch& u) { return std::to_string(u.va_bits); },
     nullptr},
    {"lbr_depth", "records", "last-branch records",
     [](const Uarch& u) { return std::to_string(u.lbr.depth); }, set_depth},
    {"lbr_format", "", "IA32_PERF_CAPABILITIES[5:0]",
     [](const Uarch& u) { return std::to_string(static_cast<unsigned>(u.lbr.format)); }, set_format},
    {"lbr_from_base", "", "MSR of FROM 0",
     [](const Uarch& u) { return fmt::format("{:#x}", u.lbr.from_base); }, nullptr},
    {"lbr_to_base", "", "MSR of TO 0", [](const Uarch& u) { return fmt::format("{:#x}", u.lbr.to_base); },
     nullptr},
    {"lbr_info_base", "", "MSR of INFO 0, formats 5 and 7",
     [](const Uarch& u) { return fmt::format("{:#x}", u.lbr.info_base); }, nullptr},
    {"lbr_select", "", "whether MSR_LBR_SELECT exists",
     [](const Uarch& u) { return std::string(u.lbr.has_select ? "yes" : "no"); }, nullptr},
    {"lbr_jmp_filters_drop_calls", "", "JMP filters also drop CALLs",
     [](const Uarch& u) { return std::string(u.lbr.jmp_filters_drop_calls ? "yes" : "no"); }, nullptr},
    {"pmu_version", "", "architectural performance monitoring",
     [](const Uarch& u) { return std::to_string(u.pmu.version); }, nullptr},
    {"pmu_gp_counters", "counters", "general-purpose",
     [](const Uarch& u) { return std::to_string(u.pmu.gp_counters); }, nullptr},
    {"pmu_gp_width", "bits", "general-purpose", [](const Uarch& u) { return std::to_string(u.pmu.gp_width); },
     nullptr},
    {"pmu_fixed_counters", "counters", "fixed-function",
     [](const Uarch& u) { return std::to_string(u.pmu.fixed_counters); }, nullptr},
    {"pmu_fixed_width", "bits", "fixed-function",
     [](const Uarch& u) { return std::to_string(u.pmu.fixed_width); }, nullptr},
    {"pebs_format", "", "IA32_PERF_CAPABILITIES[11:8]",
     [](const Uarch& u) { return std::to_string(u.pmu.pebs_format); }, nullptr},
    {"perf_capabilities", "", "IA32_PERF_CAPABILITIES",
     [](const Uarch& u) { return fmt::format("{:#x}", u.pmu.perf_capabilities); }, nullptr},
}};

}  // namespace

std::string Uarch::cpuid_string() const {
  return fmt::format("GenuineIntel,{},{},{}", family, model, stepping);
}

std::span<const Uarch> uarchs() {
  return kUarchs;
}

const Uarch& uarch(std::string_view name) {
  std::string wanted = lower(name);
  for (const Alias& a : kAliases) {
    if (wanted == a.alias) wanted = a.name;
  }
  const auto found = std::ranges::find(kUarchs, wanted, &Uarch::name);
  if (found != kUarchs.end()) return *found;
  std::string known;
  for (const Uarch& u : kUarchs) known += (known.empty() ? "" : ", ") + std::string(u.name);
  throw Error("microarchitecture '{}': expected one of {}", name, known);
}

std::span<const UarchField> uarch_fields() {
  return kFields;
}

void override_field(Uarch& u, std::string_view field, u64 value) {
  const auto found = std::ranges::find(kFields, field, &UarchField::name);
  if (found == kFields.end() || found->set == nullptr) {
    std::string known;
    for (const UarchField& f : kFields) {
      if (f.set != nullptr) known += (known.empty() ? "" : ", ") + std::string(f.name);
    }
    throw Error("field '{}' of {}: expected one that can be set ({})", field, u.name, known);
  }
  found->set(u, value);
}

std::vector<std::pair<std::string, std::string>> configuration(const Uarch& u) {
  std::vector<std::pair<std::string, std::string>> out;
  out.reserve(kFields.size());
  for (const UarchField& f : kFields) out.emplace_back(f.name, f.get(u));
  return out;
}

}  // namespace lastbranch::cpu
