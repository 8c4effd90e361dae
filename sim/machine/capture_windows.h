#pragma once
// The windows of a capture: what a replay by execution looks for in the run.
#include <functional>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "sim/perfdata/address_space.h"
#include "sim/perfdata/branch_filter.h"
#include "sim/perfdata/record_source.h"
#include "sim/replay/common_places.h"
#include "sim/replay/report.h"
#include "sim/replay/taken_ratios.h"
#include "sim/replay/window_index.h"

namespace lastbranch {

class CaptureWindows {
 public:
  /// Takes all of `source`, which must outlive it. What cannot be looked for goes to `report`.
  /// `duplicated_tops`: the processor writes its newest record twice at times; such windows may also do
  /// without it. Throws Error.
  CaptureWindows(perfdata::RecordSource& source, bool duplicated_tops, replay::Report& report);

  /// Branches that the capture keeps of those of a program.
  [[nodiscard]] bool keeps(BranchKind kind) const { return filter_.keeps(kind, false); }
  [[nodiscard]] bool every_kind() const { return (filter_.sample_type & perfdata::kBranchAny) != 0; }
  /// Number of the branch in windows(), WindowIndex::kOther for one that is in none.
  [[nodiscard]] u32 symbol(const replay::CommonPlace& from, const replay::CommonPlace& to) const;
  [[nodiscard]] replay::CommonPlaces& places() { return places_; }
  [[nodiscard]] replay::WindowIndex& index() { return index_; }
  [[nodiscard]] const replay::FlowCounts& flow() const { return flow_; }
  [[nodiscard]] const replay::RatioOptions& ratio_options() const { return ratios_; }

  /// Says of every window whether it was found. `follows(a, b)`: the run has branch b directly after a.
  void judge(const std::function<bool(u32 a, u32 b)>& follows, replay::Report& report) const;

 private:
  static constexpr std::size_t kMostNodes = std::size_t{8} << 20;
  static constexpr std::size_t kMostSymbols = std::size_t{32} << 20;
  static constexpr u32 kNone = ~u32{0};

  /// Samples with the same window.
  struct Group {
    u64 samples = 0;
    u64 first = 0;  ///< number of the first sample
    u64 from = 0;   ///< its newest branch
    u64 to = 0;
    std::size_t symbols = 0;  ///< where the window begins in symbols_
    u32 length = 0;
  };

  void sample(const perfdata::SampleRecord& sample, u64 number);
  /// The event's branch filter; false: not the one of the samples before.
  bool same_filter(const perfdata::Attr& attr);
  bool gather(const perfdata::SampleRecord& sample);
  void add(const perfdata::SampleRecord& sample, u64 number, bool twice);
  void aside(replay::Cause cause, const perfdata::SampleRecord& sample, u64 number, std::string words);
  [[nodiscard]] std::span<const u32> symbols(const Group& group) const {
    return {symbols_.data() + group.symbols, group.length};
  }
  [[nodiscard]] bool run_has_files_of(const Group& group) const;
  [[nodiscard]] std::string words(const Group& group, const std::function<bool(u32, u32)>& follows) const;

  using Edge = std::pair<replay::CommonPlace, replay::CommonPlace>;

  perfdata::RecordSource& source_;
  bool duplicated_tops_;
  replay::Report& report_;
  perfdata::AddressSpace maps_;
  replay::CommonPlaces places_;
  BranchFilter filter_;
  bool filter_known_ = false;
  replay::RatioOptions ratios_{.time_weighted = false, .depth = 1};
  std::map<Edge, u32> symbol_of_;
  std::vector<Edge> edges_;   // by symbol - 1
  std::vector<u32> symbols_;  // of all windows, one after the other
  replay::WindowIndex index_;
  replay::FlowCounts flow_;
  std::map<std::pair<u32, u32>, Group> groups_;  // by window and, where the top may be double, without it
  std::vector<u32> window_;
  u64 too_many_ = 0;
  u64 other_filter_ = 0;
};

}  // namespace lastbranch
