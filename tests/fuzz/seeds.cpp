// fuzz_seeds FOLDER [CAPTURES]: what the fuzzers start from. FOLDER/perfdata gets small recordings in every
// form, and the front of every perf.data among the shared captures; FOLDER/text the fronts of their texts.
#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <vector>

#include <unistd.h>

#include "sim/base/error.h"
#include "sim/perfdata/writer.h"
#include "tests/perfdata/byte_swapper.h"
#include "tests/perfdata/packed_file.h"
#include "tests/perfdata/raw_file.h"
#include "tests/perfdata/support.h"

namespace lastbranch::perfdata::test {
namespace {

namespace fs = std::filesystem;

/// Longer inputs make a fuzzer slow, not better.
constexpr std::size_t kFront = 16'384;

void record(const WriterConfig& config, std::size_t samples) {
  std::mt19937_64 random(samples);
  Writer writer(config);
  writer.comm(7, 7, "program", true, 0);
  writer.mmap2({.pid = 7,
                .tid = 7,
                .addr = 0x401000,
                .len = 0x1000,
                .prot = 5,
                .flags = 2,
                .filename = "/bin/p",
                .build_id = BuildId{.bytes = {1, 2, 3}, .size = 20}},
               0);
  for (u64 i = 1; i <= samples; ++i) {
    const auto branches = random_branches(random, 4);
    writer.sample({.event = i % config.events.size(),
                   .ip = 0x401000 + i,
                   .pid = 7,
                   .tid = 7,
                   .time = i,
                   .branches = branches,
                   .hw_index = 3});
  }
  writer.fork(7, 8, 7, 7, samples + 1);
  writer.exit(7, 7, 1, 1, samples + 1);
  writer.finish();
}

/// Records that our writer does not make.
void write_odd_records(const std::string& path) {
  RawFile file;
  file.attrs.push_back({.sample_type = kSampleBitsKnown & ~u64{kSampleWeightStruct},
                        .read_format = kReadGroup | kReadId | kReadLost,
                        .flags = kAttrSampleIdAll,
                        .branch_sample_type = kBranchAny | kBranchHwIndex | kBranchCounters,
                        .sample_regs_user = 1,
                        .sample_regs_intr = 1});
  Encoder sample;
  for (const u64 word :
       {u64{1}, u64{2}, u64{3},     u64{4}, u64{5}, u64{1}, u64{6}, u64{0}, u64{8}, u64{1}, u64{9}, u64{1},
        u64{0}, u64{1}, u64{0x100}, u64{4}, u64{1}, u64{0}, u64{1}, u64{2}, u64{2}, u64{0}, u64{0}, u64{0},
        u64{0}, u64{0}, u64{0},     u64{0}, u64{0}, u64{0}, u64{0}, u64{0}, u64{0}, u64{0}}) {
    sample.put(word);
  }
  file.add(static_cast<u32>(RecordType::kSample), sample);
  for (const u32 type : {2u, 11u, 13u, 66u, 68u, 69u, 70u, 71u, 1234u, 32769u, 32774u}) {
    Encoder body;
    body.put(std::array<u64, 9>{0, 1, 1, 1, 1, 1, 1, 1, 1});
    file.add(type, body);
  }
  file.write(path);
}

void make_recordings(const fs::path& folder) {
  const std::string plain = folder / "plain";
  record(example_config(plain), 6);
  const auto bytes = read_file(plain);
  write_file(folder / "swapped", byte_swapped(bytes));
  write_file(folder / "stream", packed_file(bytes, Packing::kOneStream, 100));
  write_file(folder / "frames", packed_file(bytes, Packing::kFrames, 300));
  write_file(folder / "second", packed_file(bytes, Packing::kOneFrameCutUp, 90, RecordType::kCompressed2));
  WriterConfig config = example_config(folder / "events", 3);
  config.attr_size = 144;
  config.events[1].branch_sample_type |= kBranchHwIndex;
  config.events[2].max_stack = 8;
  record(config, 6);
  config = example_config(folder / "compressed", 1);
  config.compress = 3;
  record(config, 40);
  // The writer takes a pipe only; what it writes here fits in one.
  std::array<int, 2> ends{};
  if (pipe(ends.data()) != 0) throw Error("pipe: {}", std::strerror(errno));
  config = example_config("pipe", 2);
  config.stream_fd = ends[1];
  record(config, 6);
  close(ends[1]);
  std::vector<std::byte> piped(65536);
  const ssize_t size = read(ends[0], piped.data(), piped.size());
  close(ends[0]);
  piped.resize(size < 0 ? 0 : static_cast<std::size_t>(size));
  write_file(folder / "pipe", piped);
  write_file(folder / "pipe-swapped", byte_swapped(read_file(folder / "pipe")));
  write_odd_records(folder / "odd");
}

void take_fronts(const fs::path& captures, const fs::path& folder) {
  for (const auto& entry : fs::recursive_directory_iterator(captures)) {
    const std::string name = entry.path().filename().string();
    if (!entry.is_regular_file() || name.ends_with(".json") || name.ends_with(".csv") ||
        name.ends_with(".md")) {
      continue;
    }
    auto bytes = read_file(entry.path());
    bytes.resize(std::min(bytes.size(), kFront));
    const bool perf_data = bytes.size() > 8 && std::memcmp(bytes.data(), "PERFILE2", 8) == 0;
    write_file(folder / (perf_data ? "perfdata" : "text") / name, bytes);
  }
}

/// Each line of a form of its own.
void make_texts(const fs::path& folder) {
  constexpr std::array<std::string_view, 6> kTexts = {
      "           40062f  0x40062f/0x4005b0/P/-/-/9/COND  0x4005c8/0x4005dc/M/X/A/2//SPEC_CORRECT_PATH \n",
      "PERF_RECORD_MMAP2 7/7: [0x401000(0x1000) @ 0x1000 08:01 5 6]: r-xp /bin/a b\n 401000 "
      "0x401000/0x401010/P/-/-/1\n",
      "2\n\t401000\n\t401020\n 0x401000/0x401010/-/-/-/0 \n\n",
      "B 401000 401010 5 1\nF 401010 401020 5\nT 401000 401010 401020 3\n",
      "prog 7/8 [001] 12.000034: 100 cycles:u:  401000 main+0x0 (/bin/p) 0xA(/bin/p)/0xB (/bin/p)/P/-/-/3\n",
      "0 0x10 [0x60]: PERF_RECORD_SAMPLE(IP, 0x2): 7/7: 0x401000 period: 1 addr: 0\n... branch stack: nr:1\n"
      ".....  0: 0000000000401000 -> 0000000000401010 19 cycles  P   0\n",
  };
  for (std::size_t i = 0; i < kTexts.size(); ++i) {
    write_file(folder / ("line" + std::to_string(i)), std::as_bytes(std::span(kTexts[i])));
  }
}

}  // namespace
}  // namespace lastbranch::perfdata::test

int main(int argc, char** argv) {
  using namespace lastbranch::perfdata::test;
  if (argc < 2) {
    std::fputs("usage: fuzz_seeds FOLDER [CAPTURES]\n", stderr);
    return 2;
  }
  try {
    const fs::path folder = argv[1];
    fs::create_directories(folder / "perfdata");
    fs::create_directories(folder / "text");
    make_recordings(folder / "perfdata");
    make_texts(folder / "text");
    if (argc > 2) take_fronts(argv[2], folder);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "fuzz_seeds: %s\n", error.what());
    return 1;
  }
  return 0;
}
