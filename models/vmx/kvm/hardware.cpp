#include "models/vmx/kvm/hardware.h"

namespace lastbranch::kvm {
namespace {

class Stuck : public HardwareMsrs {
 public:
  std::optional<u64> read(u32) override { return 0; }
  bool write(u32, u64) override { return true; }
};

class Absent : public HardwareMsrs {
 public:
  std::optional<u64> read(u32) override { return std::nullopt; }
  bool write(u32, u64) override { return false; }
};

}  // namespace

std::unique_ptr<HardwareMsrs> make_hardware(LbrRegisters registers) {
  switch (registers) {
    case LbrRegisters::kStuck:
      return std::make_unique<Stuck>();
    case LbrRegisters::kAbsent:
      return std::make_unique<Absent>();
    default:
      return std::make_unique<StoredMsrs>();
  }
}

}  // namespace lastbranch::kvm
