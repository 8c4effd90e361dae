#include "sim/user/vma_map.h"

#include <algorithm>

#include "sim/base/assert.h"
#include "sim/user/layout.h"

namespace lastbranch::user {
namespace {

/// Where the clear distance below `v` begins, or `v` itself when it has none.
u64 start_with_gap(const Vma& v) {
  if (!v.grows_down) return v.start;
  return v.start > kStackGuardGap ? v.start - kStackGuardGap : 0;
}

}  // namespace

const Vma* VmaMap::find(u64 address) const {
  const auto after = by_start_.upper_bound(address);
  if (after == by_start_.begin()) return nullptr;
  const Vma& v = std::prev(after)->second;
  return address < v.end ? &v : nullptr;
}

const Vma* VmaMap::above(u64 address) const {
  const auto it = by_start_.upper_bound(address);
  return it == by_start_.end() ? nullptr : &it->second;
}

const Vma* VmaMap::below(u64 address) const {
  const auto it = by_start_.upper_bound(address);
  if (it == by_start_.begin()) return nullptr;
  const Vma& v = std::prev(it)->second;
  if (v.end <= address) return &v;
  return std::prev(it) == by_start_.begin() ? nullptr : &std::prev(it, 2)->second;
}

bool VmaMap::covers(u64 start, u64 end) const {
  for (u64 at = start; at < end;) {
    const Vma* v = find(at);
    if (v == nullptr) return false;
    at = v->end;
  }
  return true;
}

bool VmaMap::is_free(u64 start, u64 end) const {
  if (find(start) != nullptr) return false;
  const Vma* next = above(start);
  return next == nullptr || end <= start_with_gap(*next);
}

void VmaMap::split(u64 address) {
  const Vma* v = find(address);
  if (v == nullptr || v->start == address) return;
  Vma& low = by_start_[v->start];
  Vma high = low;
  high.start = address;
  high.offset = low.offset_of(address);
  low.end = address;
  by_start_[address] = std::move(high);
}

void VmaMap::merge(u64 start, u64 end) {
  auto it = by_start_.lower_bound(start);
  if (it != by_start_.begin()) --it;
  while (it != by_start_.end() && it->first <= end) {
    const auto next = std::next(it);
    if (next == by_start_.end()) return;
    if (it->second.continues_in(next->second)) {
      it->second.end = next->second.end;
      by_start_.erase(next);
    } else {
      it = next;
    }
  }
}

void VmaMap::insert(const Vma& vma) {
  LASTBRANCH_ASSERT(vma.start < vma.end, "{:#x} {:#x}", vma.start, vma.end);
  by_start_[vma.start] = vma;
  merge(vma.start, vma.end);
}

void VmaMap::grow_down(u64 from, u64 to) {
  auto node = by_start_.extract(from);
  LASTBRANCH_ASSERT(!node.empty() && to < from, "{:#x} {:#x}", from, to);
  node.key() = to;
  node.mapped().start = to;
  by_start_.insert(std::move(node));
}

std::optional<u64> VmaMap::highest_gap(u64 length, u64 lowest, u64 top) const {
  u64 ceiling = top;
  for (auto it = by_start_.lower_bound(top); it != by_start_.begin();) {
    const Vma& v = (--it)->second;
    if (v.end <= ceiling && ceiling - v.end >= length && ceiling - length >= lowest) return ceiling - length;
    ceiling = std::min(ceiling, start_with_gap(v));
  }
  if (ceiling < lowest || ceiling - lowest < length) return std::nullopt;
  return ceiling - length;
}

std::optional<u64> VmaMap::lowest_gap(u64 length, u64 lowest, u64 top) const {
  u64 floor = lowest;
  while (floor < top && top - floor >= length) {
    const Vma* here = find(floor);
    if (here == nullptr) {
      const Vma* next = above(floor);
      if (next == nullptr || next->start >= top) return floor;
      const u64 ceiling = start_with_gap(*next);
      if (ceiling >= floor && ceiling - floor >= length) return floor;
      here = next;
    }
    floor = here->end;
  }
  return std::nullopt;
}

}  // namespace lastbranch::user
