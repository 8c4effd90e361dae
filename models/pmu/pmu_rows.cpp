// Sources: SDM vol. 4, "Model-Specific Registers (MSRs)"; vol. 3B, "Architectural Performance Monitoring";
// Linux 6.12 arch/x86/include/asm/msr-index.h and arch/x86/kvm/pmu.c for reserved bits.
#include "models/pmu/pmu_rows.h"

#include "models/pmu/pebs.h"
#include "models/pmu/pmu.h"
#include "models/pmu/pmu_select.h"

namespace lastbranch::pmu {
namespace {

const Pmu& of(const void* self) {
  return *static_cast<const Pmu*>(self);
}
Pmu& of(void* self) {
  return *static_cast<Pmu*>(self);
}

namespace misc_enable {
constexpr u64 kFastStrings = 1u << 0;
constexpr u64 kPerfmonAvailable = 1u << 7;
constexpr u64 kBtsUnavailable = 1u << 11;
constexpr u64 kPebsUnavailable = 1u << 12;
/// Automatic thermal control, SpeedStep, MONITOR, CPUID limit, xTPR, XD disable: kept, without effect here.
constexpr u64 kStored = kFastStrings | 1u << 3 | 1u << 16 | 1u << 18 | 1u << 22 | 1u << 23 | u64{1} << 34;
}  // namespace misc_enable

}  // namespace

u64 PmuRows::misc_enable_reset(const PmuParams& params) {
  return misc_enable::kFastStrings | (params.version != 0 ? misc_enable::kPerfmonAvailable : 0) |
         (params.ds_area ? 0 : misc_enable::kBtsUnavailable) |
         (params.ds_area && params.pebs_counters != 0 ? 0 : misc_enable::kPebsUnavailable);
}

std::vector<MsrDef> PmuRows::make(const Pmu& pmu) {
  std::vector<MsrDef> rows;
  if (!pmu.gp_.empty()) counters(pmu, rows);
  if (pmu.params_.version >= 2) global(pmu, rows);
  others(pmu, rows);
  if (pmu.params_.version >= 6) aliases(pmu, rows);
  return rows;
}

bool PmuRows::has_gp(const void* self, u32 n) {
  return ((of(self).counters_ >> n) & 1) != 0;
}

bool PmuRows::has_fixed(const void* self, u32 i) {
  return ((of(self).counters_ >> (kFixed + i)) & 1) != 0;
}

u64 PmuRows::read_gp(const void* self, u32 n) {
  return of(self).gp_[n].value();
}

u64 PmuRows::read_fixed(const void* self, u32 i) {
  return of(self).fixed_[i].value();
}

u64 PmuRows::read_select(const void* self, u32 n) {
  return of(self).evtsel_[n];
}

MsrFault PmuRows::write_gp(void* self, u32 n, u64 value) {
  Pmu& pmu = of(self);
  pmu.service(0);
  pmu.reload(n, value);
  if (pmu.pebs_ != nullptr) pmu.pebs_->disarm(u64{1} << n);
  return MsrFault::kNone;
}

MsrFault PmuRows::write_gp_legacy(void* self, u32 n, u64 value) {
  return write_gp(self, n, sign_extend(value, 32));
}

MsrFault PmuRows::write_fixed(void* self, u32 i, u64 value) {
  Pmu& pmu = of(self);
  pmu.service(0);
  pmu.reload(kFixed + i, value);
  if (pmu.pebs_ != nullptr) pmu.pebs_->disarm(u64{1} << (kFixed + i));
  return MsrFault::kNone;
}

MsrFault PmuRows::write_select(void* self, u32 n, u64 value) {
  Pmu& pmu = of(self);
  if ((value & ~pmu.evtsel_bits(n)) != 0) return MsrFault::kReserved;
  pmu.service(0);
  pmu.evtsel_[n] = value;
  pmu.program_gp(n);
  pmu.update_running();
  return MsrFault::kNone;
}

MsrFault PmuRows::write_fixed_ctrl(void* self, u32 /*i*/, u64 value) {
  Pmu& pmu = of(self);
  pmu.service(0);
  pmu.fixed_ctrl_ = value;
  for (unsigned i = 0; i < pmu.fixed_.size(); ++i) pmu.program_fixed(i);
  pmu.update_running();
  return MsrFault::kNone;
}

MsrFault PmuRows::write_global_ctrl(void* self, u32 /*i*/, u64 value) {
  Pmu& pmu = of(self);
  pmu.service(0);
  pmu.global_ctrl_ = value;
  pmu.update_running();
  return MsrFault::kNone;
}

MsrFault PmuRows::write_status_reset(void* self, u32 /*i*/, u64 value) {
  Pmu& pmu = of(self);
  pmu.service(0);
  pmu.ovf_ctrl_ = value;
  pmu.clear_status(value);
  if (pmu.pebs_ != nullptr) pmu.pebs_->disarm(value & pmu.counters_);
  return MsrFault::kNone;
}

MsrFault PmuRows::write_status_set(void* self, u32 /*i*/, u64 value) {
  Pmu& pmu = of(self);
  pmu.service(0);
  pmu.set_status(value);
  if (pmu.pebs_ != nullptr) pmu.pebs_->status_set(value);
  return MsrFault::kNone;
}

void PmuRows::counters(const Pmu& pmu, std::vector<MsrDef>& rows) {
  const u32 count = static_cast<u32>(pmu.gp_.size());
  u64 select_bits = 0;
  for (u32 n = 0; n < count; ++n) select_bits |= pmu.evtsel_bits(n);
  // WRMSR takes EAX only, whatever EDX holds.
  rows.push_back({.index = 0xc1,
                  .count = count,
                  .name = "IA32_PMC#",
                  .writable = 0xffff'ffff,
                  .ignore_others = true,
                  .present = has_gp,
                  .read = read_gp,
                  .write = write_gp_legacy});
  rows.push_back({.index = 0x186,
                  .count = count,
                  .name = "IA32_PERFEVTSEL#",
                  .writable = select_bits,
                  .present = has_gp,
                  .read = read_select,
                  .write = write_select});
  if (perf_cap::FullWidthWrite::any(pmu.params_.perf_capabilities)) {
    rows.push_back({.index = 0x4c1,
                    .count = count,
                    .name = "IA32_A_PMC#",
                    .writable = pmu.gp_[0].mask(),
                    .present = has_gp,
                    .read = read_gp,
                    .write = write_gp});
  }
}

void PmuRows::global(const Pmu& pmu, std::vector<MsrDef>& rows) {
  using namespace global_status;
  if (const u32 count = static_cast<u32>(pmu.fixed_.size()); count != 0) {
    rows.push_back({.index = 0x309,
                    .count = count,
                    .name = "IA32_FIXED_CTR#",
                    .writable = pmu.fixed_[0].mask(),
                    .ignore_others = pmu.options_.fixed_upper_bits_ignored,
                    .present = has_fixed,
                    .read = read_fixed,
                    .write = write_fixed});
    rows.push_back({.index = 0x38d,
                    .name = "IA32_FIXED_CTR_CTRL",
                    .writable = pmu.fixed_ctrl_bits(),
                    .read = [](const void* self, u32) { return of(self).fixed_ctrl_; },
                    .write = write_fixed_ctrl});
  }
  rows.push_back({.index = 0x38e, .name = "IA32_PERF_GLOBAL_STATUS", .read = [](const void* self, u32) {
                    return of(self).status_;
                  }});
  rows.push_back({.index = 0x38f,
                  .name = "IA32_PERF_GLOBAL_CTRL",
                  .writable = pmu.global_ctrl_bits(),
                  .reset = pmu.params_.global_ctrl_reset_enables_gp ? pmu.counters_ & 0xffff'ffff : 0,
                  .read = [](const void* self, u32) { return of(self).global_ctrl_; },
                  .write = write_global_ctrl});
  const bool v4 = pmu.params_.version >= 4;
  rows.push_back({.index = 0x390,
                  .name = v4 ? "IA32_PERF_GLOBAL_STATUS_RESET" : "IA32_PERF_GLOBAL_OVF_CTRL",
                  .writable = pmu.status_bits(),
                  .read = [](const void* self,
                             u32) { return of(self).options_.ovf_ctrl_reads_back ? of(self).ovf_ctrl_ : 0; },
                  .write = write_status_reset});
  if (!v4) return;
  rows.push_back({.index = 0x391,
                  .name = "IA32_PERF_GLOBAL_STATUS_SET",
                  .writable = pmu.status_bits() & ~kCondChanged,
                  .read = [](const void*, u32) { return u64{0}; },
                  .write = write_status_set});
  rows.push_back({.index = 0x392, .name = "IA32_PERF_GLOBAL_INUSE", .read = [](const void* self, u32) {
                    return of(self).inuse();
                  }});
}

void PmuRows::others(const Pmu& pmu, std::vector<MsrDef>& rows) {
  const PmuParams& p = pmu.params_;
  if (p.perf_capabilities != 0) {
    rows.push_back({.index = 0x345,
                    .name = "IA32_PERF_CAPABILITIES",
                    .reset = p.perf_capabilities,
                    .read = [](const void* self, u32) { return of(self).params_.perf_capabilities; }});
  }
  if (perf_cap::Metrics::any(p.perf_capabilities)) {
    rows.push_back({.index = 0x329,
                    .name = "MSR_PERF_METRICS",
                    .writable = ~u64{0},
                    .read = [](const void* self, u32) { return of(self).metrics_; },
                    .write =
                        [](void* self, u32, u64 value) {
                          of(self).metrics_ = value;
                          return MsrFault::kNone;
                        }});
  }
  if (p.offcore_rsp != 0) {
    // Request types, then supplier and snoop; Nehalem and Westmere have response types in 15:8 instead.
    constexpr u64 kTypes = 0xffff;
    constexpr u64 kAll = 0x3f'ffff'ffff;
    rows.push_back(
        {.index = 0x1a6,
         .count = std::min(p.offcore_rsp, Pmu::kOffcoreRegisters),
         .name = "MSR_OFFCORE_RSP_#",
         .writable = p.events == EventList::kNehalem || p.events == EventList::kWestmere ? kTypes : kAll,
         .read = [](const void* self, u32 i) { return of(self).offcore_[i]; },
         .write =
             [](void* self, u32 i, u64 value) {
               of(self).offcore_[i] = value;
               return MsrFault::kNone;
             }});
  }
  rows.push_back({.index = 0x1a0,
                  .name = "IA32_MISC_ENABLE",
                  .writable = misc_enable::kStored,
                  .ignore_others = true,  // software writes the read-only bits back as it found them
                  .reset = misc_enable_reset(p),
                  .read = [](const void* self, u32) { return of(self).misc_enable_; },
                  .write =
                      [](void* self, u32, u64 value) {
                        u64& reg = of(self).misc_enable_;
                        reg = (reg & ~misc_enable::kStored) | value;
                        return MsrFault::kNone;
                      }});
}

}  // namespace lastbranch::pmu
