// Reading captures: MB of the file a second, from the page cache.
#include <cstdio>
#include <filesystem>
#include <string>
#include <vector>

#include <benchmark/benchmark.h>
#include <unistd.h>

#include "sim/perfdata/record_source.h"
#include "sim/perfdata/time_order.h"
#include "sim/perfdata/writer.h"

namespace lastbranch::perfdata {
namespace {

/// A recording of about 64 MiB, uncompressed, that goes away with the object.
class Recording {
 public:
  Recording(std::size_t depth, int level) {
    WriterConfig config;
    config.path = path_;
    config.events.push_back({.name = "cycles:u", .branch_sample_type = kBranchUser | kBranchAny});
    config.compress = level;
    Writer writer(config);
    std::vector<BranchEntry> branches(depth);
    const std::size_t samples = (std::size_t{64} << 20) / (64 + depth * sizeof(BranchEntry));
    for (u64 i = 1; i <= samples; ++i) {
      for (std::size_t b = 0; b < depth; ++b) {
        const u64 place = (i * 7 + b * 13) % 4093;
        branches[b] = {0x401000 + place * 16, 0x401000 + place * 3 % 4093 * 16,
                       BranchFlags{.predicted = true, .cycles = place % 50}.pack()};
      }
      writer.sample({.ip = 0x401000 + i % 4096, .pid = 7, .tid = 7, .time = i * 1000, .branches = branches});
    }
    writer.finish();
  }
  ~Recording() { std::remove(path_.c_str()); }
  Recording(const Recording&) = delete;
  Recording& operator=(const Recording&) = delete;

  [[nodiscard]] const std::string& path() const { return path_; }
  [[nodiscard]] u64 size() const { return std::filesystem::file_size(path_); }

 private:
  std::string path_ =
      (std::filesystem::temp_directory_path() / ("lastbranch-bench-" + std::to_string(getpid()) + ".data"))
          .string();
};

void read_all(RecordSource& source) {
  u64 entries = 0;
  while (const Record* record = source.next()) {
    if (const auto* sample = std::get_if<SampleRecord>(&record->body)) entries += sample->branches.size();
  }
  benchmark::DoNotOptimize(entries);
}

/// Arguments: entries of a branch stack, level of compression.
void BM_read(benchmark::State& state) {
  const Recording recording(static_cast<std::size_t>(state.range(0)), static_cast<int>(state.range(1)));
  for (auto _ : state) {
    const auto source = open_source(recording.path());
    read_all(*source);
  }
  state.SetBytesProcessed(state.iterations() * static_cast<std::int64_t>(recording.size()));
}
BENCHMARK(BM_read)->Args({32, 0})->Args({8, 0})->Args({0, 0})->Args({32, 3})->Unit(benchmark::kMillisecond);

/// As script reads it, which gives records in the order of their times.
void BM_read_in_time_order(benchmark::State& state) {
  const Recording recording(static_cast<std::size_t>(state.range(0)), 0);
  for (auto _ : state) {
    const auto source = in_time_order(open_source(recording.path()));
    read_all(*source);
  }
  state.SetBytesProcessed(state.iterations() * static_cast<std::int64_t>(recording.size()));
}
BENCHMARK(BM_read_in_time_order)->Arg(32)->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace lastbranch::perfdata
