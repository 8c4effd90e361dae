#pragma once
// A kernel without a program: system calls are made from C++, with arguments in a scratch mapping.
#include <string>

#include <gtest/gtest.h>
#include <sys/mman.h>

#include "models/cpu/cpu.h"
#include "sim/user/syscall_table.h"
#include "tests/user/temp_dir.h"

namespace lastbranch::user::testing {

class GuestKernel {
 public:
  explicit GuestKernel(ProcessConfig config = {}) : config_(std::move(config)), kernel(config_, memory_) {
    kernel.cpu = &cpu;
    kernel.executable = "/bin/nothing";
    const u32 rw = PROT_READ | PROT_WRITE;
    scratch_ = static_cast<u64>(kernel.memory.map({0, kScratch, rw, MAP_PRIVATE | MAP_ANONYMOUS}));
  }

  /// Makes the system call; its answer.
  i64 call(u64 number, std::array<u64, 6> args = {}) { return serve_syscall(kernel, number, {args}); }
  /// Copies `text` into guest memory; its address. A ring: strings live for some calls.
  u64 text(const std::string& text) { return bytes(text.c_str(), text.size() + 1); }
  u64 bytes(const void* data, u64 size) {
    if (next_ + size > kScratch) next_ = 0;
    const u64 at = scratch_ + next_;
    EXPECT_TRUE(kernel.memory.copy_out(at, data, size));
    next_ += (size + 63) & ~u64{63};
    return at;
  }
  /// Room for results.
  u64 room(u64 size) {
    const std::vector<u8> zeroes(size);
    return bytes(zeroes.data(), size);
  }

 private:
  static constexpr u64 kScratch = u64{1} << 20;
  ProcessConfig config_;
  PhysMem memory_{u64{64} << 20};
  u64 scratch_ = 0, next_ = 0;

 public:
  cpu::Cpu cpu;
  Kernel kernel;
};

}  // namespace lastbranch::user::testing
