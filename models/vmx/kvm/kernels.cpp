#include "models/vmx/kvm/kernels.h"

#include "sim/base/error.h"

namespace lastbranch::kvm {
namespace {

constexpr std::array<KernelName, kKernelCount> kNames = {{
    {Kernel::kS0, "v5-series:0", "s0", "before the series"},
    {Kernel::kS1, "v5-series:1", "s1", "patch 1: x86_perf_get_lbr cannot fail"},
    {Kernel::kS2, "v5-series:2", "s2", "patch 2: an LBR format needs records in perf"},
    {Kernel::kS3, "v5-series:3", "s3", "patch 3: one function gives DEBUGCTL's bits"},
    {Kernel::kS4, "v5-series:4", "s4", "patch 4: DEBUGCTL from user space does not depend on guest CPUID"},
    {Kernel::kS5, "v5-series:5", "s5", "patch 5: supported capabilities computed once"},
    {Kernel::kS6, "v5-series:6", "s6", "patch 6: initial capabilities set by common code"},
    {Kernel::kS7, "v5-series:7", "s7", "patch 7: feature MSR in common code"},
    {Kernel::kS8, "v5-series:8", "s8", "patch 8, the whole series: capabilities checked directly"},
    {Kernel::k6_1_4, "6.1.4", "v6.1.4", "stable: patches 2 to 4"},
    {Kernel::k6_1_192, "6.1.192", "v6.1.192", "stable: patches 1 to 5, DEBUGCTL rework"},
    {Kernel::k6_12_8, "6.12.8", "v6.12.8", "stable, before the DEBUGCTL rework"},
    {Kernel::k6_12_117, "6.12.117", "v6.12.117", "stable, with the DEBUGCTL rework"},
    {Kernel::k7_3, "7.3-rc7", "v7.3rc7", "mediated vPMU era"},
}};

}  // namespace

const std::array<KernelName, kKernelCount>& kernel_names() {
  return kNames;
}

std::string_view name(Kernel kernel) {
  return kNames[static_cast<std::size_t>(kernel)].name;
}

Kernel kernel_of(std::string_view name) {
  if (name == "6.2") return Kernel::kS8;
  std::string known;
  for (const KernelName& k : kNames) {
    if (k.name == name || k.alias == name) return k.kernel;
    known += fmt::format("{} ({}), ", k.name, k.alias);
  }
  throw Error("kernel: expected one of {}6.2 (as s8), found '{}'", known, name);
}

std::string describe(KernelSet set) {
  if (set == kAllKernels) return "all";
  std::string text;
  for (std::size_t i = 0; i < kKernelCount; ++i) {
    if (!set.contains(kNames[i].kernel)) continue;
    std::size_t last = i;
    while (last < 8 && set.contains(kNames[last + 1].kernel)) ++last;
    if (!text.empty()) text += ", ";
    text += kNames[i].name;
    if (last > i) text += fmt::format("..{}", last);
    i = last;
  }
  return text;
}

}  // namespace lastbranch::kvm
