#include "sim/perfdata/text_features.h"

#include <algorithm>
#include <array>
#include <iterator>

#include <fmt/format.h>

#include "sim/perfdata/text_head.h"

namespace lastbranch::perfdata {
namespace {

struct StringRow {
  std::string_view key;
  std::string Features::*member;
  Feature feature;
};
constexpr std::array kStrings = {
    StringRow{"hostname", &Features::hostname, Feature::kHostname},
    StringRow{"os release", &Features::os_release, Feature::kOsRelease},
    StringRow{"perf version", &Features::version, Feature::kVersion},
    StringRow{"arch", &Features::arch, Feature::kArch},
    StringRow{"cpudesc", &Features::cpu_desc, Feature::kCpuDesc},
    StringRow{"cpuid", &Features::cpu_id, Feature::kCpuId},
};

struct BranchRow {
  std::string_view name;
  u64 bit;
};
constexpr std::array kBranchBits = {
    BranchRow{"USER", kBranchUser},
    BranchRow{"KERNEL", kBranchKernel},
    BranchRow{"HV", kBranchHv},
    BranchRow{"ANY", kBranchAny},
    BranchRow{"ANY_CALL", kBranchAnyCall},
    BranchRow{"ANY_RETURN", kBranchAnyReturn},
    BranchRow{"IND_CALL", kBranchIndCall},
    BranchRow{"ABORT_TX", kBranchAbortTx},
    BranchRow{"IN_TX", kBranchInTx},
    BranchRow{"NO_TX", kBranchNoTx},
    BranchRow{"COND", kBranchCond},
    BranchRow{"CALL_STACK", kBranchCallStack},
    BranchRow{"IND_JUMP", kBranchIndJump},
    BranchRow{"CALL", kBranchCall},
    BranchRow{"NO_FLAGS", kBranchNoFlags},
    BranchRow{"NO_CYCLES", kBranchNoCycles},
    BranchRow{"TYPE_SAVE", kBranchTypeSave},
    BranchRow{"HW_INDEX", kBranchHwIndex},
    BranchRow{"PRIV_SAVE", kBranchPrivSave},
    BranchRow{"COUNTERS", kBranchCounters},
};

struct FlagRow {
  std::string_view key;
  u64 bit;
};
constexpr std::array kFlags = {
    FlagRow{", exclude_user = ", kAttrExcludeUser},
    FlagRow{", exclude_kernel = ", kAttrExcludeKernel},
    FlagRow{", exclude_hv = ", kAttrExcludeHv},
    FlagRow{", freq = ", kAttrFreq},
};
constexpr std::string_view kPrecise = ", precise_ip = ";

void set_present(Features& features, Feature feature) {
  features.present.set(static_cast<std::size_t>(feature));
}

/// Calls `each` with the pieces of `text` between `separator`.
template <typename Each>
void for_pieces(std::string_view text, std::string_view separator, const Each& each) {
  while (!text.empty()) {
    const std::size_t end = std::min(text.find(separator), text.size());
    each(text.substr(0, end));
    text.remove_prefix(std::min(end + separator.size(), text.size()));
  }
}

/// What stands behind "key = " up to the next comma; empty: not there.
std::string_view value_of(std::string_view text, std::string_view key) {
  const std::size_t at = text.find(key);
  if (at == std::string_view::npos) return {};
  const std::string_view value = text.substr(at + key.size());
  return value.substr(0, value.find(", "));
}

/// The number behind `key`, without its name as "4 (PERF_TYPE_RAW)" has one; 0: none.
u64 number_of(std::string_view text, std::string_view key) {
  constexpr std::string_view kHex = "0x";
  std::string_view value = value_of(text, key);
  value = value.substr(0, value.find(' '));
  u64 number = 0;
  const bool hex = value.starts_with(kHex);
  const bool is_number =
      hex ? parse_whole_hex(value.substr(kHex.size()), number) : parse_decimal(value, number);
  return is_number ? number : 0;
}

/// What replay asks of an event: what it counts, how often it samples, which branches it keeps.
void parse_event(std::string_view value, std::vector<EventInfo>& events) {
  EventInfo event;
  event.name = std::string(value_of(value, "name = "));
  event.attr.size = sizeof(Attr);
  event.attr.type = static_cast<u32>(number_of(value, ", type = "));
  event.attr.config = number_of(value, ", config = ");
  event.attr.sample_period = number_of(value, "{ sample_period, sample_freq } = ");
  for (const FlagRow& row : kFlags) {
    if (number_of(value, row.key) != 0) event.attr.flags |= row.bit;
  }
  event.attr.flags |= (number_of(value, kPrecise) & 3) << kAttrPreciseIpShift;
  for_pieces(value_of(value, "branch_sample_type = "), "|", [&](std::string_view name) {
    const auto* row = std::ranges::find(kBranchBits, name, &BranchRow::name);
    if (row != kBranchBits.end()) event.attr.branch_sample_type |= row->bit;
  });
  if (!event.name.empty()) events.push_back(std::move(event));
}

void parse_caps(std::string_view value, Features& features) {
  features.pmu_caps.clear();
  for_pieces(value, ", ", [&](std::string_view pair) {
    const std::size_t equals = pair.find('=');
    if (equals == std::string_view::npos) return;
    features.pmu_caps.emplace_back(pair.substr(0, equals), pair.substr(equals + 1));
  });
}

bool parse_number(std::string_view key, std::string_view value, Features& features) {
  u64 number = 0;
  if (key != "nrcpus online" && key != "nrcpus avail" && key != "total memory") return false;
  if (!parse_decimal(value.substr(0, value.find(' ')), number)) return false;
  if (key == "nrcpus online") features.nr_cpus_online = static_cast<u32>(number);
  if (key == "nrcpus avail") features.nr_cpus_available = static_cast<u32>(number);
  if (key == "total memory") features.mem_kb = number;
  set_present(features, key == "total memory" ? Feature::kTotalMem : Feature::kNrCpus);
  return true;
}

}  // namespace

std::string event_line(const EventInfo& event) {
  std::string names;
  for (const BranchRow& row : kBranchBits) {
    if ((event.attr.branch_sample_type & row.bit) == 0) continue;
    if (!names.empty()) names += '|';
    names += row.name;
  }
  const Attr& attr = event.attr;
  std::string line = fmt::format(
      "# event : name = {}, type = {}, config = {:#x}, {{ sample_period, sample_freq }} = {}, "
      "branch_sample_type = {}",
      event.name, attr.type, attr.config, attr.sample_period, names);
  for (const FlagRow& row : kFlags) {
    if ((attr.flags & row.bit) != 0) fmt::format_to(std::back_inserter(line), "{}1", row.key);
  }
  const u64 precise = attr.flags >> kAttrPreciseIpShift & 3;
  if (precise != 0) fmt::format_to(std::back_inserter(line), "{}{}", kPrecise, precise);
  return line;
}

bool parse_feature_line(std::string_view line, Features& features, std::vector<EventInfo>& events) {
  constexpr std::string_view kCaps = "# cpu pmu capabilities: ";
  if (line.starts_with(kCaps)) {
    parse_caps(line.substr(kCaps.size()), features);
    set_present(features, Feature::kCpuPmuCaps);
    return true;
  }
  const std::size_t colon = line.find(" : ");
  if (!line.starts_with("# ") || colon == std::string_view::npos) return false;
  const std::string_view key = line.substr(2, colon - 2);
  const std::string_view value = line.substr(colon + 3);
  const auto* row = std::ranges::find(kStrings, key, &StringRow::key);
  if (row != kStrings.end()) {
    features.*(row->member) = std::string(value);
    set_present(features, row->feature);
    return true;
  }
  if (key == "cmdline") {
    features.cmdline.clear();
    for_pieces(value, " ", [&](std::string_view word) {
      if (!word.empty()) features.cmdline.emplace_back(word);
    });
    set_present(features, Feature::kCmdline);
    return true;
  }
  constexpr std::size_t kEventsMax = 16384;
  if (key == "event" && events.size() < kEventsMax) {
    parse_event(value, events);
    return true;
  }
  return parse_number(key, value, features);
}

}  // namespace lastbranch::perfdata
