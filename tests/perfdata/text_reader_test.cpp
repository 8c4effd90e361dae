// The shapes of lines: columns, entries, records, headers.
#include "sim/perfdata/text_reader.h"

#include <array>

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <sys/mman.h>

#include "sim/perfdata/text_source.h"
#include "tests/perfdata/support.h"
#include "tests/perfdata/text_support.h"

namespace lastbranch::perfdata::test {
namespace {

using Texts = std::vector<std::string>;

constexpr const char* kTwo = "0x401000/0x402000/P/-/-/5  0x403000/0x404000/M/-/-/0 ";
const Texts kTwoRead = {"0x401000/0x402000/P/-/-/5/", "0x403000/0x404000/M/-/-/0/"};

/// The columns that one line shows; what it does not show stays as it is.
struct Shape {
  const char* columns;
  u64 bits;
  u64 ip = 0;
  u32 pid = 0;
  u32 tid = 0;
  u32 cpu = 0;
  u64 time = 0;
  u64 period = 0;
  const char* event = "unnamed";
  const char* comm = nullptr;
};

const Shape kShapes[] = {
    {"           402004 ", kSampleIp, 0x402004},
    {" ffffffff81000000 ", kSampleIp, 0xffffffff81000000},
    {"402004 ", kSampleIp, 0x402004},
    {"0x402004 ", kSampleIp, 0x402004},
    {"aabb1122:402004 ", kSampleIp, 0x402004},
    {" ", 0},
    {" 5595           402004 ", kSampleIp | kSampleTid, 0x402004, 5595, 5595},
    {"5595 402004 ", kSampleIp | kSampleTid, 0x402004, 5595, 5595},
    {" 5595/5600            402004 ", kSampleIp | kSampleTid, 0x402004, 5595, 5600},
    {"   -1           402004 ", kSampleIp | kSampleTid, 0x402004, ~0u, ~0u},
    {" cycles:u:            402004 ", kSampleIp, 0x402004, 0, 0, 0, 0, 0, "cycles:u"},
    {"cycles:ppp: 402004 ", kSampleIp, 0x402004, 0, 0, 0, 0, 0, "cycles:ppp"},
    {" cpu/event=0xc4,umask=0x20/pp:            402004 ", kSampleIp, 0x402004, 0, 0, 0, 0, 0,
     "cpu/event=0xc4,umask=0x20/pp"},
    {"     10007 cycles:u:            402004 ", kSampleIp | kSamplePeriod, 0x402004, 0, 0, 0, 0, 10007,
     "cycles:u"},
    {"    7 cycles:u:            402004 ", kSampleIp | kSampleTid, 0x402004, 7, 7, 0, 0, 0, "cycles:u"},
    {"    7      10007 cycles:u:            402004 ", kSampleIp | kSampleTid | kSamplePeriod, 0x402004, 7, 7,
     0, 0, 10007, "cycles:u"},
    {"    1.000002:            402004 ", kSampleIp | kSampleTime, 0x402004, 0, 0, 0, 1'000'002'000},
    {"    1.000002999:            402004 ", kSampleIp | kSampleTime, 0x402004, 0, 0, 0, 1'000'002'999},
    {"[003]            402004 ", kSampleIp | kSampleCpu, 0x402004, 0, 0, 3},
    {"         program     7/8     [003]     1.000002:      10007 cycles:u:            402004 ",
     kSampleIp | kSampleTid | kSampleCpu | kSampleTime | kSamplePeriod, 0x402004, 7, 8, 3, 1'000'002'000,
     10007, "cycles:u", "program"},
    {"worker 41  7 1.000002: 10007 cycles:u: 402004 ", kSampleIp | kSampleTid | kSampleTime | kSamplePeriod,
     0x402004, 7, 7, 0, 1'000'002'000, 10007, "cycles:u", "worker 41"},
    {"              :8     8     1.000002:      10007 cycles:u:            402004 ",
     kSampleIp | kSampleTid | kSampleTime | kSamplePeriod, 0x402004, 8, 8, 0, 1'000'002'000, 10007,
     "cycles:u"},
    {"         program     7     1.000002:            402004 ", kSampleIp | kSampleTid | kSampleTime,
     0x402004, 7, 7, 0, 1'000'002'000, 0, "unnamed", "program"},
    {"         program     7            402004 ", kSampleIp | kSampleTid, 0x402004, 7, 7, 0, 0, 0, "unnamed",
     "program"},
    {"           402004 main+0x4 (/my dir/x) ", kSampleIp, 0x402004},
    {" 5595           402004 std::f(int, char)+0x4 ", kSampleIp | kSampleTid, 0x402004, 5595, 5595},
    {"1982143169 cycles:u:            402004 ", kSampleIp | kSamplePeriod, 0x402004, 0, 0, 0, 0, 1982143169,
     "cycles:u"},
    // Names that look like other columns.
    {"         (sd) x: 11621/11622 [000] 38089.717409:    1000000 cycles:            402004 ",
     kSampleIp | kSampleTid | kSampleCpu | kSampleTime | kSamplePeriod, 0x402004, 11621, 11622, 0,
     38'089'717'409'000, 1'000'000, "cycles", "(sd) x:"},
    {"          12 34:    41     1.000002: cycles:            402004 ", kSampleIp | kSampleTid | kSampleTime,
     0x402004, 41, 41, 0, 1'000'002'000, 0, "cycles", "12 34:"},
    {"          other:    41     1.000002:            402004 ", kSampleIp | kSampleTid | kSampleTime,
     0x402004, 41, 41, 0, 1'000'002'000, 0, "unnamed", "other:"},
    {"          other:    41 cycles:            402004 ", kSampleIp | kSampleTid, 0x402004, 41, 41, 0, 0, 0,
     "cycles", "other:"},
    {"       k/0:1 5/6     7/41    cycles:            402004 ", kSampleIp | kSampleTid, 0x402004, 7, 41, 0, 0,
     0, "cycles", "k/0:1 5/6"},
    {" [001] 1.500000:    41     1.000002: cycles:            402004 ", kSampleIp | kSampleTid | kSampleTime,
     0x402004, 41, 41, 0, 1'000'002'000, 0, "cycles", "[001] 1.500000:"},
    {"kworker/u4:2-events_unbound    41 [001]     1.000002: cycles:            402004 ",
     kSampleIp | kSampleTid | kSampleTime | kSampleCpu, 0x402004, 41, 41, 1, 1'000'002'000, 0, "cycles",
     "kworker/u4:2-events_unbound"},
    // Without a thread a name is of no use.
    {"          a b c:            402004 main+0x4 (/x) ", kSampleIp, 0x402004},
    {"         cc1plus            402004 ", kSampleIp, 0x402004},
    {"           a b c cycles:            402004 ", kSampleIp, 0x402004, 0, 0, 0, 0, 0, "cycles"},
    {"           a b c     1.000002: cycles:            402004 ", kSampleIp | kSampleTime, 0x402004, 0, 0, 0,
     1'000'002'000, 0, "cycles"},
    // -F misc; -L; a sample without time.
    {"         program    41 [003] KGg       1.000002: cycles:            402004 ",
     kSampleIp | kSampleTid | kSampleTime | kSampleCpu, 0x402004, 41, 41, 3, 1'000'002'000, 0, "cycles",
     "program"},
    {" program    41   3     1.000002: cycles:            402004 ",
     kSampleIp | kSampleTid | kSampleTime | kSampleCpu, 0x402004, 41, 41, 3, 1'000'002'000, 0, "cycles",
     "program"},
    {"         program    41 18446744073.709551: cycles:            402004 ", kSampleIp | kSampleTid,
     0x402004, 41, 41, 0, 0, 0, "cycles", "program"},
};

TEST(TextReader, columns_of_every_shape) {
  for (const Shape& shape : kShapes) {
    SCOPED_TRACE(shape.columns);
    const Capture read = read_text(std::string(shape.columns) + kTwo + "\n");
    ASSERT_EQ(read.samples.size(), 1u);
    const SampleRecord& sample = read.samples[0];
    EXPECT_EQ(to_text(sample.branches), kTwoRead);
    EXPECT_EQ(sample.ip, shape.ip);
    EXPECT_EQ(sample.pid, shape.pid);
    EXPECT_EQ(sample.tid, shape.tid);
    EXPECT_EQ(sample.cpu, shape.cpu);
    EXPECT_EQ(sample.time, shape.time);
    EXPECT_EQ(sample.period, shape.period);
    EXPECT_EQ(sample.repeat, 1u);
    ASSERT_EQ(read.events.size(), 1u);
    EXPECT_EQ(read.events[0].name, shape.event);
    EXPECT_EQ(read.events[0].attr.sample_type, shape.bits | kSampleBranchStack);
    EXPECT_EQ(read.notes, Texts{});
    EXPECT_EQ(read.kind, SourceKind::kScriptText);
    ASSERT_EQ(read.records.size(), shape.comm != nullptr ? 2u : 1u);
    if (shape.comm != nullptr) {
      const auto* comm = std::get_if<CommRecord>(&read.records[0].body);
      ASSERT_NE(comm, nullptr);
      EXPECT_EQ(comm->name, shape.comm);
      EXPECT_EQ(comm->tid, shape.tid);
    }
  }
}

TEST(TextReader, the_same_columns_without_branches_are_samples_without) {
  for (const Shape& shape : kShapes) {
    if (shape.bits == 0) continue;
    SCOPED_TRACE(shape.columns);
    const std::string line = std::string(shape.columns) + "\n";
    const Capture read = read_text(line + line);
    ASSERT_EQ(read.samples.size(), 2u);
    for (const SampleRecord& sample : read.samples) {
      EXPECT_EQ(sample.ip, shape.ip);
      EXPECT_EQ(sample.tid, shape.tid);
      EXPECT_EQ(sample.time, shape.time);
      EXPECT_TRUE(sample.branches.empty());
      EXPECT_TRUE(sample.callchain.empty());
    }
    EXPECT_EQ(read.events[0].attr.sample_type, shape.bits);
  }
}

TEST(TextReader, samples_without_branches_among_others) {
  const Capture read = read_text(std::string("           401000\n           401001\n           402004 ") +
                                 kTwo + "\n           401002\n");
  ASSERT_EQ(read.samples.size(), 4u);
  const std::array<u64, 4> ips = {0x401000, 0x401001, 0x402004, 0x401002};
  for (std::size_t i = 0; i < ips.size(); ++i) {
    EXPECT_EQ(read.samples[i].ip, ips[i]);
    EXPECT_EQ(read.samples[i].branches.size(), i == 2 ? 2u : 0u);
    EXPECT_TRUE(read.samples[i].callchain.empty());
  }
}

struct Hybrid {
  const char* name;
  const char* text;
};

TEST(TextReader, call_chains_before_branches) {
  const Hybrid rows[] = {
      {"tabs", "\t          4005b0\n\t          400686\n\t    7f68c5788793\n "},
      {"tabs after a blank line", "\n\t          4005b0\n\t          400686\n\t    7f68c5788793\n "},
      {"blanks", "            4005b0\n            400686\n      7f68c5788793\n "},
      {"blank and tab", " \t          4005b0\n \t          400686\n\t    7f68c5788793\n "},
      {"with symbols",
       "\t          4005b0 f+0x1 (/x y)\n\t          400686 [unknown] ([unknown])\n"
       "\t    7f68c5788793 __libc_start_main+0xf3 (/lib/libc.so)\n "},
      {"with a line of columns",
       "prog  7 1.000002:          1 cycles: \n\t          4005b0 f (/x)\n"
       "\t          400686 g (/x)\n\t    7f68c5788793 h (/x)\n "},
      {"with a name and a number", "prog  7 \n\t          4005b0\n\t          400686\n\t    7f68c5788793\n "},
  };
  for (const Hybrid& row : rows) {
    SCOPED_TRACE(row.name);
    const std::string text = std::string(row.text) + kTwo + "\n";
    const Capture read = read_text(text + "\n" + text);
    ASSERT_EQ(read.samples.size(), 2u);
    for (const SampleRecord& sample : read.samples) {
      EXPECT_EQ(sample.callchain, (std::vector<u64>{0x4005b0, 0x400686, 0x7f68c5788793}));
      EXPECT_EQ(sample.ip, 0x4005b0u);
      EXPECT_EQ(to_text(sample.branches), kTwoRead);
    }
    EXPECT_EQ(read.notes, Texts{});
    EXPECT_EQ(read.events[0].attr.sample_type & kSampleCallchain, u64{kSampleCallchain});
  }
}

TEST(TextReader, call_chains_without_branches_end_at_blank_lines) {
  for (const char* indent : {"\t          ", "           "}) {
    const std::string chain = std::string(indent) + "4005b0\n" + indent + "400686\n\n";
    const Capture read = read_text(chain + chain + "\n" + chain);
    ASSERT_EQ(read.samples.size(), 3u);
    for (const SampleRecord& sample : read.samples) {
      EXPECT_EQ(sample.callchain, (std::vector<u64>{0x4005b0, 0x400686}));
    }
  }
}

TEST(TextReader, counts_before_samples) {
  const std::string sample = std::string("           402004 ") + kTwo + "\n";
  const std::string hybrid = std::string("\t          4005b0\n\t          400686\n ") + kTwo + "\n";
  for (const std::string& one : {sample, hybrid}) {
    for (const char* before :
         {"", "\n", "PERF_RECORD_MMAP2 7/7: [0x401000(0x1000) @ 0 00:1d 1 2]: r-xp /bin/x\n"}) {
      SCOPED_TRACE(before + one);
      const Capture read = read_text(before + ("42\n" + one + "1\n" + one) + one);
      EXPECT_EQ(read.kind, SourceKind::kAggregatedText);
      ASSERT_EQ(read.samples.size(), 3u);
      EXPECT_EQ(read.samples[0].repeat, 42u);
      EXPECT_EQ(read.samples[1].repeat, 1u);
      EXPECT_EQ(read.samples[2].repeat, 1u);
      for (const SampleRecord& s : read.samples) EXPECT_EQ(to_text(s.branches), kTwoRead);
    }
  }
}

TEST(TextReader, numbers_at_the_start_of_lines_are_addresses_when_others_follow) {
  const Capture read = read_text("400870\n400874\n40087c\n");
  EXPECT_EQ(read.kind, SourceKind::kScriptText);
  ASSERT_EQ(read.samples.size(), 3u);
  EXPECT_EQ(read.samples[0].ip, 0x400870u);
  EXPECT_EQ(read.samples[1].ip, 0x400874u);
  EXPECT_EQ(read.samples[2].ip, 0x40087cu);
}

TEST(TextReader, symbols_keep_their_text_and_are_reported) {
  const ScratchDir scratch;
  const std::string path = scratch.file("text");
  const std::string text =
      "           402004 main+0x62/main+0xba/P/-/-/1/ [unknown]/[unknown]/M/-/-/3/COND \n"
      "           402004 mainstd::f<a, b>(char const*)+0x62/operator/(x)+0x1/P/-/-/1//- \n"
      "           402004 f (/x y)f+0x1(/x y)/g+0x2(/x y)/-/-/-/0/ \n"
      "main+0x62/main+0xba/P/-/-/1/ \n";
  write_file(path, std::as_bytes(std::span(text)));
  const auto source = open_text(path);
  const auto* lines = dynamic_cast<const TextSource*>(source.get());
  ASSERT_NE(lines, nullptr);
  const std::vector<Texts> expected = {
      {"main+0x62/main+0xba/P/-/-/1/", "[unknown]/[unknown]/M/-/-/3/COND"},
      {"mainstd::f<a, b>(char const*)+0x62/operator/(x)+0x1/P/-/-/1//-"},
      {"f (/x y)f+0x1(/x y)/g+0x2(/x y)/-/-/-/0/"},
      {"main+0x62/main+0xba/P/-/-/1/"},
  };
  for (const Texts& texts : expected) {
    const Record* record = source->next();
    ASSERT_NE(record, nullptr);
    EXPECT_TRUE(std::get<SampleRecord>(record->body).branches.empty());
    EXPECT_EQ(lines->symbolic_entries(), texts);
  }
  EXPECT_EQ(source->next(), nullptr);
  EXPECT_EQ(source->notes(), (Texts{"5 branches without addresses (the first at line 1: "
                                    "'main+0x62/main+0xba/P/-/-/1/'); 4 samples cannot be replayed: script "
                                    "with '-F ip,brstack' instead of brstacksym"}));
}

TEST(TextReader, instructions_give_the_branches_between_them) {
  const Capture read = read_text(
      "           402004 \n"
      "\tmain+76:\n"
      "\t000000000040104c\tinsn: 75 d1                   \t# PRED 15 cycles [15]\n"
      "\t0000000000401000\tinsn: 41 83 c0 01 \n"
      "\t0000000000401004\tjz 0x401100  # a comment of the disassembler\n"
      "\t0000000000401006\tinsn: eb 10   # MISPRED INTX 3 cycles [18] 0.67 IPC\n"
      "\t0000000000402000\tinsn: 90 \t# br_cntr: AA PRED ABORT\n"
      "\t... not reaching sample ...\n"
      "\n"
      "           402004 \n"
      "\t000000000040104c\tinsn: 75 d1 \t# PRED\n"
      "\t0000000000402000\tinsn: 90 \t#\n"
      "\t0000000000402004\tinsn: 90 \n"
      "\n");
  ASSERT_EQ(read.samples.size(), 2u);
  EXPECT_EQ(to_text(read.samples[0].branches),
            (Texts{"0x401006/0x402000/M/X/-/3/", "0x40104c/0x401000/P/-/-/15/"}));
  EXPECT_EQ(to_text(read.samples[1].branches),
            (Texts{"0x402000/0x402004/-/-/-/0/", "0x40104c/0x402000/P/-/-/0/"}));
  EXPECT_EQ(read.samples[1].ip, 0x402004u);
  ASSERT_EQ(read.notes.size(), 2u);
  EXPECT_EQ(read.notes[0].substr(0, 52), "2 branch stacks put together from instructions (the ");
  EXPECT_EQ(read.notes[1].substr(0, 25), "1 newest branches left ou");
}

TEST(TextReader, an_ip_without_readable_instructions_is_a_sample) {
  const Capture read = read_text("           401000\n\tmain+4:\n\n           402000\n\tmain+5:\n\n");
  ASSERT_EQ(read.samples.size(), 2u);
  for (const SampleRecord& sample : read.samples) EXPECT_TRUE(sample.callchain.empty());
  EXPECT_EQ(read.samples[0].ip, 0x401000u);
  EXPECT_EQ(read.samples[1].ip, 0x402000u);
}

TEST(TextReader, source_lines_and_instructions_stand_around_the_entries) {
  const std::string two(kTwo);
  const Capture read =
      read_text("           401000\n  main.c:333\n           402000\n  main.c:12 " + two +
                "\n         program    41 cycles:            403000 main+0x4 (/x)\n  [kernel][403000] " +
                two + "\n           404000 " + two + " ilen: 2 insn: 41 55\n");
  ASSERT_EQ(read.samples.size(), 4u);
  for (std::size_t i = 0; i < 4; ++i) {
    EXPECT_EQ(read.samples[i].ip, 0x401000 + i * 0x1000);
    EXPECT_TRUE(read.samples[i].callchain.empty());
    EXPECT_EQ(to_text(read.samples[i].branches), i == 0 ? Texts{} : Texts(kTwoRead)) << i;
  }
  EXPECT_EQ(read.notes,
            (Texts{"1 column behind the entries passed over (the first at line 7: 'ilen: 2 insn: 41 55')",
                   "3 source lines passed over (the first at line 2: 'main.c:333')"}));
}

TEST(TextReader, records_between_samples) {
  const Capture read = read_text(
      "prog  7/7 [001]    1.000000: PERF_RECORD_COMM exec: a name: b:7/7\n"
      "PERF_RECORD_COMM: sh:8/9\n"
      " 0 PERF_RECORD_MMAP -1/0: [0xffffffffb4200000(0xbfb0000) @ 0xffffffffb4200000]: x "
      "[kernel.kallsyms]_text\n"
      "    0 PERF_RECORD_MMAP 5/6: [0(0x1000) @ 0]: r /a b\n"
      "prog  7/7 [001]    2.500000: PERF_RECORD_MMAP2 7/8: [0x401000(0x78000) @ 0x1000 103:0a 53 38]: r-xp "
      "/my dir/x\n"
      "PERF_RECORD_MMAP2 7/7: [0x401000(0x78000) @ 0x1000 <a4045e83187b52fa9914cb79ee3982fc7c56ff1d>]: rw-s "
      "/x\n"
      "prog  7/7 [001]    3.000000: PERF_RECORD_FORK(9:10):(7:8)\n"
      "PERF_RECORD_EXIT(9:10):(7:7)\n"
      "PERF_RECORD_LOST lost 12\n"
      "PERF_RECORD_SWITCH OUT preempt\nPERF_RECORD_SWITCH IN\nPERF_RECORD_NEWKIND\n");
  ASSERT_EQ(read.records.size(), 9u);
  const auto& exec = std::get<CommRecord>(read.records[0].body);
  EXPECT_EQ(exec.name, "a name: b");
  EXPECT_TRUE(exec.exec);
  EXPECT_EQ(exec.sample_id.time, 1'000'000'000u);
  EXPECT_EQ(exec.sample_id.cpu, 1u);
  const auto& comm = std::get<CommRecord>(read.records[1].body);
  EXPECT_EQ(comm.name, "sh");
  EXPECT_EQ(comm.pid, 8u);
  EXPECT_EQ(comm.tid, 9u);
  EXPECT_FALSE(comm.exec);
  const auto& kernel = std::get<MmapRecord>(read.records[2].body);
  EXPECT_EQ(static_cast<i32>(kernel.pid), -1);
  EXPECT_EQ(kernel.addr, 0xffffffffb4200000u);
  EXPECT_EQ(kernel.len, 0xbfb0000u);
  EXPECT_EQ(kernel.pgoff, 0xffffffffb4200000u);
  EXPECT_EQ(kernel.prot, u32{PROT_EXEC});
  EXPECT_EQ(kernel.filename, "[kernel.kallsyms]_text");
  EXPECT_EQ(read.records[2].cpu_mode(), CpuMode::kKernel);
  const auto& data = std::get<MmapRecord>(read.records[3].body);
  EXPECT_EQ(data.addr, 0u);
  EXPECT_EQ(data.prot, u32{PROT_READ});
  EXPECT_EQ(data.filename, "/a b");
  const auto& mmap2 = std::get<MmapRecord>(read.records[4].body);
  EXPECT_EQ(mmap2.pid, 7u);
  EXPECT_EQ(mmap2.tid, 8u);
  EXPECT_EQ(mmap2.pgoff, 0x1000u);
  EXPECT_EQ(mmap2.major, 0x103u);
  EXPECT_EQ(mmap2.minor, 10u);
  EXPECT_EQ(mmap2.inode, 53u);
  EXPECT_EQ(mmap2.generation, 38u);
  EXPECT_EQ(mmap2.prot, u32{PROT_READ | PROT_EXEC});
  EXPECT_EQ(mmap2.flags, u32{MAP_PRIVATE});
  EXPECT_EQ(mmap2.filename, "/my dir/x");
  EXPECT_EQ(mmap2.sample_id.time, 2'500'000'000u);
  EXPECT_EQ(read.records[4].cpu_mode(), CpuMode::kUser);
  const auto& with_id = std::get<MmapRecord>(read.records[5].body);
  ASSERT_TRUE(with_id.build_id.has_value());
  EXPECT_EQ(with_id.build_id->hex(), "a4045e83187b52fa9914cb79ee3982fc7c56ff1d");
  EXPECT_EQ(with_id.prot, u32{PROT_READ | PROT_WRITE});
  EXPECT_EQ(with_id.flags, u32{MAP_SHARED});
  const auto& fork = std::get<TaskRecord>(read.records[6].body);
  EXPECT_FALSE(fork.exit);
  EXPECT_EQ(fork.pid, 9u);
  EXPECT_EQ(fork.tid, 10u);
  EXPECT_EQ(fork.parent_pid, 7u);
  EXPECT_EQ(fork.parent_tid, 8u);
  EXPECT_EQ(fork.time, 3'000'000'000u);
  EXPECT_TRUE(std::get<TaskRecord>(read.records[7].body).exit);
  EXPECT_EQ(std::get<LostRecord>(read.records[8].body).lost, 12u);
  EXPECT_EQ(read.notes,
            (Texts{"1 record of type NEWKIND passed over", "2 records of type SWITCH passed over"}));
}

TEST(TextReader, the_header_of_perf_script_gives_features) {
  const Capture read = read_text(
      std::string("# ========\n"
                  "# hostname : box\n# os release : 6.1.0\n# perf version : 6.1.1\n"
                  "# arch : x86_64\n# nrcpus online : 4\n# nrcpus avail : 8\n"
                  "# cpudesc : Some CPU\n# cpuid : GenuineIntel,6,94,3\n"
                  "# total memory : 4096 kB\n# cmdline : perf record -b \n"
                  "# event : name = cycles:u, , id = { 1 }, type = 4 (PERF_TYPE_RAW), size = 112, "
                  "config = 0x20c4 (raw), { sample_period, sample_freq } = 10007, sample_type = "
                  "IP|TID|BRANCH_STACK, disabled = 1, exclude_kernel = 1, freq = 1, precise_ip = 2, "
                  "sample_id_all = 1, branch_sample_type = USER|ANY|TYPE_SAVE\n"
                  "# cpu pmu capabilities: branches=32, max_precise=0\n"
                  "# missing features: TRACING_DATA \n# ========\n#\n 402004 ") +
      kTwo + "\n");
  EXPECT_EQ(read.features.hostname, "box");
  EXPECT_EQ(read.features.os_release, "6.1.0");
  EXPECT_EQ(read.features.version, "6.1.1");
  EXPECT_EQ(read.features.arch, "x86_64");
  EXPECT_EQ(read.features.cpu_desc, "Some CPU");
  EXPECT_EQ(read.features.cpu_id, "GenuineIntel,6,94,3");
  EXPECT_TRUE(read.features.has(Feature::kCpuId));
  EXPECT_EQ(read.features.nr_cpus_online, 4u);
  EXPECT_EQ(read.features.nr_cpus_available, 8u);
  EXPECT_EQ(read.features.mem_kb, 4096u);
  EXPECT_EQ(read.features.cmdline, (Texts{"perf", "record", "-b"}));
  ASSERT_EQ(read.features.pmu_caps.size(), 2u);
  EXPECT_EQ(read.features.pmu_caps[0], (std::pair<std::string, std::string>("branches", "32")));
  ASSERT_EQ(read.events.size(), 1u);
  EXPECT_EQ(read.events[0].name, "cycles:u");
  EXPECT_EQ(read.events[0].attr.type, 4u);
  EXPECT_EQ(read.events[0].attr.config, 0x20c4u);
  EXPECT_EQ(read.events[0].attr.sample_period, 10007u);
  EXPECT_EQ(read.events[0].attr.flags, kAttrExcludeKernel | kAttrFreq | u64{2} << kAttrPreciseIpShift);
  EXPECT_EQ(read.events[0].attr.sample_type, kSampleIp | kSampleBranchStack);
  EXPECT_EQ(read.events[0].attr.branch_sample_type, kBranchUser | kBranchAny | kBranchTypeSave);
}

TEST(TextReader, events_come_from_their_column) {
  const Capture read = read_text(
      "cycles:u: 402004 0x1/0x2/P/-/-/1\nbr_misp: 402004 0x1/0x2/P/-/-/1\n"
      "cycles:u: 402004 0x1/0x2/P/-/-/1\n");
  ASSERT_EQ(read.events.size(), 2u);
  EXPECT_EQ(read.events[1].name, "br_misp");
  EXPECT_EQ(read.samples[0].event, 0u);
  EXPECT_EQ(read.samples[1].event, 1u);
  EXPECT_EQ(read.samples[2].event, 0u);
}

TEST(TextReader, comments_banners_and_stray_text_are_counted) {
  const Capture read =
      read_text(std::string("Using a wrapper. Try perf.real if you can.\n; one\n// two\n # three\n"
                            "           402004 ") +
                kTwo + "\",\n           402004 " + kTwo + " ;\nand no more\n");
  ASSERT_EQ(read.samples.size(), 2u);
  for (const SampleRecord& sample : read.samples) EXPECT_EQ(to_text(sample.branches), kTwoRead);
  EXPECT_EQ(
      read.notes,
      (Texts{
          "2 lines passed over: no samples, records or comments (the first at line 1: 'Using a wrapper. Try "
          "perf.real if you can.')",
          "3 comment lines passed over (the first at line 2: '; one')",
          "2 pieces of text behind the last entry of a line passed over (the first at line 5: '\",')"}));
}

}  // namespace
}  // namespace lastbranch::perfdata::test
