// Sets "vpmu" and "rdpmc".
#include "models/vmx/kvm/check/replays.h"

namespace lastbranch::kvm {

void replay_vpmu(Case& row) {
  Scene s(row.kernel());
  GuestCpuid& cpuid = s.vcpu.cpuid;
  s.vm.pmu_enabled = row.bit();
  const unsigned version = row.count();
  const unsigned gp = row.count();
  const unsigned fixed = row.count();
  cpuid.set_pmu(version, gp, fixed);
  s.host.num_gp = gp == 4 ? 4 : 8;
  s.host.perf_capabilities = row.next();
  s.set_pebs(row.bit());
  s.host.hle = s.host.rtm = row.bit();
  cpuid.leaf7_ebx = s.host.rtm ? 0x811 : 1;
  s.vcpu.perf_capabilities = row.next();
  cpuid.set_pdcm(true);
  cpuid.set_ds(true);
  cpuid.set_dtes64(true);
  s.load();
  const u32 pre = row.word();
  const u64 pre_data = row.next();
  const Who who = row.who();
  const u32 index = row.word();
  const u64 data = row.next();
  // The environment noted vcpu_perf_cap after the operation: a write of 345H that is taken began with another
  // value, the supported one.
  Op create = s.op();
  if (index == msr::kPerfCapabilities && who == Who::kHost && data == s.vcpu.perf_capabilities)
    s.vcpu.perf_capabilities = supported_caps(create);
  refresh_vpmu(create);

  int code = 0;
  if (pre != 0) s.write(Who::kHost, pre, pre_data, code);
  const Op call = s.write(who, index, data, code);
  row.give_code(code);
  row.give(call.did.log_lines);
  s.give_read(row, Who::kGuest, index);
  s.give_read(row, Who::kHost, index);
  row.give(s.vcpu.pmu.global_status);
}

void replay_rdpmc(Case& row) {
  Scene s(row.kernel());
  const unsigned version = row.count();
  const unsigned gp = row.count();
  const unsigned fixed = row.count();
  s.vcpu.cpuid.set_pmu(version, gp, fixed);
  s.vcpu.cpuid.leaf0a_eax = version | gp << 8 | row.count() << 16 | 7u << 24;
  s.vcpu.cpl = row.count();
  s.vcpu.cr4_pce = row.bit();
  s.vcpu.cr0_pe = row.bit();
  s.load();
  Op call = s.op(Who::kGuest);
  refresh_vpmu(call);
  for (unsigned i = 0; i < kMaxGp; ++i) s.vcpu.pmu.gp[i].value = 0xabcd100000000 + i;
  for (unsigned i = 0; i < kMaxFixed; ++i) s.vcpu.pmu.fixed[i].value = 0xf123900000000 + i;

  call.msr = row.word();
  const int code = rdpmc(call);
  row.give_code(code);
  row.give(code == kOk ? call.value : 0);
}

}  // namespace lastbranch::kvm
