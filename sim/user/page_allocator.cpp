#include "sim/user/page_allocator.h"

#include <cstring>

#include "sim/base/assert.h"

namespace lastbranch::user {

std::optional<u64> PageAllocator::allocate() {
  std::optional<u64> page;
  if (!dirty_.empty()) {
    page = dirty_.back();
    dirty_.pop_back();
    std::memset(memory_.host(*page), 0, kPageSize);
  } else if (!discarded_.empty()) {
    page = discarded_.back();
    discarded_.pop_back();
  } else if (memory_.contains(next_, kPageSize)) {
    page = next_;
    next_ += kPageSize;
  }
  if (page) ++in_use_;
  return page;
}

void PageAllocator::free(u64 page) {
  LASTBRANCH_ASSERT(page < next_ && in_use_ > 0, "page {:#x}", page);
  --in_use_;
  if (dirty_.size() < kKept) {
    dirty_.push_back(page);
  } else {
    memory_.discard_page(page);
    discarded_.push_back(page);
  }
}

}  // namespace lastbranch::user
