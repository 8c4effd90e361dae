#include <algorithm>
#include <iterator>

#include "bindings/python/src/kvm.h"

namespace lastbranch::python {

KvmHost::KvmHost(const kvm::HostState& state, kvm::ModuleParams params, LbrRegisters registers)
    : hardware(make_hardware(registers)), host(state, params) {
  host.hardware = hardware.get();
  // Perf probes at boot, before the modules are loaded.
  rules = probe_perf(host).rules();
  host.reload();
  std::ranges::copy(host.trace().rules(), std::back_inserter(rules));
}

KvmVcpu::KvmVcpu(kvm::Vm& vm) : vcpu_(vm) {
  gather();
}

void KvmVcpu::begin() {
  rules_.clear();
  last_ = {};
}

void KvmVcpu::gather() {
  std::ranges::copy(vcpu_.rules().rules(), std::back_inserter(rules_));
  const kvm::Op& op = vcpu_.last();
  last_.log_lines += op.log_lines;
  last_.warnings += op.warnings;
  last_.events_created += op.events_created;
  last_.hardware_writes += op.hardware_writes;
  last_.intercept_updates += op.intercept_updates;
  last_.lvtpc += op.lvtpc;
}

int KvmVcpu::set_cpuid(const kvm::GuestCpuid& cpuid) {
  begin();
  const int code = vcpu_.set_cpuid(cpuid);
  gather();
  return code;
}

int KvmVcpu::set_msrs(const std::vector<std::pair<u32, u64>>& entries) {
  begin();
  std::vector<kvm::MsrEntry> list;
  list.reserve(entries.size());
  for (const auto& [index, value] : entries) list.push_back({index, value});
  if (list.empty() || list.size() >= kvm::kMaxMsrs) {
    const int code = vcpu_.set_msrs(list);
    gather();
    return code;
  }
  // One by one, so that the rules of each entry stay.
  int done = 0;
  for (const kvm::MsrEntry& entry : list) {
    const int code = vcpu_.set_msr(entry.index, entry.value);
    gather();
    if (code != kvm::kOk) break;
    ++done;
  }
  return done;
}

std::pair<int, std::vector<u64>> KvmVcpu::get_msrs(const std::vector<u32>& indices) {
  begin();
  if (indices.empty() || indices.size() >= kvm::kMaxMsrs) {
    std::vector<kvm::MsrEntry> list(indices.size());
    const int code = vcpu_.get_msrs(list);
    gather();
    return {code, {}};
  }
  std::vector<u64> values;
  for (const u32 index : indices) {
    const kvm::GuestAnswer got = vcpu_.get_msr(index);
    gather();
    if (got.code != kvm::kOk) break;
    values.push_back(got.value);
  }
  return {static_cast<int>(values.size()), values};
}

kvm::GuestAnswer KvmVcpu::guest_wrmsr(u32 index, u64 value) {
  begin();
  const kvm::GuestAnswer answer = vcpu_.guest_wrmsr(index, value);
  gather();
  return answer;
}

kvm::GuestAnswer KvmVcpu::guest_rdmsr(u32 index) {
  begin();
  const kvm::GuestAnswer answer = vcpu_.guest_rdmsr(index);
  gather();
  return answer;
}

kvm::GuestAnswer KvmVcpu::rdpmc(u32 ecx) {
  begin();
  const kvm::GuestAnswer answer = vcpu_.rdpmc(ecx);
  gather();
  return answer;
}

void KvmVcpu::count(u8 event, u8 umask, u64 n) {
  begin();
  vcpu_.count(event, umask, n);
  gather();
}

void KvmVcpu::call(void (kvm::Vcpu::*what)()) {
  begin();
  (vcpu_.*what)();
  gather();
}

int KvmVcpu::nested_entry(u64 debugctl, bool load, bool save, bool fresh, bool dr7_valid) {
  begin();
  vcpu_.state.vmcs12_debugctl = debugctl;
  const int code = vcpu_.nested_enter(
      {.loads_debugctl = load, .saves_debugctl = save, .dr7_valid = dr7_valid, .fresh = fresh});
  gather();
  return code;
}

}  // namespace lastbranch::python
