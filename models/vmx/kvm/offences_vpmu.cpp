// Why a register of the vPMU refused a value: which row would have freed each reserved bit.
#include <bit>

#include <fmt/format.h>

#include "models/vmx/kvm/offence_finder.h"

namespace lastbranch::kvm::offending {
namespace {

/// Which reserved mask a control or select has.
u64 VpmuState::*mask_of(u32 msr) {
  switch (msr) {
    case msr::kFixedCtrCtrl:
      return &VpmuState::fixed_ctr_ctrl_rsvd;
    case msr::kGlobalCtrl:
      return &VpmuState::global_ctrl_rsvd;
    case msr::kGlobalStatus:
    case msr::kOvfCtrl:
      return &VpmuState::global_status_rsvd;
    case msr::kPebsEnable:
      return &VpmuState::pebs_enable_rsvd;
    case msr::kPebsDataCfg:
      return &VpmuState::pebs_data_cfg_rsvd;
    default:
      return &VpmuState::eventsel_rsvd;
  }
}

constexpr u64 kInTxCheckpointed = u64{1} << 33;
constexpr u32 kCheckpointedSelect = msr::kEvtsel0 + 2;

/// The bits that a row of the reserved masks frees in a register's, if it acts. The row for the status is
/// made from the row for the control.
u64 freed_by(const Rule& rule, const Op& of) {
  Trial trial(of, 0);
  u64 VpmuState::*const mask = mask_of(of.msr);
  const VpmuState none;
  VpmuState& pmu = trial.vcpu.pmu;
  pmu.*mask = none.*mask;
  pmu.raw_event_mask = none.raw_event_mask;
  rule.then(trial.op);
  u64 freed = none.*mask & ~(pmu.*mask);
  if (of.msr == kCheckpointedSelect) freed |= pmu.raw_event_mask & kInTxCheckpointed;
  return freed;
}

}  // namespace

std::string Finder::counter_facts() const {
  const VpmuState& pmu = asked_.vcpu.pmu;
  return fmt::format("the vPMU has version {}, {} general and {} fixed counters of {} and {} bits",
                     pmu.version, pmu.nr_gp, pmu.nr_fixed, std::popcount(pmu.gp_bitmask),
                     std::popcount(pmu.fixed_bitmask));
}

/// What a row of the reserved masks looks at.
std::string Finder::mask_facts(std::string_view id) const {
  const Op& op = trial_.op;
  if (id == "mask-tsx")
    return fmt::format("the host has HLE or RTM: {}; the guest's CPUID.7 EBX is {:#x}",
                       yes_no(op.host.hle || op.host.rtm), op.vcpu.cpuid.leaf7_ebx);
  if (id.starts_with("mask-pebs"))
    return fmt::format("the capabilities that the guest can see are {:#x}", effective_caps(op));
  if (id == "mask-global-status-pt") return "PT is not in host-guest mode";
  return counter_facts();
}

/// Reserved bits: by the rows that would free them and do not hold; the rest no row frees.
void Finder::reserved_bits(const Rule& refusing, u64 bits) {
  u64 left = bits;
  for (const Rule& rule : table("reserved masks").rules) {
    if (holds(rule, trial_.op) || !rule.kernels.contains(kernel())) continue;
    const u64 freed = left & freed_by(rule, asked_);
    if (freed == 0) continue;
    left &= ~freed;
    add(freed, "reserved, as the rule that frees it does not hold: " + mask_facts(rule.id),
        {&refusing, &rule});
  }
  if (left == 0) return;
  Rules rules{&refusing};
  for (const Rule& rule : table("reserved masks").rules)
    if (holds(rule, trial_.op) && freed_by(rule, asked_) != 0) rules.push_back(&rule);
  const bool counters = asked_.msr >= msr::kFixedCtrCtrl && asked_.msr <= msr::kPebsEnable;
  add(left, counters ? "reserved; " + counter_facts() : "reserved on every kernel", std::move(rules));
}

void Finder::vpmu_register() {
  if (code_ == kOk) return;
  const Rule& refusing = decider("WRMSR of the vPMU", trial_.op);
  const VpmuState& pmu = asked_.vcpu.pmu;
  if (refusing.id == "vpmu-full-width-bits") {
    add(data_ & ~pmu.gp_bitmask, "wider than the counter; " + counter_facts(), {&refusing});
  } else if (refusing.id == "vpmu-ds-canonical") {
    add(data_ & ~((u64{1} << 47) - 1), "not a canonical address", {&refusing});
  } else if (refusing.id == "vpmu-status-guest") {
    add(0, "the write as a whole", {&refusing});
  } else {
    u64 reserved = pmu.*mask_of(asked_.msr);
    if (asked_.msr == kCheckpointedSelect && (pmu.raw_event_mask & kInTxCheckpointed) != 0)
      reserved &= ~kInTxCheckpointed;
    reserved_bits(refusing, data_ & reserved);
  }
}

}  // namespace lastbranch::kvm::offending
