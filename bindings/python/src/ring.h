#pragma once
// Last-branch records as Python reaches them, of a machine or alone.
#include <string>
#include <utility>
#include <vector>

#include "bindings/python/src/arrays.h"
#include "bindings/python/src/rows.h"
#include "models/lbr/lbr.h"
#include "sim/base/msr_bus.h"

namespace lastbranch::python {

/// Sets the part's filter as `perf record -j` would, recording or not. Throws Error.
void set_filter(lbr::Lbr& ring, MsrBus& msrs, const std::string& branches);

/// MSR_LBR_SELECT; of an architectural part IA32_LBR_CTL without the enable bit.
[[nodiscard]] u64 filter_value(const lbr::Lbr& ring, MsrBus& msrs);
/// Throws Error when the part refuses it.
void set_filter_value(const lbr::Lbr& ring, MsrBus& msrs, u64 value);

[[nodiscard]] pybind11::array entries(const lbr::Lbr& ring);

/// Adds what both have to a class; `ring(T&)` and `bus(T&)` give model and registers.
template <class T, class RingOf, class Bus>
void bind_ring(pybind11::class_<T>& c, RingOf ring, Bus bus) {
  namespace py = pybind11;
  c.def_property_readonly("lbr_depth", [ring](T& t) { return ring(t).depth(); });
  c.def_property_readonly("lbr_enabled", [ring](T& t) { return ring(t).enabled(); });
  c.def_property_readonly("lbr_recording", [ring](T& t) { return ring(t).recording(); });
  c.def_property_readonly("lbr_inserts", [ring](T& t) { return ring(t).inserts(); });
  c.def("lbr_disable", [ring](T& t) { ring(t).enable(false); });
  c.def("lbr_clear", [ring](T& t) { ring(t).clear(); });
  c.def("lbr_entries", [ring](T& t) { return entries(ring(t)); });
  c.def(
      "lbr_filter", [ring, bus](T& t, const std::string& branches) { set_filter(ring(t), bus(t), branches); },
      py::arg("branches"));
  c.def_property(
      "lbr_select", [ring, bus](T& t) { return filter_value(ring(t), bus(t)); },
      [ring, bus](T& t, u64 value) { set_filter_value(ring(t), bus(t), value); });
}

}  // namespace lastbranch::python
