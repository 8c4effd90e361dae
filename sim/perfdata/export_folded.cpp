// Call stacks, counted: from call chains, or from branch stacks of call-stack mode, whose FROMs are the calls
// that have not returned.
#include <algorithm>
#include <iterator>
#include <map>

#include <fmt/format.h>

#include "sim/base/base_name.h"
#include "sim/base/error.h"
#include "sim/perfdata/export_sink.h"
#include "sim/perfdata/export_symbols.h"
#include "sim/perfdata/script.h"

namespace lastbranch::perfdata {
namespace {

class FoldedExporter final : public Exporter {
 public:
  FoldedExporter(const RecordSource& source, const ExportOptions& options)
      : source_(source), symbols_(options.symbol_root) {}

  void record(const Record& record, std::string& /*text*/) override {
    maps_.follow(record);
    const auto* sample = std::get_if<SampleRecord>(&record.body);
    if (sample == nullptr) return;
    stack_.clear();
    const Attr* attr =
        sample->event < source_.events().size() ? &source_.events()[sample->event].attr : nullptr;
    if (!sample->callchain.empty()) {
      for (const u64 ip : sample->callchain) {
        if (!is_context_marker(ip)) stack_.push_back(ip);
      }
    } else if (attr != nullptr && (attr->branch_sample_type & kBranchCallStack) != 0) {
      stack_.push_back(sample->ip);
      for (const BranchEntry& entry : sample->branches) stack_.push_back(entry.from);
    } else {
      ++without_stack_;
      return;
    }
    line_.clear();
    for (auto ip = stack_.rbegin(); ip != stack_.rend(); ++ip) {
      if (!line_.empty()) line_ += ';';
      append_frame(sample->pid, *ip);
    }
    if (!line_.empty()) counts_[line_] += sample->repeat;
  }

  void finish(std::string& text) override {
    if (counts_.empty()) {
      throw Error(
          "{}: folded: expected samples with call chains or call-stack branch stacks, found {} without; "
          "record with '-j call_stack,u' or '--call-graph lbr'",
          source_.path(), without_stack_);
    }
    for (const auto& [line, count] : counts_)
      fmt::format_to(std::back_inserter(text), "{} {}\n", line, count);
  }

  [[nodiscard]] std::vector<std::string> notes() const override { return maps_.notes(); }

 private:
  void append_frame(u32 pid, u64 ip) {
    const FilePlace place = maps_.find(pid, ip);
    if (place.file == FilePlace::kNoFile) {
      line_ += "[unknown]";
      return;
    }
    const std::string& file = maps_.files()[place.file];
    const FileSymbols* symbols = symbols_.of(file);
    const auto hit = symbols != nullptr ? symbols->at_offset(place.offset) : std::nullopt;
    if (!hit) {
      const std::string_view name = base_name(file);
      const bool marked = name.starts_with('[');
      fmt::format_to(std::back_inserter(line_), "{}{}{}", marked ? "" : "[", name, marked ? "" : "]");
      return;
    }
    const std::size_t start = line_.size();
    line_ += hit->name;
    std::replace(line_.begin() + static_cast<std::ptrdiff_t>(start), line_.end(), ';', ':');
  }

  const RecordSource& source_;
  CaptureMaps maps_;
  SymbolCache symbols_;
  std::vector<u64> stack_;  // innermost first
  std::string line_;
  std::map<std::string, u64, std::less<>> counts_;
  u64 without_stack_ = 0;
};

}  // namespace

std::unique_ptr<Exporter> make_folded_exporter(const RecordSource& source, const ExportOptions& options) {
  return std::make_unique<FoldedExporter>(source, options);
}

}  // namespace lastbranch::perfdata
