#pragma once
/// What a reader passes over or hears of losses, counted, and the lines that tell of it.
#include <map>
#include <string>
#include <vector>

#include "sim/base/units.h"
#include "sim/perfdata/record_stream.h"
#include "sim/perfdata/records.h"

namespace lastbranch::perfdata {

class ReadingNotes {
 public:
  /// A record as it was found, and as it was decoded.
  void count(const RawRecord& raw, const Origin& origin, const Record& record);
  /// A line of its own.
  void add(std::string line) { lines_.push_back(std::move(line)); }

  /// How many records of each type were passed over.
  [[nodiscard]] const std::map<u32, u64>& passed_over() const { return passed_over_; }

  /// A line for each kind of thing. Records that only hold the file together are not worth one.
  [[nodiscard]] std::vector<std::string> lines() const;

 private:
  std::vector<std::string> lines_;
  std::map<u32, u64> passed_over_;
  u64 lost_records_ = 0;  // LOST: events; LOST_SAMPLES: samples
  u64 lost_ = 0;
  u64 lost_samples_ = 0;
  u64 aux_bytes_ = 0;
  u32 aux_kind_ = 0;  // of AUXTRACE_INFO
};

}  // namespace lastbranch::perfdata
