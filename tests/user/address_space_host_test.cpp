// Random sequences of memory calls, done by the host's kernel on an arena of this process and by AddressSpace
// on its own: results, mappings, contents and files must be equal.
#include <fstream>

#include <fcntl.h>
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <sys/uio.h>
#include <unistd.h>

#include "sim/base/rng.h"
#include "sim/user/address_space.h"
#include "tests/user/temp_dir.h"

namespace lastbranch::user {
namespace {

constexpr u64 kArena = 0x300000000000;  // clear of the sanitizers too
constexpr u64 kPages = 48;
constexpr u64 kArenaEnd = kArena + kPages * kPageSize;
// Whole pages: what Linux keeps of stores between the end of a file and the end of its page is unspecified.
constexpr u64 kFileBytes = 10 * kPageSize;

i64 host_result(void* p) {
  return p == MAP_FAILED ? -errno : static_cast<i64>(reinterpret_cast<u64>(p));
}
i64 host_result(int r) {
  return r < 0 ? -errno : r;
}
void* host_pointer(u64 address) {
  return reinterpret_cast<void*>(address);
}

/// start, end, rights, offset, 1 for a file: what must be equal of a line of /proc/self/maps.
struct Line {
  u64 start, end;
  std::string rights;
  u64 offset;
  bool file;
  bool operator==(const Line&) const = default;
};

/// Lines of the arena; neighbours that could be one are joined, as anonymous memory touched apart stays apart
/// in Linux.
std::vector<Line> arena_lines(std::istream& maps) {
  std::vector<Line> lines;
  std::string text;
  while (std::getline(maps, text)) {
    Line l{};
    char rights[5] = {};
    unsigned major = 0, minor = 0;
    u64 inode = 0;
    if (std::sscanf(text.c_str(), "%lx-%lx %4s %lx %x:%x %lu", &l.start, &l.end, rights, &l.offset, &major,
                    &minor, &inode) != 7 ||
        l.start >= kArenaEnd || l.end <= kArena) {
      continue;
    }
    l.rights = rights;
    l.file = inode != 0 && text.find("deleted") == std::string::npos;
    if (!l.file) l.offset = 0;
    if (!lines.empty()) {
      Line& p = lines.back();
      const bool same = p.end == l.start && p.rights == l.rights && p.file == l.file;
      if (same && (!l.file || p.offset + (p.end - p.start) == l.offset)) {
        p.end = l.end;
        continue;
      }
    }
    lines.push_back(l);
  }
  return lines;
}

std::string show(const std::vector<Line>& lines) {
  std::string text;
  for (const Line& l : lines) {
    text +=
        fmt::format("{:x}-{:x} {} {:x} {}\n", l.start - kArena, l.end - kArena, l.rights, l.offset, l.file);
  }
  return text;
}

class Twins {
 public:
  explicit Twins(u64 seed) : rng_(seed) {
    const std::string text = contents();
    host_fd_ = ::open(folder_.write("host", text).c_str(), O_RDWR | O_CLOEXEC);
    guest_fd_ = ::open(folder_.write("guest", text).c_str(), O_RDWR | O_CLOEXEC);
    file_ = MappedFile::open(guest_fd_, "guest");
    private_fd_ = ::open(folder_.write("private", text).c_str(), O_RDONLY | O_CLOEXEC);
    private_file_ = MappedFile::open(private_fd_, "private");
  }
  ~Twins() {
    ::munmap(host_pointer(kArena), kPages * kPageSize);
    ::close(host_fd_);
    ::close(guest_fd_);
    ::close(private_fd_);
  }

  void step() {
    switch (rng_() % 8) {
      case 0:
        return map_anonymous();
      case 1:
        return map_file();
      case 2:
        return both(
            "munmap", [&](u64 a, u64 n) { return host_result(::munmap(host_pointer(a), n)); },
            [&](u64 a, u64 n) { return space_.unmap(a, n); });
      case 3: {
        const int prot = some_rights();
        return both(
            "mprotect", [&](u64 a, u64 n) { return host_result(::mprotect(host_pointer(a), n, prot)); },
            [&](u64 a, u64 n) { return space_.protect(a, n, static_cast<u32>(prot)); });
      }
      case 4:
        return remap();
      case 5:
        return both(
            "madvise",
            [&](u64 a, u64 n) { return host_result(::madvise(host_pointer(a), n, MADV_DONTNEED)); },
            [&](u64 a, u64 n) { return space_.advise(a, n, MADV_DONTNEED); });
      default:
        return store();
    }
  }

  void compare() {
    std::ifstream host("/proc/self/maps");
    std::istringstream guest(space_.maps_text());
    const auto expected = arena_lines(host), found = arena_lines(guest);
    ASSERT_EQ(expected, found) << "host:\n" << show(expected) << "guest:\n" << show(found) << log_;
    for (u64 page = kArena; page < kArenaEnd; page += kPageSize) {
      std::array<u8, kPageSize> a{}, b{};
      iovec to{a.data(), a.size()}, from{host_pointer(page), kPageSize};
      const bool host_reads =
          ::process_vm_readv(::getpid(), &to, 1, &from, 1, 0) == static_cast<ssize_t>(kPageSize);
      const bool guest_reads = space_.copy_in(b.data(), page, kPageSize);
      ASSERT_EQ(host_reads, guest_reads) << fmt::format("page {:x}\n", page - kArena) << log_;
      const auto difference = std::mismatch(a.begin(), a.end(), b.begin());
      ASSERT_TRUE(!host_reads || difference.first == a.end())
          << fmt::format("page {:x} byte {:x}: host {:02x} guest {:02x}\n", page - kArena,
                         difference.first - a.begin(), *difference.first, *difference.second)
          << log_;
    }
  }

  void unmap_and_compare_files() {
    ::munmap(host_pointer(kArena), kPages * kPageSize);
    space_.unmap(kArena, kPages * kPageSize);
    EXPECT_EQ(space_.resident_pages(), 0u);
    EXPECT_EQ(folder_.read("host"), folder_.read("guest"));
  }

 private:
  static std::string contents() {
    std::string text(kFileBytes, ' ');
    for (u64 i = 0; i < text.size(); ++i) text[i] = static_cast<char>('a' + i % 23 + (i >> kPageShift) % 3);
    return text;
  }
  // process_vm_readv refuses what cannot be read by its flags, though x86 could: no write-only or
  // execute-only pages.
  int some_rights() {
    const int prot = static_cast<int>(rng_() % 8);
    return prot == PROT_NONE ? prot : prot | PROT_READ;
  }
  u64 some_page() { return kArena + rng_() % kPages * kPageSize; }
  u64 some_length(u64 from) {
    return std::min<u64>((1 + rng_() % 9) * kPageSize - rng_() % 2 * 100, kArenaEnd - from);
  }

  void check(const std::string& what, i64 host, i64 guest) {
    log_ += fmt::format("{} -> {:#x}\n", what, host < 0 ? host : host - static_cast<i64>(kArena));
    ASSERT_EQ(host, guest) << log_;
  }

  template <class Host, class Guest>
  void both(const char* name, Host host, Guest guest) {
    const u64 a = some_page(), n = some_length(a);
    check(fmt::format("{} {:x} {:x}", name, a - kArena, n), host(a, n), guest(a, n));
  }

  void map_anonymous() {
    const int prot = some_rights();
    const int flags = MAP_PRIVATE | MAP_ANONYMOUS | (rng_() % 4 == 0 ? MAP_FIXED_NOREPLACE : MAP_FIXED);
    both(
        "mmap anonymous",
        [&](u64 a, u64 n) { return host_result(::mmap(host_pointer(a), n, prot, flags, -1, 0)); },
        [&](u64 a, u64 n) {
          return space_.map({a, n, static_cast<u32>(prot), static_cast<u32>(flags)});
        });
  }

  void map_file() {
    const int prot = some_rights();
    const bool shared = rng_() % 2 == 0;
    const int flags = (shared ? MAP_SHARED : MAP_PRIVATE) | MAP_FIXED;
    const u64 offset = rng_() % 12 * kPageSize;
    // Private mappings have a file of their own: Linux shows later stores by others in pages that were only
    // read.
    const int fd = shared ? host_fd_ : private_fd_;
    both(
        shared ? "mmap shared" : "mmap private",
        [&](u64 a, u64 n) {
          return host_result(::mmap(host_pointer(a), n, prot, flags, fd, static_cast<off_t>(offset)));
        },
        [&](u64 a, u64 n) {
          return space_.map({a, n, static_cast<u32>(prot), static_cast<u32>(flags),
                             shared ? file_ : private_file_, offset});
        });
  }

  void remap() {
    const u64 from = some_page();
    const Vma* v = space_.vmas().find(from);
    if (v == nullptr) return;
    // Linux keeps private memory touched apart as two mappings, and mremap shows it: single pages only.
    const u64 length = v->shared ? std::min<u64>((1 + rng_() % 4) * kPageSize, v->end - from) : kPageSize;
    const u64 to = some_page();
    const bool fixed = rng_() % 2 == 0;
    const u64 wanted = std::min<u64>((1 + rng_() % 6) * kPageSize, kArenaEnd - (fixed ? to : from));
    const int flags = fixed ? MREMAP_MAYMOVE | MREMAP_FIXED : 0;
    check(fmt::format("mremap {:x} {:x} {:x} {} {:x}", from - kArena, length, wanted, flags, to - kArena),
          host_result(::mremap(host_pointer(from), length, wanted, flags, host_pointer(to))),
          space_.remap(from, length, wanted, static_cast<u32>(flags), to));
  }

  void store() {
    const u64 at = some_page() + rng_() % (kPageSize - 64);
    std::array<u8, 64> bytes{};
    for (u8& b : bytes) b = static_cast<u8>(rng_());
    iovec from{bytes.data(), bytes.size()}, to{host_pointer(at), bytes.size()};
    const bool host =
        ::process_vm_writev(::getpid(), &from, 1, &to, 1, 0) == static_cast<ssize_t>(bytes.size());
    check(fmt::format("store {:x}", at - kArena), host ? 0 : -1,
          space_.copy_out(at, bytes.data(), bytes.size()) ? 0 : -1);
  }

  testing::TempDir folder_;
  Rng rng_;
  PhysMem memory_{u64{64} << 20};
  AddressSpace space_{memory_, u64{8} << 20};
  int host_fd_ = -1, guest_fd_ = -1, private_fd_ = -1;
  std::shared_ptr<MappedFile> file_, private_file_;
  std::string log_;
};

TEST(AddressSpaceAgainstHost, random_calls_give_equal_results_mappings_contents_and_files) {
  for (u64 seed = 1; seed <= 40; ++seed) {
    SCOPED_TRACE(seed);
    Twins twins(seed);
    for (int i = 0; i < 150; ++i) {
      twins.step();
      if (::testing::Test::HasFatalFailure()) return;
      if (i % 10 == 0) twins.compare();
      if (::testing::Test::HasFatalFailure()) return;
    }
    twins.unmap_and_compare_files();
  }
}

}  // namespace
}  // namespace lastbranch::user
