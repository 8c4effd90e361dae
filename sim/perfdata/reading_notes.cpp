#include "sim/perfdata/reading_notes.h"

#include <algorithm>
#include <array>

#include <fmt/format.h>

#include "sim/perfdata/byte_cursor.h"

namespace lastbranch::perfdata {
namespace {

constexpr std::array kPartsOfTheContainer = {
    RecordType::kHeaderAttr,   RecordType::kHeaderEventType, RecordType::kHeaderTracingData,
    RecordType::kBuildId,      RecordType::kFinishedRound,   RecordType::kIdIndex,
    RecordType::kThreadMap,    RecordType::kCpuMap,          RecordType::kEventUpdate,
    RecordType::kTimeConv,     RecordType::kHeaderFeature,   RecordType::kFinishedInit,
    RecordType::kAuxtraceInfo, RecordType::kAuxtrace,        RecordType::kSimpleperfEventId,
};

/// PERF_AUXTRACE_*; those that `perf inject` makes branch stacks of.
std::string_view aux_name(u32 kind) {
  constexpr std::array<std::string_view, 8> kNames = {
      "AUX area", "Intel PT", "Intel BTS", "CoreSight", "Arm SPE", "s390", "HiSilicon PTT", "POWER VPA",
  };
  return kind < kNames.size() ? kNames[kind] : kNames[0];
}

std::string plural(u64 count, std::string_view what) {
  return fmt::format("{} {}{}", count, what, count == 1 ? "" : "s");
}

}  // namespace

void ReadingNotes::count(const RawRecord& raw, const Origin& origin, const Record& record) {
  const auto type = static_cast<RecordType>(raw.header.type);
  if (const auto* lost = std::get_if<LostRecord>(&record.body)) {
    ++lost_records_;
    (type == RecordType::kLost ? lost_ : lost_samples_) += lost->lost;
    return;
  }
  if (!std::holds_alternative<OtherRecord>(record.body)) return;
  ++passed_over_[raw.header.type];
  if (type != RecordType::kAuxtrace && type != RecordType::kAuxtraceInfo) return;
  ByteCursor in(origin, raw.body, record_type_name(raw.header.type));
  if (type == RecordType::kAuxtrace) {
    aux_bytes_ += in.take<u64>("size");
  } else {
    aux_kind_ = in.take<u32>("type");
  }
}

std::vector<std::string> ReadingNotes::lines() const {
  std::vector<std::string> lines = lines_;
  for (const auto& [type, count] : passed_over_) {
    if (std::ranges::find(kPartsOfTheContainer, static_cast<RecordType>(type)) != kPartsOfTheContainer.end())
      continue;
    const std::string_view name = record_type_name(type);
    lines.push_back(name.empty()
                        ? fmt::format("{} of unknown type {} passed over", plural(count, "record"), type)
                        : fmt::format("{} passed over", plural(count, fmt::format("{} record", name))));
  }
  if (aux_bytes_ != 0 || aux_kind_ != 0) {
    lines.push_back(
        fmt::format("{} of {} data passed over: `perf inject --itrace=i1000l32 --strip -i FILE -o OUT` makes "
                    "samples with branch stacks of Intel PT and BTS",
                    plural(aux_bytes_, "byte"), aux_name(aux_kind_)));
  }
  if (lost_records_ != 0) {
    lines.push_back(fmt::format("{} lost while recording: {} and {}", plural(lost_records_, "LOST record"),
                                plural(lost_, "record"), plural(lost_samples_, "sample")));
  }
  return lines;
}

}  // namespace lastbranch::perfdata
