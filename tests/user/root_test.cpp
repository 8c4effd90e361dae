// --root: nothing leads out of it. A secret lies outside; every way to it must end before.
#include <fcntl.h>
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "sim/base/error.h"
#include "tests/user/kernel_fixture.h"

namespace lastbranch::user {
namespace {

using testing::GuestKernel;
using testing::TempDir;

struct RootTest : ::testing::Test {
  TempDir outside;
  std::string root = outside / "root";
  ProcessConfig config;

  RootTest() {
    outside.write("secret", "secret");
    std::filesystem::create_directories(root + "/etc");
    std::filesystem::create_directories(root + "/d/e");
    outside.write("root/etc/passwd", "inside");
    std::filesystem::create_symlink("/etc/passwd", root + "/absolute");
    std::filesystem::create_symlink("../../../../../../etc/passwd", root + "/d/up");
    std::filesystem::create_symlink("../secret", root + "/sibling");
    std::filesystem::create_symlink(outside / "secret", root + "/secret_link");
    std::filesystem::create_symlink("/", root + "/d/top");
    std::filesystem::create_symlink(outside.path(), root + "/out");
    std::filesystem::create_symlink("/proc/self/root", root + "/proc_root");
    config.root = root;
  }

  static std::string read(GuestKernel& k, i64 fd) {
    if (fd < 0) return "";
    const u64 buffer = k.room(100);
    const i64 n = k.call(SYS_read, {static_cast<u64>(fd), buffer, 100});
    std::string text(static_cast<std::size_t>(std::max<i64>(n, 0)), ' ');
    EXPECT_TRUE(k.kernel.memory.copy_in(text.data(), buffer, text.size()));
    k.call(SYS_close, {static_cast<u64>(fd)});
    return text;
  }
};

TEST_F(RootTest, absolute_links_and_dots_stay_inside) {
  GuestKernel k(config);
  for (const char* path : {"/etc/passwd", "/absolute", "/d/up", "/../../../../etc/passwd",
                           "/d/top/etc/passwd", "/d/e/../../../../etc/passwd", "etc/passwd",
                           "../../etc/passwd", "//etc//passwd", "/d/top/d/top/etc/./passwd"}) {
    EXPECT_EQ(read(k, k.call(SYS_open, {k.text(path), O_RDONLY})), "inside") << path;
  }
}

TEST_F(RootTest, the_secret_cannot_be_opened) {
  GuestKernel k(config);
  const i64 d = k.call(SYS_open, {k.text("/d"), O_RDONLY | O_DIRECTORY});
  ASSERT_GE(d, 0);
  const std::string real = outside / "secret";
  for (const std::string& path : std::vector<std::string>{
           real, std::string("/../secret"), std::string("../secret"), std::string("/sibling"),
           std::string("/secret_link"), std::string("/out/secret"), std::string("/proc_root/") + real,
           "/proc/self/root" + real, "/proc/1/root" + real, "/proc/self/cwd/../../secret",
           std::string("d/../../secret")}) {
    for (const u64 folder : {static_cast<u64>(AT_FDCWD), static_cast<u64>(d)}) {
      EXPECT_EQ(read(k, k.call(SYS_openat, {folder, k.text(path), O_RDONLY})), "") << path;
      EXPECT_LT(k.call(SYS_newfstatat, {folder, k.text(path), k.room(256), 0}), 0) << path;
      EXPECT_LT(k.call(SYS_unlinkat, {folder, k.text(path + "/."), 0}), 0) << path;
    }
  }
  EXPECT_EQ(outside.read("secret"), "secret");
}

TEST_F(RootTest, current_folder_is_told_from_inside_and_cannot_climb_out) {
  GuestKernel k(config);
  const auto cwd = [&] {
    const u64 buffer = k.room(200);
    std::string text;
    EXPECT_GT(k.call(SYS_getcwd, {buffer, 200}), 0);
    EXPECT_EQ(k.kernel.memory.read_string(buffer, text), 0);
    return text;
  };
  EXPECT_EQ(cwd(), "/");
  EXPECT_EQ(k.call(SYS_chdir, {k.text("d/e")}), 0);
  EXPECT_EQ(cwd(), "/d/e");
  EXPECT_EQ(k.call(SYS_chdir, {k.text("../../../../..")}), 0);
  EXPECT_EQ(cwd(), "/");
  EXPECT_EQ(k.call(SYS_chdir, {k.text("/out")}), -ENOENT);
}

TEST_F(RootTest, changes_land_inside) {
  GuestKernel k(config);
  EXPECT_GE(k.call(SYS_open, {k.text("/../../made"), O_CREAT | O_WRONLY, 0600}), 0);
  EXPECT_EQ(k.call(SYS_mkdir, {k.text("/d/top/../newdir"), 0755}), 0);
  EXPECT_EQ(k.call(SYS_rename, {k.text("/etc/passwd"), k.text("/d/../../moved")}), 0);
  EXPECT_EQ(k.call(SYS_symlink, {k.text("/etc"), k.text("../../linked")}), 0);
  for (const char* name : {"/made", "/newdir", "/moved", "/linked"}) {
    struct stat st {};
    EXPECT_EQ(::lstat((root + name).c_str(), &st), 0) << name;
    EXPECT_NE(::lstat((outside.path() + name).c_str(), &st), 0) << name;
  }
}

TEST_F(RootTest, a_root_that_is_no_folder_is_an_error) {
  const std::string file = outside / "secret";
  PhysMem memory(u64{1} << 20);
  config.root = file;
  EXPECT_THROW(Kernel(config, memory), Error);
}

TEST(OwnProcess, neither_our_memory_nor_our_descriptors_can_be_reached) {
  const TempDir folder;
  const std::string ours = folder.write("ours", "ours");
  const int fd = ::open(ours.c_str(), O_RDWR | O_CLOEXEC);
  const std::string numbers = std::to_string(fd);
  std::filesystem::create_symlink("/proc/self/mem", folder / "mem");
  std::filesystem::create_symlink("/proc/self/fd/" + numbers, folder / "fd");
  std::filesystem::create_symlink(fmt::format("/proc/{}/fd/{}", ::getpid(), fd), folder / "pidfd");
  std::filesystem::create_symlink("/proc/self/maps", folder / "maps");
  GuestKernel k;
  for (const std::string& path : std::vector<std::string>{
           std::string("/proc/self/mem"), fmt::format("/proc/{}/mem", ::getpid()),
           std::string("/proc/thread-self/mem"), fmt::format("/proc/{}/maps", ::getpid()),
           std::string("/proc/self/fd/") + numbers, "/dev/fd/" + numbers,
           std::string("/proc/self/task/") + std::to_string(::getpid()) + "/mem", folder / "mem",
           folder / "fd", folder / "pidfd", folder / "maps", std::string("/proc/./self/../self/mem"),
           std::string("/proc/self/environ/../mem")}) {
    for (const u64 flags : {u64{O_RDONLY}, u64{O_RDWR}, u64{O_PATH}}) {
      EXPECT_LT(k.call(SYS_open, {k.text(path), flags}), 0) << path << " " << flags;
    }
  }
  for (u64 number = 3; number < 100; ++number) {
    EXPECT_EQ(k.call(SYS_fstat, {number, k.room(200)}), -EBADF);
    EXPECT_EQ(k.call(SYS_close, {number}), -EBADF);
  }
  ::close(fd);
}

}  // namespace
}  // namespace lastbranch::user
