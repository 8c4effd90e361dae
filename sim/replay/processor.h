#pragma once
/// Which simulated processor a capture is replayed on.
///
/// Known by, in this order: what the user says; the capture's CPUID; its CPUDESC, by the rules of how Intel
/// names its parts; what its records hold (how deep, with cycles, with transactions, with counters). Several
/// models share a record where their last-branch records are the same. A model that is not known is replayed
/// as the nearest one by what the records hold, and the report says so. Other makers' processors are told by
/// CPUID, machine name or fields that only they write; they are not replayed.
/// Sources: intel-lbr.md, "LBR resources"; Linux 6.12 arch/x86/include/asm/intel-family.h for model numbers;
/// Intel's guide to its processors' names and numbers.
#include <optional>
#include <string>
#include <string_view>

#include "models/cpu/uarch/uarch.h"
#include "sim/perfdata/feature_reader.h"
#include "sim/perfdata/record_reader.h"
#include "sim/perfdata/records.h"

namespace lastbranch::replay {

/// What the branch stacks of a capture hold, all of them together.
struct RecordShape {
  u64 stacks = 0;
  std::size_t deepest = 0;
  bool cycles = false;
  bool prediction = false;  ///< some entry says predicted or mispredicted
  bool transactions = false;
  bool speculation = false;  ///< an outcome of speculation: other makers' processors only
  bool counters = false;
  bool call_stack = false;  ///< recorded in call-stack mode

  /// Takes one sample and its event into account.
  void add(const perfdata::SampleRecord& sample, const perfdata::Attr& attr);
};

struct ProcessorChoice {
  const cpu::Uarch* part = nullptr;  ///< null: not Intel's
  std::string chosen_by;             ///< for the report; of a null part: what it is
};

/// The record of an Intel CPUID ("GenuineIntel,6,85,4", as perf writes it); null: not Intel's or not
/// modelled.
[[nodiscard]] const cpu::Uarch* part_of_cpuid(std::string_view cpuid);
/// The record of a part by its marketing name; null: not recognized.
[[nodiscard]] const cpu::Uarch* part_of_name(std::string_view cpu_desc);
/// The oldest widespread record that can hold such stacks.
[[nodiscard]] const cpu::Uarch& part_of_shape(const RecordShape& shape);

/// Whether the part may have written its newest record twice: Skylake and the parts that are Skylake to their
/// records, and nobody else. Source: intel-lbr.md, Q4.
[[nodiscard]] bool may_duplicate_top(const cpu::Uarch& part);

/// Whether the features alone decide, so that nobody need look at the stacks first.
[[nodiscard]] bool known_by_features(const perfdata::Features& features);

/// `uarch`: what the user says; empty: nothing. Throws Error when there is no such record.
[[nodiscard]] ProcessorChoice choose_processor(std::string_view uarch, const perfdata::Features& features,
                                               const RecordShape& shape);

}  // namespace lastbranch::replay
