#include "apps/lastbranch/notes.h"

#include <array>
#include <cstring>

#include <fmt/format.h>

#include "models/cpu/decode.h"

namespace lastbranch::cli {
namespace {

/// "SIGSEGV"; a number where the signal has no name.
std::string signal_name(int signal) {
  const char* abbreviation = sigabbrev_np(signal);
  return abbreviation != nullptr ? fmt::format("SIG{}", abbreviation) : fmt::format("signal {}", signal);
}

/// The instruction at `address` with its bytes, text and ISA set.
std::string instruction_at(user::AddressSpace& memory, u64 address) {
  std::array<u8, 15> bytes{};
  std::size_t size = bytes.size();
  // It may end just before a page that is not there.
  while (size > 0 && !memory.copy_in(bytes.data(), address, size)) --size;
  return cpu::describe_instruction({bytes.data(), size}, address);
}

std::string death_note(user::Process& process, const user::Death& death) {
  std::string reason = death.reason;
  if (death.by_fault && death.fault.vector == Vector::kUD) {
    reason += ": " + instruction_at(process.memory(), death.rip);
  }
  return fmt::format("program killed by {}: {}; at {:#x}, {}", signal_name(death.signal), reason, death.rip,
                     process.describe(death.rip));
}

}  // namespace

std::vector<std::string> notes(Machine& machine, const Ending& ending) {
  std::vector<std::string> lines;
  user::Process& process = machine.process();
  switch (ending.outcome.how) {
    case RunOutcome::How::kExited:
      break;
    case RunOutcome::How::kKilled:
      lines.push_back(death_note(process, process.death()));
      break;
    case RunOutcome::How::kLimit:
      lines.push_back(
          fmt::format("stopped after {} instructions, as --max-instructions says", machine.instructions()));
      break;
    case RunOutcome::How::kStopped:
      lines.push_back(
          fmt::format("stopped by signal {} ({})", ending.stop_signal, sigdescr_np(ending.stop_signal)));
      break;
  }
  for (const user::RefusedCall& call : process.refused_calls()) {
    lines.push_back(fmt::format("not modelled: {}: told the program \"{}\", {} time{}", call.name,
                                call.reason, call.count, call.count == 1 ? "" : "s"));
  }
  for (const std::string& line : machine.unmodelled()) lines.push_back("not modelled: " + line);
  return lines;
}

}  // namespace lastbranch::cli
