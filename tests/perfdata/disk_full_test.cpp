// What a recording leaves when the disk is full: a valid smaller file, or none.
#include <array>
#include <cerrno>
#include <cstdlib>

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/perfdata/support.h"

namespace lastbranch::perfdata::test {
namespace {

struct Outcome {
  std::string first_error;  // of the record that found the disk full
  std::string finish_error;
  WriteSummary summary;
};

/// Records as a command would: stops at the first error, then finishes.
Outcome record(const std::string& path, std::size_t samples, std::size_t events) {
  Outcome outcome;
  std::mt19937_64 random(5);
  Writer writer(example_config(path, events));
  outcome.first_error = error_of([&] {
    writer.comm(1, 1, "program", true, 0);
    writer.mmap2({.pid = 1,
                  .tid = 1,
                  .addr = 0x400000,
                  .len = 4096,
                  .prot = 5,
                  .filename = "/bin/program",
                  .build_id = BuildId{.bytes = {1}, .size = 20}},
                 0);
    for (std::size_t i = 1; i <= samples; ++i) {
      const auto branches = random_branches(random, 32);
      writer.sample({.event = i % events, .time = i, .branches = branches});
    }
  });
  outcome.finish_error = error_of([&] { writer.finish(); });
  outcome.summary = writer.summary();
  return outcome;
}

/// The rule of every outcome: what has the final name is valid and holds what the summary says.
void expect_valid_or_absent(const ScratchDir& scratch, const Outcome& outcome) {
  if (outcome.summary.bytes == 0) {
    EXPECT_TRUE(scratch.names().empty()) << scratch.names()[0];
    EXPECT_NE(outcome.finish_error.find("there is no file"), std::string::npos) << outcome.finish_error;
    return;
  }
  const std::string path = scratch.file("p.data");
  EXPECT_EQ(scratch.names(), std::vector<std::string>{"p.data"});
  EXPECT_EQ(std::filesystem::file_size(path), outcome.summary.bytes);
  EXPECT_EQ(count_samples(path), outcome.summary.samples);
  const Reader reader(path);
  if (outcome.summary.samples != 0) {
    EXPECT_EQ(reader.features().sample_time, std::pair(u64{1}, outcome.summary.samples))
        << "times of what was kept";
  }
  EXPECT_EQ(reader.features().build_ids.size(), 1u);
}

TEST(DiskFull, every_limit_of_a_small_recording_gives_a_valid_file_or_none) {
  constexpr std::size_t kSamples = 12;
  u64 whole = 0;
  {
    ScratchDir scratch;
    whole = record(scratch.file("p.data"), kSamples, 1).summary.bytes;
  }
  u64 kept_before = 0;
  bool some_kept = false;
  for (u64 limit = 1; limit < whole; limit += 13) {
    SCOPED_TRACE(limit);
    ScratchDir scratch;
    Outcome outcome;
    {
      const FileSizeLimit full(limit);
      outcome = record(scratch.file("p.data"), kSamples, 1);
    }
    EXPECT_NE(outcome.finish_error.find("File too large"), std::string::npos) << outcome.finish_error;
    EXPECT_LE(outcome.summary.bytes, limit);
    EXPECT_GT(outcome.summary.lost_records, 0u);
    EXPECT_GE(outcome.summary.records, kept_before) << "more room, fewer records";
    kept_before = outcome.summary.records;
    some_kept |= outcome.summary.samples != 0;
    expect_valid_or_absent(scratch, outcome);
  }
  EXPECT_TRUE(some_kept);
}

TEST(DiskFull, a_long_recording_keeps_what_fits_and_says_so) {
  constexpr std::size_t kSamples = 12000;
  for (const u64 limit : {u64{4000}, u64{1} << 20, (u64{1} << 20) + 100, (u64{5} << 20) / 2, u64{3} << 20}) {
    SCOPED_TRACE(limit);
    ScratchDir scratch;
    Outcome outcome;
    {
      const FileSizeLimit full(limit);
      outcome = record(scratch.file("p.data"), kSamples, 2);
    }
    EXPECT_NE(outcome.first_error.find("File too large"), std::string::npos) << outcome.first_error;
    EXPECT_NE(outcome.finish_error.find("holds the first"), std::string::npos) << outcome.finish_error;
    EXPECT_GT(outcome.summary.bytes + 1000, limit) << "no more than a record is given away";
    expect_valid_or_absent(scratch, outcome);
  }
}

TEST(DiskFull, the_first_error_is_told_once_and_later_records_are_counted) {
  ScratchDir scratch;
  const std::string path = scratch.file("p.data");
  const FileSizeLimit full(1 << 20);
  const std::vector<BranchEntry> branches(32);
  Writer writer(example_config(path));
  u64 errors = 0;
  for (u64 i = 0; i < 3000; ++i)
    errors += !error_of([&] { writer.sample({.time = i, .branches = branches}); }).empty();
  EXPECT_EQ(errors, 1u);
  EXPECT_NE(error_of([&] { writer.finish(); }).find("of 3000 samples"), std::string::npos);
  EXPECT_EQ(writer.summary().records + writer.summary().lost_records, 3000u);
}

/// Runs `action` in a child with a mount namespace of its own, in which `path` is a file system of `size`
/// bytes. Returns the child's exit status, or 77 where mounting is not allowed.
template <typename Action>
int in_child_with_tmpfs(const std::string& path, const std::string& size, const Action& action) {
  const pid_t child = fork();
  if (child == 0) {
    if (unshare(CLONE_NEWNS) != 0 && unshare(CLONE_NEWUSER | CLONE_NEWNS) != 0) _exit(77);
    if (mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0) _exit(77);
    if (mount("tmpfs", path.c_str(), "tmpfs", 0, ("size=" + size).c_str()) != 0) _exit(77);
    _exit(action());
  }
  int status = 0;
  waitpid(child, &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

TEST(DiskFull, a_full_file_system_gives_a_valid_file_or_none) {
  ScratchDir scratch;
  const std::string mounted = scratch.file("small");
  std::filesystem::create_directory(mounted);
  for (const char* size : {"4k", "8k", "64k", "1m", "1500k", "2m"}) {
    SCOPED_TRACE(size);
    const int status = in_child_with_tmpfs(mounted, size, [&] {
      const std::string path = mounted + "/p.data";
      const Outcome outcome = record(path, 12000, 1);
      if (outcome.finish_error.find("No space left on device") == std::string::npos) return 1;
      const bool exists = std::filesystem::exists(path);
      if (exists != (outcome.summary.bytes != 0)) return 2;
      const auto entries = std::distance(std::filesystem::directory_iterator(mounted), {});
      if (entries != (exists ? 1 : 0)) return 3;
      if (exists && count_samples(path) != outcome.summary.samples) return 4;
      return exists && outcome.summary.samples != 0 ? 0 : 5;
    });
    if (status == 77) GTEST_SKIP() << "mounting a tmpfs is not allowed here";
    EXPECT_EQ(status, 0);
  }
}

TEST(DiskFull, no_room_at_all_leaves_no_file) {
  ScratchDir scratch;
  Outcome outcome;
  {
    const FileSizeLimit full(0);
    outcome = record(scratch.file("p.data"), 10, 1);
  }
  EXPECT_NE(outcome.finish_error.find("there is no file"), std::string::npos) << outcome.finish_error;
  EXPECT_TRUE(scratch.names().empty());
}

}  // namespace
}  // namespace lastbranch::perfdata::test
