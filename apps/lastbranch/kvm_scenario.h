#pragma once
/// A host, a guest and one operation as `kvm explain` and `kvm diff` take them from the command line.
#include <optional>
#include <string>
#include <vector>

#include "apps/lastbranch/arguments.h"
#include "models/vmx/kvm/kvm.h"

namespace lastbranch::cli {

struct KvmOperation {
  enum Kind : u8 { kWrite, kRead, kRdpmc, kFeature, kEntry, kPmi, kReset } kind = kWrite;
  u32 index = 0;
  u64 value = 0;
  kvm::Who who = kvm::Who::kGuest;
};

/// What stands before the operation: set directly, as a test would.
struct KvmScenario {
  kvm::HostState host;
  kvm::ModuleParams params;
  kvm::VmState vm;
  /// What the host's CPU and perf say after the modules are loaded, if it is something else.
  std::optional<u64> capabilities_later;
  std::optional<unsigned> records_later;
  std::optional<u64> capabilities;       ///< stored before the operation; else the vCPU's initial ones
  std::vector<std::string> guest_words;  ///< changes of the CPUID that KVM supports on the host
  u64 debugctl = 0;
  bool lbr_event = false, has_run = false;
  kvm::EventState event_state = kvm::EventState::kActive;
};

/// The vCPU after an operation.
struct KvmAfter {
  u64 debugctl = 0, perf_capabilities = 0;
  unsigned lbr_records = 0;
  bool lbr_event = false;
  unsigned log_lines = 0;  ///< that the operation wrote
  bool warned = false;

  [[nodiscard]] std::string debugctl_words() const;
  [[nodiscard]] std::string perf_capabilities_words() const;
  [[nodiscard]] std::string lbr_event_words() const;
  /// All of it in one line.
  [[nodiscard]] std::string words() const;
};

struct KvmAnswer {
  std::string outcome;             ///< "ok", "#GP", "fails (1)", with values
  std::optional<KvmAfter> after;   ///< none where no vCPU took part
  std::vector<std::string> rules;  ///< that decided
  /// Of a write that was not taken as it is: the bits, why, and the rows that made them illegal.
  std::vector<std::string> not_taken;
};

void add_scenario_options(boost::program_options::options_description& options);
/// --uarch, --host and --guest. Throws Error that lists the known keys.
[[nodiscard]] KvmScenario parse_scenario(const Arguments& arguments);
/// One "key" or "key=value" of --host or --guest.
void set_host_word(KvmScenario& scenario, const std::string& word);
void set_guest_word(KvmScenario& scenario, const std::string& word);

/// "debugctl=0x801" on a host with those records. Throws Error.
[[nodiscard]] KvmOperation parse_write(const std::string& text, kvm::Who who, const kvm::PerfLbr& perf);
/// A number of 32 bits or what kvm_msr() takes: "0x1d9", "debugctl". Throws Error.
[[nodiscard]] u32 parse_msr(const std::string& text, const kvm::PerfLbr& perf);
[[nodiscard]] std::string describe(const KvmOperation& operation, const kvm::PerfLbr& perf);

[[nodiscard]] KvmAnswer play(const KvmScenario& scenario, const KvmOperation& operation, kvm::Kernel kernel);

}  // namespace lastbranch::cli
