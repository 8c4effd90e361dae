// The shapes of lines, and what is said of those that are none.
#include "sim/perfdata/text_reader.h"

#include <array>
#include <thread>

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <sys/stat.h>

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

TEST(TextReader, preaggregated_lines) {
  const Capture read = read_text(
      "E cycles\nB 40164b 401608 109 3\nF 401685 40169e 7\nf 1 2 3\nr 4 5 6\nT 4b196f 4b19e0 4b19ef 2\n"
      "R 10 20 30 4\nT X:0 20 30 5\nB ab12:10 X:20 1 0\nS 41be50 3\nE br_inst\nS 41be60 6\n");
  EXPECT_EQ(read.kind, SourceKind::kPreaggregated);
  std::vector<std::string> texts;
  for (const Record& record : read.records) {
    if (const auto* e = std::get_if<EdgeRecord>(&record.body)) {
      texts.push_back(fmt::format("edge {:x} {:x} {} {}", e->from, e->to, e->count, e->mispredicted));
    } else if (const auto* r = std::get_if<RangeRecord>(&record.body)) {
      texts.push_back(fmt::format("range {:x} {:x} {} {}", r->start, r->end, r->count, r->external));
    } else if (const auto* s = std::get_if<SampleRecord>(&record.body)) {
      texts.push_back(fmt::format("sample {:x} {} {}", s->ip, s->repeat, read.events[s->event].name));
    }
  }
  EXPECT_EQ(texts, (Texts{"edge 40164b 401608 109 3", "range 401685 40169e 7 false", "range 1 2 3 true",
                          "range 4 5 6 true", "edge 4b196f 4b19e0 2 0", "range 4b19e0 4b19ef 2 false",
                          "edge 10 20 4 0", "range 20 30 4 false", "range 20 30 5 true", "edge 10 20 1 0",
                          "sample 41be50 3 cycles", "sample 41be60 6 br_inst"}));
  EXPECT_EQ(read.notes, (Texts{"3 addresses in other or unknown objects, taken as they are"}));
}

TEST(TextReader, bad_lines_are_told_with_their_place) {
  struct Bad {
    const char* text;
    const char* message;
  };
  const std::string good = std::string("           402004 ") + kTwo + "\n";
  const Bad rows[] = {
      {"  402004 0x1/0x2zz/P/-/-/1\n", "line 2, column 17: prediction: expected '/', found 'zz/P/-/-/1'"},
      {"  402004 0x1/0x2/P/-/-/1 0x3/\n",
       "line 2, column 30: to: expected a hexadecimal address of up to 16 digits, "
       "found the end of the line"},
      {"  402004 0x1/0x2/P/-/-/1  0x3/0x4/P/-",
       "line 2, column 38: abort: expected '/', found the end of the text"},
      {"  402004 0x1/0x2/Q/-/-/1\n", "line 2, column 18: prediction: expected P, M, - or N, found 'Q/-/-/1'"},
      {"  402004 0x1/0x2/P/-/-/1 nonsense\n",
       "line 2, column 26: from: expected a hexadecimal address of up to 16 digits, found 'nonsense'"},
      {"PERF_RECORD_MMAP2 7/7: [0x401000(0x1000 @ 0 00:1d 1 2]: r-xp /x\n",
       "line 2, column 40: length: expected ')', found the end of the line"},
      {"PERF_RECORD_MMAP2 7/7: [0x401000(0x1000) @ 0 <a4z5>]: r-xp /x\n",
       "line 2, column 47: build-id: expected up to 40 hexadecimal digits, found 'a4z5>]:'"},
      {"PERF_RECORD_MMAP2 7/7: [0x401000(0x1000) @ 0 00:1d 1 2]: rxp /x\n",
       "line 2, column 58: protection: expected four letters such as r-xp, found 'rxp'"},
      {"PERF_RECORD_COMM: sh:7\n", "line 2, column 23: tid: expected '/', found the end of the line"},
      {"PERF_RECORD_FORK(7:8:(7:8)\n", "line 2, column 21: parent pid: expected '):(', found ':(7:8)'"},
  };
  const ScratchDir scratch;
  const std::string path = scratch.file("text");
  for (const Bad& row : rows) {
    SCOPED_TRACE(row.text);
    const std::string text = good + row.text + good;
    const std::string cut = good + row.text;
    const std::string_view whole = text.find("0x3/0x4") != std::string::npos ? cut : text;
    write_file(path, std::as_bytes(std::span(whole)));
    std::string message = error_of([&] { static_cast<void>(read_text_file(path)); });
    // The blank after "(0x1000" is where the bracket should be.
    if (message.find("length") != std::string::npos) {
      EXPECT_NE(message.find("line 2, column 40: length: expected ')'"), std::string::npos) << message;
    } else {
      EXPECT_EQ(message, path + ": " + row.message);
    }
    const Capture kept = read_text_file(path, {.keep_going = true});
    EXPECT_EQ(kept.samples.size(), 1u);
    EXPECT_EQ(kept.damage, message);
  }
}

TEST(TextReader, text_of_other_kinds_is_refused) {
  for (const std::string text :
       {"", "\n\n", "hello\n", "int main() { return 0; }\n", "{\"a\": 1}\n", "# only\n"}) {
    SCOPED_TRACE(text);
    const std::string message = error_of([&] { static_cast<void>(read_text(text)); });
    EXPECT_NE(message.find("expected perf.data, or text of perf script"), std::string::npos) << message;
  }
  EXPECT_NE(error_of([] { static_cast<void>(open_text("/no/such/file")); }).find("cannot be opened"),
            std::string::npos);
  const std::string bad = error_of([] { static_cast<void>(read_text("B 1 2 3 4\nB 1 2 zz 4\n")); });
  EXPECT_NE(bad.find("line 2, column 7: count: expected a decimal number, found 'zz'"), std::string::npos)
      << bad;
  const std::string kind = error_of([] { static_cast<void>(read_text("B 1 2 3 4\nQ 1 2\n")); });
  EXPECT_NE(kind.find("line 2, column 1: kind: expected one of B, F"), std::string::npos) << kind;
}

TEST(TextReader, compressed_text_and_pipes) {
  const ScratchDir scratch;
  const std::string path = scratch.file("text");
  std::string text;
  for (int i = 0; i < 5000; ++i) text += fmt::format("           {:x} ", 0x400000 + i) + kTwo + "\n";
  write_file(path, std::as_bytes(std::span(text)));
  const auto check = [&](const std::string& file) {
    SCOPED_TRACE(file);
    const Capture read = read_text_file(file);
    ASSERT_EQ(read.samples.size(), 5000u);
    EXPECT_EQ(read.samples[4999].ip, 0x400000u + 4999);
    EXPECT_EQ(to_text(read.samples[4999].branches), kTwoRead);
  };
  check(path);
  for (const char* program : {"gzip", "zstd"}) {
    if (!has_program(program)) continue;
    const std::string packed = path + "." + program;
    ASSERT_EQ(run_command(std::string(program) + " -q -c " + path + " > " + packed).status, 0);
    check(packed);
    // Members and frames one after the other are one text.
    const std::string half = scratch.file("half");
    write_file(half, std::as_bytes(std::span(text).first(text.size() / 2)));
    const std::string rest = scratch.file("rest");
    write_file(rest, std::as_bytes(std::span(text).subspan(text.size() / 2)));
    const std::string two = path + ".2." + program;
    ASSERT_EQ(
        run_command(fmt::format("( {0} -q -c {1}; {0} -q -c {2} ) > {3}", program, half, rest, two)).status,
        0);
    check(two);
    // Cut in the middle.
    auto bytes = read_file(packed);
    bytes.resize(bytes.size() / 2);
    write_file(packed, bytes);
    const std::string message = error_of([&] { static_cast<void>(read_text_file(packed)); });
    EXPECT_NE(message.find("the end of the file"), std::string::npos) << message;
    // Damaged in the middle.
    bytes[bytes.size() / 2] ^= std::byte{0xff};
    write_file(packed, bytes);
    EXPECT_NE(error_of([&] { static_cast<void>(read_text_file(packed)); }), "");
  }
  const std::string fifo = scratch.file("fifo");
  ASSERT_EQ(mkfifo(fifo.c_str(), 0600), 0);
  const std::jthread writer([&] { write_file(fifo, std::as_bytes(std::span(text))); });
  check(fifo);
}

TEST(TextReader, lines_may_be_long_and_end_as_they_like) {
  std::string line = "           402004";
  for (int i = 0; i < 40'000; ++i) line += " 0x401000/0x402000/P/-/-/5 ";
  const Capture read = read_text(line + "\r\n" + line);
  ASSERT_EQ(read.samples.size(), 2u);
  for (const SampleRecord& sample : read.samples) EXPECT_EQ(sample.branches.size(), 40'000u);
}

TEST(TextReader, what_one_sample_or_file_keeps_is_limited) {
  struct Row {
    const char* head;
    const char* line;
    int most;
    const char* expected;
  };
  const Row rows[] = {
      {"prog 7 1.000001: cycles: \n", "\t          401000 main (/bin/p)\n", 4096, "at most 4096 addresses"},
      {"0 0x10 [0x60]: PERF_RECORD_SAMPLE(IP, 0x2): 7/7: 0x401000 period: 1 addr: 0\n... FP chain: nr:9\n",
       ".....  0: 0000000000401000\n", 4096, "at most 4096 addresses"},
      {"0 0x10 [0x60]: PERF_RECORD_SAMPLE(IP, 0x2): 7/7: 0x401000 period: 1 addr: 0\n... branch stack: "
       "nr:9\n",
       ".....  0: 0000000000401000 -> 0000000000401010 19 cycles  P   0\n", 16384, "at most 16384 entries"},
      {"           401000 \n", "\t0000000000401000\tinsn: 90 # PRED 3 cycles\n", 16384,
       "at most 16384 entries"},
  };
  for (const Row& row : rows) {
    SCOPED_TRACE(row.line);
    std::string text = row.head;
    for (int i = 0; i < row.most; ++i) text += row.line;
    EXPECT_EQ(read_text(text).samples.size(), 1u);
    for (int i = 0; i < 2; ++i) text += row.line;
    const std::string message = error_of([&] { static_cast<void>(read_text(text)); });
    EXPECT_NE(message.find(row.expected), std::string::npos) << message;
  }
  std::string text;
  for (int i = 0; i < 16384; ++i) text += fmt::format(" e{}:  402004 {}\n", i, kTwo);
  EXPECT_EQ(read_text(text).events.size(), 16384u);
  text += fmt::format(" other:  402004 {}\n", kTwo);
  const std::string message = error_of([&] { static_cast<void>(read_text(text)); });
  EXPECT_NE(message.find("at most 16384 events"), std::string::npos) << message;
}

}  // namespace
}  // namespace lastbranch::perfdata::test
