// Real captures, and the real perf: what it prints of a perf.data file reads back as the file itself does.
#include <algorithm>
#include <array>
#include <filesystem>
#include <map>

#include <gtest/gtest.h>

#include "sim/perfdata/reader.h"
#include "sim/perfdata/text_reader.h"
#include "tests/perfdata/support.h"
#include "tests/perfdata/text_support.h"

namespace lastbranch::perfdata::test {
namespace {

class TextCaptures : public ::testing::Test {
 protected:
  void SetUp() override {
    folder_ = shared_captures();
    if (folder_.empty()) GTEST_SKIP() << "the shared captures are not there; LASTBRANCH_SHARED may say where";
  }

  std::string folder_;
};

/// What a comparison of two captures looks at: perf sorts by time, so the samples are sorted, too.
std::vector<std::string> sample_texts(const Capture& capture, bool chains) {
  std::vector<std::string> texts;
  for (const SampleRecord& sample : capture.samples) {
    std::string text = fmt::format("{:x}", sample.ip);
    if (chains) {
      for (const u64 ip : sample.callchain) text += fmt::format(" {:x}", ip);
    }
    for (const BranchEntry& entry : sample.branches) text += " " + to_text(entry);
    texts.push_back(std::move(text));
  }
  std::ranges::sort(texts);
  return texts;
}

TEST_F(TextCaptures, every_text_of_a_capture_equals_the_capture) {
  struct Row {
    const char* data;
    const char* text;
    std::size_t samples;  // with branch stacks
    std::size_t branches;
  };
  const Row rows[] = {
      {"propeller_sample_1.eb928881.perfdata", "propeller_sample_1.eb928881.perfdata.perf61.brstack.txt.gz",
       3732, 3732 * 32},
      {"hierarchical_discriminator_test.x86_64.perf.data",
       "hierarchical_discriminator_test.x86_64.perf.data.brstack.txt.gz", 145, 145 * 16},
      {"perf.data.branch", "perf.data.branch.perf61.brstack.txt.gz", 919, 919 * 16},
      {"perf.data.branch-4.14", "perf.data.branch-4.14.perf61.brstack.txt.gz", 13, 13 * 32},
      {"vector_static_gcc.perf.lbr.data", "vector_static_gcc.brstack.txt", 21, 69},
  };
  for (const Row& row : rows) {
    SCOPED_TRACE(row.text);
    Reader reader(folder_ + "/" + row.data);
    const Capture data = read_all(reader);
    const Capture text = read_text_file(folder_ + "/" + row.text);
    EXPECT_EQ(static_cast<std::size_t>(std::ranges::count_if(
                  text.samples, [](const SampleRecord& s) { return !s.branches.empty(); })),
              row.samples);
    std::size_t branches = 0;
    for (const SampleRecord& sample : text.samples) branches += sample.branches.size();
    EXPECT_EQ(branches, row.branches);
    const auto ours = sample_texts(text, false);
    const auto theirs = sample_texts(data, false);
    ASSERT_EQ(ours.size(), theirs.size());
    for (std::size_t i = 0; i < ours.size(); ++i) ASSERT_EQ(ours[i], theirs[i]);
  }
}

TEST_F(TextCaptures, llvms_files) {
  struct Row {
    const char* name;
    std::size_t samples;
    std::size_t branches;
    std::size_t chain;
    std::size_t mappings;
  };
  const Row rows[] = {
      {"artificial-branch", 1, 15, 0, 0},
      {"callback-external-addr", 4, 128, 21, 0},
      {"cs-invalid-ret-addr", 2, 32, 6, 1},
      {"cs-preinline-cost", 996, 996 * 16, 998, 8},
      {"external-address", 7, 15, 14, 1},
      {"inline-cs-noprobe", 1, 16, 2, 1},
      {"inline-cs-pseudoprobe", 1, 16, 2, 1},
      {"inline-noprobe", 2, 64, 0, 0},
      {"inline-noprobe2", 13, 13 * 32, 0, 0},
      {"invalid-range", 2, 23, 8, 1},
      {"ip-duplication", 2, 11, 0, 0},
      {"noprobe", 3, 96, 0, 0},
      {"noprobe-skid", 4, 128, 0, 0},
      {"noprobe.mmap", 3, 96, 0, 1},
      {"recursion-compression-noprobe", 1, 16, 1, 1},
      {"recursion-compression-pseudoprobe-nommap", 1, 16, 20, 0},
      {"unique-linkage-name-probe", 1, 16, 2, 1},
  };
  for (const Row& row : rows) {
    SCOPED_TRACE(row.name);
    const Capture read = read_text_file(folder_ + "/perfscript/" + row.name + ".perfscript");
    EXPECT_EQ(read.kind, SourceKind::kScriptText);
    EXPECT_EQ(read.samples.size(), row.samples);
    std::size_t branches = 0;
    std::size_t chain = 0;
    for (const SampleRecord& sample : read.samples) {
      branches += sample.branches.size();
      chain += sample.callchain.size();
    }
    EXPECT_EQ(branches, row.branches);
    EXPECT_EQ(chain, row.chain);
    EXPECT_EQ(read.records.size() - read.samples.size(), row.mappings);
  }
}

TEST_F(TextCaptures, bolts_files) {
  struct Row {
    const char* name;
    std::size_t edges;
    std::size_t ranges;
  };
  for (const Row& row : {Row{"blarge_new", 33, 48}, Row{"blarge_new_bat", 34, 45},
                         Row{"blarge_new_bat_branchentry", 1, 0}, Row{"blarge_new_bat_order", 1, 1}}) {
    SCOPED_TRACE(row.name);
    const Capture read = read_text_file(folder_ + "/perfscript/" + row.name + ".preagg.txt");
    EXPECT_EQ(read.kind, SourceKind::kPreaggregated);
    const auto edges = std::ranges::count_if(
        read.records, [](const Record& r) { return std::holds_alternative<EdgeRecord>(r.body); });
    EXPECT_EQ(static_cast<std::size_t>(edges), row.edges);
    EXPECT_EQ(read.records.size(), row.edges + row.ranges);
  }
}

/// Cuts and changes of real text never crash, whatever the message.
TEST_F(TextCaptures, damaged_text_is_an_error_or_is_read) {
  const auto bytes = read_file(folder_ + "/perfscript/external-address.perfscript");
  std::mt19937_64 random(7);
  const ScratchDir scratch;
  const std::string path = scratch.file("text");
  std::size_t errors = 0;
  constexpr std::size_t kTries = 400;
  for (std::size_t i = 0; i < kTries; ++i) {
    auto changed = bytes;
    for (u64 n = random() % 4; n-- != 0;)
      changed[random() % changed.size()] = static_cast<std::byte>(random());
    if (i % 2 == 0) changed.resize(random() % changed.size());
    write_file(path, changed);
    const std::string message = error_of([&] { static_cast<void>(read_text_file(path)); });
    if (message.empty()) continue;
    ++errors;
    EXPECT_TRUE(message.starts_with(path + ": line ")) << message;
  }
  EXPECT_GT(errors, kTries / 10);
  EXPECT_LT(errors, kTries);
}

class TextOfPerf : public TextCaptures {
 protected:
  void SetUp() override {
    TextCaptures::SetUp();
    if (IsSkipped()) return;
    if (!has_program("perf")) GTEST_SKIP() << "perf is not installed";
  }

  /// What perf's script prints, read as text.
  [[nodiscard]] Capture perf(const std::string& arguments) const {
    const auto result = run_command("PERF_CONFIG=/dev/null perf " + arguments + " 2>/dev/null </dev/null");
    EXPECT_EQ(result.status, 0);
    return read_text(result.output);
  }

  void expect_equal(const Capture& text, const Capture& data, bool chains = false) const {
    const auto ours = sample_texts(text, chains);
    const auto theirs = sample_texts(data, chains);
    ASSERT_EQ(ours.size(), theirs.size());
    for (std::size_t i = 0; i < ours.size(); ++i) ASSERT_EQ(ours[i], theirs[i]);
  }

  /// Drops from an entry what perf 6.1 does not print.
  static void strip(Capture& capture) {
    for (SampleRecord& sample : capture.samples) {
      for (BranchEntry& entry : sample.branches) {
        BranchFlags flags = BranchFlags::unpack(entry.flags);
        flags.spec = 0;
        flags.priv = 0;
        flags.new_type = 0;
        if (flags.predicted) flags.mispredicted = false;  // of both, P is printed
        entry.flags = flags.pack();
      }
    }
  }

  const ScratchDir scratch_;
};

TEST_F(TextOfPerf, every_choice_of_columns_reads_back) {
  const std::string path = scratch_.file("p.data");
  write_random(path, {.events = 2, .samples = 500, .seed = 5});
  Reader reader(path);
  Capture data = read_all(reader);
  strip(data);
  for (const char* fields :
       {"ip,brstack", "pid,ip,brstack", "event,ip,brstack", "comm,tid,time,period,event,ip,brstack",
        "comm,pid,tid,cpu,time,period,event,ip,brstack", "ip,dso,brstack", "ip,sym,brstack",
        "ip,sym,symoff,dso,brstack", "cpu,ip,brstack", "time,ip,brstack", "tid,period,event,ip,brstack"}) {
    SCOPED_TRACE(fields);
    Capture text = perf("script -F " + std::string(fields) + " -i " + path);
    strip(text);
    expect_equal(text, data);
    EXPECT_TRUE(text.notes.empty()) << text.notes[0];
  }
}

TEST_F(TextOfPerf, columns_read_back) {
  const std::string path = scratch_.file("p.data");
  write_random(path, {.events = 2, .samples = 300, .seed = 6});
  Reader reader(path);
  const Capture data = read_all(reader);
  const Capture text = perf(
      "script --ns -F comm,pid,tid,cpu,time,period,event,ip,brstack --show-task-events "
      "--show-mmap-events -i " +
      path);
  ASSERT_EQ(text.samples.size(), data.samples.size());
  for (std::size_t i = 0; i < data.samples.size(); ++i) {
    const SampleRecord& a = text.samples[i];
    const SampleRecord& b = data.samples[i];
    ASSERT_EQ(a.ip, b.ip);
    ASSERT_EQ(a.pid, b.pid);
    ASSERT_EQ(a.tid, b.tid);
    ASSERT_EQ(a.cpu, b.cpu);
    ASSERT_EQ(a.time, b.time);
    ASSERT_EQ(a.period, b.period);
    ASSERT_EQ(text.events[a.event].name, data.events[b.event].name);
  }
  const auto count = [](const Capture& capture, const auto& of_type) {
    return std::ranges::count_if(capture.records, of_type);
  };
  const auto is_mmap = [](const Record& r) { return std::holds_alternative<MmapRecord>(r.body); };
  const auto is_task = [](const Record& r) { return std::holds_alternative<TaskRecord>(r.body); };
  EXPECT_EQ(count(text, is_mmap), count(data, is_mmap));
  EXPECT_EQ(count(text, is_task), count(data, is_task));
}

TEST_F(TextOfPerf, names_of_threads_may_look_like_columns) {
  const std::array<const char*, 9> names = {
      "a b c",      "(sd) x:", "12 34:",        "k/0:1 5/6", "\xff\xfez",
      "[001] 1.5:", "other:",  "    1.000002:", "4000"};
  const std::string path = scratch_.file("p.data");
  Writer writer(example_config(path));
  const BranchEntry entry{0x401004, 0x402000, BranchFlags{.predicted = true, .cycles = 5}.pack()};
  for (u32 i = 0; i < names.size(); ++i) {
    writer.comm(100 + i, 100 + i, names.at(i), false, i * 1000);
    writer.sample({.ip = 0x401000,
                   .pid = 100 + i,
                   .tid = 100 + i,
                   .time = i * 1000,
                   .period = 1000,
                   .branches = std::span(&entry, i % 2)});
  }
  writer.finish();
  for (const char* options :
       {"", "-F comm,tid,event,ip,brstack", "-F comm,pid,tid,cpu,time,period,event,ip,brstack",
        "-F comm,tid,ip,brstack", "-F comm,tid,time,brstack", "-F comm,tid,misc,event,ip,brstack",
        "-F +brstack --ns --header", "-F +brstack -L", "-F +brstack --reltime", "-F +brstack,+srcline",
        "-F +brstacksym", "-F +brstackinsn"}) {
    SCOPED_TRACE(options);
    const Capture text = perf("script " + std::string(options) + " -i " + path);
    ASSERT_EQ(text.samples.size(), names.size());
    std::map<u32, std::string> known;
    for (const Record& record : text.records) {
      if (const auto* comm = std::get_if<CommRecord>(&record.body)) known[comm->tid] = comm->name;
    }
    for (u32 i = 0; i < names.size(); ++i) {
      EXPECT_EQ(text.samples[i].tid, 100 + i);
      const std::string name = names.at(i);
      const bool short_names = std::string_view(options).ends_with("-L");
      const std::size_t blanks = name.find_first_not_of(' ');
      EXPECT_EQ(known[100 + i], (short_names ? name.substr(0, 8) : name).substr(blanks)) << i;
    }
  }
}

TEST_F(TextOfPerf, real_captures_read_back_in_every_form) {
  for (const char* name : {"perf.data.branch-4.14", "propeller_sample_1.eb928881.perfdata",
                           "perf.data.branch", "perf.data.raw_callgraph_branch-3.4"}) {
    SCOPED_TRACE(name);
    const std::string path = folder_ + "/" + name;
    Reader reader(path);
    const Capture data = read_all(reader);
    const bool chains = std::string_view(name).find("callgraph") != std::string_view::npos;
    const Capture lines = perf("script -F ip,brstack -i " + path);
    if (!chains) {
      expect_equal(lines, data);
      expect_equal(perf("script -F ip,dso,brstack -i " + path), data);
    } else {
      // Chains lose their context markers in script's text.
      ASSERT_EQ(lines.samples.size(), data.samples.size());
      std::size_t branches = 0;
      for (const SampleRecord& sample : lines.samples) branches += sample.branches.size();
      EXPECT_EQ(branches, 513u * 16);
    }
    // perf takes seconds for the larger ones.
    if (std::filesystem::file_size(path) < 500'000) expect_equal(perf("report -D -i " + path), data, true);
  }
}

TEST_F(TextOfPerf, symbols_only_are_reported) {
  const std::string path = folder_ + "/perf.data.branch-4.14";
  Reader reader(path);
  const Capture data = read_all(reader);
  const Capture text = perf("script -F ip,sym,brstacksym -i " + path);
  ASSERT_EQ(text.samples.size(), data.samples.size());
  EXPECT_TRUE(std::ranges::all_of(text.samples, [](const SampleRecord& s) { return s.branches.empty(); }));
  ASSERT_EQ(text.notes.size(), 1u);
  EXPECT_TRUE(text.notes[0].starts_with("416 branches without addresses")) << text.notes[0];
}

/// perf's view of a program that is here: its instructions give the stacks back.
TEST_F(TextOfPerf, instructions_read_back) {
  if (!has_program("gcc")) GTEST_SKIP() << "gcc is not installed";
  const std::string program = scratch_.file("program");
  const std::string source = scratch_.file("program.S");
  // Three branches whose addresses are known: a jump over a byte, a call, a return.
  const std::string_view code =
      ".globl _start\n_start: jmp 1f\nnop\n1: call 2f\nnop\njmp _start\n2: nop\nret\n";
  write_file(source, std::as_bytes(std::span(code)));
  ASSERT_EQ(run_command("gcc -nostdlib -static -Wl,-Ttext=0x401000 -o " + program + " " + source).status, 0);
  const std::string path = scratch_.file("p.data");
  Writer writer(example_config(path));
  writer.comm(9, 9, "program", true, 0);
  writer.mmap2({.pid = 9,
                .tid = 9,
                .addr = 0x401000,
                .len = 0x1000,
                .pgoff = 0x1000,
                .prot = 5,
                .flags = 2,
                .filename = program,
                .build_id = read_build_id(program)},
               0);
  // _start 401000: jmp 401003; nop; 401003: call 40100b; 401008: nop; 401009: jmp 401000; 40100b: nop; ret.
  const auto flags = [](u64 cycles, bool miss) {
    return BranchFlags{.mispredicted = miss, .predicted = !miss, .cycles = cycles}.pack();
  };
  const std::array<BranchEntry, 4> branches = {
      BranchEntry{0x401009, 0x401000, flags(2, false)}, BranchEntry{0x40100c, 0x401008, flags(3, true)},
      BranchEntry{0x401003, 0x40100b, flags(4, false)}, BranchEntry{0x401000, 0x401003, flags(5, false)}};
  // With the IP at the target of the newest branch, and at the newest branch itself.
  writer.sample({.ip = 0x401000, .pid = 9, .tid = 9, .time = 1, .branches = branches});
  writer.sample({.ip = 0x401009, .pid = 9, .tid = 9, .time = 2, .branches = branches});
  writer.finish();
  const Capture text = perf("script -F ip,brstackinsn -i " + path);
  ASSERT_EQ(text.samples.size(), 2u);
  const std::vector<BranchEntry> all(branches.begin(), branches.end());
  EXPECT_EQ(to_text(text.samples[0].branches), to_text(all));
  EXPECT_EQ(to_text(text.samples[1].branches), to_text({all.begin() + 1, all.end()}));
  EXPECT_EQ(text.samples[1].ip, 0x401009u);
}

}  // namespace
}  // namespace lastbranch::perfdata::test
