#include "sim/perfdata/text_notes.h"

#include <algorithm>

#include <fmt/format.h>

namespace lastbranch::perfdata {
namespace {

void add_seen(std::vector<std::string>& lines, const TextNotes::Seen& seen, std::string_view one,
              std::string_view many, std::string_view hint = {}) {
  if (seen.count == 0) return;
  lines.push_back(fmt::format("{} {} (the first at line {}: '{}'){}{}", seen.count,
                              seen.count == 1 ? one : many, seen.line, seen.text, hint.empty() ? "" : "; ",
                              hint));
}

void add_count(std::vector<std::string>& lines, u64 count, std::string_view what) {
  if (count != 0) lines.push_back(fmt::format("{} {}", count, what));
}

void add_stray_text(std::vector<std::string>& lines, const TextNotes::Seen& seen) {
  add_seen(lines, seen, "piece of text behind the last entry of a line passed over",
           "pieces of text behind the last entry of a line passed over");
}

void add_without_0x(std::vector<std::string>& lines, u64 count) {
  add_count(lines, count, "addresses of entries without '0x', as no perf prints them: edited text");
}

void add_saturated_cycles(std::vector<std::string>& lines, u64 count) {
  add_count(lines, count, "entries with over 65535 cycles, taken as 65535: edited text");
}

}  // namespace

void TextNotes::Seen::add(u64 number, std::string_view what) {
  if (count++ != 0) return;
  constexpr std::size_t kShown = 60;
  line = number;
  for (const char c : what.substr(0, kShown)) {
    const auto byte = static_cast<unsigned char>(c);
    text += c == '\t' ? ' ' : byte >= 0x20 && byte != 0x7f ? c : '?';
  }
  text.erase(0, std::min(text.find_first_not_of(' '), text.size()));
  if (what.size() > kShown) text += "...";
}

void TextNotes::add_record(std::string_view name) {
  constexpr std::size_t kNames = 256;
  constexpr std::size_t kShown = 60;
  name = name.substr(0, kShown);
  const auto known = records.find(name);
  if (known != records.end()) {
    ++known->second;
  } else if (records.size() < kNames) {
    records.emplace(name, 1);
  } else {
    ++more_records;
  }
}

std::vector<std::string> TextNotes::lines() const {
  std::vector<std::string> lines;
  add_seen(lines, unknown_lines, "line passed over: no sample, record or comment",
           "lines passed over: no samples, records or comments");
  add_seen(lines, comments, "comment line passed over", "comment lines passed over");
  add_stray_text(lines, stray_text);
  add_seen(lines, more_columns, "column behind the entries passed over",
           "columns behind the entries passed over");
  add_seen(lines, source_lines, "source line passed over", "source lines passed over");
  if (symbolic_entries.count != 0) {
    add_seen(lines, symbolic_entries, "branch without addresses", "branches without addresses",
             fmt::format("{} samples cannot be replayed: script with '-F ip,brstack' instead of brstacksym",
                         symbolic_samples));
  }
  add_seen(lines, call_stack_dumps, "call stack of report -D taken as a call chain",
           "call stacks of report -D taken as call chains", "it has no targets: script with '-F ip,brstack'");
  add_seen(lines, instruction_stacks, "branch stack put together from instructions",
           "branch stacks put together from instructions",
           "code that perf could not read is missing in them: script with '-F ip,brstack' for all entries");
  add_count(lines, targets_not_shown,
            "newest branches left out: their targets do not follow from the instructions shown");
  add_seen(lines, surplus_instructions, "instruction line passed over", "instruction lines passed over",
           "the branch stack stands beside them");
  add_seen(lines, dump_lines, "line of a dump passed over", "lines of dumps passed over");
  for (const auto& [name, count] : records) {
    lines.push_back(
        fmt::format("{} {} of type {} passed over", count, count == 1 ? "record" : "records", name));
  }
  add_count(lines, more_records, "records of still other types passed over");
  add_count(lines, entries.build_ids, "addresses with build-ids, which were left out");
  add_count(lines, other_objects, "addresses in other or unknown objects, taken as they are");
  add_without_0x(lines, entries.without_0x);
  add_count(lines, entries.unknown_types, "branch types or outcomes with unknown names, taken as not known");
  add_saturated_cycles(lines, entries.saturated_cycles);
  add_count(lines, entries.not_taken, "entries of branches that were not taken (Arm SPE)");
  return lines;
}

std::vector<std::string> TextNotes::edited() const {
  std::vector<std::string> lines;
  add_seen(lines, foreign_comments, "comment line that is not perf's", "comment lines that are not perf's");
  add_stray_text(lines, stray_text);
  add_without_0x(lines, entries.without_0x);
  add_saturated_cycles(lines, entries.saturated_cycles);
  return lines;
}

}  // namespace lastbranch::perfdata
