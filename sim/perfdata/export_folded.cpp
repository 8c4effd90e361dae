// Call stacks, counted: from call chains, or from branch stacks of call-stack mode, whose FROMs are the calls
// that have not returned.
#include <algorithm>
#include <iterator>
#include <map>

#include <fmt/format.h>

#include "sim/base/error.h"
#include "sim/perfdata/capture_symbols.h"
#include "sim/perfdata/export_sink.h"
#include "sim/perfdata/script.h"

namespace lastbranch::perfdata {
namespace {

class FoldedExporter final : public Exporter {
 public:
  explicit FoldedExporter(const RecordSource& source) : source_(source), symbols_(source.features()) {}

  void record(const Record& record, std::string& /*text*/) override {
    maps_.record(record);
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
      append_frame(*sample, *ip);
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

  [[nodiscard]] std::vector<std::string> notes() const override {
    std::vector<std::string> notes = maps_.notes();
    std::ranges::copy(symbols_.notes(), std::back_inserter(notes));
    return notes;
  }

 private:
  void append_frame(const SampleRecord& sample, u64 ip) {
    const Mapping* mapping = maps_.find(sample.pid, ip, sample.time);
    if (mapping == nullptr) {
      line_ += "[unknown]";
      return;
    }
    const load::SymbolFile* file = symbols_.of(*mapping->file);
    const auto hit = file != nullptr ? file->at_offset(mapping->file_offset(ip)) : std::nullopt;
    if (!hit) {
      const std::string_view name = mapping->file->base_name();
      const bool marked = name.starts_with('[');
      fmt::format_to(std::back_inserter(line_), "{}{}{}", marked ? "" : "[", name, marked ? "" : "]");
      return;
    }
    const std::size_t start = line_.size();
    line_ += hit->name;
    std::replace(line_.begin() + static_cast<std::ptrdiff_t>(start), line_.end(), ';', ':');
  }

  const RecordSource& source_;
  AddressSpace maps_;
  CaptureSymbols symbols_;
  std::vector<u64> stack_;  // innermost first
  std::string line_;
  std::map<std::string, u64, std::less<>> counts_;
  u64 without_stack_ = 0;
};

}  // namespace

std::unique_ptr<Exporter> make_folded_exporter(const RecordSource& source) {
  return std::make_unique<FoldedExporter>(source);
}

}  // namespace lastbranch::perfdata
