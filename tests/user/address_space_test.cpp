#include "sim/user/address_space.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <unistd.h>

#include "tests/user/temp_dir.h"

namespace lastbranch::user {
namespace {

using cpu::Access;
constexpr u32 kRw = PROT_READ | PROT_WRITE;
constexpr u32 kAnon = MAP_PRIVATE | MAP_ANONYMOUS;

struct AddressSpaceTest : ::testing::Test {
  PhysMem memory{u64{16} << 20};
  AddressSpace space{memory, u64{1} << 20};

  u64 map(u64 length, u32 prot = kRw, u32 flags = kAnon, u64 address = 0) {
    return static_cast<u64>(space.map({address, length, prot, flags}));
  }
  u32 error_of(u64 address, Access access) { return space.walk(address, access, true).fault.error; }
};

TEST_F(AddressSpaceTest, mappings_without_an_address_go_top_down_from_the_documented_base) {
  EXPECT_EQ(map(kPageSize), kMmapTop - kPageSize);
  EXPECT_EQ(map(3 * kPageSize), kMmapTop - 4 * kPageSize);
  EXPECT_EQ(space.unmap(kMmapTop - kPageSize, kPageSize), 0);
  EXPECT_EQ(map(2 * kPageSize), kMmapTop - 6 * kPageSize) << "the gap above is too small";
  EXPECT_EQ(map(kPageSize), kMmapTop - kPageSize) << "this one fits";
}

TEST_F(AddressSpaceTest, hints_are_taken_when_free) {
  EXPECT_EQ(map(kPageSize, kRw, kAnon, 0x123456789000), 0x123456789000u);
  EXPECT_EQ(map(kPageSize, kRw, kAnon, 0x123456789000), kMmapTop - kPageSize);
  EXPECT_EQ(map(kPageSize, kRw, kAnon | MAP_32BIT), kLow32);
}

TEST_F(AddressSpaceTest, memory_costs_only_what_is_touched) {
  const u64 a = map(u64{1} << 40);
  EXPECT_EQ(space.resident_pages(), 0u);

  ASSERT_TRUE(space.write(a + (u64{1} << 39), u64{1}));

  EXPECT_EQ(space.resident_pages(), 1u);
  EXPECT_EQ(space.unmap(a, u64{1} << 40), 0);
  EXPECT_EQ(space.resident_pages(), 0u);
}

TEST_F(AddressSpaceTest, refusals_tell_unmapped_from_forbidden_from_beyond_the_file) {
  const testing::TempDir folder;
  const int fd = ::open(folder.write("short", "x").c_str(), O_RDONLY | O_CLOEXEC);
  const u64 read_only = map(kPageSize, PROT_READ);
  const u64 none = map(kPageSize, PROT_NONE);
  const u64 file =
      static_cast<u64>(space.map({0, 2 * kPageSize, PROT_READ, MAP_PRIVATE, MappedFile::open(fd, "short")}));
  ::close(fd);
  struct Row {
    const char* name;
    u64 address;
    Access access;
    Refusal refusal;
    u32 error;
  };
  const Row rows[] = {
      {"nothing there", 0x5000, Access::kRead, Refusal::kNotMapped, pf::kUser},
      {"nothing to write", 0x5000, Access::kWrite, Refusal::kNotMapped, pf::kUser | pf::kWrite},
      {"kernel", ~u64{0xfff}, Access::kRead, Refusal::kNotMapped, pf::kUser | pf::kPresent},
      {"write to read-only, untouched", read_only, Access::kWrite, Refusal::kNotAllowed,
       pf::kUser | pf::kWrite},
      {"execute data", read_only, Access::kFetch, Refusal::kNotAllowed, pf::kUser | pf::kFetch},
      {"no rights", none, Access::kRead, Refusal::kNotAllowed, pf::kUser},
      {"beyond the file", file + kPageSize, Access::kRead, Refusal::kBeyondFile, pf::kUser},
  };
  for (const Row& row : rows) {
    SCOPED_TRACE(row.name);
    const cpu::Translation t = space.walk(row.address, row.access, true);
    EXPECT_FALSE(t.ok);
    EXPECT_EQ(t.fault.vector, Vector::kPF);
    EXPECT_EQ(t.fault.address, row.address);
    EXPECT_EQ(t.fault.error, row.error);
    EXPECT_EQ(space.why_refused(row.address, row.access), row.refusal);
  }
  EXPECT_TRUE(space.walk(read_only, Access::kRead, true).ok);
  EXPECT_EQ(error_of(read_only, Access::kWrite), pf::kUser | pf::kWrite | pf::kPresent) << "touched now";
  EXPECT_EQ(space.walk(u64{1} << 47, Access::kRead, true).fault.vector, Vector::kGP);
  u8 byte = 1;
  EXPECT_TRUE(space.read(file, byte));
  EXPECT_EQ(byte, 'x');
}

TEST_F(AddressSpaceTest, stack_grows_to_its_limit_and_keeps_its_distance) {
  MapRequest stack{kStackTop - kPageSize, kPageSize, kRw, kAnon | MAP_FIXED | MAP_GROWSDOWN};
  stack.role = Role::kStack;
  ASSERT_GT(space.map(stack), 0);

  EXPECT_TRUE(space.write(kStackTop - 10 * kPageSize, u64{1}));
  EXPECT_EQ(space.vmas().find(kStackTop - 1)->start, kStackTop - 10 * kPageSize);
  EXPECT_TRUE(space.walk(kStackTop - (u64{1} << 20), Access::kWrite, true).ok);
  EXPECT_FALSE(space.walk(kStackTop - (u64{1} << 20) - 1, Access::kWrite, true).ok)
      << "1 MiB is the limit here";
}

TEST_F(AddressSpaceTest, growth_stops_before_another_mapping) {
  const u64 below = kStackTop - (u64{1} << 19) - kStackGuardGap;
  ASSERT_EQ(map(kPageSize, kRw, kAnon | MAP_FIXED, below), below);
  ASSERT_GT(space.map({kStackTop - kPageSize, kPageSize, kRw, kAnon | MAP_FIXED | MAP_GROWSDOWN}), 0);

  EXPECT_TRUE(space.walk(below + kPageSize + kStackGuardGap, Access::kWrite, true).ok);
  EXPECT_FALSE(space.walk(below + kPageSize + kStackGuardGap - 1, Access::kWrite, true).ok);
}

TEST_F(AddressSpaceTest, heap_moves_with_brk_and_never_into_its_neighbour) {
  space.set_heap_start(0x600000);
  EXPECT_EQ(space.brk(0), 0x600000u);
  EXPECT_EQ(space.brk(0x600010), 0x600010u);
  EXPECT_TRUE(space.write(0x600ff8, u64{7}));
  EXPECT_EQ(space.brk(0x602000), 0x602000u);
  ASSERT_EQ(map(kPageSize, kRw, kAnon | MAP_FIXED, 0x604000), 0x604000u);
  EXPECT_EQ(space.brk(0x604000), 0x602000u) << "one page must stay clear";
  EXPECT_EQ(space.brk(0x603000), 0x603000u);
  EXPECT_EQ(space.brk(0x5ff000), 0x603000u);
  EXPECT_EQ(space.brk(0x600000), 0x600000u);
  EXPECT_FALSE(space.walk(0x600000, Access::kRead, true).ok);
  EXPECT_EQ(space.resident_pages(), 0u);
}

TEST_F(AddressSpaceTest, exhausted_ram_is_a_refusal_of_its_own) {
  const u64 a = map(u64{64} << 20);
  u64 at = a;
  while (space.walk(at, Access::kWrite, true).ok) at += kPageSize;
  EXPECT_EQ(at - a, u64{16} << 20);
  EXPECT_EQ(space.why_refused(at, Access::kWrite), Refusal::kNoMemory);
}

TEST_F(AddressSpaceTest, executable_mappings_are_announced_when_they_become_so) {
  std::vector<ExecMapping> seen;
  space.observe_executable([&](const ExecMapping& m) { seen.push_back(m); });
  const u64 a = map(4 * kPageSize);
  ASSERT_TRUE(seen.empty());

  ASSERT_EQ(space.protect(a + kPageSize, kPageSize, PROT_READ | PROT_EXEC), 0);

  ASSERT_EQ(seen.size(), 1u);
  EXPECT_EQ(seen[0].address, a + kPageSize);
  EXPECT_EQ(seen[0].length, kPageSize);
  EXPECT_EQ(seen[0].filename, "//anon");
  EXPECT_EQ(space.executable_mappings().size(), 1u);
}

TEST_F(AddressSpaceTest, shared_pages_follow_writes_through_the_descriptor) {
  const testing::TempDir folder;
  const int fd = ::open(folder.write("f", std::string(100, 'a')).c_str(), O_RDWR | O_CLOEXEC);
  const auto file = MappedFile::open(fd, "f");
  const u64 one = static_cast<u64>(space.map({0, kPageSize, kRw, MAP_SHARED, file}));
  const u64 two = static_cast<u64>(space.map({0, kPageSize, PROT_READ, MAP_SHARED, file}));
  ASSERT_TRUE(space.write(one, 'b'));
  char c = 0;
  EXPECT_TRUE(space.read(two, c));
  EXPECT_EQ(c, 'b') << "two mappings of one page";

  space.shared_pages().flush(file->device(), file->inode());
  EXPECT_EQ(folder.read("f").substr(0, 2), "ba");
  ASSERT_EQ(::pwrite(fd, "xyz", 3, 1), 3);
  space.shared_pages().reload(file->device(), file->inode(), 1, 4);
  EXPECT_TRUE(space.read(two + 3, c));
  EXPECT_EQ(c, 'z');
  ::close(fd);
  EXPECT_EQ(space.unmap(one, kPageSize), 0);
  EXPECT_EQ(space.unmap(two, kPageSize), 0);
  EXPECT_EQ(folder.read("f"), "bxyz" + std::string(96, 'a')) << "the file does not grow";
}

TEST_F(AddressSpaceTest, copies_stop_at_the_first_bad_byte) {
  const u64 a = map(2 * kPageSize);
  ASSERT_EQ(space.unmap(a + kPageSize, kPageSize), 0);
  std::vector<iovec> parts;
  EXPECT_EQ(space.collect(a + kPageSize - 10, 100, Access::kWrite, parts), 10u);
  EXPECT_EQ(parts.size(), 1u);
  u64 word = 0;
  EXPECT_TRUE(space.read(a + kPageSize - 8, word));
  EXPECT_FALSE(space.read(a + kPageSize - 7, word));
  EXPECT_FALSE(space.copy_out(~u64{0} - 3, &word, 8)) << "wraps around";

  ASSERT_TRUE(space.copy_out(a + kPageSize - 3, "ab", 3));
  std::string text;
  EXPECT_EQ(space.read_string(a + kPageSize - 3, text), 0);
  EXPECT_EQ(text, "ab");
  ASSERT_TRUE(space.write(a + kPageSize - 1, 'c'));
  EXPECT_EQ(space.read_string(a + kPageSize - 3, text), -EFAULT);
  EXPECT_EQ(space.read_string(a + kPageSize - 3, text, 2), -ENAMETOOLONG);
}

}  // namespace
}  // namespace lastbranch::user
