#pragma once
// What VM entries load and VM exits save, load and clear, as tables: one row per rule, in the manual's order.
// Every row whose condition holds acts.
// Source: SDM vol. 3C, "VM Entries" and "VM Exits"; each row names its section.
#include "models/vmx/rules.h"
#include "models/vmx/vmx.h"

namespace lastbranch::vmx {

/// A VM entry or exit under way, as the rows see it.
struct Crossing {
  Vmcs v;
  VmxState& state;  ///< of the processor, to be continued with
  MsrBus& msrs;
  VmxProcessor& processor;
  FarBranches* branches;
  const VmxOptions& options;
  u64 from = 0;              ///< RIP that is left
  bool nmi_blocked = false;  ///< for real, not by virtual NMIs
  u32 exit = v.read32(Field::kExitControls), entry = v.read32(Field::kEntryControls);
};

/// When a row acts.
enum class Stage : u8 {
  kState,      ///< before the processor changes sides
  kRegisters,  ///< on the new side: registers of the bus
  kEnd,        ///< behind the MSR lists
};

struct SwitchRule {
  std::string_view rule;
  std::string_view source;
  Stage stage;
  bool (*when)(const Crossing&);
  void (*act)(Crossing&);
};
[[nodiscard]] std::span<const SwitchRule> entry_rules();
[[nodiscard]] std::span<const SwitchRule> save_rules();
[[nodiscard]] std::span<const SwitchRule> host_rules();

/// Lets every row of a stage act.
void cross(std::string_view table, std::span<const SwitchRule> rules, Stage stage, Crossing& crossing);

}  // namespace lastbranch::vmx
