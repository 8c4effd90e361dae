#include "sim/board/image.h"

#include <cstdio>
#include <fstream>

#include <gtest/gtest.h>
#include <unistd.h>

#include "sim/base/error.h"
#include "sim/board/layout.h"
#include "tests/bare/guests.h"

namespace lastbranch::board {
namespace {

/// A file of these bytes that is gone afterwards.
class TempFile {
 public:
  explicit TempFile(const std::string& bytes) {
    const int fd = ::mkstemp(path_.data());
    if (fd >= 0) ::close(fd);
    std::ofstream(path_, std::ios::binary) << bytes;
  }
  ~TempFile() { std::remove(path_.c_str()); }
  TempFile(const TempFile&) = delete;
  TempFile& operator=(const TempFile&) = delete;
  [[nodiscard]] const std::string& path() const { return path_; }

 private:
  std::string path_ = ::testing::TempDir() + "lastbranch_image_XXXXXX";
};

std::string refusal(const std::string& path, u64 memory_bytes = kLeastMemory) {
  PhysMem memory(memory_bytes);
  try {
    (void)load_image(path, memory);
  } catch (const Error& error) {
    return error.what();
  }
  return "";
}

TEST(BareImage, flat_goes_to_its_address) {
  const TempFile file(std::string(5000, '\x90') + "end");
  PhysMem memory(kLeastMemory);
  const LoadedImage image = load_image(file.path(), memory);
  EXPECT_EQ(image.entry, 0x100000u);
  EXPECT_EQ(image.end, 0x102000u);
  EXPECT_EQ(std::string(reinterpret_cast<const char*>(memory.host(0x100000 + 5000)), 3), "end");
}

TEST(BareImage, refuses_what_cannot_be_run) {
  EXPECT_NE(refusal("/nonexistent/image").find("/nonexistent/image"), std::string::npos);
  EXPECT_NE(refusal(TempFile("").path()).find("empty file"), std::string::npos);
  EXPECT_NE(refusal(TempFile(std::string(kLeastMemory, 'x')).path()).find("expected at most"),
            std::string::npos);
  EXPECT_NE(refusal(TempFile("\177ELF").path()).find("truncated"), std::string::npos);
  EXPECT_NE(refusal("/bin/true").find("position-independent"), std::string::npos);
}

TEST(BareMachineConfig, refuses_memory_that_cannot_be) {
  for (const u64 bytes : {u64{0}, kLeastMemory - 1, kMostMemory + 1}) {
    EXPECT_THROW(BareMachine({.image = test::guest("hello.elf"), .memory_bytes = bytes}), Error) << bytes;
  }
}

}  // namespace
}  // namespace lastbranch::board
