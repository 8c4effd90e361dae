#pragma once
// One mapping of a guest process: a range with one protection and one origin.
#include <memory>
#include <string>

#include "sim/base/units.h"
#include "sim/user/mapped_file.h"

namespace lastbranch::user {

/// What an anonymous mapping is called in /proc/self/maps and in perf.data. The pages of kVdso are
/// vdso_image().
enum class Role : u8 { kPlain, kHeap, kStack, kVdso };

struct Vma {
  u64 start = 0, end = 0;  ///< page-aligned, [start, end)
  u32 prot = 0;            ///< PROT_READ | PROT_WRITE | PROT_EXEC
  bool shared = false;     ///< MAP_SHARED
  bool grows_down = false;
  Role role = Role::kPlain;
  std::shared_ptr<MappedFile> file{};  ///< nullptr: anonymous
  u64 offset = 0;                      ///< file offset of `start`

  [[nodiscard]] u64 size() const { return end - start; }
  [[nodiscard]] u64 offset_of(u64 address) const { return offset + (address - start); }
  /// A shared mapping whose stores must reach the file.
  [[nodiscard]] bool file_shared() const { return shared && file != nullptr; }

  /// Could be one mapping with `next`, which starts where this one ends.
  [[nodiscard]] bool continues_in(const Vma& next) const {
    return end == next.start && prot == next.prot && shared == next.shared && grows_down == next.grows_down &&
           role == next.role && file == next.file && (file == nullptr || offset + size() == next.offset);
  }
};

/// An executable mapping as a perf.data MMAP2 record describes it.
struct ExecMapping {
  u64 address = 0, length = 0;
  u64 pgoff = 0;            ///< file offset of `address`
  u32 prot = 0, flags = 0;  ///< PROT_*, MAP_*
  u32 major = 0, minor = 0;
  u64 inode = 0;
  std::string filename{};  ///< path on the host, or "//anon", "[heap]", "[stack]", "[vdso]"
};

}  // namespace lastbranch::user
