// A vCPU's guest that runs: images in, exits out.
#include <algorithm>
#include <iterator>
#include <optional>
#include <string_view>
#include <utility>

#include <fmt/format.h>
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

/// Marks a vCPU and its VM as running for the current scope.
class Running {
 public:
  Running(bool& busy, unsigned& vcpus) : busy_(busy), vcpus_(vcpus) {
    busy_ = true;
    ++vcpus_;
  }
  ~Running() {
    busy_ = false;
    --vcpus_;
  }
  Running(const Running&) = delete;
  Running& operator=(const Running&) = delete;

 private:
  bool& busy_;
  unsigned& vcpus_;
};

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
  return py::make_tuple(f, kvm_rows(exit.entry), kvm_rows(exit.rules));
}

py::dict run(KvmVcpu& v, std::optional<u64> max_instructions, std::optional<u64> max_exits) {
  KvmRun done = v.run(max_instructions.value_or(KvmGuest::kNoLimit), max_exits.value_or(KvmGuest::kNoLimit));
  if (done.how == KvmRun::How::kBudget)
    done.why = done.instructions == max_instructions ? fmt::format("{} instructions", *max_instructions)
                                                     : fmt::format("{} VM exits", max_exits.value_or(0));
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
  d["output"] = py::bytes(v.take_output());
  return d;
}

std::vector<u8> bytes_of(const py::bytes& data) {
  const auto text = static_cast<std::string_view>(data);
  return {text.begin(), text.end()};
}

void load(KvmVcpu& v, const py::bytes& image, const std::string& uarch,
          const std::vector<std::pair<std::string, u64>>& overrides, u64 base, u64 memory, u64 slice,
          const std::string& lbr_user) {
  v.load(bytes_of(image), base, {uarch, overrides, memory, slice, lbr_user});
}

py::dict registers(KvmVcpu& v) {
  constexpr std::array kNames = {"rax", "rcx", "rdx", "rbx", "rsp", "rbp", "rsi", "rdi",
                                 "r8",  "r9",  "r10", "r11", "r12", "r13", "r14", "r15"};
  const KvmRegisters r = v.guest().registers();
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
  const KvmGuest& guest = v.guest();
  // Before so much is allocated.
  if (size > guest.memory_bytes())
    throw Error("memory: expected a read of up to {:#x} bytes, found {:#x}", guest.memory_bytes(), size);
  std::vector<u8> data(size);
  guest.read_memory(address, data);
  return {reinterpret_cast<const char*>(data.data()), data.size()};
}

void write_memory(KvmVcpu& v, u64 address, const py::bytes& data) {
  v.guest().write_memory(address, bytes_of(data));
}

std::vector<std::pair<u64, u64>> host_records(KvmVcpu& v) {
  std::vector<std::pair<u64, u64>> all;
  for (const LbrRecord& r : v.guest().host_records()) all.emplace_back(r.from, r.to);
  return all;
}

}  // namespace

kvm::Vm& KvmVm::idle() {
  if (running != 0) throw Error("vm: a guest runs in another thread");
  return vm;
}

kvm::Vcpu& KvmVcpu::vcpu() {
  if (busy_) throw Error("vcpu: its guest runs in another thread");
  return vcpu_;
}

KvmGuest& KvmVcpu::guest() {
  static_cast<void>(vcpu());
  if (!guest_) throw Error("run: expected a guest with an image, found none loaded");
  return *guest_;
}

void KvmVcpu::load(std::span<const u8> image, u64 base, const KvmSetting& setting) {
  kvm::Vcpu& own = vcpu();
  if (!guest_ || setting_ != setting) {
    // Each gives the vCPU back what it ran on before, so there is one at a time.
    guest_.reset();
    KvmGuestConfig config{.uarch = setting.uarch,
                          .overrides = setting.overrides,
                          .memory_bytes = setting.memory,
                          .host_lbr = user_of(setting.lbr_user),
                          .slice = setting.slice,
                          .output = [this](std::string_view text) { output_ += text; }};
    guest_ = std::make_unique<KvmGuest>(own, std::move(config));
    setting_ = setting;
  }
  guest_->load(image, base);
  output_.clear();
}

KvmRun KvmVcpu::run(u64 instructions, u64 exits) {
  constexpr u64 kInstructions = 20'000'000, kExits = 100'000;
  KvmGuest& own = guest();
  const Running running(busy_, vm_.running);
  KvmRun all;
  for (;;) {
    KvmRun piece;
    {
      const py::gil_scoped_release unlocked;
      piece = own.run(std::min(instructions, kInstructions), std::min(exits, kExits));
    }
    instructions -= piece.instructions;
    exits -= std::min(exits, piece.exits_seen);
    append(all, std::move(piece), KvmGuestConfig{}.kept_exits);
    if (PyErr_CheckSignals() != 0) throw py::error_already_set();
    if (all.how != KvmRun::How::kBudget || instructions == 0 || exits == 0) return all;
  }
}

void bind_kvm_run(py::class_<KvmVcpu>& c) {
  c.def("load", &load, py::arg("image"), py::arg("uarch"), py::arg("overrides"), py::arg("base"),
        py::arg("memory"), py::arg("slice"), py::arg("lbr_user"))
      .def("run", &run, py::arg("max_instructions"), py::arg("max_exits"))
      .def("registers", &registers)
      .def("read_memory", &read_memory, py::arg("address"), py::arg("size"))
      .def("write_memory", &write_memory, py::arg("address"), py::arg("data"))
      .def(
          "cpu_msr", [](KvmVcpu& v, u32 index) { return v.guest().hardware_msr(index); }, py::arg("index"))
      .def("host_records", &host_records);
}

}  // namespace lastbranch::python
