// What writing perf.data costs: records of 32 branches as a program's loops give them, into the page cache,
// plain and compressed.
#include <filesystem>
#include <random>
#include <string>
#include <vector>

#include <benchmark/benchmark.h>
#include <unistd.h>

#include "sim/perfdata/writer.h"

namespace lastbranch::perfdata {
namespace {

constexpr u64 kSamples = 20'000;

/// Stacks of a program with `edges` branches that are taken, some more often than others.
std::vector<std::vector<BranchEntry>> stacks(std::size_t edges) {
  std::mt19937_64 random(1);
  std::vector<BranchEntry> program(edges);
  for (BranchEntry& edge : program) {
    edge.from = 0x5555'5555'4000 + random() % 0x10'0000;
    edge.to = 0x5555'5555'4000 + random() % 0x10'0000;
  }
  std::vector<std::vector<BranchEntry>> all(1000);
  for (auto& stack : all) {
    std::size_t at = random() % edges;
    for (unsigned i = 0; i < 32; ++i) {
      at = random() % 8 == 0 ? random() % edges : (at + 1) % edges;
      BranchEntry entry = program[at];
      entry.flags =
          BranchFlags{.mispredicted = random() % 50 == 0, .predicted = true, .cycles = 1 + random() % 30}
              .pack();
      stack.push_back(entry);
    }
  }
  return all;
}

/// `level` 0: plain. A fresh file each time, removed afterwards.
void write(benchmark::State& state) {
  const auto level = static_cast<int>(state.range(0));
  const auto samples = stacks(400);
  const std::string path =
      (std::filesystem::temp_directory_path() / ("lastbranch-bench-" + std::to_string(getpid()))).string();
  u64 bytes = 0;
  u64 raw = 0;
  for (auto _ : state) {
    WriterConfig config;
    config.path = path;
    config.events.push_back({.name = "cycles:u", .branch_sample_type = kBranchUser | kBranchAny});
    config.compress = level;
    Writer writer(config);
    for (u64 i = 0; i < kSamples; ++i) {
      const auto& branches = samples[i % samples.size()];
      writer.sample({.ip = branches[0].to, .pid = 1, .tid = 1, .time = i * 250'000, .branches = branches});
      raw += 64 + branches.size() * sizeof(BranchEntry);
    }
    writer.finish();
    bytes += writer.summary().bytes;
  }
  std::filesystem::remove(path);
  state.SetItemsProcessed(static_cast<i64>(kSamples) * state.iterations());
  state.SetBytesProcessed(static_cast<i64>(raw));
  state.counters["ratio"] = static_cast<double>(raw) / static_cast<double>(bytes);
}
BENCHMARK(write)->Arg(0)->Arg(1)->Arg(3)->ArgName("level")->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace lastbranch::perfdata
