// Host perf's facade: the probe at init, and x86_perf_get_lbr.
#include "models/vmx/kvm/subjects.h"

namespace lastbranch::kvm {
namespace {

constexpr KernelSet kStubFails = ~with_patch(1);

/// Whether a register can be read, written, and keeps what is written in `mask`.
bool sticks(HardwareMsrs& hardware, u32 index, u64 mask) {
  const std::optional<u64> old = hardware.read(index);
  if (!old) return false;
  const u64 flipped = *old ^ mask;
  if (!hardware.write(index, flipped)) return false;
  const bool kept = hardware.read(index) == flipped;
  return hardware.write(index, *old) && kept;
}

bool records_stick(const Op& op) {
  for (unsigned i = 0; i < op.probed->nr; ++i)
    if (!sticks(op.hardware, op.probed->from + i, 0xffff) || !sticks(op.hardware, op.probed->to + i, 0xffff))
      return false;
  return true;
}

int drop_records(Op& op) {
  op.probed->nr = 0;
  return kOk;
}

constexpr Rule kProbeRules[] = {
    {"probe-bare-metal", "not running as a guest: the LBR registers are trusted", "1", kAllKernels,
     [](const Op& op) { return !op.host.hypervisor; }, [](Op&) -> int { return kOk; }},
    {"probe-tos", "LBR_TOS does not keep two bits: perf has no records", "1", kAllKernels,
     [](const Op& op) { return op.probed->nr != 0 && !sticks(op.hardware, msr::kLbrTos, 3); }, drop_records},
    {"probe-stack", "a FROM or TO does not keep 16 bits: perf has no records", "1", kAllKernels,
     [](const Op& op) { return !records_stick(op); }, drop_records},
    {"probe-passes", "every register keeps what is written: the records stay", "1", kAllKernels,
     [](const Op&) { return true; }, [](Op&) -> int { return kOk; }},
};
constexpr RuleTable kProbe{"perf's probe", false, kProbeRules};

constexpr Rule kSelectRules[] = {
    {"probe-select", "LBR_SELECT does not keep its bits: no LBR filter, the records stay", "1", kAllKernels,
     [](const Op& op) { return op.host.hypervisor && !sticks(op.hardware, msr::kLbrSelect, 0x1ff); },
     [](Op& op) -> int {
       op.probed->has_select = false;
       return kOk;
     }},
};
constexpr RuleTable kSelect{"perf's probe of LBR_SELECT", true, kSelectRules};

int copy_record(Op& op) {
  const PerfLbr& perf = op.host.perf;
  *op.record = {perf.nr, perf.from, perf.to, perf.format == 5 ? perf.info : 0, false};
  return kOk;
}

constexpr Rule kGetLbrRules[] = {
    {"perf-get-lbr-stub-old", "the stub returns -1 and writes nothing: the caller keeps what it had", "1",
     kStubFails, [](const Op& op) { return !op.host.perf_built; }, [](Op&) -> int { return -1; }},
    {"perf-get-lbr-stub", "the stub zeroes the object", "1", with_patch(1),
     [](const Op& op) { return !op.host.perf_built; },
     [](Op& op) -> int {
       *op.record = {};
       return kOk;
     }},
    {"perf-get-lbr-format5", "nr, FROM and TO are perf's; INFO only with format 5", "1", k61,
     [](const Op&) { return true; }, copy_record},
    {"perf-get-lbr", "nr, FROM, TO and INFO are perf's, and whether it can record call stacks", "1", kFrom612,
     [](const Op&) { return true; },
     [](Op& op) -> int {
       const PerfLbr& perf = op.host.perf;
       *op.record = {perf.nr, perf.from, perf.to, perf.info, perf.has_callstack};
       return kOk;
     }},
};
constexpr RuleTable kGetLbr{"x86_perf_get_lbr", false, kGetLbrRules};

}  // namespace

void probe_lbr(Op& op, PerfLbr& lbr) {
  op.probed = &lbr;
  decide(kProbe, op);
  decide(kSelect, op);
}

int x86_perf_get_lbr(Op& op, LbrRecordSet& record) {
  op.record = &record;
  return decide(kGetLbr, op);
}

RuleTables host_perf_tables() {
  static constexpr const RuleTable* kTables[] = {&kProbe, &kSelect, &kGetLbr};
  return kTables;
}

}  // namespace lastbranch::kvm
