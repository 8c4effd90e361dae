#pragma once
// The same program natively and on the board: standard output and status must be equal.
#include <string>
#include <vector>

namespace lastbranch::user::testing {

struct Outcome {
  std::string output, errors;
  int status = 0;  ///< exit status, or 128 + signal
  bool operator==(const Outcome&) const = default;
};

/// Runs `command` in `folder` with `input` on standard input, without address randomisation.
[[nodiscard]] Outcome run_command(const std::vector<std::string>& command, const std::string& folder = "/tmp",
                                  const std::string& input = {});

/// The command that runs `command` on the board, with options of run_guest before it.
[[nodiscard]] std::vector<std::string> on_board(const std::vector<std::string>& command,
                                                const std::vector<std::string>& options = {});

}  // namespace lastbranch::user::testing
