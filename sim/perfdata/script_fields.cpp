#include "sim/perfdata/script_fields.h"

#include <algorithm>
#include <array>

#include "sim/base/error.h"
#include "sim/perfdata/format.h"

namespace lastbranch::perfdata {
namespace {

struct Row {
  ScriptField field;
  std::string_view name;
  u64 sample_bit;
};

// perf prints the branch stacks that are there and asks for none; a period that was not recorded is fixed.
constexpr std::array kRows = {
    Row{ScriptField::kComm, "comm", kSampleTid},  Row{ScriptField::kPid, "pid", kSampleTid},
    Row{ScriptField::kTid, "tid", kSampleTid},    Row{ScriptField::kCpu, "cpu", kSampleCpu},
    Row{ScriptField::kTime, "time", kSampleTime}, Row{ScriptField::kPeriod, "period", 0},
    Row{ScriptField::kEvent, "event", 0},         Row{ScriptField::kIp, "ip", kSampleIp},
    Row{ScriptField::kBrstack, "brstack", 0},     Row{ScriptField::kSpec, "spec", 0},
};
static_assert(kRows.size() == static_cast<std::size_t>(ScriptField::kCount));

}  // namespace

ScriptFields::ScriptFields(std::string_view list) {
  for (std::string_view rest = list; !rest.empty();) {
    const std::size_t comma = std::min(rest.find(','), rest.size());
    const std::string_view name = rest.substr(0, comma);
    rest.remove_prefix(std::min(comma + 1, rest.size()));
    if (name.empty()) continue;
    const auto row = std::ranges::find(kRows, name, &Row::name);
    if (row == kRows.end()) {
      throw Error("fields '{}': expected names among {}, found '{}'", list, script_field_names(), name);
    }
    add(row->field);
  }
  if (bits_ == 0) throw Error("fields '{}': expected names among {}, found none", list, script_field_names());
}

std::string script_field_names() {
  std::string names;
  for (const Row& row : kRows) {
    if (!names.empty()) names += ',';
    names += row.name;
  }
  return names;
}

std::string_view name_of(ScriptField field) {
  return std::ranges::find(kRows, field, &Row::field)->name;
}

u64 needed_sample_bit(ScriptField field) {
  return std::ranges::find(kRows, field, &Row::field)->sample_bit;
}

}  // namespace lastbranch::perfdata
