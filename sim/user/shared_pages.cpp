#include "sim/user/shared_pages.h"

#include "sim/base/assert.h"

namespace lastbranch::user {

SharedPages::Acquired SharedPages::acquire(const std::shared_ptr<MappedFile>& file, u64 offset) {
  const Key k = key(*file, offset);
  if (const auto found = entries_.find(k); found != entries_.end()) {
    ++found->second.users;
    return {Outcome::kOk, found->second.page};
  }
  const std::optional<u64> page = pages_.allocate();
  if (!page) return {Outcome::kNoMemory};
  if (!file->read_page(offset, {pages_.memory().host(*page), kPageSize})) {
    pages_.free(*page);
    return {Outcome::kBeyondEnd};
  }
  entries_[k] = {*page, 1, file, nullptr};
  return {Outcome::kOk, *page};
}

void SharedPages::mark_dirty(const std::shared_ptr<MappedFile>& file, u64 offset) {
  const auto found = entries_.find(key(*file, offset));
  LASTBRANCH_ASSERT(found != entries_.end(), "offset {:#x}", offset);
  if (!found->second.writer) found->second.writer = file;
}

bool SharedPages::release(const MappedFile& file, u64 offset) {
  const auto found = entries_.find(key(file, offset));
  LASTBRANCH_ASSERT(found != entries_.end() && found->second.users > 0, "offset {:#x}", offset);
  if (--found->second.users != 0) return false;
  write_back(found->first, found->second);
  pages_.free(found->second.page);
  entries_.erase(found);
  return true;
}

void SharedPages::write_back(const Key& k, const Entry& entry) const {
  if (entry.writer) entry.writer->write_page(k.offset, {pages_.memory().host(entry.page), kPageSize});
}

void SharedPages::flush(u64 device, u64 inode, u64 begin, u64 end) const {
  for (auto it = entries_.lower_bound({device, inode, page_of(begin)}); it != entries_.end(); ++it) {
    const Key& k = it->first;
    if (k.device != device || k.inode != inode || k.offset >= end) break;
    write_back(k, it->second);
  }
}

void SharedPages::flush_all() const {
  for (const auto& [k, entry] : entries_) write_back(k, entry);
}

void SharedPages::reload(u64 device, u64 inode, u64 begin, u64 end) {
  for (auto it = entries_.lower_bound({device, inode, page_of(begin)}); it != entries_.end(); ++it) {
    const Key& k = it->first;
    if (k.device != device || k.inode != inode || k.offset >= end) break;
    (void)it->second.file->read_page(k.offset, {pages_.memory().host(it->second.page), kPageSize});
  }
}

}  // namespace lastbranch::user
