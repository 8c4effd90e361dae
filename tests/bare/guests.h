#pragma once
/// The guest programs that the build has assembled.
#include <string>

#include "sim/machine/bare_machine.h"

namespace lastbranch::test {

/// Path of an image: "hello.elf".
inline std::string guest(const std::string& name) {
  return std::string(LASTBRANCH_BARE_GUESTS) + "/" + name;
}

/// Enough for every program, and little enough to end one that hangs.
inline constexpr u64 kGuestLimit = 2'000'000;

struct GuestRun {
  BareOutcome outcome;
  std::string output;
  std::string trouble;  ///< what the failed check found and expected, or why it died
};

inline GuestRun run_guest(BareConfig config) {
  GuestRun r;
  config.output = [&r](std::string_view text) { r.output += text; };
  BareMachine machine(std::move(config));
  r.outcome = machine.run(kGuestLimit);
  const cpu::Cpu& c = machine.processor().cpu();
  r.trouble = fmt::format("found {:#x}, expected {:#x}, rip {:#x}", c.r[cpu::kR15], c.r[cpu::kR14], c.rip);
  if (r.outcome.how == BareOutcome::How::kShutdown) r.trouble = machine.shutdown_reason();
  return r;
}

}  // namespace lastbranch::test
