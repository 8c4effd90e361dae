#include <cstring>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <pybind11/stl.h>

#include "bindings/python/src/arrays.h"
#include "bindings/python/src/binders.h"
#include "bindings/python/src/counters.h"
#include "bindings/python/src/registers.h"
#include "bindings/python/src/ring.h"
#include "bindings/python/src/session.h"
#include "models/cpu/decode.h"
#include "sim/base/error.h"

namespace lastbranch::python {
namespace {

namespace py = pybind11;

using Overrides = std::vector<std::pair<std::string, u64>>;

std::unique_ptr<Session> make_session(const std::vector<std::string>& arguments,
                                      const std::vector<std::string>& environment, const std::string& uarch,
                                      const Overrides& overrides, const std::string& root, bool read_only,
                                      u64 seed, u64 skid, const StreamFds& streams) {
  MachineConfig config;
  config.uarch = uarch;
  config.overrides = overrides;
  config.process.arguments = arguments;
  config.process.environment = environment;
  config.process.root = root;
  config.process.read_only = read_only;
  config.process.seed = seed;
  config.pmu.skid_cycles = skid;
  return std::make_unique<Session>(std::move(config), streams);
}

/// ("exited" | "killed" | "limit" | "stopped", exit status or signal).
py::tuple run(Session& s, std::optional<u64> max_instructions) {
  const RunOutcome outcome = s.run(max_instructions.value_or(Machine::kNoLimit));
  constexpr std::array kHow = {"exited", "killed", "limit", "stopped"};
  return py::make_tuple(kHow.at(static_cast<std::size_t>(outcome.how)), outcome.status);
}

/// Numbers of counters that are the PMU's have this bit.
constexpr u64 kOnPmu = u64{1} << 62;

u64 count(Session& s, const std::string& event) {
  Machine& m = s.machine();
  const pmu::EventSpec spec = pmu::parse_event(m.uarch().pmu.events, m.uarch().name, event);
  // What looks at single cycles needs a counter of the PMU; the others count beside it.
  return spec.per_cycle ? m.perf_count(spec) | kOnPmu : m.count(spec);
}
u64 counter(Session& s, u64 number) {
  const Machine& m = s.machine();
  return (number & kOnPmu) != 0 ? m.perf_counted(number & ~kOnPmu).scaled() : m.counted(number);
}

std::map<std::string_view, u64> facts(Session& s) {
  std::map<std::string_view, u64> totals;
  for (std::size_t k = 0; k < kSuppliedFacts; ++k)
    totals[kEvNames.at(k)] = s.machine().ledger().total(static_cast<Ev>(k));
  return totals;
}

py::dict registers(Session& s) {
  constexpr std::array kNames = {"rax", "rcx", "rdx", "rbx", "rsp", "rbp", "rsi", "rdi",
                                 "r8",  "r9",  "r10", "r11", "r12", "r13", "r14", "r15"};
  cpu::Cpu& c = s.machine().cpu();
  py::dict values;
  for (std::size_t k = 0; k < kNames.size(); ++k) values[kNames.at(k)] = c.r.at(k);
  values["rip"] = c.rip;
  values["rflags"] = c.flags();
  values["fs_base"] = c.fs_base();
  values["gs_base"] = c.gs_base();
  return values;
}

py::bytes read_memory(Session& s, u64 address, u64 size) {
  std::string data(size, '\0');
  if (!s.machine().process().memory().copy_in(data.data(), address, size)) {
    throw Error("memory at {:#x}: expected {} readable bytes, found a hole", address, size);
  }
  return py::bytes(data);
}

py::list mappings(Session& s) {
  py::list rows;
  for (const user::ExecMapping& m : s.machine().process().memory().executable_mappings()) {
    rows.append(py::make_tuple(m.address, m.length, m.pgoff, m.filename));
  }
  return rows;
}

py::list refused_calls(Session& s) {
  py::list rows;
  for (const user::RefusedCall& call : s.machine().process().refused_calls()) {
    rows.append(py::make_tuple(call.name, call.reason, call.count));
  }
  return rows;
}

/// What the program died of, one line; None when it did not.
std::optional<std::string> death(Session& s) {
  user::Process& process = s.machine().process();
  const user::Death& d = process.death();
  if (d.signal == 0) return std::nullopt;
  std::string text = fmt::format("killed by signal {} ({}) at {}: {}", d.signal, ::strsignal(d.signal),
                                 process.describe(d.rip), d.reason);
  if (d.by_fault && d.fault.vector == Vector::kUD) {
    std::array<u8, 15> bytes{};
    std::size_t n = bytes.size();
    while (n != 0 && !process.memory().copy_in(bytes.data(), d.rip, n)) --n;
    text += ": " + cpu::describe_instruction({bytes.data(), n}, d.rip);
  }
  return text;
}

/// What the machine's part takes `-j`'s argument for.
BranchFilter filter(Session& s, const std::string& branches) {
  return parse_branch_filter(branches, s.machine().uarch().lbr);
}

CounterBank bank(Session& s) {
  return {s.machine().uarch(), s.machine().msrs()};
}
unsigned program(Session& s, const std::string& event, std::optional<u64> period,
                 std::optional<unsigned> counter) {
  return bank(s).program(event, period, counter, false);
}

/// The events with their periods.
std::vector<std::pair<std::string, u64>> collect(Session& s, const std::string& events, u64 period,
                                                 const std::string& branches, bool raw_lbr) {
  const std::vector<SampledEvent> parsed = s.parse(events, period);
  s.collect(parsed, filter(s, branches), raw_lbr);
  std::vector<std::pair<std::string, u64>> chosen;
  for (const SampledEvent& e : parsed) chosen.emplace_back(e.spec.text, e.period);
  return chosen;
}

py::tuple take_samples(Session& s) {
  Samples taken = s.take_samples();
  return py::make_tuple(owning_array(std::move(taken.samples)), owning_array(std::move(taken.branches)));
}

void record(Session& s, const std::string& path, const std::string& events, u64 period,
            const std::string& branches, bool raw_lbr, const std::vector<std::string>& command_line) {
  RecordConfig config;
  config.path = path;
  config.events = s.parse(events, period);
  config.branches = filter(s, branches);
  config.raw_lbr = raw_lbr;
  config.cmdline = command_line;
  s.record(std::move(config));
}

u64 finish_recording(Session& s) {
  return s.finish_recording().samples;
}

}  // namespace

void bind_machine(py::module_& m) {
  py::class_<Session> c(m, "Machine");
  c.def(py::init(&make_session), py::kw_only(), py::arg("arguments"), py::arg("environment"),
        py::arg("uarch"), py::arg("overrides"), py::arg("root"), py::arg("read_only"), py::arg("seed"),
        py::arg("skid"), py::arg("streams"))
      .def("run", &run, py::arg("max_instructions"))
      .def("request_stop", [](Session& s) { s.request_stop(); })
      .def("count", &count, py::arg("event"))
      .def("counter", &counter, py::arg("number"))
      .def("facts", &facts)
      .def_property_readonly("instructions", [](Session& s) { return s.machine().instructions(); })
      .def_property_readonly("cycles", [](Session& s) { return s.machine().cycles(); })
      .def_property_readonly("time_ns", [](Session& s) { return s.machine().now_ns(); })
      .def("configuration", [](Session& s) { return s.machine().configuration(); })
      .def("registers", &registers)
      .def("read_memory", &read_memory, py::arg("address"), py::arg("size"))
      .def("mappings", &mappings)
      .def_property_readonly(
          "resident_bytes",
          [](Session& s) { return s.machine().process().memory().resident_pages() * kPageSize; })
      .def(
          "describe", [](Session& s, u64 address) { return s.machine().process().describe(address); },
          py::arg("address"))
      .def("refused_calls", &refused_calls)
      .def("death", &death)
      .def(
          "lbr_enable",
          [](Session& s, const std::string& branches) { s.machine().enable_lbr(filter(s, branches)); },
          py::arg("branches"))
      .def("pmu_program", &program, py::arg("event"), py::arg("period"), py::arg("counter"))
      .def(
          "pmu_stop", [](Session& s, unsigned counter) { bank(s).stop(counter); }, py::arg("counter"))
      .def("collect", &collect, py::arg("events"), py::arg("period"), py::arg("branches"), py::arg("raw_lbr"))
      .def("take_samples", &take_samples)
      .def("record", &record, py::arg("path"), py::arg("events"), py::arg("period"), py::arg("branches"),
           py::arg("raw_lbr"), py::arg("command_line"))
      .def("finish_recording", &finish_recording);
  const auto msrs = [](Session& s) -> MsrBus& { return s.machine().msrs(); };
  bind_registers(c, msrs);
  bind_ring(
      c, [](Session& s) -> lbr::Lbr& { return s.machine().lbr(); }, msrs);
  bind_counters(c, &bank);
}

}  // namespace lastbranch::python
