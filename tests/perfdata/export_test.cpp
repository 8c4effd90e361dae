// What exports hold, by reading them again: with our reader, a JSON parser, LLVM's tools.
#include "sim/perfdata/export.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <sstream>

#include <gtest/gtest.h>

#include <boost/json.hpp>

#include "sim/base/error.h"
#include "sim/perfdata/build_id.h"
#include "sim/perfdata/reader.h"
#include "sim/perfdata/text_reader.h"
#include "tests/perfdata/support.h"
#include "tests/perfdata/text_support.h"

namespace lastbranch::perfdata::test {
namespace {

using Texts = std::vector<std::string>;

std::string exported(const std::string& path, ExportFormat format, const ExportOptions& options = {}) {
  const auto source = open_source(path);
  std::string text;
  const ExportSummary summary =
      export_capture(*source, format, options, [&](std::string_view piece) { text += piece; });
  EXPECT_EQ(summary.bytes, text.size());
  return text;
}

std::string string_of(const boost::json::value& value) {
  return std::string(value.as_string());
}

Texts lines_of(const std::string& text) {
  Texts lines;
  std::istringstream in(text);
  for (std::string line; std::getline(in, line);) lines.push_back(line);
  return lines;
}

/// Drops from flags what the columns chosen do not show.
u64 shown(u64 word, bool spec) {
  BranchFlags flags = BranchFlags::unpack(word);
  if (!spec) flags.spec = 0;
  flags.priv = 0;
  if (flags.type != BranchType::kExtendAbi) flags.new_type = 0;
  if (flags.new_type > 8) flags.new_type = 8;  // "(null)"
  if (flags.predicted) flags.mispredicted = false;
  return flags.pack();
}

void expect_same_branches(const Capture& text, const Capture& data, bool spec) {
  ASSERT_EQ(text.samples.size(), data.samples.size());
  for (std::size_t i = 0; i < text.samples.size(); ++i) {
    const auto& ours = text.samples[i].branches;
    const auto& theirs = data.samples[i].branches;
    ASSERT_EQ(ours.size(), theirs.size());
    for (std::size_t k = 0; k < ours.size(); ++k) {
      ASSERT_EQ(ours[k].from, theirs[k].from);
      ASSERT_EQ(ours[k].to, theirs[k].to);
      ASSERT_EQ(ours[k].flags, shown(theirs[k].flags, spec)) << to_text(ours[k]) << " " << to_text(theirs[k]);
    }
  }
}

Capture read_back(const std::string& text) {
  return read_text(text);
}

class Export : public ::testing::Test {
 protected:
  ScratchDir scratch_;
  const std::string path_ = scratch_.file("p.data");
};

TEST_F(Export, formats_have_names) {
  EXPECT_EQ(export_format_names(), "perf-script,json,csv,folded,fdata");
  for (u8 i = 0; i < static_cast<u8>(ExportFormat::kCount); ++i) {
    const auto format = static_cast<ExportFormat>(i);
    EXPECT_EQ(parse_export_format(name_of(format)), format);
  }
  EXPECT_EQ(error_of([] { static_cast<void>(parse_export_format("xml")); }),
            "format 'xml': expected one of perf-script,json,csv,folded,fdata");
}

TEST_F(Export, every_choice_of_columns_reads_back_as_it_was) {
  write_random(path_, {.events = 2, .samples = 400, .seed = 11});
  Reader reader(path_);
  const Capture data = read_all(reader);
  for (const char* fields :
       {"", "ip,brstack", "ip,brstack,spec", "pid,ip,brstack", "pid,tid,ip,brstack", "event,ip,brstack,spec",
        "comm,tid,time,period,event,ip,brstack", "comm,pid,tid,cpu,time,period,event,ip,brstack,spec",
        "cpu,ip,brstack", "time,ip,brstack", "period,event,ip,brstack", "tid,period,event,ip,brstack"}) {
    SCOPED_TRACE(fields);
    const std::string_view names = fields;
    const auto has = [&](std::string_view name) { return names.find(name) != std::string_view::npos; };
    const Capture text = read_back(exported(path_, ExportFormat::kPerfScript, {.fields = fields}));
    expect_same_branches(text, data, has("spec"));
    EXPECT_EQ(text.notes, Texts{});
    for (std::size_t i = 0; i < text.samples.size(); ++i) {
      const SampleRecord& a = text.samples[i];
      const SampleRecord& b = data.samples[i];
      ASSERT_EQ(a.ip, b.ip);
      if (has("tid")) {
        ASSERT_EQ(a.tid, b.tid);
      }
      if (has("pid,tid")) {
        ASSERT_EQ(a.pid, b.pid);
      }
      if (has("cpu")) {
        ASSERT_EQ(a.cpu, b.cpu);
      }
      if (has("time")) {
        ASSERT_EQ(a.time, b.time / 1000 * 1000);
      }
      if (has("period")) {
        ASSERT_EQ(a.period, b.period);
      }
      if (has("event")) {
        ASSERT_EQ(text.events[a.event].name, data.events[b.event].name);
      }
    }
    // The mapping is there whatever the columns, the tasks with those of processes.
    const auto count = [&](const auto& is) { return std::ranges::count_if(text.records, is); };
    EXPECT_EQ(count([](const Record& r) { return std::holds_alternative<MmapRecord>(r.body); }), 1);
    EXPECT_EQ(count([](const Record& r) { return std::holds_alternative<TaskRecord>(r.body); }) > 1,
              has("pid") || has("tid"));
  }
}

/// Entries do not show what was filtered out; without that, what is missing would look like a hand's work.
TEST_F(Export, filters_of_branches_read_back) {
  const auto text_of = [&](std::vector<u64> filters, const std::string& fields) {
    WriterConfig config = example_config(path_);
    config.events.resize(filters.size(), config.events[0]);
    for (std::size_t i = 0; i < filters.size(); ++i) {
      config.events[i].name = fmt::format("event{}", i);
      config.events[i].branch_sample_type = filters[i];
    }
    Writer writer(config);
    const BranchEntry entry{0x401004, 0x402000, BranchFlags{.predicted = true}.pack()};
    for (u64 i = 0; i < filters.size(); ++i) {
      writer.sample({.event = i, .ip = 0x401000, .pid = 9, .tid = 9, .time = i, .branches = {&entry, 1}});
    }
    writer.finish();
    return exported(path_, ExportFormat::kPerfScript, {.fields = fields});
  };
  const auto filters_of = [&](const std::string& text) {
    std::vector<u64> filters;
    const Capture read = read_back(text);
    for (const SampleRecord& sample : read.samples) {
      filters.push_back(read.events[sample.event].attr.branch_sample_type);
    }
    return filters;
  };
  constexpr u64 kAny = kBranchUser | kBranchAny;
  constexpr u64 kSome = kBranchUser | kBranchAnyCall | kBranchCond;
  constexpr u64 kStack = kBranchUser | kBranchCallStack | kBranchNoFlags | kBranchNoCycles;
  for (const u64 filter : {kSome, kStack, kAny | kBranchNoTx}) {
    const std::string text = text_of({filter}, "");
    EXPECT_TRUE(text.starts_with("# event : name = event0, ")) << text;
    EXPECT_EQ(filters_of(text), std::vector<u64>{filter});
  }
  EXPECT_EQ(filters_of(text_of({kAny, kStack}, "event,ip,brstack")), (std::vector<u64>{kAny, kStack}));
  EXPECT_EQ(filters_of(text_of({kSome, kSome}, "")), (std::vector<u64>{kSome, kSome}));
  // Not known whose, or nothing to say: other tools warn of comments.
  EXPECT_EQ(text_of({kAny, kStack}, "").find('#'), std::string::npos);
  EXPECT_EQ(text_of({kAny}, "").find('#'), std::string::npos);
}

TEST_F(Export, mappings_read_back_whole) {
  const Texts lines = {
      "PERF_RECORD_MMAP -1/0: [0xffffffffb4200000(0xbfb0000) @ 0xffffffffb4200000]: x [kernel]_text",
      "PERF_RECORD_MMAP2 7/8: [0x401000(0x78000) @ 0x1000 103:0a 53 38]: r-xp /my dir/x",
      "PERF_RECORD_MMAP2 7/8: [0x401000(0x78000) @ 0 <a4045e83>]: rw-s /x",
      "           402004 0x401000/0x402000/P/-/-/5/ "};
  std::string text;
  for (const std::string& line : lines) text += line + "\n";
  write_file(path_, std::as_bytes(std::span(text)));
  EXPECT_EQ(exported(path_, ExportFormat::kPerfScript), text);
}

TEST_F(Export, call_chains_read_back) {
  WriterConfig config = example_config(path_);
  config.events[0].max_stack = 127;
  Writer writer(config);
  constexpr u64 kContextUser = ~u64{0} - 511;
  const std::array<u64, 4> chain = {kContextUser, 0x401000, 0x402000, 0x403000};
  const std::array<BranchEntry, 1> branches = {BranchEntry{0x401000, 0x402000, 2}};
  writer.sample({.ip = 0x401000, .pid = 7, .tid = 7, .time = 1000, .branches = branches, .callchain = chain});
  writer.sample({.ip = 0x401004, .pid = 7, .tid = 7, .time = 2000, .branches = {}, .callchain = chain});
  writer.finish();
  for (const char* fields : {"ip,brstack", "comm,tid,time,event,ip,brstack"}) {
    SCOPED_TRACE(fields);
    const std::string text = exported(path_, ExportFormat::kPerfScript, {.fields = fields});
    const Capture read = read_back(text);
    ASSERT_EQ(read.samples.size(), 2u) << text;
    for (const SampleRecord& sample : read.samples) {
      EXPECT_EQ(sample.callchain, (std::vector<u64>{0x401000, 0x402000, 0x403000}));
    }
    EXPECT_EQ(read.samples[0].branches.size(), 1u);
    EXPECT_TRUE(read.samples[1].branches.empty());
  }
  if (!has_program("perf")) GTEST_SKIP() << "perf is not installed";
  for (const char* fields : {"ip,brstack", "tid,time,event,ip,brstack"}) {
    SCOPED_TRACE(fields);
    const auto perf = run_command("PERF_CONFIG=/dev/null perf script -F " + std::string(fields) + " -i " +
                                  path_ + " 2>/dev/null </dev/null");
    EXPECT_EQ(script_text(path_, fields), perf.output);
  }
}

TEST_F(Export, text_of_every_capture_is_a_fixed_point) {
  const std::string folder = shared_captures();
  if (folder.empty()) GTEST_SKIP() << "the shared captures are not there; LASTBRANCH_SHARED may say where";
  std::size_t files = 0;
  for (const auto& file : std::filesystem::directory_iterator(folder + "/perfscript")) {
    const std::string extension = file.path().extension().string();
    if (extension != ".perfscript" && extension != ".txt") continue;
    ++files;
    SCOPED_TRACE(file.path());
    const Capture first = read_text_file(file.path().string());
    const std::string text = exported(file.path().string(), ExportFormat::kPerfScript);
    const Capture second = read_back(text);
    expect_same_branches(second, first, false);
    for (std::size_t i = 0; i < first.samples.size(); ++i) {
      EXPECT_EQ(second.samples[i].callchain, first.samples[i].callchain);
      EXPECT_EQ(second.samples[i].ip, first.samples[i].ip);
    }
    EXPECT_EQ(second.records.size(), first.records.size());
    write_file(path_, std::as_bytes(std::span(text)));
    EXPECT_EQ(exported(path_, ExportFormat::kPerfScript), text);
  }
  EXPECT_EQ(files, 21u);
}

TEST_F(Export, aggregated_and_preaggregated_text_keep_their_counts) {
  const std::string_view aggregated =
      "42\n           402004 0x401000/0x402000/P/-/-/5/ \n"
      "           402004 0x401000/0x402000/P/-/-/5/ \n";
  write_file(path_, std::as_bytes(std::span(aggregated)));
  EXPECT_EQ(exported(path_, ExportFormat::kPerfScript), aggregated);
  const std::string_view lines = "B 40164b 401608 109 3\nF 401685 40169e 7\nf 1 2 3\n";
  write_file(path_, std::as_bytes(std::span(lines)));
  EXPECT_EQ(exported(path_, ExportFormat::kPerfScript), lines);
  EXPECT_EQ(exported(path_, ExportFormat::kCsv),
            "kind,from,to,count,mispredicted\nbranch,0x40164b,0x401608,109,3\nrange,0x401685,0x40169e,7,\n"
            "external range,0x1,0x2,3,\n");
  const auto json = boost::json::parse(exported(path_, ExportFormat::kJson)).as_object();
  EXPECT_EQ(string_of(json.at("kind")), "pre-aggregated");
  EXPECT_EQ(json.at("records").as_array().size(), 3u);
  EXPECT_EQ(string_of(json.at("records").as_array()[0].at("from")), "0x40164b");
  EXPECT_EQ(json.at("records").as_array()[2].at("external").as_bool(), true);
}

TEST_F(Export, json_holds_all_that_the_capture_has) {
  write_random(path_, {.events = 2, .samples = 200, .seed = 12});
  Reader reader(path_);
  const Capture data = read_all(reader);
  const std::string text = exported(path_, ExportFormat::kJson);
  const auto json = boost::json::parse(text).as_object();
  EXPECT_EQ(string_of(json.at("schema")), "lastbranch.capture");
  EXPECT_EQ(json.at("version").to_number<int>(), 1);
  EXPECT_EQ(string_of(json.at("source")), path_);
  EXPECT_EQ(json.at("events").as_array().size(), 2u);
  EXPECT_EQ(string_of(json.at("features").at("cpu_id")), "GenuineIntel,6,85,7");
  std::size_t at = 0;
  const auto hex = [](const boost::json::value& value) {
    return std::stoull(std::string(value.as_string()), nullptr, 16);
  };
  for (const auto& record : json.at("records").as_array()) {
    if (string_of(record.at("type")) != "sample") continue;
    const SampleRecord& sample = data.samples.at(at++);
    ASSERT_EQ(hex(record.at("ip")), sample.ip);
    ASSERT_EQ(record.at("tid").to_number<u32>(), sample.tid);
    ASSERT_EQ(record.at("time").to_number<u64>(), sample.time);
    ASSERT_EQ(record.at("cpu").to_number<u32>(), sample.cpu);
    ASSERT_EQ(record.at("period").to_number<u64>(), sample.period);
    ASSERT_EQ(record.at("event").to_number<u64>(), sample.event);
    const auto& branches = record.at("branches").as_array();
    ASSERT_EQ(branches.size(), sample.branches.size());
    for (std::size_t i = 0; i < branches.size(); ++i) {
      const auto& branch = branches[i].as_object();
      const BranchFlags flags = BranchFlags::unpack(sample.branches[i].flags);
      ASSERT_EQ(hex(branch.at("from")), sample.branches[i].from);
      ASSERT_EQ(hex(branch.at("to")), sample.branches[i].to);
      ASSERT_EQ(branch.contains("mispredicted"), flags.predicted || flags.mispredicted);
      if (branch.contains("mispredicted")) {
        ASSERT_EQ(branch.at("mispredicted").as_bool(), !flags.predicted);
      }
      ASSERT_EQ(branch.contains("in_tx"), flags.in_tx);
      ASSERT_EQ(branch.contains("abort"), flags.abort);
      ASSERT_EQ(branch.contains("cycles") ? branch.at("cycles").to_number<u64>() : 0, flags.cycles);
      ASSERT_EQ(branch.contains("privilege") ? branch.at("privilege").to_number<u64>() : 0, flags.priv);
    }
  }
  EXPECT_EQ(at, data.samples.size());
  // A record on a line, as the document promises.
  const Texts lines = lines_of(text);
  std::size_t records = 0;
  for (const std::string& line : lines) records += line.starts_with("{\"type\":") ? 1 : 0;
  EXPECT_EQ(records, json.at("records").as_array().size());
}

TEST_F(Export, json_tells_guests_from_the_host) {
  constexpr std::array<std::string_view, 8> kModes = {"unknown",      "kernel",     "user",    "hypervisor",
                                                      "guest kernel", "guest user", "unknown", "unknown"};
  write_random(path_, {.samples = 1});
  const auto bytes = read_file(path_);
  FileHeader header;
  std::memcpy(&header, bytes.data(), sizeof header);
  for (u16 mode = 0; mode < kModes.size(); ++mode) {
    auto changed = bytes;
    for (u64 at = header.data.offset; at < header.data.offset + header.data.size;) {
      RecordHeader record;
      std::memcpy(&record, &changed[at], sizeof record);
      if (record.type == static_cast<u32>(RecordType::kSample)) {
        record.misc = static_cast<u16>((record.misc & ~kMiscCpuModeMask) | mode);
        std::memcpy(&changed[at], &record, sizeof record);
      }
      at += record.size;
    }
    write_file(path_, changed);
    const auto json = boost::json::parse(exported(path_, ExportFormat::kJson)).as_object();
    for (const auto& record : json.at("records").as_array()) {
      if (string_of(record.at("type")) == "sample") {
        EXPECT_EQ(string_of(record.at("mode")), kModes[mode]);
      }
    }
  }
}

TEST_F(Export, json_stays_valid_whatever_names_hold) {
  Writer writer(example_config(path_));
  writer.comm(7, 7, "a\"b\\c\n\x01", true, 0);
  writer.comm(7, 8, "\xff\xc3\xa9\xe2\x82", false, 0);
  writer.finish();
  const auto json = boost::json::parse(exported(path_, ExportFormat::kJson)).as_object();
  const auto& records = json.at("records").as_array();
  EXPECT_EQ(string_of(records.at(0).at("name")), "a\"b\\c\n\x01");
  EXPECT_EQ(string_of(records.at(1).at("name")), "\xef\xbf\xbd\xc3\xa9\xef\xbf\xbd\xef\xbf\xbd");
}

TEST_F(Export, csv_has_a_row_for_each_entry) {
  const std::string_view text =
      "cpu/event=0xc4,umask=0x20/u: 402004 0x1/0x2/M/X/A/9/COND/SPEC_WRONG_PATH  0x3/0x4/-/-/-/0 \n"
      "cpu/event=0xc4,umask=0x20/u: 402008 0x5/0x6/PN/-/-/1 \n";
  write_file(path_, std::as_bytes(std::span(text)));
  EXPECT_EQ(
      lines_of(exported(path_, ExportFormat::kCsv)),
      (Texts{
          "sample,event,count,pid,tid,cpu,time_ns,period,ip,index,from,to,prediction,in_tx,abort,cycles,type,"
          "spec,privilege",
          "0,\"cpu/event=0xc4,umask=0x20/u\",1,0,0,0,0,0,0x402004,0,0x1,0x2,M,1,1,9,COND,SPEC_WRONG_PATH,0",
          "0,\"cpu/event=0xc4,umask=0x20/u\",1,0,0,0,0,0,0x402004,1,0x3,0x4,-,0,0,0,,-,0",
          "1,\"cpu/event=0xc4,umask=0x20/u\",1,0,0,0,0,0,0x402008,0,0x5,0x6,PN,0,0,1,,-,0"}));
}

/// A program of known bytes: main calls the local f ten times.
class ExportProgram : public Export {
 protected:
  void SetUp() override {
    if (!has_program("gcc") || !has_program("nm")) GTEST_SKIP() << "gcc or nm is not installed";
    const std::string source = scratch_.file("program.S");
    const std::string_view code =
        ".text\n.type f,@function\nf: nop\nret\n.size f,.-f\n"
        ".globl main\n.type main,@function\nmain: push %rbx\nmov $10,%ebx\n1: call f\ndec %ebx\njnz 1b\npop "
        "%rbx\n"
        "xor %eax,%eax\nret\n.size main,.-main\n.section .note.GNU-stack,\"\",@progbits\n";
    write_file(source, std::as_bytes(std::span(code)));
    ASSERT_EQ(run_command("gcc -g -gdwarf-4 -no-pie -Wl,-q -o " + program_ + " " + source).status, 0);
    main_ = address_of(" T main$");
    f_ = address_of(" t f$");
    ASSERT_NE(main_, 0u);
    ASSERT_NE(f_, 0u);
  }

  [[nodiscard]] u64 address_of(const std::string& pattern) const {
    const auto result = run_command("nm " + program_ + " | grep '" + pattern + "'");
    return result.status == 0 ? std::stoull(result.output.substr(0, 16), nullptr, 16) : 0;
  }

  /// With the program's code where it was linked, and its first page at `bias` more.
  void write_capture(u64 bias, u64 branch_sample_type, bool chains,
                     const std::optional<BuildId>& build_id = {}) const {
    WriterConfig config = example_config(path_);
    config.events[0].branch_sample_type = branch_sample_type;
    if (chains) config.events[0].max_stack = 127;
    Writer writer(config);
    writer.comm(9, 9, "program", true, 0);
    const u64 page = main_ & ~u64{0xfff};
    writer.mmap2({.pid = 9,
                  .tid = 9,
                  .addr = page + bias,
                  .len = 0x1000,
                  .pgoff = page - 0x400000,
                  .prot = 5,
                  .flags = 2,
                  .filename = program_,
                  .build_id = build_id},
                 0);
    const u64 m = main_ + bias;
    const u64 f = f_ + bias;
    const u64 good = BranchFlags{.predicted = true}.pack();
    const u64 bad = BranchFlags{.mispredicted = true}.pack();
    const std::array<BranchEntry, 5> loop = {BranchEntry{f + 1, m + 0xb, good}, BranchEntry{m + 6, f, good},
                                             BranchEntry{m + 0xd, m + 6, bad},
                                             BranchEntry{f + 1, m + 0xb, good}, BranchEntry{0, 0, 0}};
    const std::array<BranchEntry, 1> calls = {BranchEntry{m + 6, f, 0}};
    const std::array<u64, 2> chain = {f + 1, m + 0xb};
    for (u64 time = 1; time <= 3; ++time) {
      Sample sample{.ip = f + 1, .pid = 9, .tid = 9, .time = time};
      if ((branch_sample_type & kBranchCallStack) != 0) {
        sample.branches = calls;
      } else if (branch_sample_type != 0) {
        sample.branches = loop;
      }
      if (chains) sample.callchain = chain;
      writer.sample(sample);
    }
    writer.exit(9, 9, 1, 1, 10);
    writer.finish();
  }

  const std::string program_ = scratch_.file("program");
  u64 main_ = 0;
  u64 f_ = 0;
};

TEST_F(ExportProgram, folded_stacks_name_the_functions) {
  for (const bool chains : {true, false}) {
    write_capture(0, chains ? 0 : u64{kBranchUser | kBranchCallStack}, chains);
    EXPECT_EQ(exported(path_, ExportFormat::kFolded), "main;f 3\n");
  }
  write_capture(0, kBranchUser | kBranchAny, false);
  const std::string message = error_of([&] { static_cast<void>(exported(path_, ExportFormat::kFolded)); });
  EXPECT_NE(message.find("folded: expected samples with call chains"), std::string::npos) << message;
}

TEST_F(ExportProgram, fdata_counts_branches_by_function) {
  for (const u64 bias : {u64{0}, u64{0x555555000000}}) {
    write_capture(bias, kBranchUser | kBranchAny, false);
    EXPECT_EQ(lines_of(exported(path_, ExportFormat::kFdata)),
              (Texts{"1 f/1 1 1 main b 0 6", "1 main 6 1 f/1 0 0 3", "1 main d 1 main 6 3 3"}));
  }
  EXPECT_EQ(lines_of(exported(path_, ExportFormat::kFdata, {.binary = program_})).size(), 3u);
  const std::string message =
      error_of([&] { static_cast<void>(exported(path_, ExportFormat::kFdata, {.binary = "/bin/other"})); });
  EXPECT_NE(message.find("fdata: expected mappings of /bin/other"), std::string::npos) << message;
  const std::string lines =
      fmt::format("B {:x} {:x} 5 1\nB 1 2 3 0\nB {:x} 2 3 0\n", main_ + 6, f_, main_ + 0x12);
  write_file(path_, std::as_bytes(std::span(lines)));
  EXPECT_EQ(lines_of(exported(path_, ExportFormat::kFdata, {.binary = program_})),
            (Texts{"1 main 12 0 [unknown] 0 0 3", "1 main 6 1 f/1 0 1 5"}));
}

TEST_F(ExportProgram, bolt_takes_the_profile) {
  if (!has_program("llvm-bolt-19")) GTEST_SKIP() << "llvm-bolt-19 is not installed";
  write_capture(0, kBranchUser | kBranchAny, false);
  const std::string profile = exported(path_, ExportFormat::kFdata);
  const std::string file = scratch_.file("p.fdata");
  write_file(file, std::as_bytes(std::span(profile)));
  const std::string optimised = scratch_.file("program.bolt");
  const auto bolt = run_command("llvm-bolt-19 " + program_ + " -data=" + file + " -o " + optimised +
                                " -reorder-blocks=ext-tsp 2>&1");
  EXPECT_EQ(bolt.status, 0) << bolt.output;
  EXPECT_NE(bolt.output.find("BOLT-INFO: 2 out of"), std::string::npos) << bolt.output;
  EXPECT_NE(bolt.output.find("have non-empty execution profile"), std::string::npos) << bolt.output;
  EXPECT_EQ(bolt.output.find("stale"), std::string::npos) << bolt.output;
  EXPECT_EQ(run_command(optimised).status, 0);
}

TEST_F(ExportProgram, profgen_takes_the_text) {
  if (!has_program("llvm-profgen-19")) GTEST_SKIP() << "llvm-profgen-19 is not installed";
  write_capture(0, kBranchUser | kBranchAny, false);
  const std::string text = exported(path_, ExportFormat::kPerfScript);
  const std::string file = scratch_.file("p.perfscript");
  write_file(file, std::as_bytes(std::span(text)));
  const std::string profile = scratch_.file("p.raw");
  const auto profgen = run_command("llvm-profgen-19 --perfscript=" + file + " --binary=" + program_ +
                                   " --output=" + profile + " --skip-symbolization 2>&1");
  EXPECT_EQ(profgen.status, 0) << profgen.output;
  EXPECT_EQ(profgen.output.find("Invalid"), std::string::npos) << profgen.output;
  const auto bytes = read_file(profile);
  const std::string raw(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  // The branch from main's call to f and back, as often as recorded, from the start of the code segment.
  EXPECT_NE(raw.find(fmt::format("{:x}->{:x}:3", (main_ + 6) & 0xfff, f_ & 0xfff)), std::string::npos) << raw;
  EXPECT_NE(raw.find(fmt::format("{:x}->{:x}:6", (f_ + 1) & 0xfff, (main_ + 0xb) & 0xfff)), std::string::npos)
      << raw;
}

TEST_F(ExportProgram, profiles_of_another_build_are_refused) {
  const auto build = [&](const char* id) {
    return run_command("gcc -no-pie -Wl,-q -Wl,--build-id=0x" + std::string(id) + " -o " + program_ + " " +
                       scratch_.file("program.S"))
        .status;
  };
  ASSERT_EQ(build("00112233"), 0);
  main_ = address_of(" T main$");
  f_ = address_of(" t f$");
  const auto recorded = read_build_id(program_);
  ASSERT_TRUE(recorded.has_value());
  write_capture(0, kBranchUser | kBranchAny, false, recorded);
  EXPECT_EQ(lines_of(exported(path_, ExportFormat::kFdata)).size(), 3u);

  ASSERT_EQ(build("44556677"), 0);
  for (const std::string& binary : {std::string(), program_}) {
    const std::string message =
        error_of([&] { static_cast<void>(exported(path_, ExportFormat::kFdata, {.binary = binary})); });
    EXPECT_NE(message.find("expected build-id 00112233, as recorded in"), std::string::npos) << message;
    EXPECT_NE(message.find("found 44556677"), std::string::npos) << message;
  }
  write_capture(0, 0, true, recorded);
  const auto source = open_source(path_);
  std::string text;
  const auto summary =
      export_capture(*source, ExportFormat::kFolded, {}, [&](std::string_view s) { text += s; });
  EXPECT_EQ(text, "[program];[program] 3\n");
  ASSERT_EQ(summary.notes.size(), 1u);
  EXPECT_NE(summary.notes[0].find("expected build-id 00112233"), std::string::npos) << summary.notes[0];
}

}  // namespace
}  // namespace lastbranch::perfdata::test
