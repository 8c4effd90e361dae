#pragma once
/// perf.data in pipe mode: a header of 16 bytes, then nothing but records. Attributes and features, which in
/// a file stand in sections, come first, build-ids last. perf reads it; llvm-profgen, perf2bolt and
/// create_llvm_prof do not.
#include "sim/perfdata/container.h"
#include "sim/perfdata/output_stream.h"

namespace lastbranch::perfdata {

class PipeContainer final : public Container {
 public:
  /// Opens the pipe. Throws Error.
  explicit PipeContainer(const Contents& contents);

  [[nodiscard]] int append(std::span<const std::byte> records, const Mark& end) override;
  void finish(const Mark& end, int failure, WriteSummary& kept) override;
  [[nodiscard]] u64 size() const override { return stream_.end(); }

 private:
  [[nodiscard]] std::vector<std::byte> prologue() const;

  const Contents& contents_;
  OutputStream stream_;
  Mark written_;  // what has gone into the pipe
};

}  // namespace lastbranch::perfdata
