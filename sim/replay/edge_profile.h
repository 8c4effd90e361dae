#pragma once
/// What a capture says of each branch taken: how often, how often mispredicted, how many cycles since the
/// branch before; by place in the file that is mapped there, so that captures agree wherever programs lie.
/// Not here: branches not taken, which only the code itself tells (ControlFlow counts them).
#include <deque>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "sim/base/units.h"
#include "sim/perfdata/address_space.h"
#include "sim/perfdata/record_source.h"
#include "sim/replay/estimate.h"

namespace lastbranch::replay {

/// An address as an offset in a mapped file, or as it is where no file is mapped.
struct Place {
  const perfdata::MappedFile* file = nullptr;
  u64 offset = 0;

  friend auto operator<=>(const Place&, const Place&) = default;
};

struct Edge {
  Groups taken{};
  Groups mispredicted{};
  Groups predicted{};  ///< entries that say whether they were, and it was right
  Groups cycles{};     ///< core clocks, summed over the entries that have them
  Groups timed{};      ///< those entries

  Edge& operator+=(const Edge& other);
};

class EdgeProfile {
 public:
  using Key = std::pair<Place, Place>;

  /// Different edges that are kept apart, of about a KiB each; more of them are in the sums only.
  static constexpr std::size_t kMostEdges = std::size_t{1} << 20;

  /// Takes all that `source` still has. Throws Error.
  explicit EdgeProfile(perfdata::RecordSource& source, std::size_t most_edges = kMostEdges);
  EdgeProfile(const EdgeProfile&) = delete;
  EdgeProfile& operator=(const EdgeProfile&) = delete;

  [[nodiscard]] const std::map<Key, Edge>& edges() const { return edges_; }
  [[nodiscard]] const std::deque<perfdata::MappedFile>& files() const { return maps_.files(); }
  /// Of one of files(), by its mapping or the capture's list.
  [[nodiscard]] const std::optional<perfdata::BuildId>& build_id(const perfdata::MappedFile& file) const {
    return build_ids_[file.number];
  }
  [[nodiscard]] const Groups& taken() const { return taken_; }  ///< all branches
  [[nodiscard]] u64 samples() const { return samples_; }        ///< with branch stacks
  [[nodiscard]] u64 samples_without() const { return samples_without_; }
  [[nodiscard]] const std::string& path() const { return path_; }
  /// What the maps could not follow and what was too much, for the user.
  [[nodiscard]] std::vector<std::string> notes() const;

 private:
  /// An edge by addresses, as long as the maps are what they were.
  struct Raw {
    u32 pid;
    u64 from, to;
    friend bool operator==(const Raw&, const Raw&) = default;
  };
  struct RawHash {
    std::size_t operator()(const Raw& raw) const;
  };

  void add(const perfdata::SampleRecord& sample);
  void add(const perfdata::EdgeRecord& record);
  [[nodiscard]] Edge& edge(const Raw& raw, u64 time);
  [[nodiscard]] Place place(u32 pid, u64 address, u64 time) const;

  std::string path_;
  perfdata::AddressSpace maps_;
  std::vector<std::optional<perfdata::BuildId>> build_ids_;  // by number of the file
  std::size_t most_edges_;
  std::map<Key, Edge> edges_;
  Edge others_;
  std::unordered_map<Raw, Edge*, RawHash> known_;
  Groups taken_{};
  u64 samples_ = 0;
  u64 samples_without_ = 0;
};

}  // namespace lastbranch::replay
