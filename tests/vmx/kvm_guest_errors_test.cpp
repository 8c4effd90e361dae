/// What bad input of a guest gets: an Error that says what was expected and found.
#include <gtest/gtest.h>

#include "sim/base/error.h"
#include "tests/vmx/kvm_guest_world.h"

namespace lastbranch::test {
namespace {

template <typename F>
std::string error_of(F f) {
  try {
    f();
  } catch (const Error& error) {
    return error.what();
  }
  return "no error";
}

std::string making(const KvmGuestConfig& config) {
  return error_of([&] { KvmWorld(host_state("skylake", kvm::Kernel::kS8), config); });
}

TEST(KvmGuestErrors, name_the_part_without_vmx) {
  EXPECT_EQ(making({.uarch = "bonnell"}),
            "uarch: expected a part with VMX, found 'bonnell' (Intel(R) Atom(TM) CPU  230   @ 1.60GHz)");
  EXPECT_NE(making({.uarch = "saltwell"}).find("found 'saltwell'"), std::string::npos);
  EXPECT_NE(making({.uarch = "pentium"}).find("pentium"), std::string::npos);
}

TEST(KvmGuestErrors, tell_how_much_memory_there_may_be) {
  EXPECT_EQ(making({.memory_bytes = 0x1000}),
            "memory: expected 0x200000 to 0xfec00000 bytes in whole pages, found 0x1000");
  EXPECT_NE(making({.memory_bytes = u64{1} << 33}).find("found 0x200000000"), std::string::npos);
  EXPECT_NE(making({.memory_bytes = 0x200001}).find("found 0x200001"), std::string::npos);
}

TEST(KvmGuestErrors, tell_how_large_an_image_may_be) {
  KvmWorld w(kvm::Kernel::kS8, {.memory_bytes = 0x200000});
  const std::vector<u8> fits(0x100000, 0xf4), large(0x100001, 0xf4);
  EXPECT_EQ(
      error_of([&] { w.guest.load(large); }),
      "image: expected at most 0x100000 bytes, as memory of 0x200000 bytes and the address 0x100000 allow, "
      "found 0x100001");
  EXPECT_EQ(error_of([&] { w.guest.load({}); }), "image: expected a flat image, found no bytes");
  w.guest.load(fits);
  EXPECT_EQ(w.guest.run(1).how, KvmRun::How::kHalted);
}

TEST(KvmGuestErrors, name_the_file_that_cannot_be_loaded) {
  KvmWorld w(kvm::Kernel::kS8);
  EXPECT_NE(error_of([&] { w.guest.load_file("/nowhere/guest.bin"); }).find("/nowhere/guest.bin"),
            std::string::npos);
}

TEST(KvmGuestErrors, come_from_runs_without_an_image_and_after_the_end) {
  KvmWorld w(kvm::Kernel::kS8);
  EXPECT_EQ(error_of([&] { w.guest.run(); }), "run: expected a guest with an image, found none loaded");
  ASSERT_EQ(w.run("kvm_lbr").status, 0);
  EXPECT_EQ(
      error_of([&] { w.guest.run(); }),
      "run: expected a guest that can go on, found one that has ended: the guest wrote 0 to the exit port");
}

TEST(KvmGuestErrors, tell_where_memory_ends) {
  KvmWorld w(kvm::Kernel::kS8, {.memory_bytes = 0x200000});
  std::array<u8, 16> bytes{};
  w.guest.write_memory(0x1ffff0, bytes);
  w.guest.read_memory(0x1ffff0, bytes);
  EXPECT_EQ(error_of([&] { w.guest.read_memory(0x1ffff1, bytes); }),
            "memory: expected an access within 0x200000 bytes, found 0x10 bytes at 0x1ffff1");
  EXPECT_NE(error_of([&] { w.guest.write_memory(~u64{0}, bytes); }).find("found 0x10 bytes"),
            std::string::npos);
}

}  // namespace
}  // namespace lastbranch::test
