#pragma once
// Reference vectors against the model: per file and kernel, how many rows match, and the first that do not.
// No row is excepted as an artefact of the environment: all of them follow from the rules.
// Source: ../shared/vectors/README.md.
#include <array>

#include "models/vmx/kvm/check/vector_sets.h"

namespace lastbranch::kvm {

/// A row whose answer is not the model's.
struct Mismatch {
  std::size_t line;
  Kernel kernel;
  std::string
      what;  ///< "vmcs_debugctl: expected 0x801, found 0x800", of the first such column, and others' names
};

struct KernelTally {
  std::size_t rows = 0, matched = 0;
};

struct CheckResult {
  std::string path;
  std::string_view set;
  std::array<KernelTally, kKernelCount> kernels{};
  std::vector<Mismatch> first;  ///< at most as many as were asked for, per kernel

  [[nodiscard]] std::size_t rows() const;
  [[nodiscard]] std::size_t matched() const;
};

/// Replays a file. Throws Error when the file is not what it should be.
[[nodiscard]] CheckResult check_file(const std::string& path, std::size_t keep_per_kernel = 5);

}  // namespace lastbranch::kvm
