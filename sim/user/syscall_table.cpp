#include "sim/user/syscall_table.h"

#include <array>
#include <cerrno>
#include <cstring>

#include <fmt/format.h>

#include "sim/base/assert.h"

namespace lastbranch::user {
namespace {

constexpr std::size_t kNumbers = 512;

std::array<const SyscallRow*, kNumbers> index_rows() {
  std::array<const SyscallRow*, kNumbers> rows{};
  for (const auto& area : {file_calls(), io_calls(), path_calls(), stat_calls(), memory_calls(),
                           process_calls(), signal_calls(), time_calls(), wait_calls(), later_calls()}) {
    for (const SyscallRow& row : area) {
      LASTBRANCH_CHECK(row.number < kNumbers && rows[row.number] == nullptr, "{} {}", row.number, row.name);
      rows[row.number] = &row;
    }
  }
  return rows;
}

}  // namespace

const SyscallRow* find_syscall(u64 number) {
  static const std::array<const SyscallRow*, kNumbers> kRows = index_rows();
  return number < kNumbers ? kRows[number] : nullptr;
}

i64 serve_syscall(Kernel& k, u64 number, const Args& args) {
  ++k.system_calls;
  const SyscallRow* row = find_syscall(number);
  if (row != nullptr && row->serve != nullptr) return row->serve(k, args);
  const int error = row != nullptr ? row->fails : ENOSYS;
  k.tally.refuse(number, row != nullptr ? row->name : fmt::format("system call {}", number),
                 std::strerror(error));
  return -error;
}

}  // namespace lastbranch::user
