#pragma once
/// What `lastbranch list` can show, from the tables that the simulator itself uses.
#include "apps/lastbranch/table.h"
#include "models/cpu/uarch/uarch.h"

namespace lastbranch::cli {

/// perf's names first, then the part's own events.
[[nodiscard]] Table list_events(const cpu::Uarch& part);
/// The part's top-down metrics.
[[nodiscard]] Table list_metrics(const cpu::Uarch& part);
[[nodiscard]] Table list_uarchs(const cpu::Uarch& part);
[[nodiscard]] Table list_msrs(const cpu::Uarch& part);
/// The fields of the part's record and their values.
[[nodiscard]] Table list_params(const cpu::Uarch& part);
/// Those with a row of their own; all others fail with ENOSYS.
[[nodiscard]] Table list_syscalls(const cpu::Uarch& part);
/// Mnemonics that execute.
[[nodiscard]] Table list_instructions(const cpu::Uarch& part);

}  // namespace lastbranch::cli
