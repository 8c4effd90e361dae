// Names of the bits of the registers that writes are refused for.
#include <bit>

#include <fmt/format.h>

#include "models/vmx/kvm/offences.h"
#include "sim/base/debugctl.h"

namespace lastbranch::kvm {
namespace {

struct BitName {
  u64 bits;
  std::string_view name;
};

constexpr BitName kDebugctlNames[] = {{debugctl::kLbr, "LBR"},
                                      {debugctl::kBtf, "BTF"},
                                      {debugctl::kBusLockDetect, "BUS_LOCK_DETECT"},
                                      {debugctl::kTr, "TR"},
                                      {debugctl::kBts, "BTS"},
                                      {debugctl::kBtint, "BTINT"},
                                      {debugctl::kBtsOffOs, "BTS_OFF_OS"},
                                      {debugctl::kBtsOffUsr, "BTS_OFF_USR"},
                                      {debugctl::kFreezeLbrsOnPmi, "FREEZE_LBRS_ON_PMI"},
                                      {debugctl::kFreezePerfmonOnPmi, "FREEZE_PERFMON_ON_PMI"},
                                      {debugctl::kEnableUncorePmi, "UNCORE_PMI_EN"},
                                      {debugctl::kFreezeWhileSmm, "FREEZE_WHILE_SMM"},
                                      {debugctl::kRtmDebug, "RTM_DEBUG"}};
constexpr BitName kCapabilityNames[] = {{perfcap::kLbrFmt, "LBR_FMT"},
                                        {perfcap::kPebsTrap, "PEBS_TRAP"},
                                        {perfcap::kPebsArchReg, "PEBS_ARCH_REG"},
                                        {perfcap::kPebsFormat, "PEBS_FORMAT"},
                                        {1u << 12, "SMM_FREEZE"},
                                        {perfcap::kFwWrites, "FW_WRITES"},
                                        {perfcap::kPebsBaseline, "PEBS_BASELINE"},
                                        {1u << 15, "METRICS"},
                                        {1u << 16, "PEBS_TO_PT"},
                                        {perfcap::kPebsTiming, "PEBS_TIMING_INFO"}};
constexpr BitName kSelectNames[] = {{0x3ff, "filter"}};
constexpr BitName kEvtselNames[] = {
    {0xff, "event"},           {0xff00, "umask"},         {1u << 16, "USR"},     {1u << 17, "OS"},
    {1u << 18, "EDGE"},        {1u << 19, "PC"},          {1u << 20, "INT"},     {1u << 21, "ANY"},
    {1u << 22, "EN"},          {1u << 23, "INV"},         {0xff000000, "CMASK"}, {u64{1} << 32, "IN_TX"},
    {u64{1} << 33, "IN_TXCP"}, {u64{1} << 34, "ADAPTIVE"}};
constexpr BitName kStatusNames[] = {
    {u64{1} << 55, "TRACE_TOPA_PMI"}, {u64{1} << 62, "OVF_BUF"}, {u64{1} << 63, "COND_CHGD"}};

std::span<const BitName> names_of(u32 msr) {
  switch (msr) {
    case msr::kDebugctl:
      return kDebugctlNames;
    case msr::kPerfCapabilities:
      return kCapabilityNames;
    case msr::kLbrSelect:
      return kSelectNames;
    case msr::kGlobalStatus:
    case msr::kOvfCtrl:
      return kStatusNames;
    default:
      return msr >= msr::kEvtsel0 && msr - msr::kEvtsel0 < kMaxGp ? kEvtselNames : std::span<const BitName>{};
  }
}

/// A bit that belongs to a counter; empty if it does not.
std::string counter_bit(u32 msr, unsigned bit) {
  constexpr std::string_view kFields[] = {"OS", "USR", "ANY", "PMI"};
  constexpr unsigned kFixed = 7;  // counters that have a field at most
  if (msr == msr::kFixedCtrCtrl && bit < 4 * kFixed)
    return fmt::format("{} of fixed counter {}", kFields[bit % 4], bit / 4);
  if (msr == msr::kFixedCtrCtrl && bit >= 32 && bit < 32 + 4 * kFixed && bit % 4 == 0)
    return fmt::format("ADAPTIVE of fixed counter {}", (bit - 32) / 4);
  const bool counters =
      msr == msr::kGlobalCtrl || msr == msr::kGlobalStatus || msr == msr::kOvfCtrl || msr == msr::kPebsEnable;
  if (!counters) return {};
  if (bit < 32) return fmt::format("general counter {}", bit);
  return bit < 48 ? fmt::format("fixed counter {}", bit - 32) : std::string();
}

void join(std::string& text, std::string_view more) {
  if (!text.empty()) text += ", ";
  text += more;
}

}  // namespace

std::string bit_names(u32 msr, u64 bits) {
  std::string text;
  for (const BitName& row : names_of(msr)) {
    if ((bits & row.bits) == 0) continue;
    join(text, row.name);
    bits &= ~row.bits;
  }
  unsigned unnamed = 0;
  for (; bits != 0; bits &= bits - 1) {
    const std::string name = counter_bit(msr, static_cast<unsigned>(std::countr_zero(bits)));
    if (name.empty()) {
      ++unnamed;
    } else {
      join(text, name);
    }
  }
  if (unnamed != 0) join(text, unnamed == 1 ? "a bit without a name" : "bits without a name");
  return text;
}

}  // namespace lastbranch::kvm
