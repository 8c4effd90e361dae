// Captures held against the models: the report as JSON, which the package makes a dict of.
#include "sim/replay/replay.h"

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <pybind11/stl.h>

#include "bindings/python/src/binders.h"
#include "sim/machine/replay_run.h"
#include "sim/replay/report_json.h"

namespace lastbranch::python {
namespace {

namespace py = pybind11;

/// The report of docs/replay.md. `process` without arguments: no program is run.
std::string replay_report(const std::string& capture, const replay::ReplayOptions& options,
                          user::ProcessConfig process, std::optional<u64> max_instructions) {
  const py::gil_scoped_release release;
  replay::Report report = replay::replay(capture, options);
  if (!process.arguments.empty() && !report.foreign) {
    ReplayRunOptions run;
    run.machine.uarch = report.processor;
    run.machine.process = std::move(process);
    run.max_instructions = max_instructions.value_or(Machine::kNoLimit);
    run.keep_going = options.keep_going;
    static_cast<void>(replay_run(capture, run, report));
  }
  return replay::report_json(report);
}

}  // namespace

void bind_replay(py::module_& m) {
  m.def(
      "replay",
      [](const std::string& capture, const std::vector<std::string>& binaries,
         const std::vector<std::string>& tables, const std::string& object, const std::string& uarch,
         unsigned depth, const std::string& filter, bool keep_going, const std::vector<std::string>& command,
         const std::vector<std::string>& environment, const std::string& root, bool read_only, u64 seed,
         std::optional<u64> max_instructions) {
        const replay::ReplayOptions options{.binaries = binaries,
                                            .tables = tables,
                                            .object = object,
                                            .uarch = uarch,
                                            .depth = depth,
                                            .filter = filter,
                                            .keep_going = keep_going};
        user::ProcessConfig process;
        process.arguments = command;
        process.environment = environment;
        process.root = root;
        process.read_only = read_only;
        process.seed = seed;
        return replay_report(capture, options, std::move(process), max_instructions);
      },
      py::arg("capture"), py::kw_only(), py::arg("binaries"), py::arg("tables"), py::arg("object"),
      py::arg("uarch"), py::arg("depth"), py::arg("filter"), py::arg("keep_going"), py::arg("command"),
      py::arg("environment"), py::arg("root"), py::arg("read_only"), py::arg("seed"),
      py::arg("max_instructions"));
}

}  // namespace lastbranch::python
