// Set "sequence": operations one after the other on one vCPU.
#include <charconv>

#include <fmt/format.h>

#include "models/vmx/kvm/check/replays.h"
#include "sim/base/error.h"

namespace lastbranch::kvm {
namespace {

constexpr u64 kVlbrBit = u64{1} << kVlbrIndex;

GuestCpuid profile(const HostState& host, unsigned number) {
  GuestCpuid cpuid;
  cpuid.present = true;
  cpuid.leaf1_eax = number == 3 ? host.leaf1_eax ^ 0x10 : host.leaf1_eax;
  cpuid.leaf7_ebx = 1;
  cpuid.set_pdcm(number != 1);
  cpuid.set_ds(true);
  cpuid.set_dtes64(true);
  cpuid.set_bus_lock_detect(number != 5);
  if (number == 4)
    cpuid.set_pmu(1, 4, 3);
  else if (number != 2)
    cpuid.set_pmu(2, 8, 3);
  return cpuid;
}

u64 hex(std::string_view op, std::string_view text) {
  u64 value = 0;
  std::string_view digits = text;
  if (digits.starts_with("0x")) digits.remove_prefix(2);
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), value, 16);
  if (error != std::errc() || end != digits.data() + digits.size() || digits.empty())
    throw Error("operation '{}': expected a number, found '{}'", op, text);
  return value;
}

class Sequence {
 public:
  explicit Sequence(Scene& scene) : s_(scene) {
    Op create = s_.op();
    create_vcpu(create);
    record(create, 0, 0);
  }

  void apply(std::string_view op);
  [[nodiscard]] const std::string& results() const { return results_; }

 private:
  void record(const Op& op, int code, u64 value) {
    const VcpuState& v = s_.vcpu;
    results_ += fmt::format(" {}:{:#x}|{:x}.{}.{:x}.{:d}{:d}{:d}.w{}.l{}", code, value, v.perf_capabilities,
                            v.lbr.nr, v.vmcs_debugctl, v.lbr_event, v.lbr_passthrough,
                            (v.pmu.in_use & kVlbrBit) != 0, op.did.warnings, op.did.log_lines);
  }
  /// The operand of P: a number, or one made of the supported value.
  u64 capabilities(std::string_view op, std::string_view text) {
    Op call = s_.op();
    const u64 supported = supported_caps(call);
    if (text == "sup") return supported;
    if (text == "sup&~0x3f") return supported & ~perfcap::kLbrFmt;
    if (text == "sup^1") return supported ^ 1;
    return hex(op, text);
  }
  void access(std::string_view op);
  bool set_event(std::string_view op);

  Scene& s_;
  std::string results_;
};

void Sequence::access(std::string_view op) {
  if (op.size() < 4 || (op[1] != 'h' && op[1] != 'g') || op[2] != '=')
    throw Error("operation '{}': expected h= or g= and a number", op);
  const std::string_view operand = op.substr(3);
  Op call = s_.op(op[1] == 'h' ? Who::kHost : Who::kGuest);
  call.write = op[0] != 'R';
  switch (op[0]) {
    case 'P':
      call.msr = msr::kPerfCapabilities;
      call.data = capabilities(op, operand);
      break;
    case 'D':
      call.msr = msr::kDebugctl;
      call.data = hex(op, operand);
      break;
    case 'L':
      call.msr = msr::kLbrTos;
      call.data = hex(op, operand);
      break;
    default: {
      const u64 index = hex(op, operand);
      if (index >> 32 != 0) throw Error("operation '{}': expected a register up to 0xffffffff", op);
      call.msr = static_cast<u32>(index);
    }
  }
  const u64 asked = call.data;
  const int code = access_msr(call);
  record(call, code, call.write ? asked : code == kOk ? call.value : 0);
}

bool Sequence::set_event(std::string_view op) {
  if (op == "Eact")
    s_.vcpu.event_state = EventState::kActive;
  else if (op == "Einact")
    s_.vcpu.event_state = EventState::kInactive;
  else if (op == "Eerr")
    s_.vcpu.event_state = EventState::kError;
  else if (op == "Enocreate")
    s_.vcpu.event_create_errno = -2;
  else if (op == "Ecreate")
    s_.vcpu.event_create_errno = 0;
  else
    return false;
  return true;
}

void Sequence::apply(std::string_view op) {
  Op call = s_.op(Who::kGuest);
  int code = 0;
  if (op == "N") {
    s_.vcpu.has_run = true;
    prepare_entry(call);
  } else if (op == "S") {
    s_.vcpu.pmu.need_cleanup = true;  // the environment calls the cleanup itself
    slice_cleanup(call);
  } else if (op == "I") {
    deliver_pmi(call);
  } else if (op == "Z") {
    reset_vcpu(call, false);
  } else if (op.size() == 2 && op[0] == 'C' && op[1] >= '0' && op[1] <= '5') {
    code = set_cpuid(call, profile(s_.host, static_cast<unsigned>(op[1] - '0')));
  } else if (!op.empty() && std::string_view("PDLR").find(op[0]) != std::string_view::npos) {
    access(op);
    return;
  } else if (!set_event(op)) {
    throw Error("expected an operation (C, P, D, R, L, E, N, S, I or Z), found '{}'", op);
  }
  record(call, code, 0);
}

}  // namespace

void replay_sequence(Case& row) {
  Scene s(row.kernel());
  s.host.bus_lock_detect = row.bit();
  s.host.perf_capabilities = row.next();
  s.host.perf.nr = row.count();
  s.host.perf.format = s.host.perf_capabilities & perfcap::kLbrFmt;
  s.set_pebs(row.bit());
  row.next();
  s.load();
  s.vcpu.cpuid = {};
  Sequence sequence(s);
  std::string_view ops = row.text();
  while (!ops.empty()) {
    const std::size_t space = ops.find(' ');
    sequence.apply(ops.substr(0, space));
    ops = space == std::string_view::npos ? std::string_view{} : ops.substr(space + 1);
  }
  row.give_text(sequence.results());
}

}  // namespace lastbranch::kvm
