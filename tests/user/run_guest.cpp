// Runs a program on the user-mode board and becomes its exit status: what the comparisons with native runs
// start. Usage: run_guest [--root DIR] [--read-only] [--seed N] PROGRAM [ARGUMENT...]
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "sim/base/error.h"
#include "tests/user/board.h"

int main(int argc, char** argv) {
  using namespace lastbranch;
  user::ProcessConfig config;
  int i = 1;
  for (; i < argc && std::strncmp(argv[i], "--", 2) == 0; ++i) {
    if (std::strcmp(argv[i], "--root") == 0) config.root = argv[++i];
    if (std::strcmp(argv[i], "--read-only") == 0) config.read_only = true;
    if (std::strcmp(argv[i], "--seed") == 0) config.seed = std::strtoull(argv[++i], nullptr, 0);
  }
  config.arguments.assign(argv + i, argv + argc);
  for (char** entry = environ; *entry != nullptr; ++entry) config.environment.emplace_back(*entry);
  try {
    const user::testing::Board board(config);
    const user::Process& process = board.process();
    if (std::getenv("RUN_GUEST_REPORT") != nullptr) {
      for (const user::RefusedCall& call : process.refused_calls()) {
        std::fprintf(stderr, "run_guest: %s: %lu times, answered \"%s\"\n", call.name.c_str(), call.count,
                     call.reason.c_str());
      }
      if (process.death().signal != 0) {
        std::fprintf(stderr, "run_guest: signal %d at %s: %s\n", process.death().signal,
                     process.describe(process.death().rip).c_str(), process.death().reason.c_str());
      }
      std::fprintf(stderr, "run_guest: %lu instructions, %lu system calls\n", board.instructions(),
                   process.system_calls());
    }
    return process.exit_status();
  } catch (const Error& e) {
    std::fprintf(stderr, "run_guest: %s\n", e.what());
    return 2;
  }
}
