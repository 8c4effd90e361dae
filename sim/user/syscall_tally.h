#pragma once
// Which system calls a program wanted and did not get: nothing is refused in silence.
#include <map>
#include <string>
#include <vector>

#include "sim/base/units.h"

namespace lastbranch::user {

/// One line of the report at the end of a run.
struct RefusedCall {
  u64 number = 0;
  std::string name;    ///< "clone", "ioctl 0x5413", "system call 999"
  std::string reason;  ///< what the program was told
  u64 count = 0;
};

class SyscallTally {
 public:
  void refuse(u64 number, const std::string& name, const std::string& reason) {
    RefusedCall& row = rows_[{number, name}];
    if (row.count++ == 0) row = {number, name, reason, 1};
  }
  /// By number, then name.
  [[nodiscard]] std::vector<RefusedCall> rows() const {
    std::vector<RefusedCall> list;
    for (const auto& [key, row] : rows_) list.push_back(row);
    return list;
  }

 private:
  std::map<std::pair<u64, std::string>, RefusedCall> rows_;
};

}  // namespace lastbranch::user
