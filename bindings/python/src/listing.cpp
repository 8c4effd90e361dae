#include <optional>
#include <string>
#include <tuple>
#include <vector>

#include <pybind11/stl.h>

#include "bindings/python/src/binders.h"
#include "models/cpu/uarch/uarch.h"
#include "models/pmu/events.h"

namespace lastbranch::python {
namespace {

namespace py = pybind11;

py::list uarchs() {
  py::list rows;
  for (const cpu::Uarch& u : cpu::uarchs()) {
    rows.append(py::make_tuple(u.name, u.title, u.brand, u.cpuid_string(), u.frequency_hz, u.lbr.depth));
  }
  return rows;
}

py::list parameters(const std::string& uarch) {
  const cpu::Uarch& u = cpu::uarch(uarch);
  py::list rows;
  for (const cpu::UarchField& f : cpu::uarch_fields()) {
    rows.append(py::make_tuple(f.name, f.unit, f.meaning, f.get(u), f.set != nullptr));
  }
  return rows;
}

/// perf's own names first, then the part's.
py::list events(const std::string& uarch) {
  const EventList list = cpu::uarch(uarch).pmu.events;
  py::list rows;
  for (const pmu::Alias& a : pmu::aliases()) {
    if (const pmu::Event* e = pmu::find(list, a.name); e != nullptr) {
      rows.append(py::make_tuple(a.name, e->description, e->select, e->supported(), e->name,
                                 pmu::state_text(*e), e->is_precise(list)));
    }
  }
  for (const pmu::Event& e : pmu::events()) {
    if (e.exists(list)) {
      rows.append(py::make_tuple(e.name, e.description, e.select, e.supported(), py::none(),
                                 pmu::state_text(e), e.is_precise(list)));
    }
  }
  return rows;
}

}  // namespace

void bind_listing(py::module_& m) {
  m.attr("default_uarch") = cpu::kDefaultUarch;
  m.def("uarchs", &uarchs);
  m.def("parameters", &parameters, py::arg("uarch"));
  m.def("events", &events, py::arg("uarch"));
}

}  // namespace lastbranch::python
