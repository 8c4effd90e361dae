#include "sim/user/page_table.h"

namespace lastbranch::user {
namespace {

template <class T>
T& made(std::unique_ptr<T>& slot) {
  if (!slot) slot = std::make_unique<T>();
  return *slot;
}

}  // namespace

PageTable::Span PageTable::find_leaf(u64 address) const {
  const Upper* upper = top_[index(address, 3)].get();
  if (upper == nullptr) return {nullptr, kLeafBytes << 18};
  const Middle* middle = upper->middles[index(address, 2)].get();
  if (middle == nullptr) return {nullptr, kLeafBytes << 9};
  return {middle->leaves[index(address, 1)].get(), kLeafBytes};
}

Pte* PageTable::find_slow(u64 address) {
  Leaf* leaf = find_leaf(address).leaf;
  if (leaf == nullptr) return nullptr;
  last_ = address >> 21;
  last_leaf_ = leaf;
  return &leaf->entries[index(address, 0)];
}

Pte& PageTable::make(u64 address) {
  Middle& middle = made(made(top_[index(address, 3)]).middles[index(address, 2)]);
  return made(middle.leaves[index(address, 1)]).entries[index(address, 0)];
}

}  // namespace lastbranch::user
