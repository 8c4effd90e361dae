#include "sim/perfdata/script.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <iterator>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "sim/base/error.h"
#include "sim/perfdata/text_entry.h"

namespace lastbranch::perfdata {
namespace {

constexpr std::array<std::string_view, 15> kTypeNames = {
    "",       "COND",      "UNCOND",   "IND",  "CALL", "IND_CALL", "RET",   "SYSCALL",
    "SYSRET", "COND_CALL", "COND_RET", "ERET", "IRQ",  "SERROR",   "NO_TX",
};
constexpr std::array<std::string_view, 8> kNewTypeNames = {
    "FAULT_ALGN", "FAULT_DATA", "FAULT_INST", "ARCH_1", "ARCH_2", "ARCH_3", "ARCH_4", "ARCH_5",
};

char prediction(const BranchFlags& flags) {
  if (flags.predicted) return 'P';
  return flags.mispredicted ? 'M' : '-';
}

/// The context markers between kernel and user part are not printed.
void append_callchain(const SampleRecord& sample, std::string& text) {
  text += '\n';
  for (const u64 ip : sample.callchain) {
    if (!is_context_marker(ip)) fmt::format_to(std::back_inserter(text), "\t{:16x}\n", ip);
  }
}

constexpr std::array<std::string_view, 4> kSpecNames = {"-", "SPEC_WRONG_PATH", "NON_SPEC_CORRECT_PATH",
                                                        "SPEC_CORRECT_PATH"};

}  // namespace

std::string_view branch_type_name(const BranchFlags& flags) {
  if (flags.type != BranchType::kExtendAbi) return kTypeNames[static_cast<std::size_t>(flags.type)];
  // Past its table perf prints what its C library makes of a null string.
  return flags.new_type < kNewTypeNames.size() ? kNewTypeNames[flags.new_type] : "(null)";
}

std::string_view branch_spec_name(u8 spec) {
  return kSpecNames[spec & 3];
}

void append_brstack_entry(const BranchEntry& entry, std::string& text, bool spec) {
  const BranchFlags flags = BranchFlags::unpack(entry.flags);
  // Nearly all of the output is made here; to_chars takes an eighth of a format string's time.
  std::array<char, 80> buffer;
  char* at = buffer.data();
  const auto put_number = [&](u64 value, int base) {
    at = std::to_chars(at, buffer.data() + buffer.size(), value, base).ptr;
  };
  const auto put_flag = [&](char flag) {
    *at++ = '/';
    *at++ = flag;
  };
  *at++ = '0';
  *at++ = 'x';
  put_number(entry.from, 16);
  *at++ = '/';
  *at++ = '0';
  *at++ = 'x';
  put_number(entry.to, 16);
  put_flag(prediction(flags));
  if ((entry.flags & kBranchNotTaken) != 0) *at++ = 'N';
  put_flag(flags.in_tx ? 'X' : '-');
  put_flag(flags.abort ? 'A' : '-');
  *at++ = '/';
  put_number(flags.cycles, 10);
  *at++ = '/';
  text.append(buffer.data(), at);
  text += branch_type_name(flags);
  if (!spec) return;
  text += '/';
  text += branch_spec_name(flags.spec);
}

ScriptPrinter::ScriptPrinter(const RecordSource& source, ScriptFields fields)
    : source_(source), fields_(fields) {
  comms_.emplace(0, "swapper");
  std::vector<u32> types;
  for (std::size_t i = 0; i < source.events().size(); ++i) {
    const EventInfo& event = source.events()[i];
    event_width_ = std::max(event_width_, event.name.size());
    for (const u64 id : event.ids) counters_.try_emplace(id, Counter{.event = i});
    // perf asks the first event of each type.
    if (std::ranges::find(types, event.attr.type) != types.end()) continue;
    types.push_back(event.attr.type);
    for (u8 f = 0; f < static_cast<u8>(ScriptField::kCount); ++f) {
      const auto field = static_cast<ScriptField>(f);
      const u64 needed = needed_sample_bit(field);
      if (!fields.has(field) || (event.attr.sample_type & needed) == needed) continue;
      throw Error("field '{}': expected in the samples of {}, found sample_type {:#x} without it",
                  name_of(field), event.name, event.attr.sample_type);
    }
  }
}

void ScriptPrinter::print(const Record& record, std::string& text) {
  if (const auto* sample = std::get_if<SampleRecord>(&record.body)) {
    const Attr& attr = source_.events()[sample->event].attr;
    if ((attr.sample_type & kSampleRead) != 0 && (attr.read_format & kReadId) != 0) {
      print_counters(*sample, text);
    } else {
      const bool has_period = (attr.sample_type & kSamplePeriod) != 0;
      print_sample(*sample, sample->event, has_period ? sample->period : attr.sample_period, text);
    }
  } else if (const auto* comm = std::get_if<CommRecord>(&record.body)) {
    comms_[comm->tid] = comm->name;
  } else if (const auto* task = std::get_if<TaskRecord>(&record.body); task != nullptr && !task->exit) {
    const auto parent = comms_.find(task->parent_tid);
    if (parent != comms_.end()) {
      comms_[task->tid] = std::string(parent->second);
    } else {
      comms_.erase(task->tid);
    }
  }
}

void ScriptPrinter::print_counters(const SampleRecord& sample, std::string& text) {
  for (const ReadValue& value : sample.read) {
    const auto counter = counters_.find(value.id);
    if (counter == counters_.end()) continue;
    const u64 period = value.value - std::exchange(counter->second.value, value.value);
    if (period != 0) print_sample(sample, counter->second.event, period, text);
  }
}

void ScriptPrinter::print_sample(const SampleRecord& sample, std::size_t event, u64 period,
                                 std::string& text) const {
  const auto out = std::back_inserter(text);
  const u64 bits = source_.events()[event].attr.sample_type;
  if (fields_.has(ScriptField::kComm)) {
    const bool chain = (bits & kSampleCallchain) != 0 && fields_.has(ScriptField::kIp);
    fmt::format_to(out, "{:>{}} ", comm_of(sample.tid), chain ? 0 : 16);
  }
  // Of what this event alone lacks, perf prints the number that it starts with.
  const bool data = source_.kind() == SourceKind::kPerfData || source_.kind() == SourceKind::kPerfDataPipe;
  const auto absent = [&](u64 bit) { return data && (bits & bit) == 0; };
  const auto pid = absent(kSampleTid) ? -1 : static_cast<i32>(sample.pid);
  const auto tid = absent(kSampleTid) ? -1 : static_cast<i32>(sample.tid);
  if (fields_.has(ScriptField::kPid) && fields_.has(ScriptField::kTid)) {
    fmt::format_to(out, "{:5}/{:<5} ", pid, tid);
  } else if (fields_.has(ScriptField::kPid)) {
    fmt::format_to(out, "{:5} ", pid);
  } else if (fields_.has(ScriptField::kTid)) {
    fmt::format_to(out, "{:5} ", tid);
  }
  if (fields_.has(ScriptField::kCpu)) {
    fmt::format_to(out, "[{:03}] ", absent(kSampleCpu) ? -1 : static_cast<i32>(sample.cpu));
  }
  if (fields_.has(ScriptField::kTime)) {
    constexpr u64 kNsPerSecond = 1'000'000'000;
    const u64 time = absent(kSampleTime) ? ~u64{0} : sample.time;
    fmt::format_to(out, "{:5}.{:06}: ", time / kNsPerSecond, time % kNsPerSecond / 1000);
  }
  if (fields_.has(ScriptField::kPeriod)) fmt::format_to(out, "{:10} ", period);
  if (fields_.has(ScriptField::kEvent)) {
    fmt::format_to(out, "{:>{}}: ", source_.events()[event].name, event_width_);
  }
  if (fields_.has(ScriptField::kIp)) {
    if (sample.callchain.empty()) {
      fmt::format_to(out, " {:16x}", sample.ip);
    } else {
      append_callchain(sample, text);
    }
  }
  if (fields_.has(ScriptField::kBrstack)) {
    for (const BranchEntry& entry : sample.branches) {
      text += ' ';
      append_brstack_entry(entry, text, fields_.has(ScriptField::kSpec));
      text += ' ';
    }
  }
  text += '\n';
}

std::string ScriptPrinter::comm_of(u32 tid) const {
  const auto known = comms_.find(tid);
  return known != comms_.end() ? known->second : fmt::format(":{}", static_cast<i32>(tid));
}

void print_script(RecordSource& source, ScriptFields fields,
                  const std::function<void(std::string_view)>& sink) {
  constexpr std::size_t kPiece = 64 * 1024;
  ScriptPrinter printer(source, fields);
  std::string text;
  while (const Record* record = source.next()) {
    printer.print(*record, text);
    if (text.size() < kPiece) continue;
    sink(text);
    text.clear();
  }
  if (!text.empty()) sink(text);
}

}  // namespace lastbranch::perfdata
