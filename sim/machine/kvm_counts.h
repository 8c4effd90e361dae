#pragma once
// What the guest retires, for the counters of its vPMU.
//
// Modelled: every event that the part's PMU counts, per privilege, exact to the instruction of an overflow;
// instructions that KVM completes for the guest. Reference cycles count as core cycles. Not modelled: skid,
// cmask, inv and edge of a guest's event select (named by unmodelled()).
// Sources: kvm-lbr-semantics.md, "MSR table"; Linux 6.1 arch/x86/kvm/x86.c, kvm_skip_emulated_instruction,
// for instructions that KVM completes.
#include <array>
#include <set>
#include <string>
#include <vector>

#include "models/pmu/events.h"
#include "models/vmx/kvm/kvm.h"
#include "sim/base/horizon.h"
#include "sim/machine/processor.h"

namespace lastbranch {

class KvmCounts {
 public:
  KvmCounts(const Processor& processor, kvm::Vcpu& vcpu) : processor_(processor), vcpu_(vcpu) {}

  /// Before an entry: which counters count what.
  void program();
  /// No further than to where a counter may overflow.
  void limit(Horizon& horizon) const;
  /// A counter has overflowed by what the guest has retired since account().
  [[nodiscard]] bool overflow_due() const;
  /// After an exit: hands to the vPMU what the guest has retired since.
  void account();
  /// KVM has completed an instruction for the guest.
  void completed_instruction();

  /// PMIs that the local APIC has been sent since the last call, and the rules that decided the last one.
  [[nodiscard]] unsigned take_pmis();
  [[nodiscard]] const kvm::Trace& pmi_rules() const { return pmi_rules_; }
  [[nodiscard]] std::vector<std::string> unmodelled() const;

 private:
  static constexpr std::size_t kPrivileges = 2;  ///< kernel, user
  struct Event {
    u16 code = 0;  ///< event and umask
    pmu::Formula formula{};
    u64 most = 0;                         ///< per instruction
    std::array<u64, kPrivileges> seen{};  ///< totals that are accounted
  };
  struct Active {
    unsigned index = 0;  ///< counter: 0.. general, 32.. fixed
    std::size_t event = 0;
    std::array<bool, kPrivileges> counts{};
  };

  void activate(unsigned index, u64 select, u16 code);
  [[nodiscard]] std::size_t track(u64 select, u16 code);
  [[nodiscard]] std::size_t event_of(u16 code);
  [[nodiscard]] u64 total(const Event& event, std::size_t privilege) const;
  [[nodiscard]] u64 pending(const Active& counter) const;
  void count(u16 code, std::size_t privilege, u64 n);

  const Processor& processor_;
  kvm::Vcpu& vcpu_;
  std::vector<Event> events_;
  std::vector<Active> active_;
  unsigned pmis_ = 0;
  kvm::Trace pmi_rules_;
  std::set<u64> unmodelled_;  ///< event selects
};

}  // namespace lastbranch
