#pragma once
// CPUs under a host, as far as KVM and perf reach their registers.
// Modelled: registers that keep what is written, and two kinds that perf's probe does not trust. Not
// modelled: what the CPU makes of a value (the machine's hart does). Source: kvm-lbr-semantics.md, "Host
// side: the perf facade".
#include <map>
#include <memory>

#include "models/vmx/kvm/op.h"

namespace lastbranch::kvm {

/// Registers that keep what is written: a CPU without one.
class StoredMsrs : public HardwareMsrs {
 public:
  std::optional<u64> read(u32 index) override { return values_[index]; }
  bool write(u32 index, u64 value) override {
    values_[index] = value;
    return true;
  }

 private:
  std::map<u32, u64> values_;
};

/// The same with an LBR_SELECT that refuses bits the CPU has not.
class SelectingMsrs : public StoredMsrs {
 public:
  bool write(u32 index, u64 value) override {
    return (index != msr::kLbrSelect || (value & ~kLbrSelectBits) == 0) && StoredMsrs::write(index, value);
  }
};

/// How the LBR registers behave that perf probes when the host itself is a guest.
enum class LbrRegisters : u8 {
  kWork,    ///< they keep what is written
  kStuck,   ///< they take every write and read 0
  kAbsent,  ///< accesses fault
};

/// Registers of such a CPU.
[[nodiscard]] std::unique_ptr<HardwareMsrs> make_hardware(LbrRegisters registers);

}  // namespace lastbranch::kvm
