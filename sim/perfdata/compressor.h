#pragma once
/// Packs whole records into PERF_RECORD_COMPRESSED: one zstd stream over all of them, as `perf record -z`
/// writes. Every record of it gives some bytes when it is decompressed (perf 6.1 takes one that gives none
/// for damage), and ends between two records but where one alone is too long. Not written: COMPRESSED2.
/// Sources: tools/perf/Documentation/perf.data-file-format.txt; what perf 6.1 writes and reads.
#include <cstddef>
#include <memory>
#include <span>
#include <vector>

#include "sim/base/units.h"

namespace lastbranch::perfdata {

class Compressor {
 public:
  /// Most bytes that one record gives.
  static constexpr std::size_t kPieceMax = std::size_t{60} * 1024;
  static constexpr int kLevelMin = 1;
  static constexpr int kLevelMax = 22;

  /// `level` of zstd. Throws Error when it is not in range.
  explicit Compressor(int level);
  ~Compressor();
  Compressor(const Compressor&) = delete;
  Compressor& operator=(const Compressor&) = delete;

  /// The records that hold `records`, which are whole; valid until the next call.
  [[nodiscard]] std::span<const std::byte> encode(std::span<const std::byte> records);

  [[nodiscard]] int level() const { return level_; }
  /// Bytes in per byte out, rounded; 0 before the first.
  [[nodiscard]] u32 ratio() const;

 private:
  struct Stream;

  void put(std::span<const std::byte> piece);

  std::unique_ptr<Stream> stream_;
  int level_;
  std::vector<std::byte> out_;
  u64 taken_ = 0;
  u64 given_ = 0;
};

}  // namespace lastbranch::perfdata
