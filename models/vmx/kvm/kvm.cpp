#include "models/vmx/kvm/kvm.h"

#include "models/vmx/kvm/msr_lists.h"
#include "models/vmx/kvm/subjects.h"

namespace lastbranch::kvm {
namespace {

/// An operation of user space without a vCPU. It begins a new trace.
class SystemOp {
 public:
  SystemOp(Host& host, VmState& vm, Trace& trace)
      : op_{.host = host.state,
            .module = host.module,
            .vm = vm,
            .vcpu = vcpu_,
            .hardware = host.hardware(),
            .trace = &trace,
            .who = Who::kHost} {
    trace.clear();
  }
  Op& operator*() { return op_; }
  Op* operator->() { return &op_; }

 private:
  VcpuState vcpu_;
  Op op_;
};

/// The same without a VM.
class HostOp : private VmState, public SystemOp {
 public:
  HostOp(Host& host, Trace& trace) : SystemOp(host, *this, trace) {}
};

}  // namespace

Host::Host(HostState host_state, ModuleParams params, HardwareMsrs* hardware)
    : state(host_state), hardware_(hardware != nullptr ? hardware : &own_) {
  module.params = params;
  HostOp op(*this, trace_);
  probe_lbr(*op, state.perf);
  module_init(*op, module);
}

void Host::reload() {
  module_init(*HostOp(*this, trace_), module);
}

int Host::x86_perf_get_lbr(LbrRecordSet& record) {
  return kvm::x86_perf_get_lbr(*HostOp(*this, trace_), record);
}

u64 Host::supported_perf_capabilities() {
  return supported_caps(*HostOp(*this, trace_));
}

int Host::get_feature_msrs(std::span<MsrEntry> entries) {
  HostOp op(*this, trace_);
  int done = check_msr_count(*op, entries.size());
  if (done < 0) return done;
  for (MsrEntry& entry : entries) {
    op->msr = entry.index;
    if (feature_msr(*op) != kOk) break;
    entry.value = op->value;
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
  return kvm::supported_cpuid(*HostOp(*this, trace_));
}

std::unique_ptr<Vm> Host::create_vm() {
  return std::make_unique<Vm>(*this);
}

u64 Vm::check_pmu_capability() const {
  return check_pmu_cap(host_.module);
}

int Vm::enable_pmu_capability(u64 flags) {
  return enable_pmu_cap(*SystemOp(host_, state, trace_), flags);
}

int Vm::set_event_filter(const EventFilter& filter) {
  return kvm::set_event_filter(*SystemOp(host_, state, trace_), filter);
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
          .hardware = vm.host().hardware()} {
  op_.trace = &trace_;
  kvm::create_vcpu(op_);
}

Op& Vcpu::fresh() {
  trace_.clear();
  op_.did = {};
  return next();
}

Op& Vcpu::next() {
  const Op next{.host = op_.host,
                .module = op_.module,
                .vm = op_.vm,
                .vcpu = op_.vcpu,
                .hardware = op_.hardware,
                .trace = &trace_,
                .did = op_.did};
  std::destroy_at(&op_);
  return *std::construct_at(&op_, next);
}

int Vcpu::set_cpuid(const GuestCpuid& cpuid) {
  return kvm::set_cpuid(fresh(), cpuid);
}

int Vcpu::write(Op& op, Who who, u32 index, u64 value) {
  op.who = who;
  op.msr = index;
  op.data = value;
  op.write = true;
  return access_msr(op);
}

GuestAnswer Vcpu::read(Op& op, Who who, u32 index) {
  op.who = who;
  op.msr = index;
  const int code = access_msr(op);
  return {.gp = code != kOk, .value = code == kOk ? op.value : 0, .code = code};
}

int Vcpu::set_msr(u32 index, u64 value) {
  return write(fresh(), Who::kHost, index, value);
}

GuestAnswer Vcpu::get_msr(u32 index) {
  return read(fresh(), Who::kHost, index);
}

int Vcpu::set_msrs(std::span<const MsrEntry> entries) {
  int done = check_msr_count(fresh(), entries.size());
  if (done < 0 || entries.empty()) return done;
  trace_.clear();
  for (const MsrEntry& entry : entries) {
    if (write(next(), Who::kHost, entry.index, entry.value) != kOk) break;
    ++done;
  }
  return done;
}

int Vcpu::get_msrs(std::span<MsrEntry> entries) {
  int done = check_msr_count(fresh(), entries.size());
  if (done < 0 || entries.empty()) return done;
  trace_.clear();
  for (MsrEntry& entry : entries) {
    const GuestAnswer got = read(next(), Who::kHost, entry.index);
    if (got.code != kOk) break;
    entry.value = got.value;
    ++done;
  }
  return done;
}

GuestAnswer Vcpu::guest_wrmsr(u32 index, u64 value) {
  const int code = write(fresh(), Who::kGuest, index, value);
  return {.gp = code != kOk, .code = code};
}

GuestAnswer Vcpu::guest_rdmsr(u32 index) {
  return read(fresh(), Who::kGuest, index);
}

GuestAnswer Vcpu::rdpmc(u32 ecx) {
  Op& op = fresh();
  op.msr = ecx;
  const int code = kvm::rdpmc(op);
  return {.gp = code != kOk, .value = code == kOk ? op.value : 0, .code = code};
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

bool Vcpu::passes_through(u32 index) const {
  Op op = op_;
  op.trace = nullptr;
  op.msr = index;
  return state.lbr_passthrough && is_lbr_msr(op);
}

}  // namespace lastbranch::kvm
