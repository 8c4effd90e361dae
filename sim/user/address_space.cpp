#include "sim/user/address_space.h"

#include <algorithm>

#include <sys/mman.h>

#include "models/cpu/control.h"
#include "sim/base/kernel_half.h"
#include "sim/user/vdso.h"

namespace lastbranch::user {
namespace {

using cpu::Access;

bool allows(u32 prot, Access access) {
  switch (access) {
    case Access::kWrite:
      return (prot & PROT_WRITE) != 0;
    case Access::kFetch:
      return (prot & PROT_EXEC) != 0;
    case Access::kRead:
      break;
  }
  return prot != PROT_NONE;  // x86 pages that can be written or executed can be read
}

Pte rights_of(const Vma& v) {
  Pte rights = v.prot != PROT_NONE ? pte::kRead : 0;
  // The first store to a shared file page must come here, so that the page is known to be dirty.
  if ((v.prot & PROT_WRITE) != 0 && !v.file_shared()) rights |= pte::kWrite;
  if ((v.prot & PROT_EXEC) != 0) rights |= pte::kExec;
  return rights;
}

Pte right_for(Access access) {
  switch (access) {
    case Access::kWrite:
      return pte::kWrite;
    case Access::kFetch:
      return pte::kExec;
    case Access::kRead:
      break;
  }
  return pte::kRead;
}

u32 error_code(Access access, bool present) {
  u32 code = pf::kUser | (present ? pf::kPresent : 0);
  if (access == Access::kWrite) code |= pf::kWrite;
  if (access == Access::kFetch) code |= pf::kFetch;
  return code;
}

cpu::Translation translated(Pte entry) {
  return {true, (entry & pte::kWrite) != 0, false, page_of(entry), {}};
}

}  // namespace

cpu::Translation AddressSpace::walk(u64 linear, Access access, bool /*user*/) {
  if (linear >= kUserEnd) {
    // Linux reports kernel addresses as present, so that a process learns nothing of the kernel's mappings.
    if (!is_canonical(linear)) return {.fault = general_protection()};
    return {.fault = page_fault(linear, error_code(access, in_kernel(linear)))};
  }
  if (const Pte* entry = table_.find(linear); entry != nullptr && (*entry & right_for(access)) != 0) {
    return translated(*entry);
  }
  const Touched touched = fault_in(linear, access);
  if (touched.entry != nullptr) return translated(*touched.entry);
  const Pte* entry = table_.find(linear);
  return {.fault = page_fault(linear, error_code(access, entry != nullptr && (*entry & pte::kRead) != 0))};
}

Refusal AddressSpace::why_refused(u64 address, Access access) const {
  const Vma* v = address < kUserEnd ? vmas_.find(address) : nullptr;
  if (v == nullptr) return Refusal::kNotMapped;
  if (!allows(v->prot, access)) return Refusal::kNotAllowed;
  return exhausted_ ? Refusal::kNoMemory : Refusal::kBeyondFile;
}

AddressSpace::Touched AddressSpace::fault_in(u64 linear, Access access) {
  const Vma* v = vmas_.find(linear);
  if (v == nullptr) v = grow_stack(linear);
  if (v == nullptr) return {nullptr, Refusal::kNotMapped};
  if (!allows(v->prot, access)) return {nullptr, Refusal::kNotAllowed};
  const u64 page = page_of(linear);
  Touched touched{table_.find(linear)};
  if (touched.entry == nullptr || *touched.entry == 0) touched = bring_in(*v, page);
  if (touched.entry != nullptr && access == Access::kWrite && v->file_shared()) {
    shared_.mark_dirty(v->file, v->offset_of(page));
    *touched.entry |= pte::kWrite;
  }
  return touched;
}

AddressSpace::Touched AddressSpace::bring_in(const Vma& v, u64 page) {
  SharedPages::Acquired got{};
  if (v.file_shared()) {
    got = shared_.acquire(v.file, v.offset_of(page));
  } else if (const std::optional<u64> fresh = pages_.allocate(); !fresh) {
    got.outcome = SharedPages::Outcome::kNoMemory;
  } else {
    got = {SharedPages::Outcome::kOk, *fresh};
    if (v.file && !shared_.empty()) {  // stores through shared mappings are part of the file
      shared_.flush(v.file->device(), v.file->inode(), v.offset_of(page), v.offset_of(page) + 1);
    }
    if (v.file && !v.file->read_page(v.offset_of(page), {pages_.memory().host(*fresh), kPageSize})) {
      pages_.free(*fresh);
      got.outcome = SharedPages::Outcome::kBeyondEnd;
    }
    if (v.role == Role::kVdso) std::ranges::copy(vdso_image(), pages_.memory().host(*fresh));
  }
  if (got.outcome == SharedPages::Outcome::kBeyondEnd) return {nullptr, Refusal::kBeyondFile};
  if (got.outcome == SharedPages::Outcome::kNoMemory) {
    exhausted_ = true;
    return {nullptr, Refusal::kNoMemory};
  }
  Pte& entry = table_.make(page);
  entry = got.page | pte::kMapped | rights_of(v) | (v.file_shared() ? pte::kShared : 0);
  return {&entry};
}

const Vma* AddressSpace::grow_stack(u64 address) {
  const Vma* v = vmas_.above(address);
  if (v == nullptr || !v->grows_down || address < kLowestMapping) return nullptr;
  const u64 start = page_of(address);
  if (v->end - start > stack_limit_) return nullptr;
  const Vma* prev = vmas_.below(start);
  if (prev != nullptr && !prev->grows_down && prev->prot != PROT_NONE && start - prev->end < kStackGuardGap) {
    return nullptr;
  }
  vmas_.grow_down(v->start, start);
  return vmas_.find(address);
}

void AddressSpace::insert(const Vma& vma) {
  vmas_.insert(vma);
  announce(vma);
}

void AddressSpace::remove(u64 start, u64 end) {
  vmas_.remove(start, end, [&](const Vma& piece) { drop_pages(piece, piece.start, piece.end); });
}

void AddressSpace::drop_pages(const Vma& v, u64 start, u64 end) {
  forget_range(start, end);
  table_.for_each(start, end, [&](u64 address, Pte& entry) {
    forget_page_code(page_of(entry));
    if ((entry & pte::kShared) != 0) {
      shared_.release(*v.file, v.offset_of(address));
    } else {
      pages_.free(page_of(entry));
    }
    entry = 0;
  });
}

void AddressSpace::set_rights(const Vma& v) {
  forget_range(v.start, v.end);
  table_.for_each(v.start, v.end, [&](u64, Pte& entry) { entry = (entry & ~pte::kRights) | rights_of(v); });
}

void AddressSpace::move_pages(u64 from, u64 to, u64 length) {
  forget_range(from, from + length);
  table_.for_each(from, from + length, [&](u64 address, Pte& entry) {
    table_.make(to + (address - from)) = entry;
    entry = 0;
  });
}

void AddressSpace::forget_range(u64 start, u64 end) {
  if (cpu_ == nullptr) return;
  // Only touched pages can have left traces in the processor; ranges may be terabytes.
  u64 first = end, last = start;
  table_.for_each(start, end, [&](u64 address, const Pte&) {
    first = std::min(first, address);
    last = address + kPageSize;
  });
  if (first < last) cpu::forget_translations(*cpu_, first, last - first);
}

void AddressSpace::forget_page_code(u64 page) {
  if (cpu_ != nullptr && pages_.memory().code(page).granules != 0) cpu::forget_code(*cpu_, page, kPageSize);
}

}  // namespace lastbranch::user
