// KVM's state as Python sees it: the model's plain structs, field by field, so that a script sets what it
// wants to ask about. Names and meanings are those of models/vmx/kvm/state.h.
#include <pybind11/stl.h>

#include "bindings/python/src/binders.h"
#include "models/vmx/kvm/op.h"
#include "sim/base/error.h"
#include "sim/machine/kvm_host.h"

namespace lastbranch::python {
namespace {

namespace py = pybind11;
using namespace lastbranch::kvm;

constexpr unsigned kByte = 0xff, kFiveBits = 0x1f;  // fields of leaf 0AH

void check_field(const char* name, u64 value, unsigned most) {
  if (value > most) throw Error("{}: expected 0 to {}, found {}", name, most, value);
}

/// A count that the model's arrays or CPUID's field can hold up to `most`.
template <class State>
void def_count(py::class_<State>& c, const char* name, unsigned State::*member, unsigned most) {
  c.def_property(
      name, [member](const State& s) { return s.*member; },
      [member, name, most](State& s, u64 value) {
        check_field(name, value, most);
        s.*member = static_cast<unsigned>(value);
      });
}

void set_pmu(GuestCpuid& cpuid, u64 version, u64 gp, u64 fixed, u64 width, u64 events) {
  check_field("version", version, kByte);
  check_field("gp", gp, kByte);
  check_field("fixed", fixed, kFiveBits);
  check_field("width", width, kByte);
  check_field("events", events, kByte);
  cpuid.set_pmu(static_cast<unsigned>(version), static_cast<unsigned>(gp), static_cast<unsigned>(fixed),
                static_cast<unsigned>(width), static_cast<unsigned>(events));
}

struct EventName {
  EventState state;
  std::string_view name;
};
constexpr EventName kEventNames[] = {{EventState::kActive, "active"},
                                     {EventState::kInactive, "inactive"},
                                     {EventState::kOff, "off"},
                                     {EventState::kError, "error"}};

std::string_view event_name(const VcpuState& s) {
  for (const EventName& e : kEventNames)
    if (e.state == s.event_state) return e.name;
  return "";
}
void set_event_name(VcpuState& s, const std::string& name) {
  for (const EventName& e : kEventNames) {
    if (e.name != name) continue;
    s.event_state = e.state;
    return;
  }
  throw Error("event_state: expected active, inactive, off or error, found '{}'", name);
}

void bind_records(py::module_& m) {
  py::class_<PerfLbr> perf(m, "KvmPerfLbr");
  def_count(perf, "nr", &PerfLbr::nr, kMaxRecords);
  def_count(perf, "format", &PerfLbr::format, unsigned{perfcap::kLbrFmt});
  perf.def_readwrite("from_", &PerfLbr::from)
      .def_readwrite("to", &PerfLbr::to)
      .def_readwrite("info", &PerfLbr::info)
      .def_readwrite("has_callstack", &PerfLbr::has_callstack)
      .def_readwrite("has_select", &PerfLbr::has_select);
  py::class_<LbrRecordSet> record(m, "KvmLbrRecord");
  def_count(record, "nr", &LbrRecordSet::nr, kMaxRecords);
  record.def_readwrite("from_", &LbrRecordSet::from)
      .def_readwrite("to", &LbrRecordSet::to)
      .def_readwrite("info", &LbrRecordSet::info)
      .def_readwrite("has_callstack", &LbrRecordSet::has_callstack);
}

void bind_host_state(py::module_& m) {
  py::class_<HostState> c(m, "KvmHostState");
  def_count(c, "pmu_version", &HostState::pmu_version, kByte);
  def_count(c, "num_gp", &HostState::num_gp, kMaxGp);
  def_count(c, "num_fixed", &HostState::num_fixed, kFiveBits);
  def_count(c, "gp_width", &HostState::gp_width, kByte);
  def_count(c, "fixed_width", &HostState::fixed_width, kByte);
  def_count(c, "num_events", &HostState::num_events, kByte);
  c.def_property(
       "kernel", [](const HostState& s) { return name(s.kernel); },
       [](HostState& s, const std::string& kernel) { s.kernel = kernel_of(kernel); })
      .def_readwrite("vmx", &HostState::vmx)
      .def_readwrite("hypervisor", &HostState::hypervisor)
      .def_readwrite("perf_built", &HostState::perf_built)
      .def_readwrite("perf", &HostState::perf)
      .def_readwrite("pdcm", &HostState::pdcm)
      .def_readwrite("perf_capabilities", &HostState::perf_capabilities)
      .def_readwrite("arch_lbr", &HostState::arch_lbr)
      .def_readwrite("pebs_feature", &HostState::pebs_feature)
      .def_readwrite("pebs_ept", &HostState::pebs_ept)
      .def_readwrite("hybrid", &HostState::hybrid)
      .def_readwrite("bus_lock_detect", &HostState::bus_lock_detect)
      .def_readwrite("rtm", &HostState::rtm)
      .def_readwrite("hle", &HostState::hle)
      .def_readwrite("pt_host_guest", &HostState::pt_host_guest)
      .def_readwrite("unavailable_events", &HostState::unavailable_events)
      .def_readwrite("leaf1_eax", &HostState::leaf1_eax)
      .def_readwrite("debugctl", &HostState::debugctl);
  py::class_<ModuleState>(m, "KvmModuleState")
      .def_property(
          "ignore_msrs", [](const ModuleState& s) { return s.params.ignore_msrs; },
          [](ModuleState& s, bool on) { s.params.ignore_msrs = on; })
      .def_property(
          "report_ignored_msrs", [](const ModuleState& s) { return s.params.report_ignored_msrs; },
          [](ModuleState& s, bool on) { s.params.report_ignored_msrs = on; })
      .def_readonly("enable_pmu", &ModuleState::enable_pmu)
      .def_readonly("version", &ModuleState::version)
      .def_readonly("num_gp", &ModuleState::num_gp)
      .def_readonly("num_fixed", &ModuleState::num_fixed)
      .def_readonly("supported_perf_cap", &ModuleState::supported_perf_cap)
      .def_readonly("lbr", &ModuleState::lbr);
}

void bind_cpuid(py::module_& m) {
  py::class_<GuestCpuid> c(m, "KvmCpuid");
  c.def(py::init<>())
      .def(py::init<const GuestCpuid&>(), py::arg("other"))
      .def(
          "__eq__", [](const GuestCpuid& a, const GuestCpuid& b) { return a == b; }, py::is_operator())
      .def_readwrite("present", &GuestCpuid::present)
      .def_readwrite("leaf1_eax", &GuestCpuid::leaf1_eax)
      .def_readwrite("leaf1_ecx", &GuestCpuid::leaf1_ecx)
      .def_readwrite("leaf1_edx", &GuestCpuid::leaf1_edx)
      .def_readwrite("leaf7_ebx", &GuestCpuid::leaf7_ebx)
      .def_readwrite("leaf7_ecx", &GuestCpuid::leaf7_ecx)
      .def_readwrite("has_leaf_0a", &GuestCpuid::has_leaf_0a)
      .def_readwrite("leaf0a_eax", &GuestCpuid::leaf0a_eax)
      .def_readwrite("leaf0a_ebx", &GuestCpuid::leaf0a_ebx)
      .def_readwrite("leaf0a_edx", &GuestCpuid::leaf0a_edx)
      .def_property("pdcm", &GuestCpuid::pdcm, &GuestCpuid::set_pdcm)
      .def_property("dtes64", &GuestCpuid::dtes64, &GuestCpuid::set_dtes64)
      .def_property("ds", &GuestCpuid::ds, &GuestCpuid::set_ds)
      .def_property("bus_lock_detect", &GuestCpuid::bus_lock_detect, &GuestCpuid::set_bus_lock_detect)
      .def_property("rtm", &GuestCpuid::rtm, &GuestCpuid::set_rtm)
      .def_property_readonly("model", [](const GuestCpuid& g) { return cpu_model(g.leaf1_eax); })
      .def("set_pmu", &set_pmu, py::arg("version"), py::arg("gp"), py::arg("fixed"), py::arg("width"),
           py::arg("events"));
}

void bind_vpmu_state(py::module_& m) {
  py::class_<VpmuState> c(m, "KvmVpmuState");
  def_count(c, "nr_gp", &VpmuState::nr_gp, kMaxGp);
  def_count(c, "nr_fixed", &VpmuState::nr_fixed, kMaxFixed);
  c.def_readwrite("version", &VpmuState::version)
      .def_readwrite("gp_bitmask", &VpmuState::gp_bitmask)
      .def_readwrite("fixed_bitmask", &VpmuState::fixed_bitmask)
      .def_readwrite("available_event_types", &VpmuState::available_event_types)
      .def_readwrite("global_ctrl_rsvd", &VpmuState::global_ctrl_rsvd)
      .def_readwrite("global_status_rsvd", &VpmuState::global_status_rsvd)
      .def_readwrite("fixed_ctr_ctrl_rsvd", &VpmuState::fixed_ctr_ctrl_rsvd)
      .def_readwrite("eventsel_rsvd", &VpmuState::eventsel_rsvd)
      .def_readwrite("raw_event_mask", &VpmuState::raw_event_mask)
      .def_readwrite("pebs_enable_rsvd", &VpmuState::pebs_enable_rsvd)
      .def_readwrite("pebs_data_cfg_rsvd", &VpmuState::pebs_data_cfg_rsvd)
      .def_readwrite("valid_pmc_bitmap", &VpmuState::valid_pmc_bitmap)
      .def_readwrite("global_ctrl", &VpmuState::global_ctrl)
      .def_readwrite("global_status", &VpmuState::global_status)
      .def_readwrite("fixed_ctr_ctrl", &VpmuState::fixed_ctr_ctrl)
      .def_readwrite("pebs_enable", &VpmuState::pebs_enable)
      .def_readwrite("pebs_data_cfg", &VpmuState::pebs_data_cfg)
      .def_readwrite("ds_area", &VpmuState::ds_area)
      .def_readwrite("in_use", &VpmuState::in_use)
      .def_readwrite("events", &VpmuState::events)
      .def_readwrite("event_count", &VpmuState::event_count)
      .def_readwrite("need_cleanup", &VpmuState::need_cleanup);
}

void bind_guest_state(py::module_& m) {
  py::class_<VmState>(m, "KvmVmState")
      .def_readwrite("pmu_enabled", &VmState::pmu_enabled)
      .def_readwrite("in_kernel_apic", &VmState::in_kernel_apic)
      .def_readwrite("stuff_feature_msrs", &VmState::stuff_feature_msrs)
      .def_readwrite("allow_freeze_in_smm", &VmState::allow_freeze_in_smm)
      .def_readonly("has_vcpu", &VmState::has_vcpu);
  py::class_<VcpuState>(m, "KvmVcpuState")
      .def_readwrite("cpuid", &VcpuState::cpuid)
      .def_readwrite("has_run", &VcpuState::has_run)
      .def_readwrite("perf_capabilities", &VcpuState::perf_capabilities)
      .def_readwrite("lbr", &VcpuState::lbr)
      .def_readwrite("lbr_event", &VcpuState::lbr_event)
      .def_property("event_state", &event_name, &set_event_name)
      .def_readwrite("event_create_errno", &VcpuState::event_create_errno)
      .def_readwrite("lbr_passthrough", &VcpuState::lbr_passthrough)
      .def_readwrite("vmcs_debugctl", &VcpuState::vmcs_debugctl)
      .def_readwrite("in_l2", &VcpuState::in_l2)
      .def_readwrite("vmcs12_saves_debugctl", &VcpuState::vmcs12_saves_debugctl)
      .def_readwrite("vmcs12_debugctl", &VcpuState::vmcs12_debugctl)
      .def_readwrite("cpl", &VcpuState::cpl)
      .def_readwrite("cr4_pce", &VcpuState::cr4_pce)
      .def_readwrite("cr0_pe", &VcpuState::cr0_pe)
      .def_readwrite("pmu", &VcpuState::pmu);
}

/// The state of a host with that part, before anything else about it is said.
HostState host_state(const std::string& uarch, const std::vector<std::pair<std::string, u64>>& overrides,
                     const std::string& kernel) {
  cpu::Uarch part = cpu::uarch(uarch);
  for (const auto& [field, value] : overrides) cpu::override_field(part, field, value);
  HostState state = host_state_of(part);
  state.kernel = kernel_of(kernel);
  return state;
}

}  // namespace

void bind_kvm_state(py::module_& m) {
  bind_records(m);
  bind_host_state(m);
  bind_cpuid(m);
  bind_vpmu_state(m);
  bind_guest_state(m);
  m.def("kvm_host_state", &host_state, py::arg("uarch"), py::arg("overrides"), py::arg("kernel"));
}

}  // namespace lastbranch::python
