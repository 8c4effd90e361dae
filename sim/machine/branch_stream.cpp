#include "sim/machine/branch_stream.h"

#include <algorithm>
#include <utility>

#include "models/lbr/lbr_select.h"
#include "sim/base/error.h"
#include "sim/base/kernel_half.h"

namespace lastbranch {
namespace {

/// Records that stay free for branches between an overflow and the look.
constexpr unsigned kSlack = 4;

pmu::EventSpec branch_event(const Machine& machine) {
  const cpu::Uarch& part = machine.uarch();
  // Parts without an event of taken branches count all: looks come more often than they must.
  for (const char* name : {"br_inst_retired.near_taken:u", "branches:u"}) {
    try {
      pmu::EventSpec spec = pmu::parse_event(part.pmu.events, part.name, name);
      if (spec.supported()) return spec;
    } catch (const Error&) {
      continue;
    }
  }
  throw Error("{}: expected an event of retired branches, found none that is supplied", part.name);
}

}  // namespace

MachineConfig BranchStream::prepare(MachineConfig config) {
  cpu::Uarch part = cpu::uarch(config.uarch);
  constexpr u64 kFormat = static_cast<u64>(LbrFormat::kInfo);
  if (part.lbr.arch.depth_mask == 0) {
    config.overrides.emplace_back("lbr_format", kFormat);
    config.overrides.emplace_back("lbr_depth", lbr::Lbr::kMaxDepth);
  }
  config.overrides.emplace_back("lbr_dup_top_per_mille", 0);
  config.overrides.emplace_back("lbr_oldest_entry_bias_per_mille", 0);
  config.pmu.skid_cycles = 0;
  return config;
}

BranchStream::BranchStream(Machine& machine, Sink sink) : machine_(machine), sink_(std::move(sink)) {
  machine.enable_lbr(any_user_branch());
  // The kernel's returns are no branches of the program, and no event counts them beforehand.
  if (machine.uarch().lbr.has_select || machine.lbr().architectural())
    machine.lbr().select(lbr::select::kCplEq0 | lbr::select::kFarBranch);
  seen_ = machine.lbr().inserts();
  const unsigned period = std::max(1u, machine.lbr().depth() - kSlack);
  machine.sample(branch_event(machine), period, [this](const PerfSample&) { look(); });
}

void BranchStream::look() {
  const u64 now = machine_.lbr().inserts();
  const u64 fresh = now - std::exchange(seen_, now);
  if (fresh == 0) return;
  const std::size_t n = std::min<u64>(fresh, machine_.lbr().read(newest_));
  const bool gap = n < fresh;
  gaps_ += gap ? 1 : 0;
  std::size_t kept = 0;
  for (std::size_t age = n; age-- != 0;) {
    const lbr::Entry& e = newest_[age];
    if (!in_kernel(e.from) && !in_kernel(e.to)) ordered_[kept++] = e;
  }
  sink_({ordered_.data(), kept}, gap);
}

RunOutcome BranchStream::run(u64 max_instructions) {
  const RunOutcome outcome = machine_.run(max_instructions);
  look();
  return outcome;
}

}  // namespace lastbranch
