// KVM shaped like /dev/kvm: host, VM, vCPU. Results are the ioctls' own (a count, 0, or a negative errno) and
// KVM's codes; the package makes Python of them.
#include "bindings/python/src/kvm.h"

#include <algorithm>
#include <optional>
#include <string>
#include <tuple>
#include <variant>

#include <pybind11/stl.h>

#include "bindings/python/src/binders.h"
#include "models/vmx/kvm/msr_lists.h"
#include "models/vmx/kvm/subjects.h"
#include "sim/base/error.h"

namespace lastbranch::python {
namespace {

namespace py = pybind11;

/// (id, words, section, kernels)
py::tuple row(const kvm::Rule& rule) {
  return py::make_tuple(rule.id, rule.words, rule.section, kvm::describe(rule.kernels));
}
py::list kernels() {
  py::list list;
  for (const kvm::KernelName& k : kvm::kernel_names()) list.append(py::make_tuple(k.name, k.alias, k.what));
  return list;
}

/// Every row with its table's name; those of one kernel if asked for.
py::list all_rules(const std::optional<std::string>& kernel) {
  const kvm::KernelSet wanted = kernel ? kvm::KernelSet(kvm::kernel_of(*kernel)) : kvm::kAllKernels;
  py::list list;
  for (const kvm::RuleTable* table : kvm::all_rule_tables())
    for (const kvm::Rule& rule : table->rules)
      if (!(rule.kernels & wanted).empty()) list.append(py::make_tuple(table->name, row(rule)));
  return list;
}

LbrRegisters registers_of(const std::string& text) {
  if (text == "work") return LbrRegisters::kWork;
  if (text == "stuck") return LbrRegisters::kStuck;
  if (text == "absent") return LbrRegisters::kAbsent;
  throw Error("lbr_registers: expected work, stuck or absent, found '{}'", text);
}

std::unique_ptr<KvmHost> make_host(const kvm::HostState& state, bool enable_pmu, bool ignore_msrs,
                                   bool report_ignored_msrs, bool mediated_pmu,
                                   const std::string& registers) {
  const kvm::ModuleParams params{enable_pmu, ignore_msrs, report_ignored_msrs, mediated_pmu};
  return std::make_unique<KvmHost>(state, params, registers_of(registers));
}

/// A call of the host's own, with its rules.
template <class Call>
auto called(KvmHost& h, Call call) {
  auto result = call(h.host);
  h.rules = h.host.trace().rules();
  return result;
}

/// How many were processed, or a negative errno; their values.
std::pair<int, std::vector<u64>> feature_msrs(KvmHost& h, const std::vector<u32>& indices) {
  std::vector<kvm::MsrEntry> list;
  list.reserve(indices.size());
  for (const u32 index : indices) list.push_back({index, 0});
  const int done = called(h, [&](kvm::Host& host) { return host.get_feature_msrs(list); });
  list.resize(static_cast<std::size_t>(std::max(done, 0)));
  std::vector<u64> values(list.size());
  std::ranges::transform(list, values.begin(), &kvm::MsrEntry::value);
  return {done, values};
}

/// What the kernel's function returns for a record with that nr, and its nr then.
std::pair<int, unsigned> perf_get_lbr(KvmHost& h, unsigned nr) {
  kvm::VmState vm;
  kvm::VcpuState vcpu;
  kvm::Trace trace;
  kvm::Op op{.host = h.host.state,
             .module = h.host.module,
             .vm = vm,
             .vcpu = vcpu,
             .hardware = *h.hardware,
             .trace = &trace};
  kvm::LbrRecordSet record{.nr = nr};
  const int code = kvm::x86_perf_get_lbr(op, record);
  h.rules = trace.rules();
  return {code, record.nr};
}

void bind_host(py::module_& m) {
  py::class_<KvmHost>(m, "KvmHost")
      .def(py::init(&make_host), py::kw_only(), py::arg("state"), py::arg("enable_pmu"),
           py::arg("ignore_msrs"), py::arg("report_ignored_msrs"), py::arg("mediated_pmu"),
           py::arg("lbr_registers"))
      .def_property_readonly(
          "state", [](KvmHost& h) -> kvm::HostState& { return h.host.state; },
          py::return_value_policy::reference_internal)
      .def_property_readonly(
          "module", [](KvmHost& h) -> kvm::ModuleState& { return h.host.module; },
          py::return_value_policy::reference_internal)
      .def("rules", [](const KvmHost& h) { return kvm_rows(h.rules); })
      .def("reload",
           [](KvmHost& h) {
             h.host.reload();
             h.rules = h.host.trace().rules();
           })
      .def("supported_perf_capabilities",
           [](KvmHost& h) {
             return called(h, [](kvm::Host& host) { return host.supported_perf_capabilities(); });
           })
      .def("get_msrs", &feature_msrs, py::arg("indices"))
      .def("msr_index_list", [](const KvmHost& h) { return h.host.msr_index_list(); })
      .def("feature_msr_index_list", [](const KvmHost& h) { return h.host.feature_msr_index_list(); })
      .def("supported_cpuid",
           [](KvmHost& h) { return called(h, [](kvm::Host& host) { return host.supported_cpuid(); }); })
      .def(
          "msr", [](const KvmHost& h, const std::string& name) { return kvm_msr(name, h.host.state.perf); },
          py::arg("name"))
      .def(
          "msr_name", [](const KvmHost& h, u32 index) { return kvm_msr_name(index, h.host.state.perf); },
          py::arg("index"))
      .def("x86_perf_get_lbr", &perf_get_lbr, py::arg("nr"))
      .def(
          "create_vm", [](KvmHost& h) { return std::make_unique<KvmVm>(h.host); }, py::keep_alive<0, 1>());
}

/// The ioctl's result, with its rules.
template <class Call>
int vm_call(KvmVm& v, Call call) {
  kvm::Host& host = v.vm.host();
  kvm::VcpuState none;
  kvm::Trace trace;
  kvm::Op op{.host = host.state,
             .module = host.module,
             .vm = v.vm.state,
             .vcpu = none,
             .hardware = *host.hardware,
             .trace = &trace};
  const int code = call(op);
  v.rules = trace.rules();
  return code;
}

int set_filter(KvmVm& v, u32 action, const std::vector<u64>& events, u32 fixed_counter_bitmap, u32 flags) {
  const kvm::EventFilter filter{action, flags, fixed_counter_bitmap, events};
  return vm_call(v, [&](kvm::Op& op) { return kvm::set_event_filter(op, filter); });
}

void bind_vm(py::module_& m) {
  py::class_<KvmVm>(m, "KvmVm")
      .def_property_readonly(
          "state", [](KvmVm& v) -> kvm::VmState& { return v.vm.state; },
          py::return_value_policy::reference_internal)
      .def("rules", [](const KvmVm& v) { return kvm_rows(v.rules); })
      .def("check_pmu_capability", [](KvmVm& v) { return kvm::check_pmu_cap(v.vm.host().module); })
      .def(
          "enable_pmu_capability",
          [](KvmVm& v, u64 flags) {
            return vm_call(v, [&](kvm::Op& op) { return kvm::enable_pmu_cap(op, flags); });
          },
          py::arg("flags"))
      .def("set_event_filter", &set_filter, py::arg("action"), py::arg("events"),
           py::arg("fixed_counter_bitmap"), py::arg("flags"))
      .def(
          "create_vcpu", [](KvmVm& v) { return std::make_unique<KvmVcpu>(v.vm); }, py::keep_alive<0, 1>());
}

/// (code, value)
py::tuple pair(const kvm::GuestAnswer& answer) {
  return py::make_tuple(answer.code, answer.value);
}

void bind_vcpu(py::module_& m) {
  py::class_<KvmVcpu> c(m, "KvmVcpu");
  c.def_property_readonly(
       "state", [](KvmVcpu& v) -> kvm::VcpuState& { return v.vcpu().state; },
       py::return_value_policy::reference_internal)
      .def("rules", [](const KvmVcpu& v) { return kvm_rows(v.rules()); })
      .def("set_cpuid", &KvmVcpu::set_cpuid, py::arg("cpuid"))
      .def("set_msrs", &KvmVcpu::set_msrs, py::arg("entries"))
      .def("get_msrs", &KvmVcpu::get_msrs, py::arg("indices"))
      .def(
          "guest_wrmsr", [](KvmVcpu& v, u32 index, u64 value) { return pair(v.guest_wrmsr(index, value)); },
          py::arg("index"), py::arg("value"))
      .def(
          "guest_rdmsr", [](KvmVcpu& v, u32 index) { return pair(v.guest_rdmsr(index)); }, py::arg("index"))
      .def(
          "rdpmc", [](KvmVcpu& v, u32 ecx) { return pair(v.rdpmc(ecx)); }, py::arg("ecx"))
      .def("count", &KvmVcpu::count, py::arg("event"), py::arg("umask"), py::arg("n"))
      .def("enter", [](KvmVcpu& v) { v.call(&kvm::Vcpu::enter); })
      .def("next_slice", [](KvmVcpu& v) { v.call(&kvm::Vcpu::next_slice); })
      .def("pmi", [](KvmVcpu& v) { v.call(&kvm::Vcpu::pmi); })
      .def("reset", [](KvmVcpu& v) { v.call(&kvm::Vcpu::reset); })
      .def("init", [](KvmVcpu& v) { v.call(&kvm::Vcpu::init); })
      .def("nested_entry", &KvmVcpu::nested_entry, py::arg("debugctl"), py::arg("load"), py::arg("save"),
           py::arg("fresh"), py::arg("dr7_valid"))
      .def("nested_exit", [](KvmVcpu& v) { v.call(&kvm::Vcpu::nested_exit); })
      .def(
          "passes_through", [](KvmVcpu& v, u32 index) { return v.vcpu().passes_through(index); },
          py::arg("index"));
  const auto tally = [&c](const char* name, unsigned KvmTally::*member) {
    c.def_property_readonly(name, [member](const KvmVcpu& v) { return v.last().*member; });
  };
  tally("log_lines", &KvmTally::log_lines);
  tally("warnings", &KvmTally::warnings);
  tally("events_created", &KvmTally::events_created);
  tally("hardware_writes", &KvmTally::hardware_writes);
  tally("intercept_updates", &KvmTally::intercept_updates);
  tally("pmis", &KvmTally::lvtpc);
  bind_kvm_run(c);
}

}  // namespace

py::list kvm_rows(const KvmRules& rules) {
  py::list list;
  for (const kvm::Rule* rule : rules) list.append(row(*rule));
  return list;
}

void bind_kvm(py::module_& m) {
  bind_host(m);
  bind_vm(m);
  bind_vcpu(m);
  m.def("kvm_kernels", &kernels);
  m.def("kvm_rules", &all_rules, py::arg("kernel"));
}

}  // namespace lastbranch::python
