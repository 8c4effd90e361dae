// The mappings as others see them: perf.data and /proc/self/maps.
#include <fmt/format.h>
#include <sys/mman.h>

#include "sim/user/address_space.h"

namespace lastbranch::user {
namespace {

const char* role_name(Role role) {
  switch (role) {
    case Role::kHeap:
      return "[heap]";
    case Role::kStack:
      return "[stack]";
    case Role::kVdso:
      return "[vdso]";
    case Role::kPlain:
      break;
  }
  return "";
}

ExecMapping describe(const Vma& v) {
  ExecMapping m{v.start, v.size(), 0, v.prot, u32{MAP_PRIVATE}};
  m.flags = v.shared ? u32{MAP_SHARED} : u32{MAP_PRIVATE};
  if (v.file) {
    m.pgoff = v.offset;
    m.major = v.file->major();
    m.minor = v.file->minor();
    m.inode = v.file->inode();
    m.filename = v.file->host_path();
  } else {
    m.flags |= v.role != Role::kVdso ? u32{MAP_ANONYMOUS} : 0;
    m.filename = *role_name(v.role) != '\0' ? role_name(v.role) : "//anon";
  }
  return m;
}

std::string maps_name(const Vma& v) {
  if (v.file) return v.file->guest_path();
  if (v.role != Role::kPlain) return role_name(v.role);
  return v.shared ? "/dev/zero (deleted)" : "";
}

}  // namespace

void AddressSpace::announce(const Vma& v) const {
  if (observer_ && (v.prot & PROT_EXEC) != 0) observer_(describe(v));
}

std::vector<ExecMapping> AddressSpace::executable_mappings() const {
  std::vector<ExecMapping> list;
  for (const auto& [start, v] : vmas_.all()) {
    if ((v.prot & PROT_EXEC) != 0) list.push_back(describe(v));
  }
  return list;
}

std::string AddressSpace::maps_text() const {
  constexpr std::size_t kNameColumn = 73;
  std::string text;
  for (const auto& entry : vmas_.all()) {
    const Vma& v = entry.second;
    const auto letter = [&](int right, char c) { return (v.prot & static_cast<u32>(right)) != 0 ? c : '-'; };
    std::string line = fmt::format("{:08x}-{:08x} {}{}{}{} {:08x} {:02x}:{:02x} {}", v.start, v.end,
                                   letter(PROT_READ, 'r'), letter(PROT_WRITE, 'w'), letter(PROT_EXEC, 'x'),
                                   v.shared ? 's' : 'p', v.file ? v.offset : 0, v.file ? v.file->major() : 0,
                                   v.file ? v.file->minor() : 0, v.file ? v.file->inode() : 0);
    const std::string name = maps_name(v);
    if (name.empty()) {
      line += ' ';
    } else {
      line.resize(std::max(line.size() + 1, kNameColumn), ' ');
      line += name;
    }
    text += line + '\n';
  }
  return text;
}

}  // namespace lastbranch::user
