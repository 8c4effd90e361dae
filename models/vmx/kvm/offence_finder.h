#pragma once
// How the bits of a write that were not taken are found: the operation is tried again on copies of the
// states, and the rule tables are asked row by row. Only for offences*.cpp.
#include "models/vmx/kvm/offences.h"
#include "models/vmx/kvm/subjects.h"

namespace lastbranch::kvm::offending {

/// The operation once more, on copies of the states: rows can be tried without a trace.
struct Trial {
  VmState vm;
  VcpuState vcpu;
  Op op;

  Trial(const Op& of, u64 data)
      : vm(of.vm),
        vcpu(of.vcpu),
        op{.host = of.host, .module = of.module, .vm = vm, .vcpu = vcpu, .hardware = of.hardware} {
    op.msr = of.msr;
    op.who = of.who;
    op.write = true;
    op.data = data;
  }
};

using Rules = std::vector<const Rule*>;

[[nodiscard]] const RuleTable& table(std::string_view name);
[[nodiscard]] const Rule& row(std::string_view table_name, std::string_view id);
/// Whether the row would apply.
[[nodiscard]] bool holds(const Rule& rule, const Op& op);
/// The row of a deciding table that decides now.
[[nodiscard]] const Rule& decider(std::string_view table_name, const Op& op);
[[nodiscard]] std::string_view yes_no(bool yes);
/// Why a vCPU has the PMU, or none.
[[nodiscard]] const Rule& pmu_rule(const Op& op);
/// Why a vCPU has LBRs, or none: its present state decides, not a refresh.
[[nodiscard]] std::string lbr_facts(const Op& op, Rules& rules);
/// What KVM supports, and the rows that made its fields that `bits` are about.
[[nodiscard]] std::string caps_facts(Op& op, u64 bits, Rules& rules);

class Finder {
 public:
  Finder(const Op& op, u64 data, int code) : asked_(op), data_(data), code_(code), trial_(op, data) {}

  std::vector<Offence> find() {
    if (asked_.msr == msr::kDebugctl) {
      debugctl_bits();
    } else if (asked_.msr == msr::kPerfCapabilities) {
      capabilities();
    } else if (is_lbr_msr(trial_.op)) {
      lbr_register();
    } else if (is_vpmu_msr(trial_.op)) {
      vpmu_register();
    } else if (code_ != kOk) {
      absent();
    }
    return std::move(found_);
  }

 private:
  void add(u64 bits, std::string why, Rules rules) {
    found_.push_back({bits, bit_names(asked_.msr, bits), std::move(why), std::move(rules)});
  }
  [[nodiscard]] Kernel kernel() const { return asked_.host.kernel; }

  void debugctl_bits();
  void debugctl_group(u64 bits, const std::string& why, const Rules& legal_by);
  std::string debugctl_facts(u64 bits, Rules& rules);
  void capabilities();
  void lbr_register();
  void vpmu_register();
  void reserved_bits(const Rule& refusing, u64 bits);
  [[nodiscard]] std::string counter_facts() const;
  [[nodiscard]] std::string mask_facts(std::string_view id) const;
  void absent();

  const Op& asked_;
  u64 data_;
  int code_;
  Trial trial_;
  std::vector<Offence> found_;
};

}  // namespace lastbranch::kvm::offending
