#include "sim/user/kernel.h"

#include <algorithm>
#include <cstring>

#include <sys/stat.h>
#include <unistd.h>

namespace lastbranch::user {
namespace {

constexpr u64 kLeastStack = u64{256} << 10;

u64 stack_limit(const ProcessConfig& config) {
  return std::max(page_of(config.stack_bytes), kLeastStack);
}

rlimit host_limit(int which) {
  rlimit limit{};
  ::getrlimit(static_cast<__rlimit_resource>(which), &limit);
  return limit;
}

u32 host_file_mask() {
  const mode_t mask = ::umask(022);
  ::umask(mask);
  return mask;
}

}  // namespace

Kernel::Kernel(const ProcessConfig& settings, PhysMem& ram)
    : config(settings),
      memory(ram, stack_limit(settings)),
      paths(settings.root),
      fds(host_limit(RLIMIT_NOFILE).rlim_cur),
      clock(settings.now_ns),
      rng(settings.seed),
      uid(::getuid()),
      euid(::geteuid()),
      gid(::getgid()),
      egid(::getegid()),
      file_mask(host_file_mask()) {
  for (int i = 0; i < RLIM_NLIMITS; ++i) limits[static_cast<std::size_t>(i)] = host_limit(i);
  limits[RLIMIT_STACK].rlim_cur = stack_limit(settings);
  memory.observe_executable(settings.on_executable);
}

void Kernel::randomize(u8* out, u64 length) {
  for (u64 done = 0; done < length; done += sizeof(u64)) {
    const u64 word = rng();
    std::memcpy(out + done, &word, std::min<u64>(sizeof word, length - done));
  }
}

}  // namespace lastbranch::user
