#include "tests/perfdata/support.h"

#include <algorithm>
#include <array>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <stdexcept>

#include <sys/wait.h>

#include "sim/perfdata/script.h"
#include "sim/perfdata/time_order.h"

namespace lastbranch::perfdata::test {

namespace fs = std::filesystem;

ScratchDir::ScratchDir() {
  std::string name = (fs::temp_directory_path() / "lastbranch-perfdata-XXXXXX").string();
  if (mkdtemp(name.data()) == nullptr) throw std::runtime_error("mkdtemp " + name);
  path_ = name;
}

ScratchDir::~ScratchDir() {
  std::error_code ignored;
  fs::remove_all(path_, ignored);
}

std::vector<std::string> ScratchDir::names() const {
  std::vector<std::string> names;
  for (const auto& entry : fs::directory_iterator(path_)) names.push_back(entry.path().filename().string());
  std::ranges::sort(names);
  return names;
}

std::vector<std::byte> read_file(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  if (!in) throw std::runtime_error("cannot read " + path);
  std::vector<std::byte> bytes(fs::file_size(path));
  in.read(reinterpret_cast<char*>(bytes.data()), static_cast<std::streamsize>(bytes.size()));
  return bytes;
}

void write_file(const std::string& path, std::span<const std::byte> bytes) {
  std::ofstream out(path, std::ios::binary | std::ios::trunc);
  out.write(reinterpret_cast<const char*>(bytes.data()), static_cast<std::streamsize>(bytes.size()));
  if (!out.flush()) throw std::runtime_error("cannot write " + path);
}

WriterConfig example_config(const std::string& path, std::size_t events) {
  WriterConfig config;
  config.path = path;
  for (std::size_t i = 0; i < events; ++i) {
    EventAttr event;
    event.name = i == 0 ? "cycles:u" : "br_misp_retired.all_branches:u";
    event.type = i == 0 ? 0 : 4;
    event.config = i == 0 ? 0 : 0xc5 + i * 0x100;
    event.period = 10007;
    event.branch_sample_type = kBranchUser | kBranchAny;
    config.events.push_back(event);
  }
  config.hostname = "simulated";
  config.os_release = "6.1.0";
  config.version = "0.1.0";
  config.cpu_desc = "Skylake, simulated";
  config.cpu_id = "GenuineIntel,6,85,7";
  config.nr_cpus = 2;
  config.mem_kb = 4096;
  config.cmdline = {"lastbranch", "record", "-b"};
  config.pmu_caps = {{"branches", "32"}};
  return config;
}

std::vector<BranchEntry> random_branches(std::mt19937_64& random, std::size_t at_most) {
  std::vector<BranchEntry> branches(random() % (at_most + 1));
  for (BranchEntry& branch : branches) {
    branch.from = random() >> random() % 64;
    branch.to = random() >> random() % 64;
    const BranchFlags flags{.mispredicted = random() % 3 == 0,
                            .predicted = random() % 3 == 0,
                            .in_tx = random() % 8 == 0,
                            .abort = random() % 8 == 0,
                            .cycles = random() >> (48 + random() % 16),
                            .type = static_cast<BranchType>(random() % 16),
                            .spec = static_cast<u8>(random() % 4),
                            .new_type = static_cast<u8>(random() % 16),
                            .priv = static_cast<u8>(random() % 4)};
    branch.flags = flags.pack();
  }
  return branches;
}

void write_random(const std::string& path, const RandomRecording& what) {
  write_random(example_config(path, what.events), what);
}

WriteSummary write_random(WriterConfig config, const RandomRecording& what) {
  std::mt19937_64 random(what.seed);
  const std::size_t events = config.events.size();
  Writer writer(std::move(config));
  constexpr u32 kPid = 1000;
  u64 time = 0;
  writer.comm(kPid, kPid, "busybox", true, time);
  writer.mmap2({.pid = kPid,
                .tid = kPid,
                .addr = 0x401000,
                .len = 0x190000,
                .pgoff = 0x1000,
                .prot = 5,
                .flags = 2,
                .filename = "/bin/busybox",
                .build_id = read_build_id("/bin/busybox")},
               time);
  for (std::size_t i = 0; i < what.samples; ++i) {
    time += 1 + (random() >> (34 + random() % 20));
    const auto tid = static_cast<u32>(kPid + random() % 6);  // those from 1004 are never announced
    if (i % 97 == 41) writer.fork(kPid, kPid + 1 + static_cast<u32>(random() % 3), kPid, kPid, time);
    if (i % 89 == 17)
      writer.comm(kPid, kPid + static_cast<u32>(random() % 4), "worker " + std::to_string(i), false, time);
    const auto branches = random_branches(random, what.branches);
    writer.sample({.event = random() % events,
                   .ip = random() >> random() % 64,
                   .pid = kPid,
                   .tid = tid,
                   .time = time,
                   .cpu = static_cast<u32>(random() % 200),
                   .period = 1 + (random() >> random() % 64) / 2,
                   .branches = branches,
                   .hw_index = i % 32});
  }
  writer.exit(kPid, kPid, 1, 1, time);
  writer.finish();
  return writer.summary();
}

u64 count_samples(const std::string& path) {
  Reader reader(path);
  u64 samples = 0;
  while (const Record* record = reader.next()) samples += std::holds_alternative<SampleRecord>(record->body);
  return samples;
}

std::string script_text(const std::string& path, std::string_view fields) {
  const auto source = open_capture(path);
  std::string text;
  print_script(*source, ScriptFields(fields), [&](std::string_view piece) { text += piece; });
  return text;
}

CommandResult run_command(const std::string& command) {
  CommandResult result;
  std::FILE* pipe = popen(command.c_str(), "r");
  if (pipe == nullptr) throw std::runtime_error("cannot run " + command);
  std::array<char, 65536> piece{};
  for (std::size_t n = 0; (n = std::fread(piece.data(), 1, piece.size(), pipe)) != 0;) {
    result.output.append(piece.data(), n);
  }
  const int status = pclose(pipe);
  result.status = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  return result;
}

bool has_program(const std::string& name) {
  return run_command("command -v " + name).status == 0;
}

}  // namespace lastbranch::perfdata::test
