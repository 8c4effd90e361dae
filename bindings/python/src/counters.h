#pragma once
// Counters as Python programs them: through the registers alone, as a driver does.
#include <bit>
#include <optional>
#include <string>
#include <vector>

#include <pybind11/stl.h>

#include "models/cpu/uarch/uarch.h"
#include "models/pmu/pebs_counters.h"
#include "sim/base/msr_bus.h"

namespace lastbranch::python {

/// A PMU's registers, and the part they belong to.
struct CounterBank {
  const cpu::Uarch& part;
  MsrBus& msrs;

  /// Counts `event` from now on, on `counter` or on the first free one that can; a `period` sets its value to
  /// that many events below its overflow, `pmi` makes it ask for an interrupt there. Returns the counter: n
  /// general, 32 + i fixed. Throws Error.
  pmu::CounterBit program(const std::string& event, std::optional<u64> period,
                          std::optional<pmu::CounterBit> counter, bool pmi);
  /// Stops the counter; it keeps its value.
  void stop(pmu::CounterBit counter);
  [[nodiscard]] u64 read(pmu::CounterBit counter);
  /// Sets the counter to `left` events below its overflow.
  void arm(pmu::CounterBit counter, u64 left);
  /// Counters with their overflow bit set in IA32_PERF_GLOBAL_STATUS.
  [[nodiscard]] u64 status();
  /// Clears these bits there, and the freeze bits of a PMI.
  void acknowledge(u64 bits);
  /// Counters that are enabled by themselves.
  [[nodiscard]] u64 programmed();
  /// All counters, as bits.
  [[nodiscard]] u64 all() const;

 private:
  [[nodiscard]] bool has(pmu::CounterBit counter) const { return ((all() >> counter) & 1) != 0; }
  void expect(pmu::CounterBit counter) const;
  void set(pmu::CounterBit counter, u64 value);
};

/// Adds what a machine's counters and bare ones share; `bank(T&)` gives the bank.
template <class T, class BankOf>
void bind_counters(pybind11::class_<T>& c, BankOf bank) {
  namespace py = pybind11;
  const auto numbers = [](u64 bits) {
    std::vector<unsigned> set;
    for (; bits != 0; bits &= bits - 1) set.push_back(static_cast<unsigned>(std::countr_zero(bits)));
    return set;
  };
  c.def_property_readonly("pmu_counters", [bank, numbers](T& t) { return numbers(bank(t).all()); });
  c.def_property_readonly("pmu_programmed", [bank, numbers](T& t) { return numbers(bank(t).programmed()); });
  c.def(
      "pmu_read", [bank](T& t, unsigned counter) { return bank(t).read(counter); }, py::arg("counter"));
  c.def("pmu_overflowed", [bank, numbers](T& t) { return numbers(bank(t).status()); });
  c.def("pmu_acknowledge", [bank](T& t) { bank(t).acknowledge(bank(t).status()); });
}

}  // namespace lastbranch::python
