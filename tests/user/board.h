#pragma once
// A processor and a process, without SystemC: the smallest loop that runs a program.
#include <memory>
#include <vector>

#include "models/cpu/core.h"
#include "models/cpu/cpuid.h"
#include "models/cpu/uarch/uarch.h"
#include "sim/user/process.h"

namespace lastbranch::user::testing {

/// Keeps far branches, and drops near ones.
struct Branches final : FarBranches {
  struct Far {
    BranchKind kind;
    u64 from, to;
    u8 cpl_from, cpl_to;
  };
  std::vector<Far> far;
  void far_branch(BranchKind kind, u64 from, u64 to, u8 cpl_from, u8 cpl_to) override {
    far.push_back({kind, from, to, cpl_from, cpl_to});
  }
};

struct NoHub {
  void branch(const RetiredBranch&) {}
};
struct Policies {
  using Hub = NoHub;
  using Timing = cpu::UnitTiming;
  using V = cpu::Fast;
};

/// Runs `config` to its end, or for `limit` instructions.
class Board {
 public:
  explicit Board(const ProcessConfig& config, u64 limit = 2'000'000'000)
      : memory_(config.memory_bytes),
        process_(with_clock(config), memory_),
        core_(memory_, process_.memory(), hub_, ledger_) {
    cpu::Cpu& c = core_.cpu();
    c.cpuid = [](const void* self, u32 leaf, u32 subleaf) {
      return cpu::cpuid(*static_cast<const cpu::Uarch*>(self), leaf, subleaf);
    };
    c.cpuid_self = &cpu::uarch(cpu::kDefaultUarch);
    process_.start(c, branches_);
    Process::Next next = Process::Next::kContinue;
    while (next == Process::Next::kContinue && c.retired() < limit) {
      core_.run(limit - c.retired());
      next = process_.handle();
    }
    finished_ = next != Process::Next::kContinue;
  }

  [[nodiscard]] bool finished() const { return finished_; }
  [[nodiscard]] const Process& process() const { return process_; }
  [[nodiscard]] const std::vector<Branches::Far>& far_branches() const { return branches_.far; }
  [[nodiscard]] u64 instructions() const { return core_.cpu().retired(); }

 private:
  ProcessConfig with_clock(ProcessConfig config) {
    config.now_ns = [this] { return started() ? core_.cpu().retired() : 0; };
    return config;
  }
  [[nodiscard]] bool started() const { return !branches_.far.empty(); }

  PhysMem memory_;
  NoHub hub_;
  Ledger ledger_;
  Branches branches_;
  Process process_;
  cpu::Core<Policies> core_;
  bool finished_ = false;
};

}  // namespace lastbranch::user::testing
