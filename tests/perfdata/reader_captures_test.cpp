// The shared captures of real processors: our script text against what perf 6.1 prints of them.
#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <map>
#include <memory>
#include <sstream>

#include <gtest/gtest.h>

#include "sim/perfdata/script.h"
#include "sim/perfdata/time_order.h"
#include "tests/perfdata/record_text.h"
#include "tests/perfdata/support.h"

namespace lastbranch::perfdata::test {
namespace {

namespace fs = std::filesystem;

class Captures : public ::testing::Test {
 protected:
  void SetUp() override {
    const char* shared = std::getenv("LASTBRANCH_SHARED");
    folder_ = fs::path(shared != nullptr ? shared : LASTBRANCH_SOURCE_DIR "/../shared") / "captures";
    if (!fs::exists(folder_)) GTEST_SKIP() << folder_ << " is not there; LASTBRANCH_SHARED may say where";
  }

  /// Every perf.data there, whatever its name.
  [[nodiscard]] std::vector<fs::path> perf_data() const {
    std::vector<fs::path> found;
    for (const auto& entry : fs::directory_iterator(folder_)) {
      if (!entry.is_regular_file()) continue;
      const auto bytes = read_file(entry.path());
      if (bytes.size() > 8 && std::memcmp(bytes.data(), "PERFILE2", 8) == 0) found.push_back(entry.path());
    }
    return found;
  }

  fs::path folder_;
};

/// The lines of samples, each cut down to "IP ENTRY ENTRY ...", entries to "FROM/TO/P/X/A/CYCLES": what the
/// different writers of such texts have in common.
std::vector<std::string> samples_in(const std::string& text) {
  std::vector<std::string> samples;
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) {
    if (line.find("PERF_RECORD") != std::string::npos) continue;
    std::istringstream words(line);
    std::string sample;
    bool is_sample = true;
    for (std::string word; is_sample && words >> word;) {
      const auto slash = word.find('/');
      if (slash == std::string::npos) {
        is_sample = word.find_first_not_of("0123456789abcdef") == std::string::npos;
        sample = word;  // the last column before the entries is the IP
      } else {
        is_sample = word.starts_with("0x");
        std::size_t end = 0;
        for (int field = 0; field < 6 && end != std::string::npos; ++field) end = word.find('/', end + 1);
        sample += " " + word.substr(0, end);
      }
    }
    if (is_sample && !sample.empty()) samples.push_back(sample);
  }
  return samples;
}

std::string our_text(const std::string& path, std::string_view fields) {
  const auto source = in_time_order(open_source(path));
  std::string text;
  print_script(*source, ScriptFields(fields), [&](std::string_view piece) { text += piece; });
  return text;
}

/// A line for each sample, also where it has a callchain: the IP, and the entries as script prints them.
std::string stacks_of(const std::string& path) {
  const auto source = in_time_order(open_source(path));
  std::string text;
  while (const Record* record = source->next()) {
    const auto* sample = std::get_if<SampleRecord>(&record->body);
    if (sample == nullptr) continue;
    text += fmt::format("{:x}", sample->ip);
    for (const BranchEntry& entry : sample->branches) {
      text += ' ';
      append_brstack_entry(entry, text);
    }
    text += '\n';
  }
  return text;
}

TEST_F(Captures, our_text_equals_perfs_entry_for_entry) {
  std::size_t compared = 0;
  std::size_t entries = 0;
  for (const auto& text : fs::directory_iterator(folder_)) {
    const std::string name = text.path().filename().string();
    const std::size_t end = name.find(".brstack.txt");
    if (end == std::string::npos) continue;
    SCOPED_TRACE(name);
    // The text may be named after the whole name of its capture or the front of it.
    std::string stem = name.substr(0, end);
    if (stem.ends_with(".perf61")) stem.resize(stem.size() - 7);
    std::vector<fs::path> captures;
    for (const fs::path& path : perf_data()) {
      if (path.filename() == stem) captures = {path};
      if (path.filename() == stem) break;
      if (path.filename().string().starts_with(stem)) captures.push_back(path);
    }
    ASSERT_EQ(captures.size(), 1u);
    const auto expected = run_command((name.ends_with(".gz") ? "zcat " : "cat ") + text.path().string());
    ASSERT_EQ(expected.status, 0);
    const auto perfs = samples_in(expected.output);
    const auto ours = samples_in(stacks_of(captures[0]));
    ASSERT_EQ(ours.size(), perfs.size());
    for (std::size_t i = 0; i < perfs.size(); ++i) {
      ASSERT_EQ(ours[i], perfs[i]) << "sample " << i;
      entries += static_cast<std::size_t>(std::ranges::count(perfs[i], ' '));
    }
    ++compared;
  }
  EXPECT_GE(compared, 5u);
  EXPECT_GT(entries, 100'000u);
}

TEST_F(Captures, every_column_equals_what_the_installed_perf_prints) {
  if (run_command("perf --version 2>/dev/null").output.find(" 6.1.") == std::string::npos) {
    GTEST_SKIP() << "perf 6.1 is not installed";
  }
  std::size_t compared = 0;
  for (const fs::path& path : perf_data()) {
    SCOPED_TRACE(path);
    std::string fields = "comm,pid,tid,time,event,ip,brstack";
    const auto source = open_source(path);
    // Where there are callchains, perf prints them in the place of the IP and pads names no more.
    const u64 type = source->events().at(0).attr.sample_type;
    if ((type & kSampleCallchain) != 0) fields = "pid,tid,time,event";
    const auto perfs = run_command("PERF_CONFIG=/dev/null perf script -F " + fields + " -i " + path.string() +
                                   " 2>/dev/null </dev/null");
    if (perfs.status != 0) continue;  // refused: attributes newer than itself
    EXPECT_TRUE(our_text(path, fields) == perfs.output);
    ++compared;
  }
  EXPECT_GE(compared, 5u);
}

TEST_F(Captures, have_as_many_branch_stacks_as_the_manifest_says) {
  const std::map<std::string, std::size_t> stacks = {
      {"propeller_sample_1.eb928881.perfdata", 3732},
      {"hierarchical_discriminator_test.x86_64.perf.data", 145},
      {"perf.data.branch-4.14", 13},
      {"perf.data.branch", 919},
      {"perf.data.raw_callgraph_branch-3.4", 513},
      {"vector_static_gcc.perf.lbr.data", 21},
  };
  for (const auto& [name, count] : stacks) {
    const auto source = open_source((folder_ / name).string());
    std::size_t found = 0;
    while (const Record* record = source->next()) {
      const auto* sample = std::get_if<SampleRecord>(&record->body);
      if (sample != nullptr && !sample->branches.empty()) ++found;
    }
    EXPECT_EQ(found, count) << name;
    EXPECT_EQ(source->damage(), "");
    EXPECT_FALSE(source->features().cpu_desc.empty()) << name;
  }
}

TEST_F(Captures, other_processors_have_a_field_that_intels_lack) {
  const auto source = open_source((folder_ / "perf.data.branch_stack_spec").string());
  EXPECT_TRUE(source->features().cpu_id.starts_with("AuthenticAMD"));
  std::size_t with_spec = 0;
  while (const Record* record = source->next()) {
    const auto* sample = std::get_if<SampleRecord>(&record->body);
    if (sample == nullptr) continue;
    for (const BranchEntry& entry : sample->branches) {
      with_spec += static_cast<std::size_t>(BranchFlags::unpack(entry.flags).spec != 0);
    }
  }
  EXPECT_GT(with_spec, 0u);
}

TEST_F(Captures, cut_anywhere_give_what_came_before) {
  ScratchDir scratch;
  const std::string cut = scratch.file("cut");
  for (const fs::path& path : perf_data()) {
    SCOPED_TRACE(path);
    const auto whole = read_file(path);
    const auto all = record_lines(path.string());
    for (const std::size_t part : {3u, 5u, 7u}) {
      write_file(cut, std::span(whole).first(whole.size() * part / 8));
      const auto source = open_source(cut, {.keep_going = true});
      const auto lines = record_lines(*source);
      EXPECT_TRUE(lines.size() <= all.size() &&
                  std::ranges::equal(lines, std::span(all).first(lines.size())));
      EXPECT_EQ(source->damage().find(cut + ": offset 0x"), 0u) << source->damage();
    }
  }
}

}  // namespace
}  // namespace lastbranch::perfdata::test
