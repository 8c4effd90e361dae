#include "apps/lastbranch/kvm_scenario.h"

#include <algorithm>
#include <array>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <boost/program_options/value_semantic.hpp>

#include "apps/lastbranch/close_names.h"
#include "models/vmx/kvm/offences.h"
#include "sim/base/error.h"
#include "sim/machine/kvm_host.h"

namespace lastbranch::cli {
namespace {

namespace po = boost::program_options;

constexpr u64 kAnyValue = ~u64{0};

struct HostKey {
  std::string_view name;
  void (*set)(KvmScenario& s, u64 value);
  std::string_view what;
  u64 most = 1;  ///< value
};

constexpr HostKey kHostKeys[] = {
    {"caps",
     [](KvmScenario& s, u64 v) {
       s.host.perf_capabilities = v;
       s.host.perf.format = static_cast<unsigned>(v & kvm::perfcap::kLbrFmt);
     },
     "PERF_CAPABILITIES of the CPU", kAnyValue},
    {"pdcm", [](KvmScenario& s, u64 v) { s.host.pdcm = v != 0; }, "CPUID's PDCM"},
    {"lbr_nr", [](KvmScenario& s, u64 v) { s.host.perf.nr = static_cast<unsigned>(v); }, "records perf has",
     kvm::kMaxRecords},
    {"caps_later", [](KvmScenario& s, u64 v) { s.capabilities_later = v; },
     "PERF_CAPABILITIES of the CPU after the modules' load", kAnyValue},
    {"lbr_nr_later", [](KvmScenario& s, u64 v) { s.records_later = static_cast<unsigned>(v); },
     "records perf has after the modules' load", kvm::kMaxRecords},
    {"callstack", [](KvmScenario& s, u64 v) { s.host.perf.has_callstack = v != 0; },
     "perf can record call stacks"},
    {"stub", [](KvmScenario& s, u64 v) { s.host.perf_built = v == 0; }, "perf's Intel code is not built"},
    {"arch_lbr", [](KvmScenario& s, u64 v) { s.host.arch_lbr = v != 0; }, "architectural LBRs"},
    {"pebs", [](KvmScenario& s, u64 v) { s.host.pebs_feature = s.host.pebs_ept = v != 0; },
     "PEBS for guests"},
    {"bus_lock", [](KvmScenario& s, u64 v) { s.host.bus_lock_detect = v != 0; }, "bus-lock detection"},
    {"rtm", [](KvmScenario& s, u64 v) { s.host.rtm = v != 0; }, "RTM"},
    {"hybrid", [](KvmScenario& s, u64 v) { s.host.hybrid = v != 0; }, "a hybrid part"},
    {"svm", [](KvmScenario& s, u64 v) { s.host.vmx = v == 0; }, "SVM instead of VMX"},
    {"pmu", [](KvmScenario& s, u64 v) { s.host.pmu_version = static_cast<unsigned>(v); }, "PMU version", 255},
    {"gp", [](KvmScenario& s, u64 v) { s.host.num_gp = static_cast<unsigned>(v); }, "general counters", 32},
    {"debugctl", [](KvmScenario& s, u64 v) { s.host.debugctl = v; }, "the host's own DEBUGCTL", kAnyValue},
    {"enable_pmu", [](KvmScenario& s, u64 v) { s.params.enable_pmu = v != 0; }, "module parameter"},
    {"ignore_msrs", [](KvmScenario& s, u64 v) { s.params.ignore_msrs = v != 0; }, "module parameter"},
    {"report_ignored_msrs", [](KvmScenario& s, u64 v) { s.params.report_ignored_msrs = v != 0; },
     "module parameter"},
    {"vm_pmu", [](KvmScenario& s, u64 v) { s.vm.pmu_enabled = v != 0; }, "the VM has a PMU"},
};

struct GuestKey {
  std::string_view name;
  void (*set)(kvm::GuestCpuid& cpuid, u64 value);
  std::string_view what;
  u64 most = 1;  ///< value
};

constexpr GuestKey kGuestKeys[] = {
    {"pdcm", [](kvm::GuestCpuid& c, u64 v) { c.set_pdcm(v != 0); }, "CPUID's PDCM"},
    {"ds", [](kvm::GuestCpuid& c, u64 v) { c.set_ds(v != 0); }, "CPUID's DS"},
    {"dtes64", [](kvm::GuestCpuid& c, u64 v) { c.set_dtes64(v != 0); }, "CPUID's DTES64"},
    {"bus_lock", [](kvm::GuestCpuid& c, u64 v) { c.set_bus_lock_detect(v != 0); },
     "CPUID's bus-lock detection"},
    {"rtm", [](kvm::GuestCpuid& c, u64 v) { c.set_rtm(v != 0); }, "CPUID's RTM"},
    {"leaf_0a", [](kvm::GuestCpuid& c, u64 v) { c.has_leaf_0a = v != 0; }, "CPUID has leaf 0AH"},
    {"pmu", [](kvm::GuestCpuid& c, u64 v) { c.leaf0a_eax = (c.leaf0a_eax & ~0xffu) | (v & 0xff); },
     "PMU version", 255},
    {"same_model", [](kvm::GuestCpuid& c, u64 v) { c.leaf1_eax ^= v != 0 ? 0u : 0x10u; }, "the host's model"},
    {"cpuid",
     [](kvm::GuestCpuid& c, u64 v) {
       if (v == 0) c = {};
     },
     "0: KVM_SET_CPUID2 has not been called"},
};

/// Keys of --guest that are state of the vCPU, not CPUID.
constexpr std::array<std::string_view, 4> kStateKeys = {"caps", "debugctl", "event", "has_run"};

std::pair<std::string, u64> key_and_value(std::string_view option, const std::string& word) {
  const std::size_t equals = word.find('=');
  if (equals == std::string::npos) return {word, 1};
  const std::string key = word.substr(0, equals);
  return {key, parse_number(fmt::format("{} {}", option, key), std::string_view(word).substr(equals + 1))};
}

template <typename Keys>
std::vector<std::string> names_of(const Keys& keys) {
  std::vector<std::string> names;
  for (const auto& k : keys) names.emplace_back(k.name);
  return names;
}

[[noreturn]] void unknown_key(std::string_view option, const std::vector<std::string>& names,
                              const std::string& key) {
  const std::string near = close_names(key, names);
  throw Error("{}: expected one of {}, found '{}'{}", option, fmt::join(names, ", "), key,
              near.empty() ? "" : "; close: " + near);
}

std::vector<std::string> words_of(const std::vector<std::string>& texts) {
  std::vector<std::string> words;
  for (const std::string& text : texts) {
    std::size_t at = 0;
    while (at <= text.size()) {
      const std::size_t comma = std::min(text.find(',', at), text.size());
      words.push_back(text.substr(at, comma - at));
      at = comma + 1;
    }
  }
  return words;
}

template <typename Key>
void check_value(std::string_view option, const Key& key, u64 value) {
  if (value > key.most)
    throw Error("{}: {}: expected a value up to {}, found {}", option, key.name, key.most, value);
}

template <typename Keys>
std::string key_help(const Keys& keys) {
  std::string text;
  for (const auto& k : keys) text += fmt::format("{}{} ({})", text.empty() ? "" : ", ", k.name, k.what);
  return text;
}

kvm::GuestCpuid guest_cpuid(const KvmScenario& scenario, const kvm::GuestCpuid& supported) {
  kvm::GuestCpuid cpuid = supported;
  for (const std::string& word : scenario.guest_words) {
    const auto [key, value] = key_and_value("--guest", word);
    std::ranges::find(kGuestKeys, key, &GuestKey::name)->set(cpuid, value);
  }
  return cpuid;
}

std::string code_words(const KvmOperation& op, int code) {
  if (code == kvm::kOk) return "ok";
  if (op.who == kvm::Who::kGuest) return "#GP";
  if (code == kvm::kEinvalCode) return "fails (EINVAL)";
  return code == kvm::kUnsupported ? "fails (unsupported)" : "fails (invalid)";
}

}  // namespace

void add_scenario_options(po::options_description& options) {
  static const std::string kHostHelp = "KEY[=VALUE],...: what the host is: " + key_help(kHostKeys);
  static const std::string kGuestHelp =
      "KEY[=VALUE],...: how the guest differs from what KVM supports: " + key_help(kGuestKeys) +
      ", caps (stored PERF_CAPABILITIES), debugctl (its value before), event (an LBR event exists), has_run";
  options.add_options()  //
      ("uarch", po::value<std::string>()->value_name("NAME"),
       "the host's CPU, as `lastbranch list uarchs` names it (default: a Skylake with 8 counters)")  //
      ("host", po::value<std::vector<std::string>>()->value_name("WORDS"), kHostHelp.c_str())(
          "guest", po::value<std::vector<std::string>>()->value_name("WORDS"), kGuestHelp.c_str());
}

void set_host_word(KvmScenario& scenario, const std::string& word) {
  const auto [key, value] = key_and_value("--host", word);
  const auto* found = std::ranges::find(kHostKeys, key, &HostKey::name);
  if (found == std::end(kHostKeys)) unknown_key("--host", names_of(kHostKeys), key);
  check_value("--host", *found, value);
  found->set(scenario, value);
}

void set_guest_word(KvmScenario& scenario, const std::string& word) {
  const auto [key, value] = key_and_value("--guest", word);
  if (key == "caps") {
    scenario.capabilities = value;
  } else if (key == "debugctl") {
    scenario.debugctl = value;
  } else if (key == "event") {
    scenario.lbr_event = value != 0;
  } else if (key == "has_run") {
    scenario.has_run = value != 0;
  } else if (const auto* found = std::ranges::find(kGuestKeys, key, &GuestKey::name);
             found != std::end(kGuestKeys)) {
    check_value("--guest", *found, value);
    scenario.guest_words.push_back(word);
  } else {
    std::vector<std::string> names = names_of(kGuestKeys);
    names.insert(names.end(), kStateKeys.begin(), kStateKeys.end());
    unknown_key("--guest", names, key);
  }
}

KvmScenario parse_scenario(const Arguments& arguments) {
  KvmScenario scenario;
  if (arguments.has("uarch")) scenario.host = host_state_of(arguments.text("uarch"));
  for (const std::string& word : words_of(arguments.texts("host"))) set_host_word(scenario, word);
  for (const std::string& word : words_of(arguments.texts("guest"))) set_guest_word(scenario, word);
  return scenario;
}

u32 parse_msr(const std::string& text, const kvm::PerfLbr& perf) {
  if (text.empty() || text[0] < '0' || text[0] > '9') return kvm_msr(text, perf);
  const u64 index = parse_number("register", text);
  if (index > 0xffffffff) throw Error("register: expected a number of 32 bits, found {}", text);
  return static_cast<u32>(index);
}

KvmOperation parse_write(const std::string& text, kvm::Who who, const kvm::PerfLbr& perf) {
  const std::size_t equals = text.find('=');
  if (equals == std::string::npos) throw Error("--write: expected REGISTER=VALUE, found '{}'", text);
  return {.kind = KvmOperation::kWrite,
          .index = parse_msr(text.substr(0, equals), perf),
          .value = parse_number("--write", std::string_view(text).substr(equals + 1)),
          .who = who};
}

std::string describe(const KvmOperation& op, const kvm::PerfLbr& perf) {
  const std::string_view who = op.who == kvm::Who::kGuest ? "guest" : "user space";
  switch (op.kind) {
    case KvmOperation::kWrite:
      return fmt::format("{} writes {}={:#x}", who, kvm_msr_brief(op.index, perf), op.value);
    case KvmOperation::kRead:
      return fmt::format("{} reads {}", who, kvm_msr_brief(op.index, perf));
    case KvmOperation::kRdpmc:
      return fmt::format("guest RDPMC {:#x}", op.index);
    case KvmOperation::kFeature:
      return fmt::format("feature MSR {}", kvm_msr_brief(op.index, perf));
    case KvmOperation::kEntry:
      return "VM entry";
    case KvmOperation::kPmi:
      return "PMI";
    case KvmOperation::kReset:
      return "RESET";
  }
  return "";
}

std::string KvmAfter::debugctl_words() const {
  return fmt::format("debugctl {:#x}", debugctl);
}
std::string KvmAfter::perf_capabilities_words() const {
  return fmt::format("perf_capabilities {:#x}", perf_capabilities);
}
std::string KvmAfter::lbr_event_words() const {
  return fmt::format("lbr event {}", lbr_event ? "yes" : "no");
}
std::string KvmAfter::words() const {
  return fmt::format("{}, {}, lbr records {}, {}, log lines {}{}", debugctl_words(),
                     perf_capabilities_words(), lbr_records, lbr_event_words(), log_lines,
                     warned ? ", warned" : "");
}

KvmAnswer play(const KvmScenario& scenario, const KvmOperation& operation, kvm::Kernel kernel) {
  kvm::HostState state = scenario.host;
  state.kernel = kernel;
  kvm::SelectingMsrs cpu;
  kvm::Host host(state, scenario.params, &cpu);
  if (scenario.capabilities_later) host.state.perf_capabilities = *scenario.capabilities_later;
  if (scenario.records_later) host.state.perf.nr = *scenario.records_later;
  KvmAnswer answer;
  if (operation.kind == KvmOperation::kFeature) {
    kvm::MsrEntry entry{operation.index, 0};
    const int done = host.get_feature_msrs({&entry, 1});
    answer.outcome = done == 1 ? fmt::format("ok, {:#x}", entry.value) : "fails";
    answer.rules = host.trace();
    return answer;
  }
  const kvm::GuestCpuid cpuid = guest_cpuid(scenario, host.supported_cpuid());
  const auto vm = host.create_vm();
  vm->state = scenario.vm;
  const auto vcpu = vm->create_vcpu();
  if (scenario.capabilities) vcpu->state.perf_capabilities = *scenario.capabilities;
  if (cpuid.present) vcpu->set_cpuid(cpuid);
  vcpu->state.vmcs_debugctl |= scenario.debugctl;
  vcpu->state.lbr_event = scenario.lbr_event;
  vcpu->state.pmu.event_count = scenario.lbr_event ? 1 : 0;
  vcpu->state.event_state = scenario.event_state;
  vcpu->state.has_run = scenario.has_run;

  const bool guest = operation.who == kvm::Who::kGuest;
  kvm::GuestAnswer got;
  switch (operation.kind) {
    case KvmOperation::kWrite:
      got.code = guest ? vcpu->guest_wrmsr(operation.index, operation.value).code
                       : vcpu->set_msr(operation.index, operation.value);
      break;
    case KvmOperation::kRead:
      got = guest ? vcpu->guest_rdmsr(operation.index) : vcpu->get_msr(operation.index);
      break;
    case KvmOperation::kRdpmc:
      got = vcpu->rdpmc(operation.index);
      break;
    case KvmOperation::kEntry:
      vcpu->enter();
      break;
    case KvmOperation::kPmi:
      vcpu->pmi();
      break;
    default:
      vcpu->reset();
      break;
  }
  answer.rules = vcpu->trace();
  if (operation.kind == KvmOperation::kWrite)
    for (const kvm::Offence& offence : kvm::offences(vcpu->last(), operation.value, got.code)) {
      answer.not_taken.push_back(offence.summary());
      for (const std::string& rule : offence.rule_words()) answer.not_taken.push_back("  " + rule);
    }
  answer.outcome = code_words(operation, got.code);
  const bool reads = operation.kind == KvmOperation::kRead || operation.kind == KvmOperation::kRdpmc;
  if (reads && got.code == kvm::kOk) answer.outcome += fmt::format(", {:#x}", got.value);
  const kvm::VcpuState& after = vcpu->state;
  answer.after = {.debugctl = after.vmcs_debugctl,
                  .perf_capabilities = after.perf_capabilities,
                  .lbr_records = after.lbr.nr,
                  .lbr_event = after.lbr_event,
                  .log_lines = vcpu->last().did.log_lines,
                  .warned = vcpu->last().did.warnings != 0};
  return answer;
}

}  // namespace lastbranch::cli
