// Two captures side by side, as arrays.
#include <cmath>
#include <limits>
#include <map>
#include <string>

#include <pybind11/stl.h>

#include "bindings/python/src/arrays.h"
#include "bindings/python/src/binders.h"
#include "sim/replay/compare.h"

namespace lastbranch::python {
namespace {

namespace py = pybind11;
using replay::Both;
using replay::Comparison;
using replay::Estimate;

/// Value and the two ends of its interval, for A and B; NaN where nothing is known.
using Pair = std::array<std::array<double, 3>, 2>;

struct EdgeRow {
  u64 from, to;            ///< offsets in the files, or addresses
  i32 from_file, to_file;  ///< indices into the list of files; -1: an address
  std::array<u64, 2> taken;
  Pair share, missed, cycles;
};

struct ComparedBranch {
  u64 at;
  i32 file;
  std::array<u64, 2> targets, taken;
  Pair share, missed;
};

std::array<double, 3> triple(const std::optional<Estimate>& e) {
  constexpr double kNone = std::numeric_limits<double>::quiet_NaN();
  return e ? std::array{e->value, e->low, e->high} : std::array{kNone, kNone, kNone};
}

template <typename T>
Pair pair_of(const Both<T>& both) {
  return {triple(both[0]), triple(both[1])};
}

/// Paths, each once.
class Files {
 public:
  i32 number(const std::string& path) {
    if (path.empty()) return -1;
    const auto [at, is_new] = numbers_.try_emplace(path, static_cast<i32>(paths_.size()));
    if (is_new) paths_.push_back(path);
    return at->second;
  }
  [[nodiscard]] const std::vector<std::string>& paths() const { return paths_; }

 private:
  std::map<std::string, i32> numbers_;
  std::vector<std::string> paths_;
};

py::dict side(const replay::Side& side) {
  py::dict out;
  out["path"] = side.path;
  out["samples"] = side.samples;
  out["branches"] = side.branches;
  out["edges"] = side.edges;
  out["halves"] = side.halves;
  return out;
}

py::dict compare(const std::string& a, const std::string& b, bool keep_going) {
  const Comparison c = [&] {
    const py::gil_scoped_release release;
    return replay::compare_files(a, b, {.keep_going = keep_going});
  }();
  Files files;
  std::vector<EdgeRow> edges;
  for (const replay::EdgeRow& row : c.edges) {
    edges.push_back({row.from.offset, row.to.offset, files.number(row.from.file), files.number(row.to.file),
                     row.taken, pair_of(row.share), pair_of(row.missed), pair_of(row.cycles)});
  }
  std::vector<ComparedBranch> branches;
  for (const replay::BranchRow& row : c.branches) {
    branches.push_back({row.at.offset, files.number(row.at.file), row.targets, row.taken, pair_of(row.share),
                        pair_of(row.missed)});
  }
  py::dict out;
  out["sides"] = py::make_tuple(side(c.sides[0]), side(c.sides[1]));
  out["overlap"] = py::make_tuple(c.overlap.value, c.overlap.low, c.overlap.high);
  out["files"] = files.paths();
  out["edges"] = owning_array(std::move(edges));
  out["branches"] = owning_array(std::move(branches));
  out["notes"] = c.notes;
  return out;
}

}  // namespace

void bind_comparison(py::module_& m) {
  PYBIND11_NUMPY_DTYPE(EdgeRow, from, to, from_file, to_file, taken, share, missed, cycles);
  PYBIND11_NUMPY_DTYPE(ComparedBranch, at, file, targets, taken, share, missed);
  m.def("compare", &compare);
}

}  // namespace lastbranch::python
