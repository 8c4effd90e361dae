#pragma once
// What the tests of text share: reading it from a string, and comparing captures entry for entry.
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "sim/perfdata/record_source.h"

namespace lastbranch::perfdata::test {

/// All records of a source, and what it says at its end.
struct Capture {
  SourceKind kind = SourceKind::kScriptText;
  std::vector<Record> records;
  std::vector<SampleRecord> samples;  ///< those of `records`
  std::vector<EventInfo> events;
  Features features;
  std::vector<std::string> notes;
  std::string damage;
};

[[nodiscard]] Capture read_all(RecordSource& source);
/// The file as text. Throws Error.
[[nodiscard]] Capture read_text_file(const std::string& path, const OpenOptions& options = {});
/// The same of `text`, through a file.
[[nodiscard]] Capture read_text(std::string_view text, const OpenOptions& options = {});

/// The entry as perf 6.1 prints it, for messages.
[[nodiscard]] std::string to_text(const BranchEntry& entry);
[[nodiscard]] std::vector<std::string> to_text(const std::vector<BranchEntry>& entries);

/// The shared captures; empty: not there.
[[nodiscard]] std::string shared_captures();

}  // namespace lastbranch::perfdata::test
