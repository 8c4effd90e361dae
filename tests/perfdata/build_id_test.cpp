#include "sim/perfdata/build_id.h"

#include <cstring>

#include <elf.h>
#include <gtest/gtest.h>
#include <sys/auxv.h>

#include "tests/perfdata/support.h"

namespace lastbranch::perfdata::test {
namespace {

/// What readelf says; empty when the file has no build-id.
std::string readelf_build_id(const std::string& path) {
  const std::string text = run_command("readelf -n " + path + " 2>/dev/null").output;
  const std::string label = "Build ID: ";
  const std::size_t at = text.find(label);
  if (at == std::string::npos) return {};
  return text.substr(at + label.size(), text.find('\n', at) - at - label.size());
}

TEST(BuildId, is_what_readelf_prints) {
  if (!has_program("readelf")) GTEST_SKIP() << "readelf is not installed";
  int checked = 0;
  for (const char* path :
       {"/bin/busybox", "/bin/sh", "/bin/ls", "/lib64/ld-linux-x86-64.so.2", "/proc/self/exe"}) {
    const std::string resolved =
        std::filesystem::exists(path) ? std::filesystem::canonical(path).string() : "";
    if (resolved.empty()) continue;
    const auto id = read_build_id(resolved);
    EXPECT_EQ(id ? id->hex() : "", readelf_build_id(resolved)) << path;
    checked += id.has_value();
  }
  EXPECT_GT(checked, 0);
}

TEST(BuildId, of_an_image_in_memory_equals_that_of_the_file) {
  const std::string path = "/proc/self/exe";
  const auto image = [&] {
    ScratchDir scratch;
    std::filesystem::copy_file(path, scratch.file("exe"));
    return read_file(scratch.file("exe"));
  }();
  EXPECT_EQ(read_build_id(image), read_build_id(path));
}

TEST(BuildId, of_the_vdso_is_found) {
  const auto* vdso = reinterpret_cast<const std::byte*>(getauxval(AT_SYSINFO_EHDR));
  if (vdso == nullptr) GTEST_SKIP() << "this process has no vDSO";
  Elf64_Ehdr header;
  std::memcpy(&header, vdso, sizeof header);
  const std::size_t size = header.e_shoff + std::size_t{header.e_shentsize} * header.e_shnum;
  const auto id = read_build_id(std::span(vdso, size));
  ASSERT_TRUE(id.has_value());
  EXPECT_EQ(id->size, 20);
}

TEST(BuildId, is_absent_where_there_is_no_elf_file) {
  ScratchDir scratch;
  write_file(scratch.file("empty"), {});
  const std::string text = "#!/bin/sh\necho not an ELF file\n";
  write_file(scratch.file("script"), std::as_bytes(std::span(text)));
  EXPECT_FALSE(read_build_id(scratch.file("empty")));
  EXPECT_FALSE(read_build_id(scratch.file("script")));
  EXPECT_FALSE(read_build_id(scratch.file("missing")));
  EXPECT_FALSE(read_build_id(scratch.path().string()));
  EXPECT_FALSE(read_build_id(std::span<const std::byte>()));
}

TEST(BuildId, survives_a_file_cut_anywhere) {
  ScratchDir scratch;
  std::filesystem::copy_file("/proc/self/exe", scratch.file("exe"));
  const auto image = read_file(scratch.file("exe"));
  const auto whole = read_build_id(image);
  for (std::size_t size = 0; size < std::min<std::size_t>(image.size(), 4096); size += 7) {
    const auto id = read_build_id(std::span(image).first(size));
    EXPECT_TRUE(!id || id == whole) << size;
  }
}

}  // namespace
}  // namespace lastbranch::perfdata::test
