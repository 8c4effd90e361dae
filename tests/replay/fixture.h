#pragma once
// What the replay's tests share: a folder of one's own, programs compiled on the spot, recordings of them,
// and the captures beside the checkout.
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "models/cpu/uarch/uarch.h"
#include "sim/perfdata/record_source.h"
#include "sim/replay/control_flow.h"
#include "sim/replay/processor.h"

namespace lastbranch::replay::testing {

class Folder {
 public:
  Folder() {
    if (::mkdtemp(path_.data()) == nullptr) std::abort();
  }
  ~Folder() { std::filesystem::remove_all(path_); }
  Folder(const Folder&) = delete;
  Folder& operator=(const Folder&) = delete;

  [[nodiscard]] std::string operator/(const std::string& name) const { return path_ + "/" + name; }
  std::string write(const std::string& name, const std::string& text) const {
    std::ofstream(*this / name, std::ios::binary) << text;
    return *this / name;
  }

 private:
  std::string path_ = "/tmp/lastbranch-replay-XXXXXX";
};

/// `text` compiled as C; the program's path.
inline std::string compile(const Folder& folder, const std::string& name, const std::string& text,
                           const std::string& flags) {
  const std::string source = folder.write(name + ".c", text);
  const std::string command = "gcc -O1 -Wl,--build-id " + flags + " -o " + (folder / name) + " " + source;
  if (std::system(command.c_str()) != 0) throw std::runtime_error("cannot run: " + command);
  return folder / name;
}

/// The captures of the reference material, nothing where it is not there.
inline std::optional<std::string> captures() {
  const char* named = std::getenv("LASTBRANCH_SHARED");
  const std::string shared = named != nullptr ? named : std::string(LASTBRANCH_SOURCE_DIR) + "/../shared";
  if (!std::filesystem::is_directory(shared + "/captures")) return std::nullopt;
  return shared + "/captures";
}

struct Judged {
  Report report;
  std::unordered_map<Site, Outcomes, SiteHash> outcomes;

  [[nodiscard]] u64 held(Check check) const { return report[check].held; }
  [[nodiscard]] u64 of(Check check, Cause cause) const { return report[check].of(cause); }
  [[nodiscard]] u64 unexplained() const {
    u64 all = 0;
    for (const Tally& tally : report.checks) all += tally.of(Cause::kUnexplained);
    return all;
  }
  /// The words of the first unexplained example, for messages and comparisons.
  [[nodiscard]] std::string first() const {
    for (const Example& e : report.examples) {
      if (e.cause == Cause::kUnexplained) return std::string(name_of(e.check)) + ": " + e.words;
    }
    return "";
  }
};

/// Judges a capture against binaries or tables; the walk is on the records of `uarch`, empty for none.
inline Judged judge(perfdata::RecordSource& source, FlowOptions options, const std::string& uarch) {
  Judged judged;
  options.events = &source.events();
  options.features = &source.features();
  options.kind = source.kind();
  bool twice = false;
  if (!uarch.empty()) {
    options.lbr = cpu::uarch(uarch).lbr;
    twice = may_duplicate_top(cpu::uarch(uarch));
  }
  ControlFlow flow(options, judged.report);
  u64 number = 0;
  while (const perfdata::Record* record = source.next()) {
    const bool sample = std::holds_alternative<perfdata::SampleRecord>(record->body);
    flow.record(*record, number, twice);
    number += sample ? 1 : 0;
  }
  flow.finish();
  judged.outcomes = flow.outcomes();
  return judged;
}

inline Judged judge_file(const std::string& capture, FlowOptions options, const std::string& uarch) {
  const auto source = perfdata::open_source(capture);
  return judge(*source, std::move(options), uarch);
}

}  // namespace lastbranch::replay::testing
