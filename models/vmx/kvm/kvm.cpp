#include "models/vmx/kvm/kvm.h"

#include "models/vmx/kvm/msr_lists.h"
#include "models/vmx/kvm/subjects.h"

namespace lastbranch::kvm {
namespace {

/// An operation on a host alone.
class HostOp {
 public:
  explicit HostOp(Host& host, Trace* trace)
      : op_{.host = host.state,
            .module = host.module,
            .vm = vm_,
            .vcpu = vcpu_,
            .hardware = *host.hardware,
            .trace = trace} {
    op_.who = Who::kHost;
  }
  Op& operator*() { return op_; }

 private:
  VmState vm_;
  VcpuState vcpu_;
  Op op_;
};

GuestAnswer answer(const Op& op, int code) {
  return {.gp = code != kOk, .value = code == kOk ? op.value : 0, .code = code};
}

}  // namespace

Host::Host(HostState host_state, ModuleParams params) : state(host_state) {
  module.params = params;
  reload();
}

void Host::reload() {
  trace_.clear();
  HostOp op(*this, &trace_);
  module_init(*op, module);
}

u64 Host::supported_perf_capabilities() {
  trace_.clear();
  HostOp op(*this, &trace_);
  return supported_caps(*op);
}

int Host::get_feature_msrs(std::span<MsrEntry> entries) {
  trace_.clear();
  HostOp op(*this, &trace_);
  int done = check_msr_count(*op, entries.size());
  if (done < 0) return done;
  for (MsrEntry& entry : entries) {
    (*op).msr = entry.index;
    if (feature_msr(*op) != kOk) break;
    entry.value = (*op).value;
    ++done;
  }
  return done;
}

std::vector<u32> Host::msr_index_list() const {
  return kvm::msr_index_list(state, module);
}

std::vector<u32> Host::feature_msr_index_list() const {
  return kvm::feature_msr_index_list();
}

GuestCpuid Host::supported_cpuid() {
  trace_.clear();
  HostOp op(*this, &trace_);
  return kvm::supported_cpuid(*op);
}

std::unique_ptr<Vm> Host::create_vm() {
  return std::make_unique<Vm>(*this);
}

int Vm::enable_pmu_capability(u64 flags) {
  VcpuState none;
  Op op{.host = host_.state, .module = host_.module, .vm = state, .vcpu = none, .hardware = *host_.hardware};
  return enable_pmu_cap(op, flags);
}

int Vm::set_event_filter(const EventFilter& filter) {
  VcpuState none;
  Op op{.host = host_.state, .module = host_.module, .vm = state, .vcpu = none, .hardware = *host_.hardware};
  return kvm::set_event_filter(op, filter);
}

std::unique_ptr<Vcpu> Vm::create_vcpu() {
  return std::make_unique<Vcpu>(*this);
}

std::unique_ptr<Vcpu> Vm::create_vcpu(const GuestCpuid& cpuid) {
  auto vcpu = create_vcpu();
  vcpu->set_cpuid(cpuid);
  return vcpu;
}

Vcpu::Vcpu(Vm& vm)
    : op_{.host = vm.host().state,
          .module = vm.host().module,
          .vm = vm.state,
          .vcpu = state,
          .hardware = *vm.host().hardware} {
  op_.trace = &trace_;
  kvm::create_vcpu(op_);
}

Op& Vcpu::fresh() {
  trace_.clear();
  Op next{.host = op_.host,
          .module = op_.module,
          .vm = op_.vm,
          .vcpu = op_.vcpu,
          .hardware = op_.hardware,
          .trace = &trace_};
  std::destroy_at(&op_);
  return *std::construct_at(&op_, next);
}

int Vcpu::set_cpuid(const GuestCpuid& cpuid) {
  return kvm::set_cpuid(fresh(), cpuid);
}

int Vcpu::set_msr(u32 index, u64 value) {
  Op& op = fresh();
  op.who = Who::kHost;
  op.msr = index;
  op.data = value;
  op.write = true;
  return access_msr(op);
}

GuestAnswer Vcpu::get_msr(u32 index) {
  Op& op = fresh();
  op.who = Who::kHost;
  op.msr = index;
  const int code = access_msr(op);
  return answer(op, code);
}

int Vcpu::set_msrs(std::span<const MsrEntry> entries) {
  int done = check_msr_count(fresh(), entries.size());
  if (done < 0) return done;
  for (const MsrEntry& entry : entries) {
    if (set_msr(entry.index, entry.value) != kOk) break;
    ++done;
  }
  return done;
}

int Vcpu::get_msrs(std::span<MsrEntry> entries) {
  int done = check_msr_count(fresh(), entries.size());
  if (done < 0) return done;
  for (MsrEntry& entry : entries) {
    const GuestAnswer got = get_msr(entry.index);
    if (got.code != kOk) break;
    entry.value = got.value;
    ++done;
  }
  return done;
}

GuestAnswer Vcpu::guest_wrmsr(u32 index, u64 value) {
  Op& op = fresh();
  op.msr = index;
  op.data = value;
  op.write = true;
  const int code = access_msr(op);
  return {.gp = code != kOk, .code = code};
}

GuestAnswer Vcpu::guest_rdmsr(u32 index) {
  Op& op = fresh();
  op.msr = index;
  const int code = access_msr(op);
  return answer(op, code);
}

GuestAnswer Vcpu::rdpmc(u32 ecx) {
  Op& op = fresh();
  op.msr = ecx;
  const int code = kvm::rdpmc(op);
  return answer(op, code);
}

void Vcpu::count(u8 event, u8 umask, u64 n) {
  count_event(fresh(), event, umask, n);
}

void Vcpu::enter() {
  state.has_run = true;
  prepare_entry(fresh());
}

void Vcpu::next_slice() {
  Op& op = fresh();
  sched_in(op);
  slice_cleanup(op);
}

void Vcpu::pmi() {
  deliver_pmi(fresh());
}

void Vcpu::reset() {
  reset_vcpu(fresh(), false);
}

void Vcpu::init() {
  reset_vcpu(fresh(), true);
}

int Vcpu::nested_enter(const NestedEntry& entry) {
  Op& op = fresh();
  op.loads_debugctl = entry.loads_debugctl;
  op.dr7_valid = entry.dr7_valid;
  op.run_pending = entry.fresh;
  if (const int code = nested_check(op); code != kOk) return code;
  state.in_l2 = true;
  state.vmcs12_saves_debugctl = entry.saves_debugctl;
  nested_load(op);
  return kOk;
}

void Vcpu::nested_exit() {
  Op& op = fresh();
  if (!state.in_l2) return;
  state.in_l2 = false;
  kvm::nested_exit(op);
}

HardwareMsrs& Vcpu::attach(HardwareMsrs& hardware) {
  HardwareMsrs& before = op_.hardware;
  const Op next{.host = op_.host,
                .module = op_.module,
                .vm = op_.vm,
                .vcpu = op_.vcpu,
                .hardware = hardware,
                .trace = &trace_};
  std::destroy_at(&op_);
  std::construct_at(&op_, next);
  return before;
}

bool Vcpu::passes_through(u32 index) {
  Op& op = fresh();
  op.msr = index;
  return state.lbr_passthrough && is_lbr_msr(op);
}

}  // namespace lastbranch::kvm
