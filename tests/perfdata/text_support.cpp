#include "tests/perfdata/text_support.h"

#include <cstdlib>
#include <filesystem>

#include "sim/perfdata/script.h"
#include "sim/perfdata/text_reader.h"
#include "tests/perfdata/support.h"

namespace lastbranch::perfdata::test {

Capture read_all(RecordSource& source) {
  Capture capture;
  while (const Record* record = source.next()) {
    capture.records.push_back(*record);
    if (const auto* sample = std::get_if<SampleRecord>(&record->body)) capture.samples.push_back(*sample);
  }
  capture.kind = source.kind();
  capture.events = source.events();
  capture.features = source.features();
  capture.notes = source.notes();
  capture.damage = source.damage();
  return capture;
}

Capture read_text_file(const std::string& path, const OpenOptions& options) {
  const auto source = open_text(path, options);
  return read_all(*source);
}

Capture read_text(std::string_view text, const OpenOptions& options) {
  const ScratchDir scratch;
  const std::string path = scratch.file("text");
  write_file(path, std::as_bytes(std::span(text)));
  return read_text_file(path, options);
}

std::string to_text(const BranchEntry& entry) {
  std::string text;
  append_brstack_entry(entry, text);
  return text;
}

std::vector<std::string> to_text(const std::vector<BranchEntry>& entries) {
  std::vector<std::string> texts;
  for (const BranchEntry& entry : entries) texts.push_back(to_text(entry));
  return texts;
}

std::string shared_captures() {
  const char* shared = std::getenv("LASTBRANCH_SHARED");
  const std::filesystem::path folder =
      std::filesystem::path(shared != nullptr ? shared : LASTBRANCH_SOURCE_DIR "/../shared") / "captures";
  return std::filesystem::exists(folder) ? folder.string() : std::string();
}

}  // namespace lastbranch::perfdata::test
