#pragma once
// The parts of the module lastbranch._core, one function each.
#include <pybind11/pybind11.h>

namespace lastbranch::python {

/// Exceptions and the version.
void bind_base(pybind11::module_& m);
/// What there is to choose from: microarchitectures, their fields, events.
void bind_listing(pybind11::module_& m);
/// Last-branch records and counters alone.
void bind_bare_lbr(pybind11::module_& m);
void bind_bare_pmu(pybind11::module_& m);
/// The machine.
void bind_machine(pybind11::module_& m);
/// KVM: the states as classes, and what works on them.
void bind_kvm_state(pybind11::module_& m);
void bind_kvm(pybind11::module_& m);
/// Captures: held against the models, and side by side.
void bind_replay(pybind11::module_& m);
void bind_comparison(pybind11::module_& m);
/// Samples and branch records as NumPy arrays.
void bind_samples(pybind11::module_& m);

}  // namespace lastbranch::python
