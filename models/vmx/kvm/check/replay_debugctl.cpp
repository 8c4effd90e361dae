// Sets "debugctl", "nested" and "pmi".
#include "models/vmx/kvm/check/replays.h"
#include "sim/base/debugctl.h"

namespace lastbranch::kvm {
namespace {

constexpr u32 kRtmBit = 1u << 11;

void give_lbrs(Scene& s, bool on) {
  Op call = s.op();
  x86_perf_get_lbr(call, s.vcpu.lbr);
  if (!on) s.vcpu.lbr.nr = 0;
}

}  // namespace

void replay_debugctl(Case& row) {
  Scene s(row.kernel());
  GuestCpuid& cpuid = s.vcpu.cpuid;
  s.module.params.enable_pmu = row.bit();
  s.vm.pmu_enabled = row.bit();
  s.host.bus_lock_detect = row.bit();
  cpuid.set_bus_lock_detect(row.bit());
  s.host.rtm = row.bit();
  cpuid.leaf7_ebx = row.bit() ? kRtmBit : 0;
  s.host.perf_capabilities = row.next();
  s.host.perf.nr = row.count();
  const bool has_leaf = row.bit();
  const unsigned version = row.count();
  if (has_leaf) cpuid.set_pmu(version, 8, 3);
  cpuid.set_pdcm(row.bit());
  s.vcpu.perf_capabilities = row.next();
  const bool lbrs = row.bit();
  s.module.params.report_ignored_msrs = row.bit();
  const u64 nested_mode = row.next();
  s.vcpu.event_create_errno = static_cast<int>(row.next());
  s.vcpu.lbr_event = row.bit();
  const u64 prior = row.next();
  s.host.debugctl = row.next();
  const Who who = row.who();
  const u64 data = row.next();
  s.load();
  give_lbrs(s, lbrs);
  s.vcpu.pmu.version = version;
  s.vcpu.in_l2 = nested_mode != 0;
  s.vcpu.vmcs12_saves_debugctl = nested_mode == 1;
  s.vcpu.vmcs12_debugctl = 0xbad0;
  // The environment of the later kernels starts with the host's bit in the VMCS field, whether or not KVM
  // would have put it there.
  const bool host_bit = kLate.contains(row.kernel());
  s.vcpu.vmcs_debugctl = prior | (host_bit ? s.host.debugctl & debugctl::kFreezeWhileSmm : 0);

  int code = 0;
  const Op call = s.write(who, msr::kDebugctl, data, code);
  row.give_code(code);
  row.give(call.did.log_lines);
  row.give(s.vcpu.vmcs_debugctl);
  row.give(s.vcpu.vmcs12_debugctl);
  row.give(call.did.events_created);
  row.give(s.vcpu.lbr_event ? 1 : 0);
  s.give_read(row, Who::kHost, msr::kDebugctl);
  s.give_read(row, Who::kGuest, msr::kDebugctl);
}

void replay_nested(Case& row) {
  Scene s(row.kernel());
  const bool lbrs = row.bit();
  const bool bus_lock = row.bit();
  s.host.bus_lock_detect = bus_lock;
  s.vcpu.cpuid.set_bus_lock_detect(bus_lock);
  s.host.rtm = row.bit();
  s.vcpu.cpuid.leaf7_ebx = s.host.rtm ? kRtmBit : 0;
  const bool loads = row.bit();
  const bool pending = row.bit();
  s.vm.allow_freeze_in_smm = row.bit();
  const bool dr7_valid = row.bit();
  s.host.debugctl = row.bit() ? debugctl::kFreezeWhileSmm : 0;
  s.vcpu.vmcs_debugctl = row.next();
  s.vcpu.vmcs12_debugctl = row.next();
  s.load();
  give_lbrs(s, lbrs);

  constexpr u64 kNotSaved = 0x7777;
  Op call = s.op(Who::kGuest);
  call.loads_debugctl = loads;
  call.run_pending = pending;
  call.dr7_valid = dr7_valid;
  call.l1_debugctl = kNotSaved;
  const int code = nested_check(call);
  row.give_code(code);
  if (code != kOk) {
    row.give(call.did.log_lines);
    for (int i = 0; i < 2; ++i) row.give(0);
    return;
  }
  nested_load(call);
  row.give(call.did.log_lines);
  row.give(call.l1_debugctl);
  row.give(s.vcpu.vmcs_debugctl);
}

void replay_pmi(Case& row) {
  Scene s(row.kernel());
  const bool lbrs = row.bit();
  s.vcpu.cpuid.set_pmu(row.count(), 8, 3);
  s.vcpu.cpuid.set_pdcm(true);
  s.vm.in_kernel_apic = row.bit();
  s.vcpu.vmcs_debugctl = row.next();
  s.load();
  Op call = s.op();
  s.vcpu.perf_capabilities = lbrs ? supported_caps(call) : perfcap::kFwWrites;
  const u64 debugctl = s.vcpu.vmcs_debugctl;
  refresh_vpmu(call);
  s.vcpu.vmcs_debugctl = debugctl;
  deliver_pmi(call);
  row.give(s.vcpu.vmcs_debugctl);
  row.give(call.did.lvtpc);
}

}  // namespace lastbranch::kvm
