#include "sim/machine/kvm_host.h"

#include <algorithm>
#include <array>

#include <fmt/format.h>

#include "models/cpu/cpuid.h"
#include "sim/base/error.h"

namespace lastbranch {
namespace {

/// Facts of parts that their records do not hold: display models.
constexpr std::array<unsigned, 10> kHybridModels = {0x8a, 0x97, 0x9a, 0xb7, 0xba,
                                                    0xbf, 0xaa, 0xac, 0xbd, 0xcc};
constexpr std::array<unsigned, 4> kBusLockModels = {0x8f, 0xcf, 0xad, 0xaf};
constexpr std::array<unsigned, 2> kEptPebsModels = {0x6a, 0x6c};
constexpr unsigned kEptPebsFormat = 5;  ///< and every part from this PEBS format on

bool is_one_of(unsigned model, auto models) {
  return std::ranges::find(models, model) != models.end();
}

/// Perf's records. It takes depth and addresses from a table by model, which the record repeats.
kvm::PerfLbr perf_lbr(const cpu::Uarch& u) {
  const LbrParams& l = u.lbr;
  const bool info =
      l.arch.depth_mask != 0 || l.format == LbrFormat::kInfo || l.format == LbrFormat::kInfoNoTsx;
  return {.nr = l.depth,
          .from = l.from_base,
          .to = l.to_base,
          .info = info ? l.info_base : 0,
          // Perf reads bit 63 of Knights Landing's FROM as the misprediction flag that format 1 has not.
          .format = l.quirks.fmt1_with_mispred ? static_cast<unsigned>(LbrFormat::kFlags)
                                               : static_cast<unsigned>(l.format),
          .has_callstack = l.has_call_stack,
          .has_select = l.has_select};
}

/// Registers with numbers that are the same on every part; `#` stands for 0 to count - 1.
struct Named {
  u32 first;
  unsigned count;
  std::string_view name, brief;
  std::string_view alias{};  ///< a second short name
};
constexpr Named kNamed[] = {
    {kvm::msr::kPmc0, 8, "IA32_PMC#", "pmc#"},
    {kvm::msr::kEvtsel0, 8, "IA32_PERFEVTSEL#", "perfevtsel#", "evtsel#"},
    {kvm::msr::kLbrSelect, 1, "MSR_LBR_SELECT", "lbr_select"},
    {kvm::msr::kLbrTos, 1, "MSR_LASTBRANCH_TOS", "lbr_tos"},
    {kvm::msr::kDebugctl, 1, "IA32_DEBUGCTL", "debugctl"},
    {kvm::msr::kLastBranchFrom, 1, "MSR_LASTBRANCHFROMIP", "lastbranchfromip"},
    {kvm::msr::kLastBranchFrom + 1, 1, "MSR_LASTBRANCHTOIP", "lastbranchtoip"},
    {kvm::msr::kLastBranchFrom + 2, 1, "MSR_LASTINTFROMIP", "lastintfromip"},
    {kvm::msr::kLastIntTo, 1, "MSR_LASTINTTOIP", "lastinttoip"},
    {kvm::msr::kFixed0, 3, "IA32_FIXED_CTR#", "fixed_ctr#"},
    {kvm::msr::kPerfCapabilities, 1, "IA32_PERF_CAPABILITIES", "perf_capabilities"},
    {kvm::msr::kFixedCtrCtrl, 1, "IA32_FIXED_CTR_CTRL", "fixed_ctr_ctrl"},
    {kvm::msr::kGlobalStatus, 1, "IA32_PERF_GLOBAL_STATUS", "global_status"},
    {kvm::msr::kGlobalCtrl, 1, "IA32_PERF_GLOBAL_CTRL", "global_ctrl", "perf_global_ctrl"},
    {kvm::msr::kOvfCtrl, 1, "IA32_PERF_GLOBAL_OVF_CTRL", "global_ovf_ctrl"},
    {kvm::msr::kOvfCtrl + 1, 1, "IA32_PERF_GLOBAL_STATUS_SET", "global_status_set"},
    {kvm::msr::kPebsEnable, 1, "IA32_PEBS_ENABLE", "pebs_enable"},
    {kvm::msr::kPebsDataCfg, 1, "MSR_PEBS_DATA_CFG", "pebs_data_cfg"},
    {kvm::msr::kFullPmc0, 8, "IA32_A_PMC#", "a_pmc#"},
    {kvm::msr::kDsArea, 1, "IA32_DS_AREA", "ds_area"},
};

/// Those of the records, which are where the part has them.
std::vector<Named> records(const kvm::PerfLbr& perf) {
  constexpr unsigned kMost = 32;
  return {{perf.from, kMost, "MSR_LASTBRANCH_#_FROM_IP", "lbr_#_from"},
          {perf.to, kMost, "MSR_LASTBRANCH_#_TO_IP", "lbr_#_to"},
          {perf.info, perf.info != 0 ? kMost : 0, "MSR_LBR_INFO_#", "lbr_#_info"}};
}

std::vector<Named> all_names(const kvm::PerfLbr& perf) {
  std::vector<Named> all(std::begin(kNamed), std::end(kNamed));
  const std::vector<Named> more = records(perf);
  all.insert(all.end(), more.begin(), more.end());
  return all;
}

std::string numbered(std::string_view pattern, unsigned i) {
  std::string text(pattern);
  const std::size_t at = text.find('#');
  if (at != std::string::npos) text.replace(at, 1, std::to_string(i));
  return text;
}

/// What `which` calls the register.
std::string named(u32 index, const kvm::PerfLbr& perf, std::string_view Named::*which) {
  for (const Named& row : all_names(perf))
    if (index >= row.first && index - row.first < row.count) return numbered(row.*which, index - row.first);
  return fmt::format("{:#x}", index);
}

char lower(char c) {
  return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
}
bool same(std::string_view a, std::string_view b) {
  return std::ranges::equal(a, b, {}, lower, lower);
}
bool is_called(const Named& row, unsigned i, std::string_view name) {
  return same(name, numbered(row.name, i)) || same(name, numbered(row.brief, i)) ||
         (!row.alias.empty() && same(name, numbered(row.alias, i)));
}

}  // namespace

kvm::HostState host_state_of(const cpu::Uarch& part) {
  const cpu::CpuidResult leaf1 = cpu::cpuid(part, 1, 0);
  const cpu::CpuidResult leaf0a = cpu::cpuid(part, 0xa, 0);
  const unsigned version = leaf0a.eax & 0xff;
  kvm::HostState host;
  host.perf = perf_lbr(part);
  host.pdcm = part.pmu.perf_capabilities != 0;
  host.perf_capabilities = part.pmu.perf_capabilities;
  host.arch_lbr = part.lbr.arch.depth_mask != 0;
  host.pebs_feature = part.pmu.ds_area && part.pmu.pebs_counters != 0;
  host.pebs_ept =
      host.pebs_feature && (part.pmu.pebs_format >= kEptPebsFormat || is_one_of(part.model, kEptPebsModels));
  host.hybrid = is_one_of(part.model, kHybridModels);
  host.bus_lock_detect = is_one_of(part.model, kBusLockModels);
  host.rtm = part.isa.has(cpu::Isa::kRtm);
  host.hle = part.isa.has(cpu::Isa::kHle);
  host.pmu_version = version;
  host.num_gp = (leaf0a.eax >> 8) & 0xff;
  host.gp_width = (leaf0a.eax >> 16) & 0xff;
  // Perf does not believe that a PMU of version 2 has fewer than three fixed counters, and takes one width
  // for all counters.
  constexpr unsigned kLeastFixed = 3;
  host.num_fixed = version > 1 ? std::max(leaf0a.edx & 0x1f, kLeastFixed) : 0;
  host.fixed_width = host.gp_width;
  host.num_events = leaf0a.eax >> 24;
  host.unavailable_events = leaf0a.ebx;
  host.leaf1_eax = leaf1.eax;
  return host;
}

kvm::HostState host_state_of(std::string_view uarch) {
  return host_state_of(cpu::uarch(uarch));
}

u32 kvm_msr(std::string_view name, const kvm::PerfLbr& perf) {
  std::string known;
  for (const Named& row : all_names(perf)) {
    for (unsigned i = 0; i < row.count; ++i)
      if (is_called(row, i, name)) return row.first + i;
    known += fmt::format("{}{}", known.empty() ? "" : ", ", row.brief);
  }
  throw Error("MSR: expected a number, a name of the manual or one of {}, found '{}'", known, name);
}

std::string kvm_msr_name(u32 index, const kvm::PerfLbr& perf) {
  return named(index, perf, &Named::name);
}

std::string kvm_msr_brief(u32 index, const kvm::PerfLbr& perf) {
  return named(index, perf, &Named::brief);
}

}  // namespace lastbranch
