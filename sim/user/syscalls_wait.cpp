// poll and select. A wait for descriptors is a real wait of the host, as they belong to the world outside; a
// wait for time alone jumps the clock.
#include <algorithm>
#include <array>
#include <cerrno>
#include <optional>
#include <vector>

#include <poll.h>
#include <sys/select.h>

#include "sim/user/file_access.h"
#include "sim/user/syscall_table.h"

namespace lastbranch::user {
namespace {

constexpr u64 kMillisecond = 1'000'000;
constexpr u64 kMostDescriptors = 1024;

/// Waits for `entries`, whose descriptors are the host's (-1: ignored). Timeout in ns; nothing: without end.
i64 wait_for(Kernel& k, std::vector<pollfd>& entries, std::optional<u64> timeout) {
  const auto count = static_cast<nfds_t>(entries.size());
  int ready = ::poll(entries.data(), count, 0);
  const bool anything =
      std::any_of(entries.begin(), entries.end(), [](const pollfd& p) { return p.fd >= 0; });
  if (ready == 0 && (anything || !timeout)) {
    const u64 ms = timeout ? std::min<u64>((*timeout + kMillisecond - 1) / kMillisecond, INT32_MAX) : 0;
    ready = ::poll(entries.data(), count, timeout ? static_cast<int>(ms) : -1);
  }
  if (ready < 0) return restarted(-errno);
  if (ready == 0 && timeout) k.clock.sleep(*timeout);
  return ready;
}

i64 poll_descriptors(Kernel& k, u64 pointer, u64 count, std::optional<u64> timeout) {
  if (count > kMostDescriptors) return -EINVAL;
  std::vector<pollfd> guest(count);
  if (!k.memory.copy_in(guest.data(), pointer, count * sizeof(pollfd))) return -EFAULT;
  std::vector<pollfd> host = guest;
  i64 invalid = 0;
  for (pollfd& p : host) {
    const OpenFile* file = p.fd >= 0 ? k.fds.get(static_cast<u64>(p.fd)) : nullptr;
    if (p.fd >= 0 && file == nullptr) ++invalid;
    p.fd = file != nullptr ? file->fd() : -1;
    p.revents = 0;
  }
  i64 ready = wait_for(k, host, invalid != 0 ? std::optional<u64>(0) : timeout);
  if (ready < 0) return ready;
  for (std::size_t i = 0; i < count; ++i) {
    const bool bad = guest[i].fd >= 0 && k.fds.get(static_cast<u64>(guest[i].fd)) == nullptr;
    guest[i].revents = bad ? short{POLLNVAL} : host[i].revents;
  }
  ready += invalid;
  return k.memory.copy_out(pointer, guest.data(), count * sizeof(pollfd)) ? ready : -EFAULT;
}

/// A timespec or timeval at `pointer` in ns; nothing when null; negative results are errors.
template <class T>
i64 read_timeout(Kernel& k, u64 pointer, u64 unit, std::optional<u64>& out) {
  std::array<i64, 2> value{};
  static_assert(sizeof(T) == sizeof value);
  if (pointer == 0) return 0;
  if (!k.memory.read(pointer, value)) return -EFAULT;
  const i64 limit = static_cast<i64>(GuestClock::kSecond / unit);
  if (value[0] < 0 || value[1] < 0 || value[1] >= limit) return -EINVAL;
  out = static_cast<u64>(value[0]) * GuestClock::kSecond + static_cast<u64>(value[1]) * unit;
  return 0;
}

i64 sys_poll(Kernel& k, const Args& a) {
  const std::optional<u64> timeout =
      a.i(2) < 0 ? std::nullopt : std::optional<u64>(static_cast<u64>(a.i(2)) * kMillisecond);
  return poll_descriptors(k, a[0], a.u(1), timeout);
}
i64 sys_ppoll(Kernel& k, const Args& a) {
  std::optional<u64> timeout;
  if (const i64 error = read_timeout<timespec>(k, a[2], 1, timeout); error != 0) return error;
  return poll_descriptors(k, a[0], a.u(1), timeout);
}

using FdSet = std::array<u64, kMostDescriptors / 64>;
bool holds(const FdSet& set, u64 fd) {
  return (set[fd / 64] >> (fd % 64) & 1) != 0;
}
void add(FdSet& set, u64 fd) {
  set[fd / 64] |= u64{1} << (fd % 64);
}

constexpr std::array<short, 3> kWanted = {POLLIN | POLLPRI * 0, POLLOUT, POLLPRI};
constexpr std::array<short, 3> kMeans = {POLLIN | POLLHUP | POLLERR, POLLOUT | POLLERR, POLLPRI};

i64 select_descriptors(Kernel& k, u64 count, const std::array<u64, 3>& pointers, std::optional<u64> timeout) {
  count = std::min(count, kMostDescriptors);
  const u64 bytes = (count + 63) / 64 * 8;
  std::array<FdSet, 3> asked{}, found{};
  for (std::size_t i = 0; i < 3; ++i) {
    if (pointers[i] != 0 && !k.memory.copy_in(asked[i].data(), pointers[i], bytes)) return -EFAULT;
  }
  std::vector<pollfd> entries;
  std::vector<u64> numbers;
  for (u64 fd = 0; fd < count; ++fd) {
    short events = 0;
    for (std::size_t i = 0; i < 3; ++i)
      events = static_cast<short>(events | (holds(asked[i], fd) ? kWanted[i] : 0));
    if (events == 0) continue;
    const OpenFile* file = k.fds.get(fd);
    if (file == nullptr) return -EBADF;
    entries.push_back({file->fd(), events, 0});
    numbers.push_back(fd);
  }
  const i64 waited = wait_for(k, entries, timeout);
  if (waited < 0) return waited;
  i64 ready = 0;
  for (std::size_t e = 0; e < entries.size(); ++e) {
    for (std::size_t i = 0; i < 3; ++i) {
      if (!holds(asked[i], numbers[e]) || (entries[e].revents & kMeans[i]) == 0) continue;
      add(found[i], numbers[e]);
      ++ready;
    }
  }
  for (std::size_t i = 0; i < 3; ++i) {
    if (pointers[i] != 0 && !k.memory.copy_out(pointers[i], found[i].data(), bytes)) return -EFAULT;
  }
  return ready;
}
i64 sys_select(Kernel& k, const Args& a) {
  std::optional<u64> timeout;
  if (a.i(0) < 0) return -EINVAL;
  if (const i64 error = read_timeout<timeval>(k, a[4], 1000, timeout); error != 0) return error;
  return select_descriptors(k, a.u(0), {a[1], a[2], a[3]}, timeout);
}
i64 sys_pselect6(Kernel& k, const Args& a) {
  std::optional<u64> timeout;
  if (a.i(0) < 0) return -EINVAL;
  if (const i64 error = read_timeout<timespec>(k, a[4], 1, timeout); error != 0) return error;
  return select_descriptors(k, a.u(0), {a[1], a[2], a[3]}, timeout);
}

constexpr SyscallRow kRows[] = {
    {7, "poll", sys_poll},
    {23, "select", sys_select},
    {270, "pselect6", sys_pselect6},
    {271, "ppoll", sys_ppoll},
};

}  // namespace

std::span<const SyscallRow> wait_calls() {
  return kRows;
}

}  // namespace lastbranch::user
