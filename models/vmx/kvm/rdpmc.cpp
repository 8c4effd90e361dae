// RDPMC: how ECX is taken apart, and who may.
#include "models/vmx/kvm/subjects.h"

namespace lastbranch::kvm {
namespace {

constexpr u32 kFast = u32{1} << 31, kFixedBit = u32{1} << 30, kFixedType = 0x4000;

int fail(Op&) {
  return kInvalid;
}
u32 old_index(const Op& op) {
  return op.msr & 0x3fffffff;
}
bool pseudo(const Op& op) {
  return op.msr >= 0x10000 && op.msr <= 0x10002;
}
int give_gp(Op& op, u32 index) {
  op.value = op.vcpu.pmu.gp[index].value & op.vcpu.pmu.gp_bitmask;
  return kOk;
}
int give_fixed(Op& op, u32 index) {
  op.value = op.vcpu.pmu.fixed[index].value & op.vcpu.pmu.fixed_bitmask;
  return kOk;
}
bool may_not(const Op& op) {
  return !op.vcpu.cr4_pce && op.vcpu.cpl != 0 && op.vcpu.cr0_pe;
}

constexpr Rule kRdpmcRules[] = {
    {"rdpmc-no-pmu", "the guest has no PMU", "6.4", kAllKernels,
     [](const Op& op) { return op.vcpu.pmu.version == 0; }, fail},
    {"rdpmc-vmware", "a pseudo counter of VMware's, whatever CR4.PCE says", "6.4", kAllKernels, pseudo,
     [](Op& op) -> int {
       op.value = op.hardware.read(op.msr).value_or(0);
       return kOk;
     }},
    {"rdpmc-index", "no such counter: bit 30 is fixed, bits 29:0 the number", "6.4", k61,
     [](const Op& op) {
       return old_index(op) >=
              ((op.msr & kFixedBit) != 0 ? op.vcpu.pmu.fixed_count() : op.vcpu.pmu.gp_count());
     },
     fail},
    {"rdpmc-type", "bits 31:16 are a type: neither 0 nor 4000H", "6.4", kFrom612,
     [](const Op& op) { return (op.msr >> 16) != 0 && (op.msr >> 16) != kFixedType; }, fail},
    {"rdpmc-typed-index", "no such counter of that type", "6.4", kFrom612,
     [](const Op& op) {
       return (op.msr & 0xffff) >= ((op.msr >> 16) != 0 ? op.vcpu.pmu.fixed_count() : op.vcpu.pmu.gp_count());
     },
     fail},
    {"rdpmc-privilege", "CR4.PCE is clear, CPL is not 0 and CR0.PE is set", "6.4", kAllKernels, may_not,
     fail},
    {"rdpmc-fast", "bit 31, fast mode: the low 32 bits of the counter", "6.4", k61,
     [](const Op& op) { return (op.msr & kFast) != 0; },
     [](Op& op) -> int {
       const int code =
           (op.msr & kFixedBit) != 0 ? give_fixed(op, old_index(op)) : give_gp(op, old_index(op));
       op.value &= 0xffffffff;
       return code;
     }},
    {"rdpmc-fixed", "the fixed counter, as wide as it is", "6.4", kAllKernels,
     [](const Op& op) { return (op.msr & kFixedBit) != 0; },
     [](Op& op) -> int { return give_fixed(op, op.msr & 0xffff); }},
    {"rdpmc-gp", "the general counter, as wide as it is", "6.4", kAllKernels, [](const Op&) { return true; },
     [](Op& op) -> int { return give_gp(op, op.msr & 0xffff); }},
};
constexpr RuleTable kRdpmc{"RDPMC", false, kRdpmcRules};

}  // namespace

int rdpmc(Op& op) {
  op.value = 0;
  return decide(kRdpmc, op);
}

RuleTables rdpmc_tables() {
  static constexpr const RuleTable* kTables[] = {&kRdpmc};
  return kTables;
}

}  // namespace lastbranch::kvm
