#pragma once
// The pages of MAP_SHARED file mappings: one physical page per file page however often it is mapped, written
// back when the last mapping goes, at msync() and at exit.
//
// Reads and writes of the same file through descriptors see and update these pages (flush, reload). Other
// processes of the host see stores only after a write-back.
#include <map>
#include <memory>
#include <optional>
#include <tuple>

#include "sim/base/units.h"
#include "sim/user/mapped_file.h"
#include "sim/user/page_allocator.h"

namespace lastbranch::user {

class SharedPages {
 public:
  explicit SharedPages(PageAllocator& pages) : pages_(pages) {}

  struct Key {
    u64 device, inode, offset;
    auto operator<=>(const Key&) const = default;
  };
  [[nodiscard]] static Key key(const MappedFile& file, u64 offset) {
    return {file.device(), file.inode(), offset};
  }

  enum class Outcome : u8 { kOk, kBeyondEnd, kNoMemory };
  struct Acquired {
    Outcome outcome;
    u64 page = 0;
  };
  /// The page of `file` at page-aligned `offset`, one more user of it.
  [[nodiscard]] Acquired acquire(const std::shared_ptr<MappedFile>& file, u64 offset);
  /// The page may now be stored to through `file`, so that it must be written back.
  void mark_dirty(const std::shared_ptr<MappedFile>& file, u64 offset);
  /// One user less; true when the page went back to the allocator, after its write-back.
  bool release(const MappedFile& file, u64 offset);

  [[nodiscard]] bool empty() const { return entries_.empty(); }
  /// Writes back dirty pages of [begin, end) of the file; they stay dirty while they are mapped for stores.
  void flush(u64 device, u64 inode, u64 begin = 0, u64 end = ~u64{0}) const;
  void flush_all() const;
  /// Reads the file's pages in [begin, end) again after a write through a descriptor.
  void reload(u64 device, u64 inode, u64 begin, u64 end);

 private:
  struct Entry {
    u64 page = 0;
    u64 users = 0;
    std::shared_ptr<MappedFile> file;    // for reading
    std::shared_ptr<MappedFile> writer;  // set when dirty
  };
  void write_back(const Key& key, const Entry& entry) const;

  PageAllocator& pages_;
  std::map<Key, Entry> entries_;
};

}  // namespace lastbranch::user
