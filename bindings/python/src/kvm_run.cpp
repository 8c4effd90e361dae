// A vCPU's guest that runs: images in, exits out.
#include <algorithm>
#include <iterator>
#include <span>

#include <pybind11/stl.h>

#include "bindings/python/src/binders.h"
#include "bindings/python/src/kvm.h"
#include "sim/base/error.h"

namespace lastbranch::python {
namespace {

namespace py = pybind11;

HostLbr user_of(const std::string& text) {
  if (text == "pinned") return HostLbr::kPinned;
  return text == "task" ? HostLbr::kOtherTask : HostLbr::kUnused;
}

/// Adds what a second run did to the first one's account.
void append(KvmRun& all, KvmRun&& more, std::size_t kept) {
  all.how = more.how;
  all.status = more.status;
  all.why = std::move(more.why);
  all.instructions += more.instructions;
  all.branches += more.branches;
  all.entries += more.entries;
  all.exits_seen += more.exits_seen;
  all.pmis += more.pmis;
  all.slices += more.slices;
  all.log_lines += more.log_lines;
  all.warnings += more.warnings;
  const auto room = static_cast<std::ptrdiff_t>(kept - std::min(kept, all.exits.size()));
  const auto taken = std::min(room, std::ssize(more.exits));
  std::move(more.exits.begin(), more.exits.begin() + taken, std::back_inserter(all.exits));
}

py::tuple facts(const KvmExit& exit) {
  py::dict f;
  f["reason"] = name(exit.reason);
  f["rip"] = exit.rip;
  f["instructions"] = exit.instructions;
  f["index"] = exit.index;
  f["value"] = exit.value;
  f["answer"] = exit.answer;
  f["gp"] = exit.gp;
  f["pmi"] = exit.pmi;
  f["passed_through"] = exit.passed_through;
  f["text"] = exit.describe();
  return py::make_tuple(f, kvm_rows(exit.entry.rules()), kvm_rows(exit.rules.rules()));
}

py::dict run(KvmVcpu& v, std::optional<u64> max_instructions) {
  KvmRunner runner(v);
  const KvmRun done = runner.run(max_instructions);
  py::dict d;
  d["how"] = name(done.how);
  d["status"] = done.status;
  d["why"] = done.why;
  d["instructions"] = done.instructions;
  d["branches"] = done.branches;
  d["entries"] = done.entries;
  d["exit_count"] = done.exits_seen;
  d["pmis"] = done.pmis;
  d["slices"] = done.slices;
  d["log_lines"] = done.log_lines;
  d["warnings"] = done.warnings;
  py::list exits;
  for (const KvmExit& exit : done.exits) exits.append(facts(exit));
  d["exits"] = exits;
  d["output"] = py::bytes(runner.take_output());
  return d;
}

void load(KvmVcpu& v, const py::bytes& image, const std::string& uarch,
          const std::vector<std::pair<std::string, u64>>& overrides, u64 base, u64 memory, u64 slice,
          const std::string& lbr_user) {
  KvmRunner(v).load(std::string(image), base, {uarch, overrides, memory, slice, lbr_user});
}

py::dict registers(KvmVcpu& v) {
  constexpr std::array kNames = {"rax", "rcx", "rdx", "rbx", "rsp", "rbp", "rsi", "rdi",
                                 "r8",  "r9",  "r10", "r11", "r12", "r13", "r14", "r15"};
  const KvmRegisters r = KvmRunner(v).guest().registers();
  py::dict d;
  for (std::size_t i = 0; i < kNames.size(); ++i) d[kNames.at(i)] = r.gpr.at(i);
  d["rip"] = r.rip;
  d["rflags"] = r.rflags;
  d["cr0"] = r.cr0;
  d["cr2"] = r.cr2;
  d["cr3"] = r.cr3;
  d["cr4"] = r.cr4;
  d["efer"] = r.efer;
  d["dr7"] = r.dr7;
  return d;
}

py::bytes read_memory(KvmVcpu& v, u64 address, u64 size) {
  const KvmGuest& guest = KvmRunner(v).guest();
  // Before so much is allocated.
  if (size > guest.memory_bytes())
    throw Error("memory: expected a read of up to {:#x} bytes, found {:#x}", guest.memory_bytes(), size);
  std::vector<u8> data(size);
  guest.read_memory(address, data);
  return {reinterpret_cast<const char*>(data.data()), data.size()};
}

std::vector<u8> bytes_of(const std::string& text) {
  return {text.begin(), text.end()};
}

void write_memory(KvmVcpu& v, u64 address, const py::bytes& data) {
  KvmRunner(v).guest().write_memory(address, bytes_of(data));
}

std::vector<std::pair<u64, u64>> host_records(KvmVcpu& v) {
  std::vector<std::pair<u64, u64>> all;
  for (const LbrRecord& r : KvmRunner(v).guest().host_records()) all.emplace_back(r.from, r.to);
  return all;
}

}  // namespace

KvmGuest& KvmRunner::guest() {
  if (!vcpu_.guest_) throw Error("run: expected a guest with an image, found none loaded");
  return *vcpu_.guest_;
}

void KvmRunner::load(const std::string& image, u64 base, const KvmSetting& setting) {
  if (!vcpu_.guest_ || vcpu_.setting_ != setting) {
    // Each gives the vCPU back what it ran on before, so there is one at a time.
    vcpu_.guest_.reset();
    KvmGuestConfig config;
    config.uarch = setting.uarch;
    config.overrides = setting.overrides;
    config.memory_bytes = setting.memory;
    config.slice = setting.slice;
    config.host_lbr = user_of(setting.lbr_user);
    config.output = [&out = vcpu_.output_](std::string_view text) { out += text; };
    vcpu_.guest_ = std::make_unique<KvmGuest>(vcpu_.vcpu_, std::move(config));
    vcpu_.setting_ = setting;
  }
  vcpu_.guest_->load(bytes_of(image), base);
  vcpu_.output_.clear();
}

KvmRun KvmRunner::run(std::optional<u64> max_instructions) {
  // Between two pieces Python looks at its signals.
  constexpr u64 kPiece = 20'000'000;
  KvmGuest& g = guest();
  vcpu_.begin();
  KvmRun all;
  u64 left = max_instructions.value_or(KvmGuest::kNoLimit);
  do {
    KvmRun piece;
    {
      const py::gil_scoped_release unlocked;
      piece = g.run(std::min(left, kPiece));
    }
    left -= piece.instructions;
    append(all, std::move(piece), KvmGuestConfig{}.kept_exits);
    if (PyErr_CheckSignals() != 0) throw py::error_already_set();
  } while (all.how == KvmRun::How::kBudget && left != 0);
  vcpu_.last_.log_lines = all.log_lines;
  vcpu_.last_.warnings = all.warnings;
  if (!all.exits.empty()) vcpu_.rules_ = all.exits.back().rules.rules();
  return all;
}

void bind_kvm_run(py::class_<KvmVcpu>& c) {
  c.def("load", &load, py::arg("image"), py::arg("uarch"), py::arg("overrides"), py::arg("base"),
        py::arg("memory"), py::arg("slice"), py::arg("lbr_user"))
      .def("run", &run, py::arg("max_instructions"))
      .def("registers", &registers)
      .def("read_memory", &read_memory, py::arg("address"), py::arg("size"))
      .def("write_memory", &write_memory, py::arg("address"), py::arg("data"))
      .def(
          "cpu_msr", [](KvmVcpu& v, u32 index) { return KvmRunner(v).guest().hardware_msr(index); },
          py::arg("index"))
      .def("host_records", &host_records);
}

}  // namespace lastbranch::python
