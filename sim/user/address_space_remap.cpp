// mremap, madvise, msync and mincore.
#include <algorithm>
#include <cerrno>

#include <sys/mman.h>

#include "sim/user/address_space.h"

namespace lastbranch::user {
namespace {

constexpr int kMadvColdest = 21;  // MADV_PAGEOUT, the last advice that is only a hint

bool aligned(u64 address) {
  return (address & ~kPageMask) == 0;
}

}  // namespace

i64 AddressSpace::move(const Vma& source, u64 address, u64 old_length, u64 new_length, u64 to) {
  Vma vma = source;
  vma.offset = vma.file ? source.offset_of(address) : 0;
  vma.start = to;
  vma.end = to + new_length;
  const u64 kept = std::min(old_length, new_length);
  move_pages(address, to, kept);
  // The pages moved away; what is left of the old range is dropped with it.
  vmas_.remove(address, address + old_length, [&](const Vma& piece) {
    if (piece.end > address + kept) drop_pages(piece, std::max(piece.start, address + kept), piece.end);
  });
  insert(vma);
  return static_cast<i64>(to);
}

i64 AddressSpace::remap(u64 address, u64 old_length, u64 new_length, u32 flags, u64 new_address) {
  constexpr u32 kKnown = MREMAP_MAYMOVE | MREMAP_FIXED;
  const bool fixed = (flags & MREMAP_FIXED) != 0, may_move = (flags & MREMAP_MAYMOVE) != 0;
  const u64 from_length = page_ceil(old_length), length = page_ceil(new_length);
  if ((flags & ~kKnown) != 0 || !aligned(address) || (fixed && !may_move)) return -EINVAL;
  if (length == 0 || length > kUserEnd || from_length == 0 || address > kUserEnd) return -EINVAL;
  if (fixed) {
    if (!aligned(new_address) || new_address > kUserEnd - length) return -EINVAL;
    if (new_address < kLowestMapping) return -EPERM;
    if (address + from_length > new_address && new_address + length > address) return -EINVAL;
  }
  const Vma* v = vmas_.find(address);
  if (v == nullptr) return -EFAULT;
  if (!fixed && length <= from_length) {
    // Shrinking may span several mappings.
    if (length < from_length) remove(address + length, address + from_length);
    return static_cast<i64>(address);
  }
  if (from_length > v->end - address) return -EFAULT;
  const Vma source = *v;
  if (source.role == Role::kVdso && length > from_length) return -EFAULT;  // it has no more pages
  if (fixed) {
    remove(new_address, new_address + length);
    return move(source, address, from_length, length, new_address);
  }
  if (address + from_length == source.end && length <= kUserEnd - address &&
      vmas_.is_free(source.end, address + length)) {
    Vma more = source;
    more.start = source.end;
    more.end = address + length;
    more.offset = source.file ? source.offset_of(source.end) : 0;
    insert(more);
    return static_cast<i64>(address);
  }
  if (!may_move) return -ENOMEM;
  const std::optional<u64> gap = vmas_.highest_gap(length, kLowestMapping, kMmapTop);
  return gap ? move(source, address, from_length, length, *gap) : -ENOMEM;
}

i64 AddressSpace::advise(u64 address, u64 length, int advice) {
  const bool hint = (advice >= MADV_NORMAL && advice <= MADV_WILLNEED) || advice == MADV_FREE ||
                    (advice >= MADV_DONTFORK && advice <= kMadvColdest);
  if (!hint && advice != MADV_DONTNEED) return -EINVAL;
  if (!aligned(address)) return -EINVAL;
  const u64 end = address + page_ceil(length);
  if (end < address || (length != 0 && end == address)) return -EINVAL;
  if (advice == MADV_DONTNEED) {
    for (u64 at = address; at < end;) {
      const Vma* v = vmas_.find(at);
      if (v == nullptr) v = vmas_.above(at);
      if (v == nullptr || v->start >= end) break;
      drop_pages(*v, std::max(at, v->start), std::min(end, v->end));
      at = v->end;
    }
  }
  return vmas_.covers(address, end) ? 0 : -ENOMEM;
}

i64 AddressSpace::sync(u64 address, u64 length, u32 flags) {
  constexpr u32 kKnown = MS_ASYNC | MS_INVALIDATE | MS_SYNC;
  if ((flags & ~kKnown) != 0 || !aligned(address)) return -EINVAL;
  if ((flags & MS_ASYNC) != 0 && (flags & MS_SYNC) != 0) return -EINVAL;
  const u64 end = address + page_ceil(length);
  if (end < address) return -ENOMEM;
  for (u64 at = address; at < end;) {
    const Vma* v = vmas_.find(at);
    if (v == nullptr) return -ENOMEM;
    const u64 stop = std::min(v->end, end);
    if (v->file_shared())
      shared_.flush(v->file->device(), v->file->inode(), v->offset_of(at), v->offset_of(stop));
    at = stop;
  }
  return 0;
}

i64 AddressSpace::resident(u64 address, u64 length, std::vector<u8>& out) {
  if (!aligned(address)) return -EINVAL;
  const u64 end = address + page_ceil(length);
  if (end < address || !vmas_.covers(address, end)) return -ENOMEM;
  out.assign((end - address) >> kPageShift, 0);
  table_.for_each(address, end, [&](u64 at, const Pte&) { out[(at - address) >> kPageShift] = 1; });
  return 0;
}

}  // namespace lastbranch::user
