// Counters without a machine: a script says what happened.
#include <algorithm>
#include <array>
#include <bit>
#include <string_view>

#include <pybind11/numpy.h>

#include "bindings/python/src/arrays.h"
#include "bindings/python/src/binders.h"
#include "bindings/python/src/counters.h"
#include "bindings/python/src/registers.h"
#include "models/pmu/pmu.h"
#include "sim/base/error.h"

namespace lastbranch::python {
namespace {

namespace py = pybind11;

/// A counter passed its end.
struct OverflowRow {
  u64 step;
  u8 counter;
};

Ev fact_of(const std::string& name) {
  const auto found = std::ranges::find(kEvNames, name);
  if (found == kEvNames.end()) {
    throw Error("fact '{}': expected one of lastbranch.facts(), found another name", name);
  }
  return static_cast<Ev>(found - kEvNames.begin());
}

class BarePmu final : public PmiTarget {
 public:
  using Overrides = std::vector<std::pair<std::string, u64>>;
  using Counts = py::array_t<u64, py::array::c_style | py::array::forcecast>;

  BarePmu(const std::string& uarch, const Overrides& overrides)
      : part_(changed(uarch, overrides)),
        pmu_(part_.pmu, ledger_, {.debug = nullptr, .target = this, .most_cycles = 1}) {
    msrs_.attach(pmu_.rows(), &pmu_);
  }

  void pmi() override { ++pmis_; }
  [[nodiscard]] u64 pmis() const { return pmis_; }
  [[nodiscard]] MsrBus& msrs() { return msrs_; }
  [[nodiscard]] CounterBank bank() { return {part_, msrs_}; }
  [[nodiscard]] std::string_view name() const { return part_.name; }

  unsigned program(const std::string& event, std::optional<u64> period, std::optional<unsigned> counter) {
    const pmu::CounterBit c = bank().program(event, period, counter, period.has_value());
    periods_.at(c) = period.value_or(0);
    return c;
  }
  void stop(unsigned counter) {
    bank().stop(counter);
    periods_.at(counter) = 0;
  }

  /// `n` steps, each with one occurrence of `fact`.
  py::array repeat(const std::string& fact, u64 n, bool user) {
    const Ev ev = fact_of(fact);
    std::vector<OverflowRow> overflows;
    ledger_.enter(context_of(user ? 3 : 0));
    for (u64 at = 0; at < n;) {
      Horizon horizon;
      horizon.within(n - at);
      pmu_.limit(horizon);
      const u64 events = std::max<u64>(1, horizon.instructions());
      ledger_.add(ev, events);
      at += events;
      serve(at - 1, overflows);
    }
    return owning_array(std::move(overflows));
  }

  /// A step for each row: `counts[k]` occurrences of `facts[k]`. All have one length.
  py::array feed(const std::vector<std::string>& facts, const std::vector<Counts>& counts, bool user) {
    std::vector<std::pair<Ev, const u64*>> columns;
    const py::ssize_t n = counts.empty() ? 0 : counts[0].size();
    for (std::size_t k = 0; k < facts.size(); ++k) {
      if (counts[k].ndim() != 1 || counts[k].size() != n) {
        throw Error("fact '{}': expected one count a step, {} of them, found {}", facts[k], n,
                    counts[k].size());
      }
      columns.emplace_back(fact_of(facts[k]), counts[k].data());
    }
    std::vector<OverflowRow> overflows;
    ledger_.enter(context_of(user ? 3 : 0));
    for (py::ssize_t at = 0; at < n; ++at) {
      for (const auto& [ev, values] : columns) ledger_.add(ev, values[at]);
      serve(static_cast<u64>(at), overflows);
    }
    return owning_array(std::move(overflows));
  }

 private:
  static cpu::Uarch changed(const std::string& uarch, const Overrides& overrides) {
    cpu::Uarch part = cpu::uarch(uarch);
    for (const auto& [field, value] : overrides) cpu::override_field(part, field, value);
    return part;
  }

  /// What a driver does: notes what overflowed, arms sampling counters anew, acknowledges them.
  void serve(u64 step, std::vector<OverflowRow>& overflows) {
    pmu_.service(0);
    const u64 now = pmu_.status() & pmu_.counters();
    const u64 fresh = now & ~seen_;
    seen_ = now;
    if (fresh == 0) return;
    u64 handled = 0;
    for (u64 rest = fresh; rest != 0; rest &= rest - 1) {
      const auto c = static_cast<pmu::CounterBit>(std::countr_zero(rest));
      overflows.push_back({step, static_cast<u8>(c)});
      if (periods_.at(c) == 0) continue;
      // Events beyond the overflow belong to the next period.
      const u64 beyond = bank().read(c) % periods_.at(c);
      bank().arm(c, periods_.at(c) - beyond);
      handled |= u64{1} << c;
    }
    if (handled == 0) return;
    bank().acknowledge(handled);
    seen_ &= ~handled;
  }

  cpu::Uarch part_;
  Ledger ledger_;
  pmu::Pmu pmu_;
  MsrBus msrs_;
  u64 pmis_ = 0;
  u64 seen_ = 0;                   ///< overflow bits that were reported and not cleared since
  std::array<u64, 64> periods_{};  ///< of sampling counters
};

}  // namespace

void bind_bare_pmu(py::module_& m) {
  PYBIND11_NUMPY_DTYPE(OverflowRow, step, counter);
  m.attr("overflow_dtype") = py::dtype::of<OverflowRow>();
  m.def("facts", [] {
    std::vector<std::pair<std::string_view, bool>> all;
    for (std::size_t k = 0; k < kEvCount; ++k) all.emplace_back(kEvNames.at(k), k < kSuppliedFacts);
    return all;
  });
  py::class_<BarePmu> c(m, "Pmu");
  c.def(py::init<const std::string&, const BarePmu::Overrides&>(), py::kw_only(), py::arg("uarch"),
        py::arg("overrides"));
  c.def_property_readonly("uarch", &BarePmu::name);
  c.def_property_readonly("pmis", &BarePmu::pmis);
  c.def("pmu_program", &BarePmu::program, py::arg("event"), py::arg("period"), py::arg("counter"));
  c.def("pmu_stop", &BarePmu::stop, py::arg("counter"));
  c.def("repeat", &BarePmu::repeat, py::arg("fact"), py::arg("n"), py::arg("user"));
  c.def("feed", &BarePmu::feed, py::arg("facts"), py::arg("counts"), py::arg("user"));
  bind_counters(c, [](BarePmu& b) { return b.bank(); });
  bind_registers(c, [](BarePmu& b) -> MsrBus& { return b.msrs(); });
}

}  // namespace lastbranch::python
