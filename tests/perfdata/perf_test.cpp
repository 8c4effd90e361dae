// The real perf as oracle: it must read our files, and print what we print.
#include <algorithm>
#include <array>
#include <bit>
#include <cstdlib>
#include <cstring>

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "sim/perfdata/script.h"
#include "tests/perfdata/support.h"

namespace lastbranch::perfdata::test {
namespace {

/// The number that `text` has after "key : ", or the rest of the line.
std::string header_line(const std::string& text, const std::string& key) {
  const std::string label = "# " + key + " : ";
  const std::size_t at = text.find(label);
  if (at == std::string::npos) return "(absent)";
  return text.substr(at + label.size(), text.find('\n', at) - at - label.size());
}

/// EXPECT_EQ of megabytes prints megabytes; this prints the first line that differs.
void expect_same_text(const std::string& ours, const std::string& perfs) {
  if (ours == perfs) return;
  const auto [a, b] = std::ranges::mismatch(ours, perfs);
  const auto line_at = [](const std::string& text, auto where) {
    const auto at = static_cast<std::size_t>(where - text.begin());
    const std::size_t start = at == 0 ? 0 : text.rfind('\n', at - 1) + 1;
    return text.substr(start, text.find('\n', at) - start).substr(0, 2000);
  };
  ADD_FAILURE() << "ours: " << line_at(ours, a) << "\nperf: " << line_at(perfs, b);
}

class Perf : public ::testing::Test {
 protected:
  void SetUp() override {
    if (!has_program("perf")) GTEST_SKIP() << "perf is not installed";
    version_ = run_command("perf --version 2>/dev/null").output;
  }

  [[nodiscard]] bool is_6_1() const { return version_.find(" 6.1.") != std::string::npos; }

  /// What perf prints to its standard output; the configuration of whoever runs the tests does not count.
  [[nodiscard]] static CommandResult perf(const std::string& arguments) {
    return run_command("PERF_CONFIG=/dev/null perf " + arguments + " 2>/dev/null </dev/null");
  }

  ScratchDir scratch_;
  std::string path_ = scratch_.file("p.data");
  std::string version_;
};

TEST_F(Perf, script_prints_what_we_print) {
  if (!is_6_1()) GTEST_SKIP() << "our text follows perf 6.1, found " << version_;
  for (const std::size_t events : {1u, 2u, 3u}) {
    write_random(path_, {.events = events, .samples = 3000, .seed = events});
    for (const char* fields :
         {"ip,brstack", "comm,tid,time,period,event,ip", "comm,pid,tid,cpu,time,event,ip,brstack", "pid",
          "tid", "comm,cpu,period", "ip", "event", "brstack", "time,ip"}) {
      SCOPED_TRACE(fields);
      const auto result = perf("script -F " + std::string(fields) + " -i " + path_);
      EXPECT_EQ(result.status, 0);
      EXPECT_EQ(std::ranges::count(result.output, '\n'), 3000);
      expect_same_text(script_text(path_, fields), result.output);
    }
  }
}

TEST_F(Perf, script_prints_what_we_print_without_branch_stacks) {
  if (!is_6_1()) GTEST_SKIP() << "our text follows perf 6.1, found " << version_;
  WriterConfig config = example_config(path_);
  config.events[0].branch_sample_type = 0;
  config.pmu_caps.clear();
  Writer writer(config);
  for (u64 i = 0; i < 100; ++i) writer.sample({.ip = 0x401000 + i, .pid = 1, .tid = 1, .time = i * 1000});
  writer.finish();
  for (const char* fields : {"ip,brstack", "comm,tid,time,period,event,ip"}) {
    expect_same_text(script_text(path_, fields),
                     perf("script -F " + std::string(fields) + " -i " + path_).output);
  }
}

TEST_F(Perf, names_threads_as_we_do) {
  if (!is_6_1()) GTEST_SKIP() << "our text follows perf 6.1, found " << version_;
  Writer writer(example_config(path_));
  u64 time = 0;
  const auto sample = [&](u32 pid, u32 tid) {
    writer.sample({.ip = 1, .pid = pid, .tid = tid, .time = ++time});
  };
  sample(0, 0);
  sample(5, 5);
  writer.comm(5, 5, "sh", false, ++time);
  sample(5, 5);
  writer.comm(5, 5, "a name of more than fifteen", true, ++time);
  sample(5, 5);
  writer.fork(5, 6, 5, 5, ++time);
  sample(5, 6);
  writer.comm(5, 6, "thread", false, ++time);
  sample(5, 6);
  sample(5, 5);
  writer.fork(7, 7, 5, 5, ++time);
  sample(7, 7);
  writer.exit(7, 7, 5, 5, ++time);
  sample(7, 7);
  writer.fork(8, 8, 99, 99, ++time);
  sample(8, 8);
  writer.finish();
  expect_same_text(script_text(path_, "comm,pid,tid,time"),
                   perf("script -F comm,pid,tid,time -i " + path_).output);
}

TEST_F(Perf, reads_the_header) {
  write_random(path_, {.events = 2, .samples = 500});
  const auto result = perf("script --header-only -i " + path_);
  EXPECT_EQ(result.status, 0);
  const std::string& text = result.output;
  EXPECT_EQ(header_line(text, "hostname"), "simulated");
  EXPECT_EQ(header_line(text, "os release"), "6.1.0");
  EXPECT_EQ(header_line(text, "perf version"), "0.1.0");
  EXPECT_EQ(header_line(text, "arch"), "x86_64");
  EXPECT_EQ(header_line(text, "nrcpus online"), "2");
  EXPECT_EQ(header_line(text, "nrcpus avail"), "2");
  EXPECT_EQ(header_line(text, "cpudesc"), "Skylake, simulated");
  EXPECT_EQ(header_line(text, "cpuid"), "GenuineIntel,6,85,7");
  EXPECT_EQ(header_line(text, "total memory"), "4096 kB");
  EXPECT_EQ(header_line(text, "cmdline"), "lastbranch record -b ");
  EXPECT_NE(text.find("# contains samples with branch stack"), std::string::npos);
  EXPECT_NE(text.find("# cpu pmu capabilities: branches=32"), std::string::npos);
  const std::string event = header_line(text, "event");
  EXPECT_NE(event.find("name = cycles:u"), std::string::npos) << event;
  EXPECT_NE(event.find("size = 112"), std::string::npos) << event;
  EXPECT_NE(event.find("sample_type = IP|TID|TIME|CPU|PERIOD|BRANCH_STACK|IDENTIFIER"), std::string::npos)
      << event;
  EXPECT_NE(event.find("branch_sample_type = USER|ANY"), std::string::npos) << event;
  const Reader reader(path_);
  const auto seconds = [](u64 ns) {
    return fmt::format("{}.{:06}", ns / 1'000'000'000, ns % 1'000'000'000 / 1000);
  };
  ASSERT_TRUE(reader.features().sample_time.has_value());
  EXPECT_EQ(header_line(text, "time of first sample"), seconds(reader.features().sample_time->first));
  EXPECT_EQ(header_line(text, "time of last sample"), seconds(reader.features().sample_time->second));
}

TEST_F(Perf, finds_the_build_ids) {
  const auto id = read_build_id("/bin/busybox");
  if (!id) GTEST_SKIP() << "/bin/busybox is not installed or has no build-id";
  write_random(path_, {.samples = 100});
  EXPECT_EQ(perf("buildid-list -i " + path_).output, id->hex() + " /bin/busybox\n");
}

TEST_F(Perf, finds_the_build_id_inside_mmap2_too) {
  const auto id = read_build_id("/bin/busybox");
  if (!id) GTEST_SKIP() << "/bin/busybox is not installed or has no build-id";
  write_random(path_, {.samples = 100});
  auto bytes = read_file(path_);
  bytes[72] &= ~std::byte{4};  // feature bit 2, whose section is the first: the table starts one entry later
  FileHeader header;
  std::memcpy(&header, bytes.data(), sizeof header);
  const u64 table = header.data.offset + header.data.size;
  const auto count = static_cast<u64>(std::popcount(header.features[0]));
  std::memmove(&bytes[table], &bytes[table + sizeof(Section)], count * sizeof(Section));
  write_file(path_, bytes);
  EXPECT_EQ(perf("buildid-list -i " + path_).output, id->hex() + " /bin/busybox\n");
}

TEST_F(Perf, report_shows_the_branches) {
  Writer writer(example_config(path_));
  writer.comm(9, 9, "busybox", true, 0);
  writer.mmap2({.pid = 9,
                .tid = 9,
                .addr = 0x401000,
                .len = 0x190000,
                .pgoff = 0x1000,
                .prot = 5,
                .flags = 2,
                .filename = "/bin/busybox",
                .build_id = read_build_id("/bin/busybox")},
               0);
  std::mt19937_64 random(3);
  for (u64 i = 1; i <= 1000; ++i) {
    std::array<BranchEntry, 32> branches;
    for (BranchEntry& branch : branches) {
      const BranchFlags flags{.mispredicted = i % 5 == 0, .predicted = i % 5 != 0, .cycles = i % 40};
      branch = {0x401000 + random() % 1000, 0x402000 + random() % 1000, flags.pack()};
    }
    writer.sample({.ip = branches[0].to,
                   .pid = 9,
                   .tid = 9,
                   .time = i * 250'000,
                   .period = 10007,
                   .branches = branches});
  }
  writer.exit(9, 9, 1, 1, 1'000'000'000);
  writer.finish();

  const auto result = perf("report --stdio -i " + path_);
  EXPECT_EQ(result.status, 0);
  EXPECT_NE(result.output.find("# Samples: 32K of event 'cycles:u'"), std::string::npos)
      << result.output.substr(0, 500);
  EXPECT_NE(result.output.find("Source Symbol"), std::string::npos) << "branch view by default";
  const auto by_object = perf("report --stdio -s dso_from,mispredict -i " + path_).output;
  EXPECT_NE(by_object.find("80.00%  busybox"), std::string::npos) << by_object;
  EXPECT_NE(by_object.find("20.00%  busybox"), std::string::npos) << by_object;
}

TEST_F(Perf, report_splits_by_event) {
  WriterConfig config = example_config(path_, 2);
  Writer writer(config);
  const std::array<BranchEntry, 1> branches = {BranchEntry{0x401000, 0x402000, 2}};
  for (u64 i = 0; i < 300; ++i) {
    writer.sample(
        {.event = i % 3 == 0 ? 1u : 0u, .ip = 1, .pid = 1, .tid = 1, .time = i, .branches = branches});
  }
  writer.finish();
  const std::string text = perf("report --stdio -i " + path_).output;
  EXPECT_NE(text.find("# Samples: 200  of event 'cycles:u'"), std::string::npos) << text;
  EXPECT_NE(text.find("# Samples: 100  of event 'br_misp_retired.all_branches:u'"), std::string::npos)
      << text;
}

/// Real recordings. Those with callchains print those.
TEST_F(Perf, reads_the_same_from_real_recordings) {
  const char* shared = std::getenv("LASTBRANCH_SHARED");
  const std::filesystem::path folder =
      std::filesystem::path(shared != nullptr ? shared : LASTBRANCH_SOURCE_DIR "/../shared") / "captures";
  if (!std::filesystem::exists(folder))
    GTEST_SKIP() << folder << " is not there; LASTBRANCH_SHARED may say where";
  for (const char* name :
       {"perf.data.branch", "perf.data.branch-4.14", "propeller_sample_1.eb928881.perfdata"}) {
    SCOPED_TRACE(name);
    const std::string capture = (folder / name).string();
    const std::string perfs = perf("script -F ip,brstack -i " + capture).output;
    EXPECT_FALSE(perfs.empty());
    expect_same_text(script_text(capture, "ip,brstack"), perfs);
  }
}

/// Recordings made here: several processors, events, threads and processes, counters read in samples, fields
/// that one event has and another lacks.
TEST_F(Perf, script_prints_what_we_print_of_recordings_made_here) {
  if (!is_6_1()) GTEST_SKIP() << "our text follows perf 6.1, found " << version_;
  struct Kind {
    const char* options;
    const char* fields;
  };
  const std::string work = "sh -c 'for i in 1 2 3 4; do ls -R /usr/lib/gcc >/dev/null & done; wait'";
  u32 number = 0;
  for (const Kind& kind : {
           Kind{"-a -e cpu-clock -c 1000000", "comm,pid,tid,cpu,time,period,event,ip"},
           Kind{"-a -e cpu-clock,page-faults,context-switches -F 3000",
                "comm,pid,tid,cpu,time,period,event,ip"},
           Kind{"-e {cpu-clock,page-faults}:S -F 3000", "comm,tid,time,period,event,ip"},
           Kind{"-e cpu-clock/period=300000/,page-faults/time=0/", "comm,tid,time,event"},
           Kind{"-g -e cpu-clock/call-graph=no/ -e page-faults/call-graph=fp/", "comm,tid,time,event"},
           Kind{"-a --switch-events --namespaces -e cpu-clock -F 3000", "comm,tid,cpu,time,event,ip"},
           Kind{"-a --threads -e cpu-clock -F 3000", "comm,tid,cpu,time,event,ip"},
           Kind{"-a -z -e cpu-clock,page-faults -F 3000", "comm,tid,cpu,time,event,ip"},
       }) {
    SCOPED_TRACE(kind.options);
    const std::string path = scratch_.file(fmt::format("p{}.data", number++));
    const auto recorded =
        perf(fmt::format("record -q -B --no-bpf-event -o {} {} -- {}", path, kind.options, work));
    if (recorded.status != 0) GTEST_SKIP() << "perf may not record here";
    const auto perfs = perf(fmt::format("script -F {} -i {}", kind.fields, path));
    ASSERT_EQ(perfs.status, 0);
    EXPECT_FALSE(perfs.output.empty());
    expect_same_text(script_text(path, kind.fields), perfs.output);
  }
}

}  // namespace
}  // namespace lastbranch::perfdata::test
