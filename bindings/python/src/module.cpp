// lastbranch._core: what the Python package needs of the library. The package is the interface; names here
// may change.
#include "bindings/python/src/binders.h"
#include "sim/base/error.h"

namespace lastbranch::python {

void bind_base(pybind11::module_& m) {
  const auto& error = pybind11::register_exception<Error>(m, "Error");
  error.attr("__module__") = "lastbranch";
  error.attr("__doc__") =
      "Wrong use, or a file or option that is bad: one line, what and where, expected and found.";
  m.attr("__version__") = LASTBRANCH_VERSION;
}

}  // namespace lastbranch::python

PYBIND11_MODULE(_core, m) {
  using namespace lastbranch::python;
  bind_base(m);
  bind_listing(m);
  bind_samples(m);
  bind_bare_lbr(m);
  bind_bare_pmu(m);
  bind_machine(m);
  bind_kvm_state(m);
  bind_kvm(m);
  bind_replay(m);
  bind_comparison(m);
}
