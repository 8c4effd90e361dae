#include "bindings/python/src/arrays.h"
#include "bindings/python/src/binders.h"
#include "bindings/python/src/rows.h"

namespace lastbranch::python {

void bind_samples(pybind11::module_& m) {
  PYBIND11_NUMPY_DTYPE(BranchRow, from, to, cycles, kind, mispredicted, predicted, in_tx, abort);
  PYBIND11_NUMPY_DTYPE(SampleRow, ip, time, period, first, count, event);
  m.attr("branch_dtype") = pybind11::dtype::of<BranchRow>();
  m.attr("sample_dtype") = pybind11::dtype::of<SampleRow>();
}

}  // namespace lastbranch::python
