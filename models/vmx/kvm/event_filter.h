#pragma once
// KVM_SET_PMU_EVENT_FILTER, and when a counter of the vPMU counts an event.
// Source: kvm-lbr-semantics.md, "MSR table" (event counts when), "Kernel selftests" (pmu_event_filter_test).
#include "models/vmx/kvm/op.h"

namespace lastbranch::kvm {

inline constexpr std::size_t kMaxFilterEvents = 300;

/// 0, or a negative errno and nothing has changed.
int set_event_filter(Op& op, const EventFilter& filter);
/// Whether counter `index` (0.. general, 32.. fixed) counts what it is programmed for.
[[nodiscard]] bool counter_counts(Op& op, unsigned index);
/// `n` events of this code happen in the guest: every counter that counts it advances, overflows set status
/// bits and send PMIs.
void count_event(Op& op, u8 event, u8 umask, u64 n);
/// Events until the next overflow of counter `index`: what perf is asked for.
[[nodiscard]] u64 sample_period(const VpmuState& pmu, unsigned index);

}  // namespace lastbranch::kvm
