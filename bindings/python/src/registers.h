#pragma once
// Model-specific registers as Python reaches them: by name or number, refusals as exceptions that say which
// register and why.
#include <string>
#include <variant>
#include <vector>

#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

#include "sim/base/msr_bus.h"

namespace lastbranch::python {

/// A name in any case of letters, or the register's number.
using MsrKey = std::variant<u32, std::string>;

/// Throws KeyError (nothing there) or Error (write-only).
[[nodiscard]] u64 read_msr(MsrBus& msrs, const MsrKey& key);
/// Throws KeyError (nothing there) or Error (refused).
void write_msr(MsrBus& msrs, const MsrKey& key, u64 value);
/// Number of the register. Throws KeyError.
[[nodiscard]] u32 msr_index(MsrBus& msrs, const MsrKey& key);

/// Adds the accesses to a class; `bus(T&)` gives its registers.
template <class T, class Bus>
void bind_registers(pybind11::class_<T>& c, Bus bus) {
  namespace py = pybind11;
  c.def("msr_names", [bus](T& t) {
    std::vector<std::string> names;
    for (const MsrBus::Listed& m : bus(t).list()) names.push_back(m.name);
    return names;
  });
  c.def(
      "msr_index", [bus](T& t, const MsrKey& key) { return msr_index(bus(t), key); }, py::arg("key"));
  c.def(
      "read_msr", [bus](T& t, const MsrKey& key) { return read_msr(bus(t), key); }, py::arg("key"));
  c.def(
      "write_msr", [bus](T& t, const MsrKey& key, u64 value) { write_msr(bus(t), key, value); },
      py::arg("key"), py::arg("value"));
}

}  // namespace lastbranch::python
