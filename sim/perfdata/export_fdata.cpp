// BOLT's profile: how often each branch of one program was taken and mispredicted, by function and offset:
// "1 main 12 1 mid 0 0 887". Not written: the not-taken side of conditional branches, which BOLT infers.
#include <algorithm>
#include <iterator>
#include <optional>
#include <tuple>
#include <unordered_map>
#include <utility>

#include <fmt/format.h>

#include "sim/base/base_name.h"
#include "sim/base/error.h"
#include "sim/load/symbol_file.h"
#include "sim/perfdata/address_space.h"
#include "sim/perfdata/build_id.h"
#include "sim/perfdata/export_sink.h"

namespace lastbranch::perfdata {
namespace {

/// A byte of a mapped file; where none is mapped, an address.
struct FilePlace {
  const MappedFile* file = nullptr;
  u64 offset = 0;
  friend bool operator==(const FilePlace&, const FilePlace&) = default;
};

struct Edge {
  FilePlace from;
  FilePlace to;
  friend bool operator==(const Edge&, const Edge&) = default;
};

struct EdgeHash {
  std::size_t operator()(const Edge& edge) const {
    constexpr u64 kOdd = 0x9e3779b97f4a7c15;
    const auto number = [](const FilePlace& place) {
      return place.file == nullptr ? ~u64{0} : place.file->number;
    };
    u64 hash = edge.from.offset * kOdd + number(edge.from);
    hash = (hash ^ hash >> 29) * kOdd + edge.to.offset;
    hash = (hash ^ hash >> 32) * kOdd + number(edge.to);
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
      : source_(source), binary_(options.binary) {}

  void record(const Record& record, std::string& /*text*/) override {
    maps_.record(record);
    if (const auto* sample = std::get_if<SampleRecord>(&record.body)) {
      for (const BranchEntry& entry : sample->branches) {
        // Entries that were reset with the records are no branches.
        if (entry.from == 0 && entry.to == 0) continue;
        const bool missed = BranchFlags::unpack(entry.flags).mispredicted;
        add({place(*sample, entry.from), place(*sample, entry.to)}, sample->repeat,
            missed ? sample->repeat : 0);
      }
    } else if (const auto* edge = std::get_if<EdgeRecord>(&record.body)) {
      add({{nullptr, edge->from}, {nullptr, edge->to}}, edge->count, edge->mispredicted);
    }
  }

  void finish(std::string& text) override {
    const MappedFile* file = binary_.empty() ? hottest_file() : file_of_binary();
    const std::string path = binary_.empty() ? file->name : binary_;
    check_build(path, file);
    const load::SymbolFile symbols(path);
    if (symbols.symbols().symbols().empty())
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

  [[nodiscard]] FilePlace place(const SampleRecord& sample, u64 address) const {
    const Mapping* mapping = maps_.find(sample.pid, address, sample.time);
    return mapping == nullptr ? FilePlace{nullptr, address}
                              : FilePlace{mapping->file, mapping->file_offset(address)};
  }

  [[nodiscard]] std::optional<BuildId> recorded_build(const MappedFile& file) const {
    return build_id_of(file, &source_.features());
  }

  /// How well `file` answers to the program that was asked for; 0: not at all.
  [[nodiscard]] int likeness(const MappedFile& file, const std::optional<BuildId>& build) const {
    if (build && recorded_build(file) == build) return 3;
    if (file.name == binary_) return 2;
    return file.base_name() == base_name(binary_) ? 1 : 0;
  }

  /// Null: addresses are the program's own, as in pre-aggregated text.
  [[nodiscard]] const MappedFile* file_of_binary() const {
    const auto& files = maps_.files();
    if (files.empty()) return nullptr;
    const auto build = read_build_id(binary_);
    const auto best =
        std::ranges::max_element(files, {}, [&](const MappedFile& f) { return likeness(f, build); });
    if (likeness(*best, build) != 0) return &*best;
    throw Error("{}: fdata: expected mappings of {}, found those of {} other files", source_.path(), binary_,
                files.size());
  }

  /// The file that most branches lie in.
  [[nodiscard]] const MappedFile* hottest_file() const {
    std::vector<u64> taken(maps_.files().size());
    for (const auto& [edge, counts] : edges_) {
      if (edge.from.file != nullptr) taken[edge.from.file->number] += counts.taken;
    }
    const auto most = std::ranges::max_element(taken);
    if (most == taken.end() || *most == 0) {
      throw Error("{}: fdata: expected branches in files that are mapped, found none; name the program",
                  source_.path());
    }
    return &maps_.files()[static_cast<std::size_t>(most - taken.begin())];
  }

  /// Places in another build of the program would get wrong names. Throws Error.
  void check_build(const std::string& path, const MappedFile* file) const {
    const auto recorded = file != nullptr ? recorded_build(*file) : std::nullopt;
    const auto here = recorded ? read_build_id(path) : std::nullopt;
    if (here && *here != *recorded) {
      throw Error("{}: fdata: expected build-id {}, as recorded in {}, found {}", path, recorded->hex(),
                  source_.path(), here->hex());
    }
  }

  [[nodiscard]] static std::string place_text(const load::SymbolFile& symbols, const MappedFile* file,
                                              const FilePlace& place) {
    if (place.file != file) return std::string(kUnknown);
    const auto hit = file == nullptr ? symbols.symbols().find(place.offset) : symbols.at_offset(place.offset);
    if (!hit) return std::string(kUnknown);
    const std::string number = hit->local != 0 ? fmt::format("/{}", hit->local) : "";
    return fmt::format("1 {}{} {:x}", hit->name, number, hit->offset);
  }

  const RecordSource& source_;
  std::string binary_;
  AddressSpace maps_;
  std::unordered_map<Edge, Counts, EdgeHash> edges_;
};

}  // namespace

std::unique_ptr<Exporter> make_fdata_exporter(const RecordSource& source, const ExportOptions& options) {
  return std::make_unique<FdataExporter>(source, options);
}

}  // namespace lastbranch::perfdata
