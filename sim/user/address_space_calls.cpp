// mmap, munmap, mprotect and brk.
#include <cerrno>

#include <sys/mman.h>

#include "sim/user/address_space.h"

namespace lastbranch::user {
namespace {

constexpr u32 kAllRights = PROT_READ | PROT_WRITE | PROT_EXEC;

bool aligned(u64 address) {
  return (address & ~kPageMask) == 0;
}

}  // namespace

i64 AddressSpace::check_request(const MapRequest& r, u64 length) const {
  const u32 type = r.flags & MAP_TYPE;
  if (r.length == 0 || (type != MAP_SHARED && type != MAP_PRIVATE && type != MAP_SHARED_VALIDATE))
    return -EINVAL;
  if (!aligned(r.offset)) return -EINVAL;
  if (length == 0 || length > kUserEnd) return -ENOMEM;
  if (r.file && r.offset + length < r.offset) return -EOVERFLOW;
  if ((r.flags & MAP_HUGETLB) != 0) return -ENOMEM;  // no huge pages are reserved
  if ((r.flags & (MAP_FIXED | MAP_FIXED_NOREPLACE)) != 0) {
    if (!aligned(r.address)) return -EINVAL;
    if (r.address > kUserEnd - length) return -ENOMEM;
    if (r.address < kLowestMapping) return -EPERM;
    const Vma* next = vmas_.above(r.address);
    const bool taken =
        vmas_.find(r.address) != nullptr || (next != nullptr && next->start < r.address + length);
    if ((r.flags & MAP_FIXED_NOREPLACE) != 0 && taken) return -EEXIST;
  }
  if (r.file && type != MAP_PRIVATE && (r.prot & PROT_WRITE) != 0 && !r.file->writable()) return -EACCES;
  if (r.file && (r.flags & MAP_GROWSDOWN) != 0) return -EINVAL;
  return 0;
}

std::optional<u64> AddressSpace::place(const MapRequest& r, u64 length) const {
  if ((r.flags & (MAP_FIXED | MAP_FIXED_NOREPLACE)) != 0) return r.address;
  const u64 hint = page_ceil(r.address);
  if (hint >= kLowestMapping && hint <= kUserEnd - length && vmas_.is_free(hint, hint + length)) return hint;
  if ((r.flags & MAP_32BIT) != 0) return vmas_.lowest_gap(length, kLow32, kHigh32);
  if (const std::optional<u64> gap = vmas_.highest_gap(length, kLowestMapping, kMmapTop)) return gap;
  return vmas_.lowest_gap(length, page_ceil(kUserEnd / 3), kUserEnd);
}

i64 AddressSpace::map(const MapRequest& r) {
  const u64 length = page_ceil(r.length);
  if (const i64 error = check_request(r, length); error != 0) return error;
  const std::optional<u64> start = place(r, length);
  if (!start) return -ENOMEM;
  remove(*start, *start + length);
  Vma vma{*start, *start + length, r.prot & kAllRights};
  vma.shared = (r.flags & MAP_TYPE) != MAP_PRIVATE;
  vma.grows_down = (r.flags & MAP_GROWSDOWN) != 0;
  vma.role = r.role;
  vma.file = r.file;
  vma.offset = r.file ? r.offset : 0;
  insert(vma);
  if ((r.flags & MAP_POPULATE) != 0 && r.prot != PROT_NONE) {
    const bool store = (r.prot & PROT_WRITE) != 0;
    for (u64 at = vma.start; at < vma.end; at += kPageSize) {
      if (!walk(at, store ? cpu::Access::kWrite : cpu::Access::kRead, true).ok) break;
    }
  }
  return static_cast<i64>(*start);
}

i64 AddressSpace::unmap(u64 address, u64 length) {
  if (!aligned(address) || length == 0 || address > kUserEnd || length > kUserEnd - address) return -EINVAL;
  remove(address, address + page_ceil(length));
  return 0;
}

i64 AddressSpace::protect(u64 address, u64 length, u32 prot) {
  constexpr u32 kGrowth = PROT_GROWSDOWN | PROT_GROWSUP;
  if ((prot & kGrowth) == kGrowth || !aligned(address)) return -EINVAL;
  if (length == 0) return 0;
  const u64 end = address + page_ceil(length);
  if (end <= address) return -ENOMEM;
  if ((prot & ~(kAllRights | kGrowth)) != 0) return -EINVAL;
  const Vma* first = vmas_.find(address);
  u64 start = address;
  if ((prot & PROT_GROWSDOWN) != 0) {
    if (first == nullptr) first = vmas_.above(address);
    if (first == nullptr || first->start >= end) return -ENOMEM;
    if (!first->grows_down) return -EINVAL;
    start = first->start;
  } else if ((prot & PROT_GROWSUP) != 0) {
    return -EINVAL;  // no stack grows up on x86
  }
  // As Linux does, the mappings before a gap or a refusal are changed all the same.
  u64 at = start;
  i64 result = 0;
  while (at < end) {
    const Vma* v = vmas_.find(at);
    if (v == nullptr) result = -ENOMEM;
    if (v != nullptr && v->file_shared() && !v->file->writable() && (prot & PROT_WRITE) != 0)
      result = -EACCES;
    if (result != 0) break;
    at = std::min(v->end, end);
  }
  vmas_.edit(start, at, [&](Vma& piece) {
    piece.prot = prot & kAllRights;
    set_rights(piece);
    announce(piece);
  });
  return result;
}

u64 AddressSpace::brk(u64 end) {
  if (end < heap_start_ || end >= kUserEnd) return heap_end_;
  const u64 from = page_ceil(heap_end_), to = page_ceil(end);
  if (to < from) {
    remove(to, from);
  } else if (to > from) {
    // One page stays clear above the heap.
    if (!vmas_.is_free(from, to + kPageSize)) return heap_end_;
    Vma vma{from, to, PROT_READ | PROT_WRITE};
    vma.role = Role::kHeap;
    insert(vma);
  }
  heap_end_ = end;
  return end;
}

}  // namespace lastbranch::user
