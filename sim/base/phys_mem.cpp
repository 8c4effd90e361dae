#include "sim/base/phys_mem.h"

#include <cerrno>
#include <cstring>
#include <string>

#include <sys/mman.h>

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
  ::munmap(ram_, size_);
  ::munmap(codes_, code_bytes(size_));
}

void PhysMem::discard_page(u64 paddr) {
  ::madvise(ram_ + page_of(paddr), kPageSize, MADV_DONTNEED);
}

}  // namespace lastbranch
