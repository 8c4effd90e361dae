// What a program executes, for tests that count it independently:
//   trace_guest events UARCH LIMIT PROGRAM [ARGUMENT...]  prints each supported event's name and its count in
//       user and in kernel context, last-branch records on
//   trace_guest trace UARCH LIMIT PROGRAM [ARGUMENT...]   runs one instruction at a time and prints, for each
//       pair of an address and the address executed next, both in hexadecimal and how often
// Both run the same LIMIT instructions. The program's own output goes nowhere.
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <unordered_map>

#include <fcntl.h>
#include <unistd.h>

#include "models/pmu/event_spec.h"
#include "sim/base/error.h"
#include "sim/machine/machine.h"

namespace {

using namespace lastbranch;

struct Step {
  u64 at, next;
  bool operator==(const Step&) const = default;
};
struct StepHash {
  std::size_t operator()(const Step& s) const { return (s.at * 0x9e3779b97f4a7c15ull) ^ s.next; }
};

void print_events(Machine& machine, u64 limit, std::FILE* out) {
  struct Counted {
    std::string_view name;
    std::size_t user, kernel;
  };
  const EventList list = machine.uarch().pmu.events;
  std::vector<Counted> counted;
  for (const pmu::Event& e : pmu::events()) {
    if (!e.exists(list) || !e.supported() || e.per_cycle) continue;
    const auto in = [&](const char* ring) {
      return machine.count(pmu::parse_event(list, machine.uarch().name, std::string(e.name) + ring));
    };
    counted.push_back({e.name, in(":u"), in(":k")});
  }
  machine.enable_lbr();
  machine.run(limit);
  for (const Counted& c : counted) {
    std::fprintf(out, "%.*s %lu %lu\n", static_cast<int>(c.name.size()), c.name.data(),
                 machine.counted(c.user), machine.counted(c.kernel));
  }
}

void print_trace(Machine& machine, u64 limit, std::FILE* out) {
  std::unordered_map<Step, u64, StepHash> steps;
  const cpu::Cpu& c = machine.cpu();
  for (u64 n = 0; n < limit; ++n) {
    const u64 at = c.rip;
    const RunOutcome outcome = machine.run(1);
    ++steps[{at, c.rip}];
    if (outcome.ended()) break;
  }
  for (const auto& [step, times] : steps) std::fprintf(out, "%lx %lx %lu\n", step.at, step.next, times);
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 5) {
    std::fprintf(stderr, "usage: trace_guest events|trace UARCH LIMIT PROGRAM [ARGUMENT...]\n");
    return 2;
  }
  const int kept = dup(STDOUT_FILENO);
  std::FILE* out = kept < 0 ? nullptr : fdopen(kept, "w");
  const int nowhere = open("/dev/null", O_WRONLY | O_CLOEXEC);
  if (out == nullptr || nowhere < 0 || dup2(nowhere, STDOUT_FILENO) < 0) {
    std::perror("trace_guest");
    return 2;
  }
  try {
    MachineConfig config;
    config.uarch = argv[2];
    config.process.arguments.assign(argv + 4, argv + argc);
    config.process.environment = {"LC_ALL=C"};
    Machine machine(std::move(config));
    const u64 limit = std::strtoull(argv[3], nullptr, 0);
    (std::strcmp(argv[1], "events") == 0 ? print_events : print_trace)(machine, limit, out);
  } catch (const Error& e) {
    std::fprintf(stderr, "trace_guest: %s\n", e.what());
    return 2;
  }
  return std::fclose(out) == 0 ? 0 : 2;
}
