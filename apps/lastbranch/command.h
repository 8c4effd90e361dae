#pragma once
/// The subcommands, and what their exit statuses mean.
#include <string>
#include <string_view>
#include <vector>

namespace lastbranch::cli {

/// Beside the simulated program's own status, and 128 + signal when it, or lastbranch, was ended by one.
enum ExitStatus : int {
  kSuccess = 0,
  kOutputFailed = 1,  ///< what was to be written could not be: disk full, for instance
  kBadInput = 2,      ///< an option, event or file that is not what it should be
};

using CommandFunction = int (*)(const std::vector<std::string>& arguments);

/// Each runs one subcommand with what follows its name and returns the exit status. Throws Error (bad input)
/// and OutputError.
int run_command(const std::vector<std::string>& arguments);
int stat_command(const std::vector<std::string>& arguments);
int record_command(const std::vector<std::string>& arguments);
int script_command(const std::vector<std::string>& arguments);
int replay_command(const std::vector<std::string>& arguments);
int report_command(const std::vector<std::string>& arguments);
int compare_command(const std::vector<std::string>& arguments);
int list_command(const std::vector<std::string>& arguments);
int bare_command(const std::vector<std::string>& arguments);
int kvm_command(const std::vector<std::string>& arguments);

}  // namespace lastbranch::cli
