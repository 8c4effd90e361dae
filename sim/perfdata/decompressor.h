#pragma once
/// zstd, as the payloads of COMPRESSED records need it: one stream over all records of a file, or a frame in
/// each. Sources: zstd.h's streaming API; what `perf record -z` of perf 6.1 writes.
#include <memory>
#include <span>

#include "sim/base/units.h"

struct ZSTD_DCtx_s;

namespace lastbranch::perfdata {

class Decompressor {
 public:
  /// What one call did.
  struct Step {
    std::size_t consumed = 0;
    std::size_t produced = 0;
    const char* error = nullptr;  ///< zstd's words for what is wrong with the input
  };

  /// Memory for the stream's window is at most this, whatever its header asks for; level 19 of zstd needs
  /// 8 MiB.
  static constexpr int kWindowLogMax = 27;

  Decompressor();

  /// Decompresses from the front of `in` until that is used up or `out` is full. When `out` was filled, more
  /// may be held back.
  [[nodiscard]] Step run(std::span<const std::byte> in, std::span<std::byte> out);

 private:
  struct Free {
    void operator()(ZSTD_DCtx_s* context) const;
  };
  std::unique_ptr<ZSTD_DCtx_s, Free> context_;
};

}  // namespace lastbranch::perfdata
