// BOLT's profile: how often each branch of one program was taken and mispredicted, by function and offset:
// "1 main 12 1 mid 0 0 887". Not written: the not-taken side of conditional branches, which BOLT infers.
#include <algorithm>
#include <iterator>
#include <tuple>
#include <unordered_map>
#include <utility>

#include <fmt/format.h>

#include "sim/base/base_name.h"
#include "sim/base/error.h"
#include "sim/perfdata/export_sink.h"
#include "sim/perfdata/export_symbols.h"

namespace lastbranch::perfdata {
namespace {

struct Edge {
  FilePlace from;
  FilePlace to;
  friend bool operator==(const Edge&, const Edge&) = default;
};

struct EdgeHash {
  std::size_t operator()(const Edge& edge) const {
    constexpr u64 kOdd = 0x9e3779b97f4a7c15;
    u64 hash = edge.from.offset * kOdd + edge.from.file;
    hash = (hash ^ hash >> 29) * kOdd + edge.to.offset;
    hash = (hash ^ hash >> 32) * kOdd + edge.to.file;
    return static_cast<std::size_t>(hash ^ hash >> 31);
  }
};

struct Counts {
  u64 taken = 0;
  u64 mispredicted = 0;
};

class FdataExporter final : public Exporter {
 public:
  FdataExporter(const RecordSource& source, const ExportOptions& options)
      : source_(source), binary_(options.binary), root_(options.symbol_root) {}

  void record(const Record& record, std::string& /*text*/) override {
    maps_.follow(record);
    if (const auto* sample = std::get_if<SampleRecord>(&record.body)) {
      for (const BranchEntry& entry : sample->branches) {
        // Entries that were reset with the records are no branches.
        if (entry.from == 0 && entry.to == 0) continue;
        const bool missed = BranchFlags::unpack(entry.flags).mispredicted;
        add({maps_.find(sample->pid, entry.from), maps_.find(sample->pid, entry.to)}, sample->repeat,
            missed ? sample->repeat : 0);
      }
    } else if (const auto* edge = std::get_if<EdgeRecord>(&record.body)) {
      add({{FilePlace::kNoFile, edge->from}, {FilePlace::kNoFile, edge->to}}, edge->count,
          edge->mispredicted);
    }
  }

  void finish(std::string& text) override {
    const u32 file = choose_file();
    const std::string path = binary_.empty() ? root_ + maps_.files()[file] : binary_;
    const FileSymbols symbols(path);
    if (symbols.empty())
      throw Error("{}: fdata: expected a file with symbols of functions, found none", path);
    using Line = std::tuple<std::string, std::string, u64, u64>;
    std::vector<Line> lines;
    for (const auto& [edge, counts] : edges_) {
      const std::string from = place_text(symbols, file, edge.from);
      const std::string to = place_text(symbols, file, edge.to);
      if (from == kUnknown && to == kUnknown) continue;
      lines.emplace_back(from, to, counts.mispredicted, counts.taken);
    }
    if (lines.empty()) {
      throw Error("{}: fdata: expected branches in functions of {}, found none among {} edges",
                  source_.path(), path, edges_.size());
    }
    std::ranges::sort(lines);
    // Several outside places are one.
    for (std::size_t i = 0; i < lines.size(); ++i) {
      auto& [from, to, missed, taken] = lines[i];
      if (i + 1 < lines.size() && std::get<0>(lines[i + 1]) == from && std::get<1>(lines[i + 1]) == to) {
        std::get<2>(lines[i + 1]) += missed;
        std::get<3>(lines[i + 1]) += taken;
        continue;
      }
      fmt::format_to(std::back_inserter(text), "{} {} {} {}\n", from, to, missed, taken);
    }
  }

  [[nodiscard]] std::vector<std::string> notes() const override { return maps_.notes(); }

 private:
  static constexpr std::string_view kUnknown = "0 [unknown] 0";

  void add(const Edge& edge, u64 taken, u64 mispredicted) {
    Counts& counts = edges_[edge];
    counts.taken += taken;
    counts.mispredicted += mispredicted;
  }

  /// The file of the profile; kNoFile: addresses are the program's own, as in pre-aggregated text.
  [[nodiscard]] u32 choose_file() const {
    if (!binary_.empty()) {
      const auto& files = maps_.files();
      auto found = std::ranges::find(files, binary_);
      if (found == files.end()) {
        found = std::ranges::find_if(
            files, [&](const std::string& f) { return base_name(f) == base_name(binary_); });
      }
      if (found != files.end()) return static_cast<u32>(found - files.begin());
      if (files.empty()) return FilePlace::kNoFile;
      throw Error("{}: fdata: expected mappings of {}, found those of {} other files", source_.path(),
                  binary_, files.size());
    }
    std::vector<u64> taken(maps_.files().size());
    for (const auto& [edge, counts] : edges_) {
      if (edge.from.file != FilePlace::kNoFile) taken[edge.from.file] += counts.taken;
    }
    const auto most = std::ranges::max_element(taken);
    if (most == taken.end() || *most == 0) {
      throw Error("{}: fdata: expected branches in files that are mapped, found none; name the program",
                  source_.path());
    }
    return static_cast<u32>(most - taken.begin());
  }

  [[nodiscard]] static std::string place_text(const FileSymbols& symbols, u32 file, const FilePlace& place) {
    if (place.file != file) return std::string(kUnknown);
    const auto hit =
        file == FilePlace::kNoFile ? symbols.at_address(place.offset) : symbols.at_offset(place.offset);
    if (!hit) return std::string(kUnknown);
    return fmt::format("1 {} {:x}", hit->unique_name, hit->offset);
  }

  const RecordSource& source_;
  std::string binary_;
  std::string root_;
  CaptureMaps maps_;
  std::unordered_map<Edge, Counts, EdgeHash> edges_;
};

}  // namespace

std::unique_ptr<Exporter> make_fdata_exporter(const RecordSource& source, const ExportOptions& options) {
  return std::make_unique<FdataExporter>(source, options);
}

}  // namespace lastbranch::perfdata
