#pragma once
// The memory of one user process: Linux's mappings, and the physical pages behind what has been touched of
// them.
//
// Modelled: mmap, munmap, mprotect, mremap, brk, madvise and msync with Linux's errors and placement; pages
// that are zeroed or read from their file at first touch; a stack that grows; shared file mappings that are
// written back. Not: huge pages, locking, NUMA, protection keys, copy-on-write after fork (a private file
// page is read by each mapping at its first touch), memory overcommit (a mapping never fails, a touch does
// when RAM is used up). Sources: man pages of the calls named; Linux mm/mmap.c and arch/x86/mm/fault.c for
// what the pages leave open.
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <type_traits>
#include <vector>

#include <sys/uio.h>

#include "models/cpu/walk.h"
#include "sim/base/phys_mem.h"
#include "sim/base/units.h"
#include "sim/user/layout.h"
#include "sim/user/page_allocator.h"
#include "sim/user/page_table.h"
#include "sim/user/shared_pages.h"
#include "sim/user/vma_map.h"

namespace lastbranch::cpu {
struct Cpu;
}

namespace lastbranch::user {

/// Arguments of mmap() after its descriptor has been looked up.
struct MapRequest {
  u64 address = 0, length = 0;
  u32 prot = 0, flags = 0;
  std::shared_ptr<MappedFile> file{};  ///< nullptr: anonymous
  u64 offset = 0;
  Role role = Role::kPlain;
};

/// Why an access is a fault.
enum class Refusal : u8 {
  kNotMapped,   ///< SEGV_MAPERR
  kNotAllowed,  ///< SEGV_ACCERR
  kBeyondFile,  ///< BUS_ADRERR
  kNoMemory,    ///< simulated RAM is used up
};

class AddressSpace final : public cpu::Walker {
 public:
  /// An empty space whose pages come from `memory`; its stack may grow to `stack_limit` bytes.
  AddressSpace(PhysMem& memory, u64 stack_limit)
      : pages_(memory), shared_(pages_), stack_limit_(stack_limit) {}
  ~AddressSpace() override { shared_.flush_all(); }
  AddressSpace(const AddressSpace&) = delete;
  AddressSpace& operator=(const AddressSpace&) = delete;

  /// `cpu` runs in this space: it is told of every change. It must outlive the space or be detached.
  void attach(cpu::Cpu& cpu) { cpu_ = &cpu; }
  void detach() { cpu_ = nullptr; }

  cpu::Translation walk(u64 linear, cpu::Access access, bool user) override;
  /// Why `walk` refuses this access.
  [[nodiscard]] Refusal why_refused(u64 address, cpu::Access access) const;

  // System calls: an address or 0, or -errno.
  i64 map(const MapRequest& request);
  i64 unmap(u64 address, u64 length);
  i64 protect(u64 address, u64 length, u32 prot);
  i64 remap(u64 address, u64 old_length, u64 new_length, u32 flags, u64 new_address);
  i64 advise(u64 address, u64 length, int advice);
  i64 sync(u64 address, u64 length, u32 flags);
  /// One byte per page: 1 when it is in memory.
  i64 resident(u64 address, u64 length, std::vector<u8>& out);
  /// The new end of the heap, or the old one when that cannot be.
  u64 brk(u64 end);
  void set_heap_start(u64 address) { heap_start_ = heap_end_ = address; }
  [[nodiscard]] u64 heap_start() const { return heap_start_; }
  [[nodiscard]] u64 heap_end() const { return heap_end_; }

  // Guest memory as the kernel reaches it: with the process's own rights; bad pointers answer, nothing
  // throws.
  /// All of [from, from + length) into `to`; false (EFAULT) when some of it cannot be read.
  [[nodiscard]] bool copy_in(void* to, u64 from, u64 length);
  /// All of `from` to [to, to + length); false when some of it cannot be written, after writing what comes
  /// before.
  [[nodiscard]] bool copy_out(u64 to, const void* from, u64 length);
  /// A zero-terminated string: 0, -EFAULT, or -ENAMETOOLONG when it does not end within `limit` bytes.
  [[nodiscard]] i64 read_string(u64 from, std::string& out, u64 limit = 4096);
  /// Appends host ranges for the accessible beginning of [address, address + length); returns how long that
  /// is. They are valid until the next change of the mappings. After a store through them call `written`.
  u64 collect(u64 address, u64 length, cpu::Access access, std::vector<iovec>& out);
  /// [address, address + length) was written behind the processor's back.
  void written(u64 address, u64 length);

  template <class T>
  [[nodiscard]] bool read(u64 from, T& value) {
    static_assert(std::is_trivially_copyable_v<T>);
    return copy_in(&value, from, sizeof value);
  }
  template <class T>
  [[nodiscard]] bool write(u64 to, const T& value) {
    static_assert(std::is_trivially_copyable_v<T>);
    return copy_out(to, &value, sizeof value);
  }

  /// Called for each mapping that is or becomes executable, when that happens.
  void observe_executable(std::function<void(const ExecMapping&)> observer) {
    observer_ = std::move(observer);
  }
  /// The executable mappings there are now, ascending.
  [[nodiscard]] std::vector<ExecMapping> executable_mappings() const;
  /// The text of /proc/self/maps.
  [[nodiscard]] std::string maps_text() const;

  [[nodiscard]] const VmaMap& vmas() const { return vmas_; }
  [[nodiscard]] SharedPages& shared_pages() { return shared_; }
  /// Pages of RAM in use.
  [[nodiscard]] u64 resident_pages() const { return pages_.in_use(); }
  /// RAM ran out at some access.
  [[nodiscard]] bool exhausted() const { return exhausted_; }

 private:
  struct Touched {
    Pte* entry = nullptr;
    Refusal refusal = Refusal::kNotMapped;
  };
  Touched fault_in(u64 linear, cpu::Access access);
  Touched bring_in(const Vma& vma, u64 page);
  const Vma* grow_stack(u64 address);
  [[nodiscard]] std::optional<u64> place(const MapRequest& request, u64 length) const;
  [[nodiscard]] i64 check_request(const MapRequest& request, u64 length) const;
  void insert(const Vma& vma);
  void remove(u64 start, u64 end);
  void drop_pages(const Vma& vma, u64 start, u64 end);
  void set_rights(const Vma& vma);
  void move_pages(u64 from, u64 to, u64 length);
  i64 move(const Vma& vma, u64 address, u64 old_length, u64 new_length, u64 to);
  void forget_range(u64 start, u64 end);
  void forget_page_code(u64 page);
  void announce(const Vma& vma) const;

  PageAllocator pages_;
  PageTable table_;
  SharedPages shared_;
  VmaMap vmas_;
  u64 stack_limit_;
  u64 heap_start_ = 0, heap_end_ = 0;
  bool exhausted_ = false;
  cpu::Cpu* cpu_ = nullptr;
  std::function<void(const ExecMapping&)> observer_;
};

}  // namespace lastbranch::user
