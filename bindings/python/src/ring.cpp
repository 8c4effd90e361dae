#include "bindings/python/src/ring.h"

#include "bindings/python/src/registers.h"
#include "sim/base/error.h"
#include "sim/perfdata/branch_filter.h"

namespace lastbranch::python {
namespace {

constexpr u32 kLbrCtl = 0x14ce;
constexpr u64 kLbrEn = 1;

}  // namespace

u64 filter_value(const lbr::Lbr& ring, MsrBus& msrs) {
  if (ring.architectural()) return read_msr(msrs, kLbrCtl) & ~kLbrEn;
  if (!ring.params().has_select)
    throw Error("select: expected a part with MSR_LBR_SELECT, found one without");
  return read_msr(msrs, ring.params().select);
}

void set_filter_value(const lbr::Lbr& ring, MsrBus& msrs, u64 value) {
  if (ring.architectural()) {
    write_msr(msrs, kLbrCtl, (value & ~kLbrEn) | (ring.enabled() ? kLbrEn : 0));
    return;
  }
  if (!ring.params().has_select)
    throw Error("select: expected a part with MSR_LBR_SELECT, found one without");
  write_msr(msrs, ring.params().select, value);
}

void set_filter(lbr::Lbr& ring, MsrBus& msrs, const std::string& branches) {
  const BranchFilter filter = parse_branch_filter(branches, ring.params());
  const LbrParams& part = ring.params();
  if (ring.architectural()) {
    set_filter_value(ring, msrs, lbr_ctl(filter));
  } else if (part.has_select) {
    set_filter_value(ring, msrs, lbr_select(filter, part) & part.select_mask);
  }
}

pybind11::array entries(const lbr::Lbr& ring) {
  std::vector<BranchRow> rows;
  for (const lbr::Entry& e : ring.entries()) rows.push_back(branch_row(ring.params().format, e));
  return owning_array(std::move(rows));
}

}  // namespace lastbranch::python
