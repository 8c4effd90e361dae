#include "sim/perfdata/script.h"

#include <array>

#include <gtest/gtest.h>

#include "tests/perfdata/support.h"

namespace lastbranch::perfdata::test {
namespace {

std::string entry_text(const BranchEntry& entry) {
  std::string text;
  append_brstack_entry(entry, text);
  return text;
}

TEST(Script, an_entry_prints_each_of_its_fields) {
  struct Row {
    BranchFlags flags;
    const char* text;
  };
  const Row rows[] = {
      {{}, "0x40062f/0x4005b0/-/-/-/0/"},
      {{.predicted = true, .cycles = 9}, "0x40062f/0x4005b0/P/-/-/9/"},
      {{.mispredicted = true, .cycles = 65535}, "0x40062f/0x4005b0/M/-/-/65535/"},
      {{.predicted = true, .in_tx = true, .abort = true}, "0x40062f/0x4005b0/P/X/A/0/"},
      {{.predicted = true, .type = BranchType::kCond}, "0x40062f/0x4005b0/P/-/-/0/COND"},
      {{.predicted = true, .type = BranchType::kIndCall}, "0x40062f/0x4005b0/P/-/-/0/IND_CALL"},
  };
  for (const Row& row : rows) EXPECT_EQ(entry_text({0x40062f, 0x4005b0, row.flags.pack()}), row.text);
  EXPECT_EQ(entry_text({0, 0, 0}), "0x0/0x0/-/-/-/0/");
}

class ScriptFile : public ::testing::Test {
 protected:
  void write() const {
    Writer writer(example_config(path_));
    writer.comm(7, 7, "program", true, 0);
    const std::array<BranchEntry, 2> branches = {BranchEntry{0x401000, 0x402000, 2},
                                                 BranchEntry{0x403000, 0x404000, 1}};
    writer.sample(
        {.ip = 0x402004, .pid = 7, .tid = 8, .time = 1'000'002'999, .period = 10007, .branches = branches});
    writer.sample({.ip = 0x402004, .pid = 7, .tid = 7, .time = 2'000'000'000, .cpu = 3, .period = 1});
    writer.finish();
  }

  ScratchDir scratch_;
  const std::string path_ = scratch_.file("p.data");
};

TEST_F(ScriptFile, prints_ip_and_branch_stack) {
  write();
  EXPECT_EQ(script_text(path_, "ip,brstack"),
            "           402004 0x401000/0x402000/P/-/-/0/  0x403000/0x404000/M/-/-/0/ \n"
            "           402004\n");
}

TEST_F(ScriptFile, prints_the_default_fields_in_perfs_order) {
  write();
  const std::string expected =
      "              :8     8     1.000002:      10007 cycles:u:            402004\n"
      "         program     7     2.000000:          1 cycles:u:            402004\n";
  EXPECT_EQ(script_text(path_, kDefaultScriptFields), expected);
  EXPECT_EQ(script_text(path_, "ip,event,period,time,tid,comm"), expected);
}

TEST_F(ScriptFile, prints_pid_tid_and_cpu) {
  write();
  EXPECT_EQ(script_text(path_, "pid,tid,cpu"), "    7/8     [000] \n    7/7     [003] \n");
}

TEST(Script, names_an_unknown_field_and_the_known_ones) {
  EXPECT_EQ(
      error_of([] { const ScriptFields fields("ip,brstakc"); }),
      "fields 'ip,brstakc': expected names among comm,pid,tid,cpu,time,period,event,ip,brstack,spec, found "
      "'brstakc'");
  EXPECT_EQ(
      error_of([] { const ScriptFields fields(","); }),
      "fields ',': expected names among comm,pid,tid,cpu,time,period,event,ip,brstack,spec, found none");
}

TEST(Script, refuses_a_field_that_the_samples_lack) {
  ScratchDir scratch;
  const std::string path = scratch.file("p.data");
  write_random(path, {.samples = 1});
  auto bytes = read_file(path);
  constexpr std::size_t kSampleTypeAt = 112 + offsetof(Attr, sample_type);
  bytes[kSampleTypeAt] &= ~std::byte{kSampleTime};
  write_file(path, bytes);
  EXPECT_EQ(error_of([&] { static_cast<void>(script_text(path, "ip,time")); }),
            "field 'time': expected in the samples of cycles:u, found sample_type 0x983 without it");
}

}  // namespace
}  // namespace lastbranch::perfdata::test
