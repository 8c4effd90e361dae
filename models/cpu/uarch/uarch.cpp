#include "models/cpu/uarch/uarch.h"

#include <algorithm>

#include "models/cpu/uarch/bonnell.h"
#include "models/cpu/uarch/gracemont.h"
#include "models/cpu/uarch/knightslanding.h"
#include "models/cpu/uarch/lioncove.h"
#include "sim/base/error.h"

namespace lastbranch::cpu {
namespace {

constexpr std::array kUarchs = {
    kMerom,         kCore2,          kBonnell,     kNehalem,        kWestmere,      kSandyBridge,
    kSaltwell,      kIvyBridge,      kHaswell,     kSilvermont,     kBroadwell,     kBroadwellServer,
    kAirmont,       kSkylake,        kGoldmont,    kKnightsLanding, kSkylakeServer, kGoldmontPlus,
    kKnightsMill,   kCannonLake,     kCascadeLake, kIceLake,        kCooperLake,    kLakefield,
    kTremont,       kTigerLake,      kRocketLake,  kIceLakeServer,  kAlderLakeP,    kGracemont,
    kRaptorLakeP,   kSapphireRapids, kMeteorLakeP, kMeteorLakeE,    kEmeraldRapids, kSierraForest,
    kGraniteRapids, kLionCove,       kSkymont,     kCougarCove,     kDarkmont,
};

struct Alias {
  std::string_view alias;
  std::string_view name;
};

// Parts that the monitoring hardware cannot tell from a record go by that record's name.
constexpr auto kAliases = std::to_array<Alias>({
    {"conroe", "merom"},
    {"penryn", "core2"},
    {"dunnington", "core2"},
    {"bnl", "bonnell"},
    {"diamondville", "bonnell"},
    {"cedarview", "saltwell"},
    {"nhm", "nehalem"},
    {"wsm", "westmere"},
    {"snb", "sandybridge"},
    {"ivb", "ivybridge"},
    {"hsw", "haswell"},
    {"haswell-server", "haswell"},
    {"hsx", "haswell"},
    {"slm", "silvermont"},
    {"amt", "airmont"},
    {"bdw", "broadwell"},
    {"broadwell-server", "bdx"},
    {"skl", "skylake"},
    {"kbl", "skylake"},
    {"kabylake", "skylake"},
    {"cfl", "skylake"},
    {"coffeelake", "skylake"},
    {"cml", "skylake"},
    {"cometlake", "skylake"},
    {"skylake-server", "skx"},
    {"clx", "cascadelake"},
    {"cpx", "cooperlake"},
    {"cnl", "cannonlake"},
    {"knl", "knightslanding"},
    {"knm", "knightsmill"},
    {"glm", "goldmont"},
    {"glp", "goldmontplus"},
    {"tnt", "tremont"},
    {"icl", "icelake"},
    {"sunnycove", "icelake"},
    {"icelake-server", "icx"},
    {"tgl", "tigerlake"},
    {"rkl", "rocketlake"},
    {"lkf", "lakefield"},
    {"adl-p", "alderlake-p"},
    {"goldencove", "alderlake-p"},
    {"adl-e", "gracemont"},
    {"adl-n", "gracemont"},
    {"alderlake-e", "gracemont"},
    {"raptorlake-e", "gracemont"},
    {"rpl-e", "gracemont"},
    {"grt", "gracemont"},
    {"rpl-p", "raptorlake-p"},
    {"spr", "sapphirerapids"},
    {"emr", "emeraldrapids"},
    {"gnr", "graniterapids"},
    {"mtl-p", "meteorlake-p"},
    {"redwoodcove", "meteorlake-p"},
    {"mtl-e", "meteorlake-e"},
    {"crestmont", "meteorlake-e"},
    {"srf", "sierraforest"},
    {"grr", "sierraforest"},
    {"grandridge", "sierraforest"},
    {"lnl-p", "lunarlake-p"},
    {"arl-p", "lunarlake-p"},
    {"arrowlake-p", "lunarlake-p"},
    {"lioncove", "lunarlake-p"},
    {"lnl-e", "lunarlake-e"},
    {"arl-e", "lunarlake-e"},
    {"arrowlake-e", "lunarlake-e"},
    {"skymont", "lunarlake-e"},
    {"ptl-p", "pantherlake-p"},
    {"cougarcove", "pantherlake-p"},
    {"ptl-e", "pantherlake-e"},
    {"darkmont", "pantherlake-e"},
});

std::string lower(std::string_view text) {
  std::string out(text);
  for (char& c : out) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  return out;
}

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

}  // namespace lastbranch::cpu
