#pragma once
/// The subcommands of `lastbranch kvm`.
#include <string>
#include <vector>

#include "models/vmx/kvm/kernels.h"

namespace lastbranch::cli {

int kvm_explain_command(const std::vector<std::string>& words);
int kvm_diff_command(const std::vector<std::string>& words);
/// 1 if a row is not the model's.
int kvm_check_command(const std::vector<std::string>& words);

}  // namespace lastbranch::cli
