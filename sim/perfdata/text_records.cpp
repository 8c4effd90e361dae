#include "sim/perfdata/text_records.h"

#include <algorithm>
#include <array>

#include <sys/mman.h>

#include "sim/perfdata/text_entry.h"
#include "sim/perfdata/text_head.h"

namespace lastbranch::perfdata {
namespace {

/// Takes a line apart from left to right; what is missing is an Error.
class Scanner {
 public:
  Scanner(std::string_view file, const TextLine& line, const char* at) : file_(file), line_(line), at_(at) {}

  [[nodiscard]] bool skip(std::string_view text) {
    if (!rest().starts_with(text)) return false;
    at_ += text.size();
    return true;
  }

  void expect(std::string_view text, std::string_view field) {
    if (!skip(text)) fail(field, "'" + std::string(text) + "'");
  }

  void skip_blanks() {
    while (at_ != line_.end() && *at_ == ' ') ++at_;
  }

  [[nodiscard]] u64 hex(std::string_view field) {
    static_cast<void>(skip("0x"));
    u64 value = 0;
    if (!parse_hex(at_, line_.end(), value)) fail(field, "a hexadecimal number");
    return value;
  }

  [[nodiscard]] u64 decimal(std::string_view field) {
    const std::string_view text = digits();
    u64 value = 0;
    if (!parse_decimal(text, value)) fail(field, "a decimal number");
    at_ += text.size();
    return value;
  }

  /// A process or thread, perhaps negative.
  [[nodiscard]] u32 id(std::string_view field) {
    const bool negative = rest().starts_with('-');
    if (negative) ++at_;
    const auto value = static_cast<u32>(decimal(field));
    return negative ? ~value + 1 : value;
  }

  [[nodiscard]] std::string_view rest() const { return {at_, static_cast<std::size_t>(line_.end() - at_)}; }
  void advance(std::size_t n) { at_ += n; }

  [[noreturn]] void fail(std::string_view field, std::string_view expected) const {
    bad_text(file_, line_, at_, field, expected);
  }

 private:
  [[nodiscard]] std::string_view digits() const {
    const std::string_view left = rest();
    return left.substr(0, std::min(left.find_first_not_of("0123456789"), left.size()));
  }

  std::string_view file_;
  const TextLine& line_;
  const char* at_;
};

/// "<a4045e83187b...>".
BuildId take_build_id(Scanner& in) {
  const std::string_view text = in.rest().substr(0, in.rest().find('>'));
  BuildId id;
  if (text.size() % 2 != 0 || text.size() / 2 > id.bytes.size())
    in.fail("build-id", "up to 40 hexadecimal digits");
  for (std::size_t i = 0; i < text.size(); i += 2) {
    u64 byte = 0;
    if (!parse_whole_hex(text.substr(i, 2), byte)) in.fail("build-id", "up to 40 hexadecimal digits");
    id.bytes[i / 2] = static_cast<u8>(byte);
  }
  id.size = static_cast<u8>(text.size() / 2);
  in.advance(text.size());
  in.expect(">", "build-id");
  return id;
}

u32 take_protection(Scanner& in, bool version_2, u32& flags) {
  const std::string_view word = in.rest().substr(0, in.rest().find(' '));
  u32 prot = 0;
  flags = 0;
  if (!version_2) {
    // "x" for code and "r" for data is all that the first kind of record knows.
    if (word != "x" && word != "r") in.fail("protection", "x or r");
    prot = word == "x" ? PROT_EXEC : PROT_READ;
  } else {
    constexpr std::string_view kLetters = "rwx";
    if (word.size() != 4) in.fail("protection", "four letters such as r-xp");
    for (std::size_t i = 0; i < kLetters.size(); ++i) {
      if (word[i] != kLetters[i] && word[i] != '-') in.fail("protection", "four letters such as r-xp");
    }
    prot = (word[0] == 'r' ? u32{PROT_READ} : 0) | (word[1] == 'w' ? u32{PROT_WRITE} : 0) |
           (word[2] == 'x' ? u32{PROT_EXEC} : 0);
    flags = word[3] == 's' ? MAP_SHARED : MAP_PRIVATE;
  }
  in.advance(word.size());
  return prot;
}

void parse_mmap(Scanner& in, bool version_2, Record& record) {
  MmapRecord map;
  in.skip_blanks();
  map.pid = in.id("pid");
  in.expect("/", "tid");
  map.tid = in.id("tid");
  in.expect(":", "mapping");
  in.skip_blanks();
  in.expect("[", "mapping");
  map.addr = in.hex("address");
  in.expect("(", "length");
  map.len = in.hex("length");
  in.expect(")", "length");
  in.skip_blanks();
  in.expect("@", "offset");
  in.skip_blanks();
  map.pgoff = in.hex("offset");
  in.skip_blanks();
  if (version_2 && in.skip("<")) {
    map.build_id = take_build_id(in);
  } else if (version_2) {
    map.major = static_cast<u32>(in.hex("device"));
    in.expect(":", "device");
    map.minor = static_cast<u32>(in.hex("device"));
    in.skip_blanks();
    map.inode = in.decimal("inode");
    in.skip_blanks();
    map.generation = in.decimal("generation");
  }
  in.expect("]:", "mapping");
  in.skip_blanks();
  map.prot = take_protection(in, version_2, map.flags);
  in.skip_blanks();
  map.filename = std::string(in.rest());
  record.header.type = static_cast<u32>(version_2 ? RecordType::kMmap2 : RecordType::kMmap);
  record.header.misc = misc_of_address(map.pid == ~u32{0} ? ~u64{0} : map.addr);
  if (map.build_id) record.header.misc |= kMiscMmapBuildId;
  record.body = std::move(map);
}

/// " exec: name:7/8" or ": name:7/8".
void parse_comm(Scanner& in, Record& record) {
  CommRecord comm;
  comm.exec = in.skip(" exec");
  in.expect(":", "name");
  static_cast<void>(in.skip(" "));
  const std::size_t colon = in.rest().rfind(':');
  if (colon == std::string_view::npos) in.fail("name", "NAME:PID/TID");
  comm.name = std::string(in.rest().substr(0, colon));
  in.advance(colon + 1);
  comm.pid = in.id("pid");
  in.expect("/", "tid");
  comm.tid = in.id("tid");
  record.header.type = static_cast<u32>(RecordType::kComm);
  record.header.misc = comm.exec ? kMiscCommExec : u16{0};
  record.body = std::move(comm);
}

/// "(7:8):(5:5)".
void parse_task(Scanner& in, bool exit, Record& record) {
  TaskRecord task;
  task.exit = exit;
  in.expect("(", "pid");
  task.pid = in.id("pid");
  in.expect(":", "tid");
  task.tid = in.id("tid");
  in.expect("):(", "parent pid");
  task.parent_pid = in.id("parent pid");
  in.expect(":", "parent tid");
  task.parent_tid = in.id("parent tid");
  in.expect(")", "parent tid");
  record.header.type = static_cast<u32>(exit ? RecordType::kExit : RecordType::kFork);
  record.body = task;
}

void parse_lost(Scanner& in, Record& record) {
  LostRecord lost;
  in.skip_blanks();
  static_cast<void>(in.skip("lost "));
  lost.lost = in.decimal("lost");
  record.header.type = static_cast<u32>(RecordType::kLost);
  record.body = lost;
}

/// "(IP, 0x2): 5595/5595: 0x7f06d6a21e00 period: 1 addr: 0".
void parse_sample(Scanner& in, Record& record, SampleRecord& sample) {
  in.expect("(IP, ", "misc");
  record.header.misc = static_cast<u16>(in.hex("misc"));
  in.expect("): ", "pid");
  sample.pid = in.id("pid");
  in.expect("/", "tid");
  sample.tid = in.id("tid");
  in.expect(": ", "ip");
  sample.ip = in.hex("ip");
  if (in.skip(" period: ")) sample.period = in.decimal("period");
  if (in.skip(" addr: ")) sample.addr = in.hex("addr");
}

/// Columns of perf script, or "[CPU] [TIME] OFFSET [SIZE]: " of report -D.
SampleId parse_prefix(std::string_view text) {
  SampleId id;
  TextHead head;
  const std::size_t bracket = text.rfind(" [0x");
  if (bracket != std::string_view::npos) {
    std::string_view left = text.substr(0, std::min(text.rfind(" 0x", bracket - 1), bracket));
    left.remove_prefix(std::min(left.find_first_not_of(' '), left.size()));
    const std::size_t blank = left.rfind(' ');
    const bool both = blank != std::string_view::npos;
    u64 cpu = 0;
    u64 time = 0;
    if (both && parse_decimal(left.substr(0, left.find(' ')), cpu)) id.cpu = static_cast<u32>(cpu);
    if (parse_decimal(both ? left.substr(blank + 1) : left, time)) id.time = time;
  } else if (parse_head(text, head)) {
    id = {.pid = head.pid, .tid = head.tid, .time = head.time, .id = 0, .stream_id = 0, .cpu = head.cpu};
  }
  return id;
}

void set_sample_id(Record& record, const SampleId& id) {
  if (auto* map = std::get_if<MmapRecord>(&record.body)) {
    map->sample_id = id;
  } else if (auto* comm = std::get_if<CommRecord>(&record.body)) {
    comm->sample_id = id;
  } else if (auto* task = std::get_if<TaskRecord>(&record.body)) {
    task->sample_id = id;
    task->time = id.time;
  } else if (auto* lost = std::get_if<LostRecord>(&record.body)) {
    lost->sample_id = id;
  }
}

}  // namespace

BranchEntry parse_dump_entry(std::string_view file, const TextLine& line, const char* at,
                             EntryCounts& counts) {
  Scanner in(file, line, at);
  BranchEntry entry;
  entry.from = in.hex("from");
  in.expect(" -> ", "to");
  entry.to = in.hex("to");
  in.expect(" ", "cycles");
  const u64 cycles = in.decimal("cycles");
  in.expect(" cycles ", "flags");
  // Four columns, blank or a letter each.
  constexpr std::string_view kLetters = "MPAT";
  constexpr std::array<u64, 4> kBits = {1, 2, 8, 4};
  u64 flags = 0;
  for (std::size_t i = 0; i < kLetters.size(); ++i) {
    const std::string_view rest = in.rest();
    if (rest.empty() || (rest[0] != ' ' && rest[0] != kLetters[i])) in.fail("flags", "columns of M, P, A, T");
    if (rest[0] != ' ') flags |= kBits[i];
    in.advance(1);
  }
  flags |= std::min(cycles, kMaxBranchCycles) << 4;
  in.expect(" ", "reserved");
  static_cast<void>(in.hex("reserved"));
  for (bool is_type = true; !in.rest().empty(); is_type = false) {
    in.skip_blanks();
    const std::string_view word = in.rest().substr(0, in.rest().find(' '));
    if (!word.empty()) parse_type_or_spec(word, is_type, flags, counts);
    in.advance(word.size());
  }
  entry.flags = flags;
  return entry;
}

TextRecord parse_text_record(std::string_view file, const TextLine& line, std::size_t mark, Record& record,
                             std::string_view& name) {
  const std::string_view behind = line.text.substr(mark + kRecordMark.size());
  const std::size_t size =
      std::min(behind.find_first_not_of("ABCDEFGHIJKLMNOPQRSTUVWXYZ_0123456789"), behind.size());
  name = behind.substr(0, size);
  Scanner in(file, line, name.data() + name.size());
  record.header = {};
  record.offset = line.offset;
  const SampleId id = parse_prefix(line.text.substr(0, mark));
  if (name == "SAMPLE") {
    auto* sample = std::get_if<SampleRecord>(&record.body);
    if (sample == nullptr) sample = &record.body.emplace<SampleRecord>();
    sample->clear();
    sample->time = id.time;
    sample->cpu = id.cpu;
    record.header.type = static_cast<u32>(RecordType::kSample);
    parse_sample(in, record, *sample);
    return TextRecord::kSample;
  }
  if (name == "MMAP" || name == "MMAP2") {
    parse_mmap(in, name == "MMAP2", record);
  } else if (name == "COMM") {
    parse_comm(in, record);
  } else if (name == "FORK" || name == "EXIT") {
    parse_task(in, name == "EXIT", record);
  } else if (name == "LOST") {
    parse_lost(in, record);
  } else {
    return TextRecord::kOther;
  }
  set_sample_id(record, id);
  return TextRecord::kDecoded;
}

}  // namespace lastbranch::perfdata
