#pragma once
// One row of reference vectors replayed on the model: a scene with the vectors' standard environment, the
// row's inputs read in the order of their columns, the model's answers given in the order of the output
// columns. Source: ../shared/vectors/README.md, "Conventions of the environment".
#include "models/vmx/kvm/check/vector_sets.h"
#include "models/vmx/kvm/subjects.h"
#include "models/vmx/kvm/user_abi.h"

namespace lastbranch::kvm {

/// A CPU whose registers read a pattern with their number in it, and VMware's pseudo counters as constants.
class PatternMsrs : public HardwareMsrs {
 public:
  bool write_faults = false;
  std::optional<u64> read(u32 index) override;
  bool write(u32, u64) override { return !write_faults; }
};

/// A row's inputs, and the answers to them.
class Case {
 public:
  Case(const VectorSet& set, const VectorRow& row) : set_(set), row_(row) {}

  [[nodiscard]] Kernel kernel() const { return row_.kernel; }
  /// The next input, from the second column on.
  u64 next() { return row_.numbers[++column_]; }
  bool bit() { return next() != 0; }
  unsigned count() { return static_cast<unsigned>(next()); }
  u32 word() { return static_cast<u32>(next()); }
  Who who() { return bit() ? Who::kHost : Who::kGuest; }
  std::string_view text() { return row_.texts[++column_]; }

  void give(u64 value) { answers_.push_back(value); }
  void give_code(int code) { answers_.push_back(static_cast<u64>(static_cast<i64>(code))); }
  void give_text(std::string text) {
    answers_.push_back(0);
    text_ = std::move(text);
  }

  [[nodiscard]] const std::vector<u64>& answers() const { return answers_; }
  [[nodiscard]] const std::string& answer_text() const { return text_; }
  [[nodiscard]] const VectorSet& set() const { return set_; }
  [[nodiscard]] const VectorRow& row() const { return row_; }

 private:
  const VectorSet& set_;
  const VectorRow& row_;
  std::size_t column_ = 0;
  std::vector<u64> answers_;
  std::string text_;
};

/// The states of one case, set directly.
struct Scene {
  HostState host;
  ModuleState module;
  VmState vm;
  VcpuState vcpu;
  PatternMsrs hardware;

  explicit Scene(Kernel kernel) { host.kernel = kernel; }
  /// Loads the module for the host as it is now.
  void load();
  [[nodiscard]] Op op(Who who = Who::kHost);
  /// One access; the operation as it ended, its code in `code`.
  Op write(Who who, u32 index, u64 value, int& code);
  /// Answers of a read: code and value.
  void give_read(Case& row, Who who, u32 index);
  void set_pebs(bool on) { host.pebs_feature = host.pebs_ept = on; }
  void set_model(bool same) { vcpu.cpuid.leaf1_eax = same ? host.leaf1_eax : host.leaf1_eax ^ 0x10; }
};

void replay_debugctl(Case& row);
void replay_lbrmsr(Case& row);
void replay_nested(Case& row);
void replay_passthrough(Case& row);
void replay_perfcap(Case& row);
void replay_pmi(Case& row);
void replay_rdpmc(Case& row);
void replay_refresh(Case& row);
void replay_sequence(Case& row);
void replay_supported(Case& row);
void replay_vpmu(Case& row);

}  // namespace lastbranch::kvm
