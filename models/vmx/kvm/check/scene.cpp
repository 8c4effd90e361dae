#include "models/vmx/kvm/check/replays.h"

namespace lastbranch::kvm {

std::optional<u64> PatternMsrs::read(u32 index) {
  if (index == 0x10000) return 0x7777;
  if (index == 0x10001 || index == 0x10002) return 0x5555;
  return 0xa5a500000000 | index;
}

void Scene::load() {
  vcpu.cpuid.present = true;
  if (vcpu.cpuid.leaf1_eax == 0) vcpu.cpuid.leaf1_eax = host.leaf1_eax;
  Op call = op();
  module_init(call, module);
}

Op Scene::op(Who who) {
  Op made{.host = host, .module = module, .vm = vm, .vcpu = vcpu, .hardware = hardware};
  made.who = who;
  return made;
}

Op Scene::write(Who who, u32 index, u64 value, int& code) {
  Op call = op(who);
  call.msr = index;
  call.data = value;
  call.write = true;
  code = access_msr(call);
  return call;
}

void Scene::give_read(Case& row, Who who, u32 index) {
  Op call = op(who);
  call.msr = index;
  const int code = access_msr(call);
  row.give_code(code);
  row.give(code == kOk ? call.value : 0);
}

}  // namespace lastbranch::kvm
