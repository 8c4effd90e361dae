// --read-only: every call that changes files of the host, with it and without.
#include <functional>

#include <fcntl.h>
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "tests/user/kernel_fixture.h"

namespace lastbranch::user {
namespace {

using testing::GuestKernel;
using testing::TempDir;

struct Context {
  GuestKernel& k;
  const TempDir& folder;
  u64 path(const std::string& name) { return k.text(folder / name); }
  u64 open_reading(const std::string& name) {
    return static_cast<u64>(k.call(SYS_open, {path(name), O_RDONLY}));
  }
};

struct Row {
  const char* name;
  std::function<i64(Context&)> act;
};

const std::vector<Row>& rows() {
  static const std::vector<Row> table = {
      {"open for writing",
       [](Context& c) {
         return c.k.call(SYS_open, {c.path("file"), O_WRONLY});
       }},
      {"open for both",
       [](Context& c) {
         return c.k.call(SYS_open, {c.path("file"), O_RDWR});
       }},
      {"open through a link",
       [](Context& c) {
         return c.k.call(SYS_open, {c.path("link"), O_RDWR});
       }},
      {"open with truncation",
       [](Context& c) {
         return c.k.call(SYS_open, {c.path("file"), O_RDONLY | O_TRUNC});
       }},
      {"create",
       [](Context& c) {
         return c.k.call(SYS_open, {c.path("new"), O_RDONLY | O_CREAT, 0644});
       }},
      {"create by openat",
       [](Context& c) {
         return c.k.call(SYS_openat, {u64(AT_FDCWD), c.path("new"), O_RDWR | O_CREAT, 0644});
       }},
      {"temporary",
       [](Context& c) {
         return c.k.call(SYS_open, {c.path(""), O_TMPFILE | O_RDWR, 0600});
       }},
      {"creat",
       [](Context& c) {
         return c.k.call(SYS_creat, {c.path("new"), 0644});
       }},
      {"truncate",
       [](Context& c) {
         return c.k.call(SYS_truncate, {c.path("file"), 1});
       }},
      {"mkdir",
       [](Context& c) {
         return c.k.call(SYS_mkdir, {c.path("new"), 0755});
       }},
      {"mkdirat",
       [](Context& c) {
         return c.k.call(SYS_mkdirat, {u64(AT_FDCWD), c.path("new"), 0755});
       }},
      {"mknod",
       [](Context& c) {
         return c.k.call(SYS_mknod, {c.path("new"), S_IFIFO | 0600, 0});
       }},
      {"rmdir", [](Context& c) { return c.k.call(SYS_rmdir, {c.path("empty")}); }},
      {"unlink", [](Context& c) { return c.k.call(SYS_unlink, {c.path("file")}); }},
      {"unlinkat",
       [](Context& c) {
         return c.k.call(SYS_unlinkat, {u64(AT_FDCWD), c.path("empty"), AT_REMOVEDIR});
       }},
      {"rename",
       [](Context& c) {
         return c.k.call(SYS_rename, {c.path("file"), c.path("new")});
       }},
      {"renameat2",
       [](Context& c) {
         return c.k.call(SYS_renameat2, {u64(AT_FDCWD), c.path("file"), u64(AT_FDCWD), c.path("new"), 1});
       }},
      {"link",
       [](Context& c) {
         return c.k.call(SYS_link, {c.path("file"), c.path("new")});
       }},
      {"symlink",
       [](Context& c) {
         return c.k.call(SYS_symlink, {c.k.text("x"), c.path("new")});
       }},
      {"chmod",
       [](Context& c) {
         return c.k.call(SYS_chmod, {c.path("file"), 0600});
       }},
      {"fchmod",
       [](Context& c) {
         return c.k.call(SYS_fchmod, {c.open_reading("file"), 0600});
       }},
      {"fchmodat",
       [](Context& c) {
         return c.k.call(SYS_fchmodat, {u64(AT_FDCWD), c.path("file"), 0600});
       }},
      {"chown",
       [](Context& c) {
         return c.k.call(SYS_chown, {c.path("file"), ::getuid(), ::getgid()});
       }},
      {"fchown",
       [](Context& c) {
         return c.k.call(SYS_fchown, {c.open_reading("file"), ::getuid(), ::getgid()});
       }},
      {"lchown",
       [](Context& c) {
         return c.k.call(SYS_lchown, {c.path("link"), ::getuid(), ::getgid()});
       }},
      {"utime",
       [](Context& c) {
         return c.k.call(SYS_utime, {c.path("file"), 0});
       }},
      {"utimes",
       [](Context& c) {
         return c.k.call(SYS_utimes, {c.path("file"), 0});
       }},
      {"utimensat",
       [](Context& c) {
         return c.k.call(SYS_utimensat, {u64(AT_FDCWD), c.path("file"), 0, 0});
       }},
      {"futimens",
       [](Context& c) {
         return c.k.call(SYS_utimensat, {c.open_reading("file"), 0, 0, 0});
       }},
  };
  return table;
}

/// Names, modes, sizes, times and contents of everything in the folder.
std::string picture(const TempDir& folder) {
  std::string text;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(folder.path())) {
    struct stat st {};
    ::lstat(entry.path().c_str(), &st);
    const std::string name = entry.path().filename();
    text +=
        fmt::format("{} {:o} {} {} {}.{} {}\n", name, st.st_mode, st.st_size, st.st_nlink, st.st_mtim.tv_sec,
                    st.st_mtim.tv_nsec, entry.is_regular_file() ? folder.read(name) : "");
  }
  return text;
}

void fill(const TempDir& folder) {
  folder.write("file", "contents");
  std::filesystem::create_symlink("file", folder / "link");
  std::filesystem::create_directory(folder / "empty");
}

TEST(ReadOnly, every_change_is_refused_and_nothing_changes) {
  for (const Row& row : rows()) {
    SCOPED_TRACE(row.name);
    const TempDir folder;
    fill(folder);
    const std::string before = picture(folder);
    ProcessConfig config;
    config.read_only = true;
    GuestKernel k(config);
    Context context{k, folder};

    EXPECT_EQ(row.act(context), -EROFS);
    EXPECT_EQ(picture(folder), before);
  }
}

TEST(ReadOnly, without_it_the_same_calls_succeed) {
  for (const Row& row : rows()) {
    SCOPED_TRACE(row.name);
    const TempDir folder;
    fill(folder);
    GuestKernel k;
    Context context{k, folder};
    EXPECT_GE(row.act(context), 0);
  }
}

TEST(ReadOnly, reading_and_harmless_devices_still_work) {
  const TempDir folder;
  fill(folder);
  ProcessConfig config;
  config.read_only = true;
  GuestKernel k(config);
  Context c{k, folder};

  EXPECT_GE(k.call(SYS_open, {c.path("file"), O_RDONLY}), 0);
  EXPECT_GE(k.call(SYS_open, {c.path("file"), O_RDONLY | O_CREAT, 0644}), 0) << "it is there already";
  EXPECT_EQ(k.call(SYS_open, {c.path("file"), O_RDWR | O_CREAT | O_EXCL, 0644}), -EEXIST);
  EXPECT_EQ(k.call(SYS_open, {c.path("absent/x"), O_RDWR | O_CREAT, 0644}), -ENOENT);
  EXPECT_GE(k.call(SYS_open, {k.text("/dev/null"), O_RDWR}), 0);
  EXPECT_GE(k.call(SYS_open, {k.text("/dev/full"), O_WRONLY | O_CREAT, 0644}), 0);
  EXPECT_EQ(k.call(SYS_access, {c.path("file"), W_OK}), -EROFS);
  EXPECT_EQ(k.call(SYS_access, {k.text("/dev/null"), W_OK}), 0);
  const i64 memory = k.call(SYS_memfd_create, {k.text("m"), 0});
  EXPECT_EQ(k.call(SYS_write, {static_cast<u64>(memory), k.text("x"), 1}), 1)
      << "memory is no file of the host";
}

}  // namespace
}  // namespace lastbranch::user
