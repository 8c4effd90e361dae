#pragma once
// The mappings of one process, ordered by address, and the gaps between them. Knows nothing of pages.
// Neighbours that could be one mapping are always merged, as Linux does: /proc/self/maps and perf.data show
// it.
#include <map>
#include <optional>

#include "sim/user/vma.h"

namespace lastbranch::user {

class VmaMap {
 public:
  /// The mapping that holds `address`, or nullptr.
  [[nodiscard]] const Vma* find(u64 address) const;
  /// The lowest mapping that starts above `address`, or nullptr.
  [[nodiscard]] const Vma* above(u64 address) const;
  /// The highest mapping that ends at or below `address`, or nullptr.
  [[nodiscard]] const Vma* below(u64 address) const;
  /// Every byte of [start, end) is mapped.
  [[nodiscard]] bool covers(u64 start, u64 end) const;
  /// No byte of [start, end) is mapped, nor kept clear below a mapping that grows down.
  [[nodiscard]] bool is_free(u64 start, u64 end) const;

  /// Adds a mapping where nothing is, merging it with its neighbours.
  void insert(const Vma& vma);
  /// Removes [start, end), calling `visit(const Vma& piece)` for each removed piece, ascending.
  template <class Visit>
  void remove(u64 start, u64 end, Visit visit) {
    change(start, end, visit);
    by_start_.erase(by_start_.lower_bound(start), by_start_.lower_bound(end));
  }
  /// Calls `edit(Vma& piece)` for each piece of [start, end), splitting and merging as needed.
  template <class Edit>
  void edit(u64 start, u64 end, Edit edit) {
    change(start, end, edit);
    merge(start, end);
  }
  /// Lets the mapping that starts at `from` start at `to`, lower.
  void grow_down(u64 from, u64 to);

  /// Start of the highest gap of `length` bytes that ends at or below `top`.
  [[nodiscard]] std::optional<u64> highest_gap(u64 length, u64 lowest, u64 top) const;
  /// Start of the lowest gap of `length` bytes in [lowest, top).
  [[nodiscard]] std::optional<u64> lowest_gap(u64 length, u64 lowest, u64 top) const;

  [[nodiscard]] const std::map<u64, Vma>& all() const { return by_start_; }

 private:
  void split(u64 address);
  void merge(u64 start, u64 end);
  template <class Visit>
  void change(u64 start, u64 end, Visit visit) {
    split(start);
    split(end);
    for (auto it = by_start_.lower_bound(start); it != by_start_.end() && it->first < end; ++it)
      visit(it->second);
  }

  std::map<u64, Vma> by_start_;
};

}  // namespace lastbranch::user
