#pragma once
// The sets of reference vectors: their columns, and how a row is replayed.
// Source: the header comments of ../shared/vectors/kvm/*.csv.gz.
#include "models/vmx/kvm/check/vector_file.h"

namespace lastbranch::kvm {

class Case;

struct VectorSet {
  std::string_view name;
  std::span<const Column> columns;  ///< inputs, then outputs
  std::size_t inputs;               ///< how many are inputs, the state included
  void (*replay)(Case& row);
};

[[nodiscard]] std::span<const VectorSet> vector_sets();
/// The set whose columns resemble `names` most.
[[nodiscard]] const VectorSet& closest_set(std::span<const std::string_view> names);

}  // namespace lastbranch::kvm
