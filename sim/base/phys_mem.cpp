#include "sim/base/phys_mem.h"

#include <cerrno>
#include <cstring>
#include <string>

#include <sys/mman.h>

#include "sim/base/assert.h"
#include "sim/base/error.h"

namespace lastbranch {
namespace {

void* reserve(u64 bytes) {
  void* p =
      ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (p == MAP_FAILED) {
    throw Error("guest memory: cannot reserve " + std::to_string(bytes) + " bytes: " + std::strerror(errno));
  }
  return p;
}

u64 code_bytes(u64 ram_bytes) {
  return (ram_bytes >> kPageShift) * sizeof(PageCode);
}

}  // namespace

PhysMem::PhysMem(u64 size_bytes) : size_(page_ceil(size_bytes)) {
  ram_ = static_cast<u8*>(reserve(size_));
  // A guest that walks through megabytes would otherwise miss the host TLB with every page; where the host
  // has no huge pages this changes nothing.
  ::madvise(ram_, size_, MADV_HUGEPAGE);
  try {
    codes_ = static_cast<PageCode*>(reserve(code_bytes(size_)));
  } catch (...) {
    ::munmap(ram_, size_);
    throw;
  }
}

PhysMem::~PhysMem() {
  if (ram_ == nullptr) return;
  if (!adopted_) ::munmap(ram_, size_);
  ::munmap(codes_, code_bytes(size_));
}

void PhysMem::adopt(u8* host, u64 base, u64 size) {
  LASTBRANCH_CHECK(ram_ == nullptr || adopted_, "RAM of its own cannot be exchanged");
  LASTBRANCH_CHECK(((base | size) & ~kPageMask) == 0 && size != 0, "RAM of {:#x} bytes at {:#x}", size, base);
  auto* const codes = static_cast<PageCode*>(reserve(code_bytes(size)));
  if (codes_ != nullptr) ::munmap(codes_, code_bytes(size_));
  codes_ = codes;
  ram_ = host;
  base_ = base;
  size_ = size;
  adopted_ = true;
}

void PhysMem::discard_page(u64 paddr) {
  ::madvise(host(page_of(paddr)), kPageSize, MADV_DONTNEED);
}

}  // namespace lastbranch
