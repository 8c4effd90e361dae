#include "sim/replay/msr_dump_model.h"

#include "models/pmu/pebs.h"
#include "models/pmu/pmu.h"
#include "sim/base/ds_area.h"
#include "sim/base/guest_memory.h"
#include "sim/base/ledger.h"

namespace lastbranch::replay {
namespace {

/// Models want to know of a program and its memory; there is none.
class Nothing final : public pmu::PebsSource, public GuestMemory {
 public:
  void fill(pmu::PebsSample& /*sample*/) const override {}
  bool read(u64 /*linear*/, std::span<u8> /*data*/) override { return false; }
  bool write(u64 /*linear*/, std::span<const u8> /*data*/) override { return false; }
};

}  // namespace

struct MsrModel::Models {
  const cpu::Uarch part;
  Nothing nothing;
  Ledger ledger;
  lbr::Lbr lbr;
  pmu::Pmu pmu;
  DsArea ds;
  pmu::Pebs pebs;
  MsrBus bus;

  explicit Models(const cpu::Uarch& p)
      : part(p),
        lbr(part.lbr),
        pmu(part.pmu, ledger, {.debug = &lbr}),
        pebs(part.pmu,
             {.counters = &pmu,
              .source = &nothing,
              .memory = &nothing,
              .ds = &ds,
              .debug = &lbr,
              .physical = &nothing},
             {.architectural = part.arch_pebs}) {
    bus.attach(lbr.rows(), &lbr);
    bus.attach(pmu.rows(), &pmu);
    bus.attach(pebs.rows(), &pebs);
    if (part.pmu.ds_area) bus.attach(DsArea::rows(), &ds);
  }
};

MsrModel::MsrModel(const cpu::Uarch& part) : models_(std::make_unique<Models>(part)) {}
MsrModel::~MsrModel() = default;

const cpu::Uarch& MsrModel::part() const {
  return models_->part;
}
lbr::Lbr& MsrModel::lbr() {
  return models_->lbr;
}
const lbr::Lbr& MsrModel::lbr() const {
  return models_->lbr;
}
MsrBus& MsrModel::msrs() {
  return models_->bus;
}

}  // namespace lastbranch::replay
