#pragma once
// Replay, third level: the program of a capture is run in the simulator, and each captured window must be a
// contiguous piece of its taken branches.
//
// Compared: branches of user mode, as places in files, so that programs may lie elsewhere (ASLR); through the
// capture's branch filter; every branch's taken ratio (sim/replay/taken_ratios.h). Set aside by cause, not
// judged: windows of the kernel only, windows with code of files that the run does not have (by build-id) or
// that no file is behind, call stacks. Not compared: misprediction rates and cycles, as the machine has no
// predictor and counts a cycle an instruction; several processes or threads, of which the machine runs one.
// Memory grows with the windows and with the code that is executed, not with how long it runs.
// Source: captures.md, "Ground truth", "What replay can check".
#include <string>

#include "sim/machine/machine.h"
#include "sim/replay/report.h"

namespace lastbranch {

struct ReplayRunOptions {
  MachineConfig machine;  ///< the program with its arguments, and the part it is run on
  u64 max_instructions = Machine::kNoLimit;
  bool keep_going = false;  ///< a damaged capture is compared up to the damage
};

/// Runs the program and adds what was found to `report`. Throws Error: a capture or a program that cannot be
/// read or started.
RunOutcome replay_run(const std::string& capture, const ReplayRunOptions& options, replay::Report& report);

}  // namespace lastbranch
