// Memory calls: arguments and descriptors here, semantics in AddressSpace.
#include <cerrno>

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "sim/user/kernel.h"
#include "sim/user/syscall_table.h"

namespace lastbranch::user {
namespace {

/// What a descriptor must be for this mapping: 0 or -errno.
i64 mappable(const Kernel& k, const OpenFile& file, u32 prot, u32 flags) {
  const int mode = ::fcntl(file.fd(), F_GETFL);
  if (mode < 0 || (mode & O_PATH) != 0) return -EBADF;
  struct stat st {};
  if (::fstat(file.fd(), &st) != 0 || !S_ISREG(st.st_mode)) return -ENODEV;
  const bool shared_write = (flags & MAP_TYPE) != MAP_PRIVATE && (prot & PROT_WRITE) != 0;
  if ((mode & O_ACCMODE) == O_WRONLY) return -EACCES;
  if (shared_write && (mode & O_ACCMODE) != O_RDWR) return -EACCES;
  return shared_write && k.config.read_only && file.inherited ? -EROFS : 0;
}

bool is_zero_device(const OpenFile& file) {
  return file.name == "/dev/zero";
}

i64 sys_mmap(Kernel& k, const Args& a) {
  MapRequest request{a[0], a[1], a.u(2), a.u(3)};
  request.offset = a[5];
  if ((request.flags & MAP_ANONYMOUS) == 0) {
    OpenFile* file = k.fds.get(a.u(4));
    if (file == nullptr) return -EBADF;
    if (is_zero_device(*file)) return k.memory.map(request);
    if (const i64 error = mappable(k, *file, request.prot, request.flags); error != 0) return error;
    request.file = file->mapped();
    if (!request.file) return -ENFILE;
  }
  return k.memory.map(request);
}
i64 sys_mprotect(Kernel& k, const Args& a) {
  return k.memory.protect(a[0], a[1], a.u(2));
}
i64 sys_munmap(Kernel& k, const Args& a) {
  return k.memory.unmap(a[0], a[1]);
}
i64 sys_brk(Kernel& k, const Args& a) {
  return static_cast<i64>(k.memory.brk(a[0]));
}
i64 sys_mremap(Kernel& k, const Args& a) {
  return k.memory.remap(a[0], a[1], a[2], a.u(3), a[4]);
}
i64 sys_msync(Kernel& k, const Args& a) {
  return k.memory.sync(a[0], a[1], a.u(2));
}
i64 sys_madvise(Kernel& k, const Args& a) {
  return k.memory.advise(a[0], a[1], a.i(2));
}
i64 sys_mincore(Kernel& k, const Args& a) {
  std::vector<u8> pages;
  if (const i64 error = k.memory.resident(a[0], a[1], pages); error != 0) return error;
  return k.memory.copy_out(a[2], pages.data(), pages.size()) ? 0 : -EFAULT;
}
/// Simulated memory is never swapped out.
i64 sys_lock(Kernel& k, const Args& a) {
  const u64 start = page_of(a[0]);
  return k.memory.vmas().covers(start, page_ceil(a[0] + a[1])) ? 0 : -ENOMEM;
}
i64 sys_lock_all(Kernel&, const Args&) {
  return 0;
}

constexpr SyscallRow kRows[] = {
    {9, "mmap", sys_mmap},        {10, "mprotect", sys_mprotect},  {11, "munmap", sys_munmap},
    {12, "brk", sys_brk},         {25, "mremap", sys_mremap},      {26, "msync", sys_msync},
    {27, "mincore", sys_mincore}, {28, "madvise", sys_madvise},    {149, "mlock", sys_lock},
    {150, "munlock", sys_lock},   {151, "mlockall", sys_lock_all}, {152, "munlockall", sys_lock_all},
    {325, "mlock2", sys_lock},
};

}  // namespace

std::span<const SyscallRow> memory_calls() {
  return kRows;
}

}  // namespace lastbranch::user
