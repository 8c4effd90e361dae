// Sets "lbrmsr" and "passthrough".
#include "models/vmx/kvm/check/replays.h"

namespace lastbranch::kvm {
namespace {

EventState event_state(Case& row) {
  return static_cast<EventState>(static_cast<i64>(row.next()));
}
constexpr u64 kVlbrBit = u64{1} << kVlbrIndex;

u64 in_use(const Scene& s) {
  return (s.vcpu.pmu.in_use & kVlbrBit) != 0 ? 1 : 0;
}

}  // namespace

void replay_lbrmsr(Case& row) {
  Scene s(row.kernel());
  s.host.perf.nr = row.count();
  s.host.perf.from = row.word();
  s.host.perf.to = row.word();
  s.host.perf.info = row.word();
  s.host.perf.format = row.count();
  const bool lbrs = row.bit();
  s.vcpu.lbr_event = row.bit();
  s.vcpu.event_state = event_state(row);
  s.vcpu.event_create_errno = row.bit() ? -2 : 0;
  s.hardware.write_faults = row.bit();
  const bool write = row.bit();
  const Who who = row.who();
  const u32 index = row.word();
  s.load();
  Op call = s.op(who);
  x86_perf_get_lbr(call, s.vcpu.lbr);
  if (!lbrs) s.vcpu.lbr.nr = 0;

  call.msr = index;
  call.write = write;
  call.data = 0x123456789;
  const int code = access_msr(call);
  row.give_code(code);
  row.give(code == kOk && !write ? call.value : 0);
  row.give(call.did.hardware_writes);
  row.give(call.did.events_created);
  row.give(s.vcpu.lbr_event ? 1 : 0);
  row.give(in_use(s));
}

void replay_passthrough(Case& row) {
  Scene s(row.kernel());
  const bool lbrs = row.bit();
  const unsigned nr = row.count();
  const bool info = row.bit();
  s.host.perf.nr = nr;
  s.host.perf.format = info ? 5 : 3;
  s.vcpu.lbr_event = row.bit();
  s.vcpu.vmcs_debugctl = row.next();
  s.vcpu.event_state = event_state(row);
  s.vcpu.pmu.in_use = row.bit() ? kVlbrBit : 0;
  s.vcpu.lbr_passthrough = row.bit();
  s.vcpu.pmu.version = 2;
  s.vcpu.pmu.event_count = s.vcpu.lbr_event ? 1 : 0;
  s.load();

  Op call = s.op(Who::kGuest);
  x86_perf_get_lbr(call, s.vcpu.lbr);
  if (!lbrs) s.vcpu.lbr.nr = 0;
  prepare_entry(call);
  row.give(s.vcpu.lbr_passthrough ? 1 : 0);
  row.give(call.did.intercept_updates);
  row.give_code(call.did.last_intercept);
  row.give(call.did.warnings);
  row.give(in_use(s));
  sched_in(call);
  slice_cleanup(call);
  row.give(s.vcpu.lbr_event ? 1 : 0);
}

}  // namespace lastbranch::kvm
