// RDMSR, WRMSR, RDPMC. Every register is a row of the bus; a refusal is #GP(0). Source: SDM vol. 2, the page
// of each mnemonic.
#include "models/cpu/exec/exec.h"
#include "models/cpu/system_ops.h"
#include "sim/base/msr_bus.h"

namespace lastbranch::cpu {
namespace {

void put_edx_eax(Cpu& c, u64 value) {
  c.r[kRax] = static_cast<u32>(value);
  c.r[kRdx] = value >> 32;
}

}  // namespace

Done System::Ops::rdmsr() {
  if (c.cpl != 0 || c.msrs == nullptr) return general_protection();
  const MsrValue v = c.msrs->read(static_cast<u32>(c.r[kRcx]));
  if (!v.ok()) return general_protection();
  put_edx_eax(c, v.value);
  return std::nullopt;
}

Done System::Ops::wrmsr() {
  if (c.cpl != 0 || c.msrs == nullptr) return general_protection();
  const u64 value = c.r[kRdx] << 32 | static_cast<u32>(c.r[kRax]);
  if (c.msrs->write(static_cast<u32>(c.r[kRcx]), value) != MsrFault::kNone) return general_protection();
  return std::nullopt;
}

Done System::Ops::rdpmc() {
  if (c.cpl != 0 && (c.cr4 & cr4::kPce) == 0) return general_protection();
  if (s.hooks_.rdpmc == nullptr) return general_protection();
  const MsrValue v = s.hooks_.rdpmc(s.hooks_.rdpmc_self, static_cast<u32>(c.r[kRcx]));
  if (!v.ok()) return general_protection();
  put_edx_eax(c, v.value);
  return std::nullopt;
}

}  // namespace lastbranch::cpu
