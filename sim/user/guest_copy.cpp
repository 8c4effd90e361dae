// The kernel's way to guest memory.
#include <algorithm>
#include <cerrno>
#include <cstring>

#include "models/cpu/control.h"
#include "sim/user/address_space.h"

namespace lastbranch::user {

u64 AddressSpace::collect(u64 address, u64 length, cpu::Access access, std::vector<iovec>& out) {
  u64 done = 0;
  while (done < length) {
    const u64 at = address + done;
    if (at < address) break;
    const cpu::Translation t = walk(at, access, true);
    if (!t.ok) break;
    const u64 offset = at - page_of(at);
    const u64 n = std::min(kPageSize - offset, length - done);
    u8* host = pages_.memory().host(t.page + offset);
    const bool adjacent = done != 0 && static_cast<u8*>(out.back().iov_base) + out.back().iov_len == host;
    if (adjacent) {
      out.back().iov_len += n;
    } else {
      out.push_back({host, n});
    }
    done += n;
  }
  return done;
}

void AddressSpace::written(u64 address, u64 length) {
  if (cpu_ == nullptr) return;
  for (u64 done = 0; done < length;) {
    const u64 at = address + done;
    const u64 offset = at - page_of(at);
    const u64 n = std::min(kPageSize - offset, length - done);
    if (const Pte* entry = table_.find(at); entry != nullptr && *entry != 0) {
      const u64 page = page_of(*entry);
      if (pages_.memory().code(page).granules != 0) cpu::forget_code(*cpu_, page + offset, n);
    }
    done += n;
  }
}

bool AddressSpace::copy_in(void* to, u64 from, u64 length) {
  u8* out = static_cast<u8*>(to);
  for (u64 done = 0; done < length;) {
    const u64 at = from + done;
    const cpu::Translation t = walk(at, cpu::Access::kRead, true);
    if (!t.ok) return false;
    const u64 offset = at - page_of(at);
    const u64 n = std::min(kPageSize - offset, length - done);
    std::memcpy(out + done, pages_.memory().host(t.page + offset), n);
    done += n;
  }
  return true;
}

bool AddressSpace::copy_out(u64 to, const void* from, u64 length) {
  const u8* in = static_cast<const u8*>(from);
  for (u64 done = 0; done < length;) {
    const u64 at = to + done;
    const cpu::Translation t = walk(at, cpu::Access::kWrite, true);
    if (!t.ok) return false;
    const u64 offset = at - page_of(at);
    const u64 n = std::min(kPageSize - offset, length - done);
    std::memcpy(pages_.memory().host(t.page + offset), in + done, n);
    written(at, n);
    done += n;
  }
  return true;
}

i64 AddressSpace::read_string(u64 from, std::string& out, u64 limit) {
  out.clear();
  while (out.size() < limit) {
    const u64 at = from + out.size();
    const cpu::Translation t = walk(at, cpu::Access::kRead, true);
    if (!t.ok) return -EFAULT;
    const u64 offset = at - page_of(at);
    const u64 n = std::min(kPageSize - offset, limit - out.size());
    const u8* text = pages_.memory().host(t.page + offset);
    const u8* end = std::find(text, text + n, u8{0});
    out.append(text, end);
    if (end != text + n) return 0;
  }
  return -ENAMETOOLONG;
}

}  // namespace lastbranch::user
