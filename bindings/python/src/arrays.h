#pragma once
// Rows as NumPy arrays.
#include <utility>
#include <vector>

#include <pybind11/numpy.h>

namespace lastbranch::python {

/// A read-only array over `rows`, which it keeps; nothing is copied.
template <class Row>
pybind11::array owning_array(std::vector<Row>&& rows) {
  auto* kept = new std::vector<Row>(std::move(rows));
  const pybind11::capsule owner(kept, [](void* p) { delete static_cast<std::vector<Row>*>(p); });
  pybind11::array array(pybind11::dtype::of<Row>(), {kept->size()}, {sizeof(Row)}, kept->data(), owner);
  array.attr("setflags")(pybind11::arg("write") = false);
  return array;
}

}  // namespace lastbranch::python
