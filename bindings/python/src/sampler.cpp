#include "bindings/python/src/sampler.h"

#include <utility>

#include "sim/base/kernel_half.h"

namespace lastbranch::python {

Sampler::Sampler(Machine& machine, const std::vector<SampledEvent>& events, const BranchFilter& filter,
                 bool raw_lbr)
    : machine_(machine), filter_(filter), raw_lbr_(raw_lbr) {
  machine.enable_lbr(filter);
  for (std::size_t k = 0; k < events.size(); ++k) {
    const u64 period = events[k].period;
    const u32 number = static_cast<u32>(k);
    machine.sample(events[k].spec, period,
                   [this, number, period](const PerfSample& s) { sample(number, period, s.ip); });
  }
}

Samples Sampler::take() {
  return std::exchange(samples_, {});
}

void Sampler::sample(u32 event, u64 period, u64 ip) {
  const std::size_t first = samples_.branches.size();
  const std::size_t n = machine_.lbr().read(ring_);
  for (std::size_t k = 0; k < n; ++k) {
    const lbr::Entry& e = ring_.at(k);
    const bool from_kernel = in_kernel(e.from);
    if (!raw_lbr_ && !filter_.keeps(e.kind, from_kernel)) continue;
    samples_.branches.push_back(branch_row(machine_.lbr().params().format, e));
  }
  samples_.samples.push_back({.ip = ip,
                              .time = machine_.now_ns(),
                              .period = period,
                              .first = first,
                              .count = static_cast<u32>(samples_.branches.size() - first),
                              .event = event});
}

}  // namespace lastbranch::python
