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
     64},
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
    {"rtm", [](kvm::GuestCpuid& c, u64 v) { c.leaf7_ebx = (c.leaf7_ebx & ~0x800u) | (v != 0 ? 0x800u : 0u); },
     "CPUID's RTM"},
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

struct MsrName {
  u32 index;
  std::string_view name;
};
constexpr MsrName kMsrNames[] = {
    {kvm::msr::kDebugctl, "debugctl"},
    {kvm::msr::kPerfCapabilities, "perf_capabilities"},
    {kvm::msr::kLbrSelect, "lbr_select"},
    {kvm::msr::kLbrTos, "lbr_tos"},
    {kvm::msr::kFixedCtrCtrl, "fixed_ctr_ctrl"},
    {kvm::msr::kGlobalStatus, "global_status"},
    {kvm::msr::kGlobalCtrl, "global_ctrl"},
    {kvm::msr::kOvfCtrl, "global_ovf_ctrl"},
    {kvm::msr::kPebsEnable, "pebs_enable"},
    {kvm::msr::kPebsDataCfg, "pebs_data_cfg"},
    {kvm::msr::kDsArea, "ds_area"},
    {kvm::msr::kGlobalCtrl, "perf_global_ctrl"},
};

/// Registers that are numbered: "evtsel2".
constexpr MsrName kMsrBanks[] = {
    {kvm::msr::kEvtsel0, "evtsel"}, {kvm::msr::kPmc0, "pmc"}, {kvm::msr::kFixed0, "fixed_ctr"}};
constexpr u32 kMsrBank = 8;

std::optional<u32> numbered_msr(std::string_view text) {
  if (text.empty() || text.back() < '0' || text.back() - '0' >= static_cast<int>(kMsrBank))
    return std::nullopt;
  const auto* bank = std::ranges::find(kMsrBanks, text.substr(0, text.size() - 1), &MsrName::name);
  if (bank == std::end(kMsrBanks)) return std::nullopt;
  return bank->index + static_cast<u32>(text.back() - '0');
}

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

u32 parse_msr(const std::string& text) {
  const auto* found = std::ranges::find(kMsrNames, text, &MsrName::name);
  if (found != std::end(kMsrNames)) return found->index;
  if (const std::optional<u32> numbered = numbered_msr(text)) return *numbered;
  if (!text.empty() && text[0] >= '0' && text[0] <= '9') {
    const u64 index = parse_number("register", text);
    if (index <= 0xffffffff) return static_cast<u32>(index);
  }
  throw Error("register: expected a number or one of {}, evtsel0, pmc0, fixed_ctr0, ..., found '{}'",
              fmt::join(names_of(kMsrNames), ", "), text);
}

std::string msr_name(u32 index) {
  const auto* found = std::ranges::find(kMsrNames, index, &MsrName::index);
  if (found != std::end(kMsrNames)) return std::string(found->name);
  for (const MsrName& bank : kMsrBanks)
    if (index >= bank.index && index - bank.index < kMsrBank)
      return fmt::format("{}{}", bank.name, index - bank.index);
  return fmt::format("{:#x}", index);
}

KvmOperation parse_write(const std::string& text, kvm::Who who) {
  const std::size_t equals = text.find('=');
  if (equals == std::string::npos) throw Error("--write: expected REGISTER=VALUE, found '{}'", text);
  return {.kind = KvmOperation::kWrite,
          .index = parse_msr(text.substr(0, equals)),
          .value = parse_number("--write", std::string_view(text).substr(equals + 1)),
          .who = who};
}

std::string describe(const KvmOperation& op) {
  const std::string_view who = op.who == kvm::Who::kGuest ? "guest" : "user space";
  switch (op.kind) {
    case KvmOperation::kWrite:
      return fmt::format("{} writes {}={:#x}", who, msr_name(op.index), op.value);
    case KvmOperation::kRead:
      return fmt::format("{} reads {}", who, msr_name(op.index));
    case KvmOperation::kRdpmc:
      return fmt::format("guest RDPMC {:#x}", op.index);
    case KvmOperation::kFeature:
      return fmt::format("feature MSR {}", msr_name(op.index));
    case KvmOperation::kEntry:
      return "VM entry";
    case KvmOperation::kPmi:
      return "PMI";
    case KvmOperation::kReset:
      return "RESET";
  }
  return "";
}

namespace {

/// A CPU whose LBR_SELECT has the bits that the manual gives it.
class SelectingCpu : public kvm::StoredMsrs {
 public:
  bool write(u32 index, u64 value) override {
    if (index == kvm::msr::kLbrSelect && (value & ~kvm::kLbrSelectBits) != 0) return false;
    return StoredMsrs::write(index, value);
  }
};

}  // namespace

KvmAnswer play(const KvmScenario& scenario, const KvmOperation& operation, kvm::Kernel kernel) {
  kvm::HostState state = scenario.host;
  state.kernel = kernel;
  kvm::Host host(state, scenario.params);
  SelectingCpu cpu;
  host.hardware = &cpu;
  KvmAnswer answer;
  if (operation.kind == KvmOperation::kFeature) {
    kvm::MsrEntry entry{operation.index, 0};
    const int done = host.get_feature_msrs({&entry, 1});
    answer.outcome = done == 1 ? fmt::format("ok, {:#x}", entry.value) : "fails";
    answer.rules = host.trace().words();
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
  answer.state = {fmt::format("debugctl {:#x}", after.vmcs_debugctl),
                  fmt::format("perf_capabilities {:#x}", after.perf_capabilities),
                  fmt::format("lbr records {}", after.lbr.nr),
                  fmt::format("lbr event {}", after.lbr_event ? "yes" : "no"),
                  fmt::format("log lines {}", vcpu->last().log_lines)};
  if (vcpu->last().warnings != 0) answer.state.emplace_back("warned");
  return answer;
}

}  // namespace lastbranch::cli
