// KVM shaped like /dev/kvm: host, VM, vCPU. Results are the ioctls' own (a count, 0, or a negative errno) and
// KVM's codes; the package makes Python of them.
#include "bindings/python/src/kvm.h"

#include <algorithm>
#include <optional>
#include <span>
#include <string>

#include <pybind11/stl.h>

#include "bindings/python/src/binders.h"
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

kvm::LbrRegisters registers_of(const std::string& text) {
  if (text == "work") return kvm::LbrRegisters::kWork;
  if (text == "stuck") return kvm::LbrRegisters::kStuck;
  if (text == "absent") return kvm::LbrRegisters::kAbsent;
  throw Error("lbr_registers: expected work, stuck or absent, found '{}'", text);
}

std::unique_ptr<KvmHost> make_host(const kvm::HostState& state, bool enable_pmu, bool ignore_msrs,
                                   bool report_ignored_msrs, bool mediated_pmu,
                                   const std::string& registers) {
  const kvm::ModuleParams params{enable_pmu, ignore_msrs, report_ignored_msrs, mediated_pmu};
  return std::make_unique<KvmHost>(state, params, registers_of(registers));
}

/// How many were processed, or a negative errno; their values.
using MsrValues = std::pair<int, std::vector<u64>>;

template <class Get>
MsrValues msr_values(const std::vector<u32>& indices, Get get) {
  std::vector<kvm::MsrEntry> list;
  list.reserve(indices.size());
  for (const u32 index : indices) list.push_back({index, 0});
  const int done = get(std::span(list));
  list.resize(static_cast<std::size_t>(std::max(done, 0)));
  std::vector<u64> values(list.size());
  std::ranges::transform(list, values.begin(), &kvm::MsrEntry::value);
  return {done, values};
}

MsrValues feature_msrs(KvmHost& h, const std::vector<u32>& indices) {
  return msr_values(indices, [&](std::span<kvm::MsrEntry> list) { return h.host.get_feature_msrs(list); });
}

/// What the kernel's function returns for a record with that nr, and its nr then.
std::pair<int, unsigned> perf_get_lbr(KvmHost& h, unsigned nr) {
  kvm::LbrRecordSet record{.nr = nr};
  const int code = h.host.x86_perf_get_lbr(record);
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
      .def("rules", [](const KvmHost& h) { return kvm_rows(h.host.rules()); })
      .def("reload", [](KvmHost& h) { h.host.reload(); })
      .def("supported_perf_capabilities", [](KvmHost& h) { return h.host.supported_perf_capabilities(); })
      .def("get_msrs", &feature_msrs, py::arg("indices"))
      .def("msr_index_list", [](const KvmHost& h) { return h.host.msr_index_list(); })
      .def("feature_msr_index_list", [](const KvmHost& h) { return h.host.feature_msr_index_list(); })
      .def("supported_cpuid", [](KvmHost& h) { return h.host.supported_cpuid(); })
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

int set_filter(KvmVm& v, u32 action, const std::vector<u64>& events, u32 fixed_counter_bitmap, u32 flags) {
  return v.idle().set_event_filter({action, flags, fixed_counter_bitmap, events});
}

void bind_vm(py::module_& m) {
  py::class_<KvmVm>(m, "KvmVm")
      .def_property_readonly(
          "state", [](KvmVm& v) -> kvm::VmState& { return v.vm.state; },
          py::return_value_policy::reference_internal)
      .def("rules", [](const KvmVm& v) { return kvm_rows(v.vm.rules()); })
      .def("check_pmu_capability", [](const KvmVm& v) { return v.vm.check_pmu_capability(); })
      .def(
          "enable_pmu_capability", [](KvmVm& v, u64 flags) { return v.idle().enable_pmu_capability(flags); },
          py::arg("flags"))
      .def("set_event_filter", &set_filter, py::arg("action"), py::arg("events"),
           py::arg("fixed_counter_bitmap"), py::arg("flags"))
      .def(
          "create_vcpu", [](KvmVm& v) { return std::make_unique<KvmVcpu>(v); }, py::keep_alive<0, 1>());
}

int set_msrs(KvmVcpu& v, const std::vector<std::pair<u32, u64>>& entries) {
  std::vector<kvm::MsrEntry> list;
  list.reserve(entries.size());
  for (const auto& [index, value] : entries) list.push_back({index, value});
  return v.vcpu().set_msrs(list);
}

MsrValues get_msrs(KvmVcpu& v, const std::vector<u32>& indices) {
  return msr_values(indices, [&](std::span<kvm::MsrEntry> list) { return v.vcpu().get_msrs(list); });
}

/// (code, value)
py::tuple pair(const kvm::GuestAnswer& answer) {
  return py::make_tuple(answer.code, answer.value);
}

int nested_entry(KvmVcpu& v, u64 debugctl, bool load, bool save, bool fresh, bool dr7_valid) {
  v.vcpu().state.vmcs12_debugctl = debugctl;
  return v.vcpu().nested_enter(
      {.loads_debugctl = load, .saves_debugctl = save, .dr7_valid = dr7_valid, .fresh = fresh});
}

void bind_vcpu(py::module_& m) {
  py::class_<KvmVcpu> c(m, "KvmVcpu");
  c.def_property_readonly(
       "state", [](KvmVcpu& v) -> kvm::VcpuState& { return v.vcpu().state; },
       py::return_value_policy::reference_internal)
      .def("rules", [](KvmVcpu& v) { return kvm_rows(v.vcpu().rules()); })
      .def(
          "set_cpuid", [](KvmVcpu& v, const kvm::GuestCpuid& cpuid) { return v.vcpu().set_cpuid(cpuid); },
          py::arg("cpuid"))
      .def("set_msrs", &set_msrs, py::arg("entries"))
      .def("get_msrs", &get_msrs, py::arg("indices"))
      .def(
          "guest_wrmsr",
          [](KvmVcpu& v, u32 index, u64 value) { return pair(v.vcpu().guest_wrmsr(index, value)); },
          py::arg("index"), py::arg("value"))
      .def(
          "guest_rdmsr", [](KvmVcpu& v, u32 index) { return pair(v.vcpu().guest_rdmsr(index)); },
          py::arg("index"))
      .def(
          "rdpmc", [](KvmVcpu& v, u32 ecx) { return pair(v.vcpu().rdpmc(ecx)); }, py::arg("ecx"))
      .def(
          "count", [](KvmVcpu& v, u8 event, u8 umask, u64 n) { v.vcpu().count(event, umask, n); },
          py::arg("event"), py::arg("umask"), py::arg("n"))
      .def("nested_entry", &nested_entry, py::arg("debugctl"), py::arg("load"), py::arg("save"),
           py::arg("fresh"), py::arg("dr7_valid"))
      .def(
          "passes_through", [](KvmVcpu& v, u32 index) { return v.vcpu().passes_through(index); },
          py::arg("index"));
  const auto call = [&c](const char* name, void (kvm::Vcpu::*function)()) {
    c.def(name, [function](KvmVcpu& v) { (v.vcpu().*function)(); });
  };
  call("enter", &kvm::Vcpu::enter);
  call("next_slice", &kvm::Vcpu::next_slice);
  call("pmi", &kvm::Vcpu::pmi);
  call("reset", &kvm::Vcpu::reset);
  call("init", &kvm::Vcpu::init);
  call("nested_exit", &kvm::Vcpu::nested_exit);
  const auto effect = [&c](const char* name, unsigned kvm::Effects::*member) {
    c.def_property_readonly(name, [member](KvmVcpu& v) { return v.vcpu().last().did.*member; });
  };
  effect("log_lines", &kvm::Effects::log_lines);
  effect("warnings", &kvm::Effects::warnings);
  effect("events_created", &kvm::Effects::events_created);
  effect("hardware_writes", &kvm::Effects::hardware_writes);
  effect("intercept_updates", &kvm::Effects::intercept_updates);
  effect("pmis", &kvm::Effects::lvtpc);
  bind_kvm_run(c);
}

}  // namespace

py::list kvm_rows(const kvm::Trace& trace) {
  py::list list;
  for (const kvm::Rule* rule : trace.rules()) list.append(row(*rule));
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
