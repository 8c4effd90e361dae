#include "apps/lastbranch/list_tables.h"

#include <cstring>

#include <fmt/format.h>

#include "models/cpu/op_table.h"
#include "models/lbr/lbr.h"
#include "models/pmu/events.h"
#include "models/pmu/metrics.h"
#include "models/pmu/pebs.h"
#include "models/pmu/pmu.h"
#include "sim/base/ds_area.h"
#include "sim/base/guest_memory.h"
#include "sim/base/ledger.h"
#include "sim/base/msr_bus.h"
#include "sim/machine/hub.h"
#include "sim/user/syscall_table.h"

namespace lastbranch::cli {
namespace {

std::string yes_no(bool yes) {
  return yes ? "yes" : "no";
}

/// For models that are only asked which registers they have.
class NoMachine final : public pmu::PebsSource, public GuestMemory {
 public:
  void fill(pmu::PebsSample& /*sample*/) const override {}
  bool read(u64 /*linear*/, std::span<u8> /*data*/) override { return false; }
  bool write(u64 /*linear*/, std::span<const u8> /*data*/) override { return false; }
};

/// Fixed counters have no event select; their pseudo codes begin at 0100H.
std::string code_text(const pmu::Event& event) {
  if ((event.select & 0xff) == 0) return fmt::format("fixed {}", ((event.select >> 8) & 0xff) - 1);
  const std::string raw = fmt::format("r{:04x}", event.select);
  return event.msr == 0 ? raw : fmt::format("{} msr {:#x}={:#x}", raw, event.msr, event.msr_value);
}

std::vector<std::string> event_row(std::string_view name, const pmu::Event& event, EventList list,
                                   std::string meaning) {
  return {std::string(name), code_text(event), event.is_precise(list) ? "yes" : "no", state_text(event),
          std::move(meaning)};
}

}  // namespace

Table list_events(const cpu::Uarch& part) {
  const EventList list = part.pmu.events;
  Table table{.columns = {"name", "code", "precise", "state", "description"}, .rows = {}};
  for (const pmu::Alias& alias : pmu::aliases()) {
    const pmu::Event* event = pmu::find(list, alias.name);
    if (event != nullptr) {
      table.rows.push_back(event_row(alias.name, *event, list, fmt::format("= {}", event->name)));
    }
  }
  for (const pmu::Event& event : pmu::events()) {
    if (event.exists(list)) {
      table.rows.push_back(event_row(event.name, event, list, std::string(event.description)));
    }
  }
  return table;
}

Table list_metrics(const cpu::Uarch& part) {
  const EventList list = part.pmu.events;
  Table table{.columns = {"name", "level", "parent", "threshold", "state", "description"}, .rows = {}};
  for (const pmu::Metric& metric : pmu::metrics()) {
    if ((metric.lists & pmu::only(list)) == 0) continue;
    const auto missing = pmu::evaluate(metric, list, FactCounts()).missing;
    table.rows.push_back({std::string(metric.name), std::to_string(metric.level), std::string(metric.parent),
                          fmt::format("{:.0f}%", 100 * metric.threshold),
                          missing ? fmt::format("waits for {}", name_of(*missing)) : "supplied",
                          std::string(metric.description)});
  }
  return table;
}

Table list_uarchs(const cpu::Uarch&) {
  Table table{.columns = {"name", "core", "cpuid", "lbr_depth", "lbr_format", "part"}, .rows = {}};
  for (const cpu::Uarch& u : cpu::uarchs()) {
    table.rows.push_back({std::string(u.name), std::string(u.title), u.cpuid_string(),
                          std::to_string(u.lbr.depth), std::to_string(static_cast<unsigned>(u.lbr.format)),
                          std::string(u.brand)});
  }
  return table;
}

Table list_msrs(const cpu::Uarch& part) {
  NoMachine nothing;
  const Ledger ledger;
  lbr::Lbr lbr(part.lbr);
  pmu::Pmu pmu(part.pmu, ledger, {.debug = &lbr});
  DsArea ds;
  pmu::Pebs pebs(part.pmu,
                 {.counters = &pmu,
                  .source = &nothing,
                  .memory = &nothing,
                  .ds = &ds,
                  .debug = &lbr,
                  .physical = &nothing},
                 {.architectural = part.arch_pebs});
  MsrBus bus;
  bus.attach(lbr.rows(), &lbr);
  bus.attach(pmu.rows(), &pmu);
  bus.attach(pebs.rows(), &pebs);
  if (part.pmu.ds_area) bus.attach(DsArea::rows(), &ds);
  Table table{.columns = {"index", "name", "writable", "reset"}, .rows = {}};
  for (const MsrBus::Listed& row : bus.list()) {
    table.rows.push_back({fmt::format("{:#x}", row.index), row.name, fmt::format("{:#x}", row.writable),
                          fmt::format("{:#x}", row.reset)});
  }
  return table;
}

Table list_params(const cpu::Uarch& part) {
  Table table{.columns = {"field", "value", "unit", "can be set", "meaning"}, .rows = {}};
  for (const cpu::UarchField& field : cpu::uarch_fields()) {
    table.rows.push_back({std::string(field.name), field.get(part), std::string(field.unit),
                          yes_no(field.set != nullptr), std::string(field.meaning)});
  }
  return table;
}

Table list_syscalls(const cpu::Uarch&) {
  constexpr u64 kNumbers = 512;
  Table table{.columns = {"number", "name", "answer"}, .rows = {}};
  for (u64 number = 0; number < kNumbers; ++number) {
    const user::SyscallRow* row = user::find_syscall(number);
    if (row == nullptr) continue;
    table.rows.push_back(
        {std::to_string(number), row->name, row->serve != nullptr ? "served" : strerrorname_np(row->fails)});
  }
  return table;
}

Table list_instructions(const cpu::Uarch&) {
  Table table{.columns = {"mnemonic"}, .rows = {}};
  for (const std::string_view mnemonic : cpu::op_table<FastPolicies>().mnemonics()) {
    table.rows.push_back({std::string(mnemonic)});
  }
  return table;
}

}  // namespace lastbranch::cli
