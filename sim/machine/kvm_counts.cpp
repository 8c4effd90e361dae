#include "sim/machine/kvm_counts.h"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "models/vmx/kvm/event_filter.h"

namespace lastbranch {
namespace {

constexpr std::array<u16, kvm::kMaxFixed> kFixedCodes = {0x00c0, 0x003c, 0x0300};
constexpr u64 kEnable = u64{1} << 22, kModifiers = 0xff8c0000;  // cmask, inv, edge
constexpr u16 kInstructions = 0xc0;

constexpr Ctx context(std::size_t privilege) {
  return privilege == 0 ? Ctx::kGuestKernel : Ctx::kGuestUser;
}

}  // namespace

void KvmCounts::program() {
  const kvm::VpmuState& pmu = vcpu_.state.pmu;
  active_.clear();
  for (unsigned i = 0; i < pmu.gp_count(); ++i) {
    const u64 select = pmu.gp[i].select;
    if ((select & kEnable) != 0) activate(i, select, static_cast<u16>(select));
  }
  for (unsigned i = 0; i < pmu.fixed_count(); ++i)
    if ((pmu.fixed_ctr_ctrl >> 4 * i & 3) != 0) activate(32 + i, kFixedCodes[i], kFixedCodes[i]);
}

void KvmCounts::activate(unsigned index, u64 select, u16 code) {
  Active counter{.index = index, .event = track(select, code)};
  kvm::Op op = vcpu_.operation();
  op.trace = nullptr;
  const unsigned cpl = vcpu_.state.cpl;
  for (std::size_t p = 0; p < kPrivileges; ++p) {
    vcpu_.state.cpl = p == 0 ? 0 : 3;
    counter.counts[p] = kvm::counter_counts(op, index);
  }
  vcpu_.state.cpl = cpl;
  if (counter.counts[0] || counter.counts[1]) active_.push_back(counter);
}

std::size_t KvmCounts::track(u64 select, u16 code) {
  const std::size_t event = event_of(code);
  if (events_[event].formula.empty() || (select & kModifiers) != 0)
    unmodelled_.insert(select & (0xffff | kModifiers));
  return event;
}

std::size_t KvmCounts::event_of(u16 code) {
  for (std::size_t i = 0; i < events_.size(); ++i)
    if (events_[i].code == code) return i;
  Event event{.code = code};
  const pmu::Event* const known = code == kFixedCodes[2] ? nullptr : processor_.pmu.event_of(code);
  if (code == kFixedCodes[2]) {
    event.formula = Ev::kCycles;
  } else if (known != nullptr && known->supported()) {
    event.formula = known->formula;
  }
  event.most = event.formula.most(pmu::most_per_instruction(1));
  for (std::size_t p = 0; p < kPrivileges; ++p) event.seen[p] = total(event, p);
  events_.push_back(event);
  return events_.size() - 1;
}

u64 KvmCounts::total(const Event& event, std::size_t privilege) const {
  return event.formula.total(processor_.ledger, context(privilege));
}

u64 KvmCounts::pending(const Active& counter) const {
  const Event& event = events_[counter.event];
  u64 n = 0;
  for (std::size_t p = 0; p < kPrivileges; ++p)
    if (counter.counts[p]) n += total(event, p) - event.seen[p];
  return n;
}

void KvmCounts::limit(Horizon& horizon) const {
  for (const Active& counter : active_) {
    const u64 most = events_[counter.event].most;
    if (most == 0) continue;
    const u64 period = kvm::sample_period(vcpu_.state.pmu, counter.index), so_far = pending(counter);
    horizon.events(period > so_far ? period - so_far : 1, most);
  }
}

bool KvmCounts::overflow_due() const {
  return std::ranges::any_of(active_, [&](const Active& counter) {
    return pending(counter) >= kvm::sample_period(vcpu_.state.pmu, counter.index);
  });
}

void KvmCounts::account() {
  for (Event& event : events_) {
    for (std::size_t p = 0; p < kPrivileges; ++p) {
      const u64 now = total(event, p), n = now - std::exchange(event.seen[p], now);
      if (n != 0 && !active_.empty()) count(event.code, p, n);
    }
  }
}

void KvmCounts::count(u16 code, std::size_t privilege, u64 n) {
  const unsigned cpl = std::exchange(vcpu_.state.cpl, privilege == 0 ? 0 : 3);
  vcpu_.count(static_cast<u8>(code), static_cast<u8>(code >> 8), n);
  vcpu_.state.cpl = cpl;
  if (vcpu_.last().did.lvtpc == 0) return;
  pmis_ += vcpu_.last().did.lvtpc;
  pmi_rules_ = vcpu_.rules();
}

void KvmCounts::completed_instruction() {
  const kvm::VpmuState& pmu = vcpu_.state.pmu;
  const auto enabled = [](const kvm::Counter& counter) { return (counter.select & kEnable) != 0; };
  const auto end = pmu.gp.begin() + pmu.gp_count();
  if (pmu.fixed_ctr_ctrl == 0 && std::none_of(pmu.gp.begin(), end, enabled)) return;
  count(kInstructions, vcpu_.state.cpl == 0 ? 0 : 1, 1);
}

unsigned KvmCounts::take_pmis() {
  return std::exchange(pmis_, 0);
}

std::vector<std::string> KvmCounts::unmodelled() const {
  std::vector<std::string> lines;
  for (const u64 select : unmodelled_)
    lines.push_back(fmt::format("event select {:#x} of the guest", select));
  return lines;
}

}  // namespace lastbranch
