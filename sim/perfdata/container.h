#pragma once
/// Where encoded records go: a file that is whole or is not there, or a pipe. Knows everything of perf.data
/// but its records. Sources: as format.h.
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "sim/base/units.h"
#include "sim/perfdata/features.h"

namespace lastbranch::perfdata {

/// What a file holds.
struct WriteSummary {
  u64 records = 0;
  u64 samples = 0;
  u64 bytes = 0;         ///< of the whole file; 0 before finish()
  u64 lost_records = 0;  ///< given to the writer, but not in the file because the disk was full
};

/// State at a point between two records.
struct Mark {
  u64 offset = 0;  ///< in the file
  u64 records = 0;
  u64 samples = 0;
  u64 last_sample_time = 0;  ///< ns
};

/// What a recording consists of besides its records; grows while they come.
struct Contents {
  WriterConfig config;
  std::vector<Attr> attrs = {};
  std::vector<u64> ids = {};  ///< one per attribute
  std::vector<IdentifiedFile> files = {};
  std::optional<u64> first_sample_time = {};
  std::optional<CompressionInfo> compression = {};
  std::size_t sample_time_at = 0;  ///< of the time in a SAMPLE record, from its header on

  /// `end`: of the records there are; nothing of them when there are none yet.
  [[nodiscard]] FeatureInput features(const Mark& end) const;
};

class Container {
 public:
  virtual ~Container() = default;
  Container(const Container&) = delete;
  Container& operator=(const Container&) = delete;

  /// Writes whole records; `end` counts what there is then, its offset is not looked at. Returns 0 or an
  /// errno, after which only finish() may be called.
  [[nodiscard]] virtual int append(std::span<const std::byte> records, const Mark& end) = 0;
  /// Completes it; `failure`: what append() returned, else 0. `end`: all records that were given, in vain or
  /// not. Throws Error when something was lost; `kept` is true either way.
  virtual void finish(const Mark& end, int failure, WriteSummary& kept) = 0;
  /// Bytes written so far.
  [[nodiscard]] virtual u64 size() const = 0;

 protected:
  Container() = default;
};

/// A file, or a pipe where `contents.config.path` is one. `contents` must outlive it. Throws Error.
[[nodiscard]] std::unique_ptr<Container> open_container(const Contents& contents);

}  // namespace lastbranch::perfdata
