// Sets "supported", "perfcap" and "refresh".
#include "models/vmx/kvm/check/replays.h"

namespace lastbranch::kvm {

void replay_supported(Case& row) {
  Scene s(row.kernel());
  s.module.params.enable_pmu = row.bit();
  s.host.pmu_version = row.count();
  s.host.perf_built = row.bit();
  s.host.pdcm = row.bit();
  s.host.perf_capabilities = row.next();
  s.host.perf.nr = row.count();
  s.host.perf.has_callstack = row.bit();
  s.host.arch_lbr = row.bit();
  s.host.pebs_feature = row.bit();
  s.host.pebs_ept = row.bit();
  s.load();

  Op call = s.op();
  row.give(supported_caps(call));
  call.msr = msr::kPerfCapabilities;
  row.give_code(feature_msr(call));
  row.give(call.value);
  create_vcpu(call);
  row.give(s.vcpu.perf_capabilities);
}

void replay_perfcap(Case& row) {
  Scene s(row.kernel());
  GuestCpuid& cpuid = s.vcpu.cpuid;
  s.module.params.enable_pmu = row.bit();
  s.vm.pmu_enabled = row.bit();
  s.host.perf_capabilities = row.next();
  s.host.perf.nr = row.count();
  s.host.perf.format = s.host.perf_capabilities & perfcap::kLbrFmt;
  s.host.arch_lbr = row.bit();
  s.set_pebs(row.bit());
  const bool has_leaf = row.bit();
  const unsigned version = row.count();
  if (has_leaf) cpuid.set_pmu(version, 8, 3);
  cpuid.set_pdcm(row.bit());
  cpuid.set_ds(row.bit());
  cpuid.set_dtes64(row.bit());
  s.set_model(row.bit());
  s.load();
  Op create = s.op();
  create_vcpu(create);
  refresh_vpmu(create);
  s.vcpu.has_run = row.bit();
  const Who who = row.who();

  int code = 0;
  const Op call = s.write(who, msr::kPerfCapabilities, row.next(), code);
  row.give_code(code);
  row.give(call.did.log_lines);
  row.give(s.vcpu.perf_capabilities);
  row.give(s.vcpu.lbr.nr);
  row.give(vlbr_enabled(call) ? 1 : 0);
  for (const u32 index : {msr::kFullPmc0, msr::kPebsEnable}) {
    Op look = s.op();
    look.msr = index;
    row.give(is_vpmu_msr(look) ? 1 : 0);
  }
  s.give_read(row, Who::kHost, msr::kPerfCapabilities);
  s.give_read(row, Who::kGuest, msr::kPerfCapabilities);
}

void replay_refresh(Case& row) {
  Scene s(row.kernel());
  GuestCpuid& cpuid = s.vcpu.cpuid;
  s.vm.pmu_enabled = row.bit();
  s.host.pmu_version = row.count();
  s.host.num_gp = row.count();
  s.host.num_fixed = row.count();
  cpuid.has_leaf_0a = row.bit();
  cpuid.leaf0a_eax = row.word();
  cpuid.leaf0a_ebx = row.word();
  cpuid.leaf0a_edx = row.word();
  s.host.perf_capabilities = row.next();
  s.set_pebs(row.bit());
  const u64 tsx = row.next();
  s.host.hle = s.host.rtm = (tsx & 1) != 0;
  cpuid.leaf7_ebx = (tsx & 2) != 0 ? 0x811 : 1;
  s.vcpu.perf_capabilities = row.next();
  cpuid.set_pdcm(row.bit());
  s.host.pt_host_guest = row.bit();
  s.load();

  Op call = s.op();
  refresh_vpmu(call);
  const VpmuState& pmu = s.vcpu.pmu;
  for (const u64 value :
       {u64{pmu.version}, u64{pmu.nr_gp}, u64{pmu.nr_fixed}, pmu.gp_bitmask, pmu.fixed_bitmask,
        pmu.available_event_types, pmu.global_ctrl_rsvd, pmu.global_status_rsvd, pmu.fixed_ctr_ctrl_rsvd,
        pmu.eventsel_rsvd, pmu.raw_event_mask, pmu.pebs_enable_rsvd, pmu.pebs_data_cfg_rsvd,
        u64{s.vcpu.lbr.nr}, pmu.valid_pmc_bitmap, pmu.global_ctrl})
    row.give(value);
}

}  // namespace lastbranch::kvm
