#include "sim/user/initial_stack.h"

#include <algorithm>
#include <cstring>

#include <elf.h>
#include <sys/mman.h>

#include "sim/base/error.h"

namespace lastbranch::user {
namespace {

// Newer than Debian 12's elf.h, or missing there.
constexpr u64 kAtRseqFeatureSize = 27, kAtRseqAlign = 28;
constexpr u64 kAtFlags = 0, kAtClockTicks = 100;

/// Writes downwards from an address.
class Descent {
 public:
  Descent(AddressSpace& space, u64 top) : space_(space), at_(top) {}
  u64 push(const void* bytes, u64 size) {
    at_ -= size;
    if (!space_.copy_out(at_, bytes, size)) throw Error("stack: cannot write {} bytes at {:#x}", size, at_);
    return at_;
  }
  u64 push(const std::string& text) { return push(text.c_str(), text.size() + 1); }
  /// Pushes last to first, so that they ascend; returns their addresses in order.
  std::vector<u64> push_all(const std::vector<std::string>& texts) {
    std::vector<u64> addresses(texts.size());
    for (std::size_t i = texts.size(); i-- > 0;) addresses[i] = push(texts[i]);
    return addresses;
  }
  void align(u64 to) { at_ &= ~(to - 1); }
  [[nodiscard]] u64 at() const { return at_; }

 private:
  AddressSpace& space_;
  u64 at_;
};

u64 string_bytes(const StackContents& c) {
  u64 total = c.executable.size() + 1;
  for (const auto* list : {&c.arguments, &c.environment}) {
    for (const std::string& s : *list) total += s.size() + 1 + sizeof(u64);
  }
  return total;
}

void map_stack(AddressSpace& space, bool executable, u64 strings, u64 limit) {
  if (strings > limit / 4) {
    throw Error("arguments and environment: expected at most {} bytes (a quarter of the stack), found {}",
                limit / 4, strings);
  }
  const u64 size = std::min(page_ceil(strings) + kInitialStack, page_of(limit));
  MapRequest request{kStackTop - size, size, u32{PROT_READ | PROT_WRITE},
                     MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED};
  request.prot |= executable ? u32{PROT_EXEC} : 0;
  request.flags |= MAP_GROWSDOWN;
  request.role = Role::kStack;
  if (const i64 r = space.map(request); r < 0) throw Error("stack: {}", std::strerror(static_cast<int>(-r)));
}

}  // namespace

InitialStack build_stack(AddressSpace& space, const Program& program, const StackContents& c,
                         u64 stack_limit) {
  map_stack(space, program.executable_stack, string_bytes(c), stack_limit);
  Descent stack(space, kStackTop - sizeof(u64));  // the kernel leaves a null pointer at the top
  InitialStack result;
  const u64 name = stack.push(c.executable);
  result.environment_end = name;
  const std::vector<u64> environment = stack.push_all(c.environment);
  result.arguments_end = stack.at();
  const std::vector<u64> arguments = stack.push_all(c.arguments);
  result.arguments = stack.at();
  stack.align(16);
  const u64 platform = stack.push("x86_64");
  const u64 random = stack.push(c.random.data(), c.random.size());
  stack.align(16);

  // In the kernel's order.
  const std::vector<std::pair<u64, u64>> auxv = {
      {AT_SYSINFO_EHDR, c.vdso},
      {AT_MINSIGSTKSZ, c.minimum_signal_stack},
      {AT_HWCAP, c.hwcap},
      {AT_PAGESZ, kPageSize},
      {AT_CLKTCK, kAtClockTicks},
      {AT_PHDR, program.headers},
      {AT_PHENT, sizeof(Elf64_Phdr)},
      {AT_PHNUM, program.header_count},
      {AT_BASE, program.loader_base},
      {AT_FLAGS, kAtFlags},
      {AT_ENTRY, program.program_entry},
      {AT_UID, c.uid},
      {AT_EUID, c.euid},
      {AT_GID, c.gid},
      {AT_EGID, c.egid},
      {AT_SECURE, 0},
      {AT_RANDOM, random},
      {AT_HWCAP2, c.hwcap2},
      {AT_EXECFN, name},
      {AT_PLATFORM, platform},
      {kAtRseqFeatureSize, 28},
      {kAtRseqAlign, 32},
      {AT_NULL, 0},
  };
  std::vector<u64> words{arguments.size()};
  words.insert(words.end(), arguments.begin(), arguments.end());
  words.push_back(0);
  words.insert(words.end(), environment.begin(), environment.end());
  words.push_back(0);
  const std::size_t auxv_at = words.size();
  for (const auto& [type, value] : auxv) {
    words.push_back(type);
    words.push_back(value);
  }
  // Room is rounded up so that RSP is a multiple of 16 at entry.
  const u64 pointer = (stack.at() - words.size() * sizeof(u64)) & ~u64{15};
  if (!space.copy_out(pointer, words.data(), words.size() * sizeof(u64)))
    throw Error("stack: cannot write at {:#x}", pointer);
  result.pointer = pointer;
  result.auxv.resize((words.size() - auxv_at) * sizeof(u64));
  std::memcpy(result.auxv.data(), words.data() + auxv_at, result.auxv.size());
  return result;
}

}  // namespace lastbranch::user
