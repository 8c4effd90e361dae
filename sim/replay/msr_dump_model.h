#pragma once
/// The last-branch and performance-monitoring registers of one part, of models that run nothing.
#include <memory>

#include "models/cpu/uarch/uarch.h"
#include "models/lbr/lbr.h"
#include "sim/base/msr_bus.h"

namespace lastbranch::replay {

class MsrModel {
 public:
  /// Throws Error when the part's records cannot be (overrides).
  explicit MsrModel(const cpu::Uarch& part);
  ~MsrModel();
  MsrModel(const MsrModel&) = delete;
  MsrModel& operator=(const MsrModel&) = delete;

  [[nodiscard]] const cpu::Uarch& part() const;
  [[nodiscard]] lbr::Lbr& lbr();
  [[nodiscard]] const lbr::Lbr& lbr() const;
  /// RDMSR and WRMSR, and the list of all registers.
  [[nodiscard]] MsrBus& msrs();

 private:
  struct Models;
  std::unique_ptr<Models> models_;
};

}  // namespace lastbranch::replay
