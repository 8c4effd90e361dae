// Text as a file: which kinds are read, packed or from a pipe, what is said of bad lines, and what is
// limited.
#include <thread>

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include "sim/perfdata/text_reader.h"
#include "tests/perfdata/support.h"
#include "tests/perfdata/text_support.h"

namespace lastbranch::perfdata::test {
namespace {

using Texts = std::vector<std::string>;

constexpr const char* kTwo = "0x401000/0x402000/P/-/-/5  0x403000/0x404000/M/-/-/0 ";
const Texts kTwoRead = {"0x401000/0x402000/P/-/-/5/", "0x403000/0x404000/M/-/-/0/"};

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
