#include "sim/replay/compare.h"

#include <algorithm>
#include <cmath>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <span>
#include <utility>

#include <fmt/format.h>

#include "sim/base/base_name.h"
#include "sim/base/error.h"
#include "sim/perfdata/time_order.h"

namespace lastbranch::replay {
namespace {

/// An edge with its file names in place of the sides' numbers, so that it is the same on both.
struct CommonPlace {
  std::string_view file;
  u64 offset;

  friend auto operator<=>(const CommonPlace&, const CommonPlace&) = default;
};
using CommonEdge = std::pair<CommonPlace, CommonPlace>;

/// An edge of either side; of one that has it not, nothing was counted.
struct BothEdges {
  static constexpr Edge kNone{};

  Both<Place> ends;  ///< from, to
  Both<const Edge*> sides = {&kNone, &kNone};
};

/// What the files of both sides are called: the last part of their names; files of B that are some of A by
/// their build-ids, what A calls those.
class CommonNames {
 public:
  explicit CommonNames(const Both<const EdgeProfile*>& profiles) {
    std::map<std::string, std::string_view> by_id;
    for (std::size_t side = 0; side < 2; ++side) {
      for (const perfdata::MappedFile& file : profiles[side]->files()) {
        std::string_view name = file.base_name();
        if (const auto& id = profiles[side]->build_id(file)) {
          const auto known = by_id.find(id->hex());
          if (side == 0) by_id.try_emplace(id->hex(), name);
          if (side == 1 && known != by_id.end()) name = known->second;
        }
        names_[side].push_back(name);
      }
    }
  }

  [[nodiscard]] CommonPlace operator()(std::size_t side, const Place& place) const {
    return {place.file == nullptr ? std::string_view() : names_[side][place.file->number], place.offset};
  }

 private:
  Both<std::vector<std::string_view>> names_;  // by number of the file
};

NamedPlace named(const Place& place) {
  return {place.file == nullptr ? std::string() : place.file->name, place.offset};
}

/// `sums` keeps the edges of several files of one name.
std::map<CommonEdge, BothEdges> join(const Both<const EdgeProfile*>& profiles, std::deque<Edge>& sums) {
  std::map<CommonEdge, BothEdges> joined;
  const CommonNames common(profiles);
  for (std::size_t side = 0; side < 2; ++side) {
    for (const auto& [key, edge] : profiles[side]->edges()) {
      BothEdges& both = joined[{common(side, key.first), common(side, key.second)}];
      both.ends = {key.first, key.second};
      const Edge* known = std::exchange(both.sides[side], &edge);
      if (known == &BothEdges::kNone) continue;
      sums.push_back(*known);
      sums.back() += edge;
      both.sides[side] = &sums.back();
    }
  }
  return joined;
}

/// Which groups of a side are looked at.
struct Selection {
  std::size_t side;
  u32 groups;  ///< bit n: group n

  [[nodiscard]] u64 sum(const Groups& values) const {
    u64 sum = 0;
    for (std::size_t g = 0; g < kGroups; ++g) sum += (groups >> g & 1) != 0 ? values[g] : 0;
    return sum;
  }
};
constexpr u32 kAll = (u32{1} << kGroups) - 1, kEven = 0x55555555 & kAll, kOdd = kAll & ~kEven;

std::optional<double> overlap(std::span<const BothEdges* const> edges, Selection a, Selection b) {
  u64 all_a = 0, all_b = 0;
  for (const BothEdges* e : edges) {
    all_a += a.sum(e->sides[a.side]->taken);
    all_b += b.sum(e->sides[b.side]->taken);
  }
  if (all_a == 0 || all_b == 0) return std::nullopt;
  double smaller = 0, larger = 0;
  for (const BothEdges* e : edges) {
    const double p = static_cast<double>(a.sum(e->sides[a.side]->taken)) / static_cast<double>(all_a);
    const double q = static_cast<double>(b.sum(e->sides[b.side]->taken)) / static_cast<double>(all_b);
    smaller += std::min(p, q);
    larger += std::max(p, q);
  }
  return smaller / larger;
}

/// The overlap of the sides with its interval: each loses one group after the other. Of one sample nothing is
/// known.
Estimate estimated_overlap(std::span<const BothEdges* const> edges,
                           const Both<const EdgeProfile*>& profiles) {
  Estimate estimate;
  estimate.value = overlap(edges, {0, kAll}, {1, kAll}).value_or(0);
  double squares = 0;
  for (std::size_t side = 0; side < 2; ++side) {
    std::array<double, kGroups> without{};
    std::size_t groups = 0;
    for (std::size_t g = 0; g < kGroups; ++g) {
      const u32 left = kAll & ~(u32{1} << g);
      if (profiles[side]->taken()[g] == 0) continue;
      const auto rest = overlap(edges, {0, side == 0 ? left : kAll}, {1, side == 1 ? left : kAll});
      if (!rest) return {estimate.value, 0, 1};
      without[groups++] = *rest;
    }
    const double reach = jackknife_reach(std::span(without).first(groups));
    squares += reach * reach;
  }
  const double reach = std::sqrt(squares);
  estimate.low = std::max(0.0, estimate.value - reach);
  estimate.high = std::min(1.0, estimate.value + reach);
  return estimate;
}

/// How many of the branches `all` of a side count as independent. Samples are, if they are too few to show
/// how much they scatter; 0: all branches, as the groups tell.
u64 independent(const Groups& all, const EdgeProfile& side) {
  return filled(side.taken()) < kGroups ? filled(all) : 0;
}

Groups sum(const Groups& a, const Groups& b) {
  Groups out;
  std::ranges::transform(a, b, out.begin(), std::plus{});
  return out;
}

/// Of the entries that say whether they were predicted.
std::optional<Estimate> missed(const Edge& edge, const EdgeProfile& side) {
  const Groups all = sum(edge.mispredicted, edge.predicted);
  return proportion(edge.mispredicted, all, independent(all, side));
}

Estimate share(const Groups& taken, const EdgeProfile& side) {
  return proportion(taken, side.taken(), independent(side.taken(), side)).value_or(Estimate{});
}

template <typename Row>
void sort_by_difference(std::vector<Row>& rows) {
  std::ranges::stable_sort(rows, std::ranges::greater{},
                           [](const Row& row) { return std::abs(row.share[1].value - row.share[0].value); });
}

EdgeRow edge_row(const BothEdges& both, const Both<const EdgeProfile*>& profiles) {
  EdgeRow row;
  row.from = named(both.ends[0]);
  row.to = named(both.ends[1]);
  for (std::size_t side = 0; side < 2; ++side) {
    const Edge& edge = *both.sides[side];
    row.taken[side] = total(edge.taken);
    row.share[side] = share(edge.taken, *profiles[side]);
    row.missed[side] = missed(edge, *profiles[side]);
    row.cycles[side] = mean(edge.cycles, edge.timed);
  }
  return row;
}

std::vector<BranchRow> branch_rows(const std::map<CommonEdge, BothEdges>& edges,
                                   const Both<const EdgeProfile*>& profiles) {
  std::vector<BranchRow> rows;
  // Edges of one branch stand side by side.
  for (auto at = edges.begin(); at != edges.end();) {
    BranchRow row;
    row.at = named(at->second.ends[0]);
    Both<Edge> sums;
    const CommonPlace from = at->first.first;
    for (; at != edges.end() && at->first.first == from; ++at) {
      for (std::size_t side = 0; side < 2; ++side) {
        row.targets[side] += total(at->second.sides[side]->taken) != 0;
        sums[side] += *at->second.sides[side];
      }
    }
    for (std::size_t side = 0; side < 2; ++side) {
      row.taken[side] = total(sums[side].taken);
      row.share[side] = share(sums[side].taken, *profiles[side]);
      row.missed[side] = missed(sums[side], *profiles[side]);
    }
    rows.push_back(std::move(row));
  }
  sort_by_difference(rows);
  return rows;
}

/// What keeps equal code from being seen as equal.
std::vector<std::string> notes(const Both<const EdgeProfile*>& profiles) {
  std::vector<std::string> out;
  for (std::size_t side = 0; side < 2; ++side) {
    const EdgeProfile &here = *profiles[side], &there = *profiles[1 - side];
    const bool unmapped =
        std::ranges::any_of(here.edges(), [](const auto& e) { return e.first.first.file == nullptr; });
    if (here.files().empty() && !there.files().empty()) {
      out.push_back(fmt::format(
          "{} has no maps: its addresses are no offsets in files, and no edge of it can be one of {}",
          here.path(), there.path()));
    } else if (unmapped && !here.files().empty()) {
      out.push_back(
          fmt::format("{}: branches outside of all mapped files go by their addresses", here.path()));
    }
    for (const std::string& note : here.notes()) out.push_back(fmt::format("{}: {}", here.path(), note));
  }
  std::multimap<std::string_view, const perfdata::MappedFile*> in_b;
  for (const perfdata::MappedFile& b : profiles[1]->files()) in_b.emplace(b.base_name(), &b);
  for (const perfdata::MappedFile& a : profiles[0]->files()) {
    const auto [first, last] = in_b.equal_range(a.base_name());
    const auto& id = profiles[0]->build_id(a);
    for (auto b = first; b != last && id; ++b) {
      const auto& other = profiles[1]->build_id(*b->second);
      if (!other || *id == *other) continue;
      out.push_back(fmt::format("{} has build-id {} in {} and {} in {}: equal offsets are not equal code",
                                a.base_name(), id->hex(), profiles[0]->path(), other->hex(),
                                profiles[1]->path()));
    }
  }
  return out;
}

}  // namespace

std::string NamedPlace::words() const {
  return file.empty() ? fmt::format("{:#x}", offset) : fmt::format("{}+{:#x}", base_name(file), offset);
}

Comparison compare(const EdgeProfile& a, const EdgeProfile& b) {
  const Both<const EdgeProfile*> profiles = {&a, &b};
  for (const EdgeProfile* profile : profiles) {
    if (total(profile->taken()) == 0) {
      throw Error("{}: expected branch stacks, found {} samples without any", profile->path(),
                  profile->samples_without());
    }
  }
  std::deque<Edge> sums;
  const std::map<CommonEdge, BothEdges> edges = join(profiles, sums);
  std::vector<const BothEdges*> list;
  list.reserve(edges.size());
  for (const auto& [key, both] : edges) list.push_back(&both);

  Comparison out;
  for (std::size_t side = 0; side < 2; ++side) {
    out.sides[side] = {profiles[side]->path(), profiles[side]->samples(), total(profiles[side]->taken()),
                       profiles[side]->edges().size(), overlap(list, {side, kEven}, {side, kOdd})};
  }
  out.overlap = estimated_overlap(list, profiles);
  for (const BothEdges* both : list) out.edges.push_back(edge_row(*both, profiles));
  sort_by_difference(out.edges);
  out.branches = branch_rows(edges, profiles);
  out.notes = notes(profiles);
  const bool apart = std::ranges::none_of(list, [](const BothEdges* e) {
    return total(e->sides[0]->taken) != 0 && total(e->sides[1]->taken) != 0;
  });
  if (apart) out.notes.emplace_back("no edge is in both captures");
  return out;
}

Comparison compare_files(const std::string& a, const std::string& b, const perfdata::OpenOptions& options) {
  const Both<std::unique_ptr<perfdata::RecordSource>> sources = {perfdata::open_capture(a, options),
                                                                 perfdata::open_capture(b, options)};
  const EdgeProfile profile_a(*sources[0]), profile_b(*sources[1]);
  Comparison comparison = compare(profile_a, profile_b);
  for (const auto& source : sources) {
    for (const std::string& note : source->notes()) comparison.notes.push_back(source->path() + ": " + note);
    if (!source->damage().empty()) comparison.notes.push_back(source->damage());
  }
  return comparison;
}

}  // namespace lastbranch::replay
