#pragma once
// Model-specific registers as data: one row per register, owned by the model whose state it shows.
// RDMSR and WRMSR, MSR lists and bitmaps, and the tools all use the same rows.
// Source: SDM vol. 2B, "WRMSR—Write to Model Specific Register"; vol. 4, "Model-Specific Registers (MSRs)".
#include <string_view>

#include "sim/base/units.h"

namespace lastbranch {

/// Why an access was refused. The guest sees #GP(0) for every one but kNone; the difference is for tools and
/// traces.
enum class MsrFault : u8 {
  kNone,
  kUnknown,       ///< no model has a register at this index
  kReadOnly,      ///< WRMSR to a register software cannot change
  kWriteOnly,     ///< RDMSR of a register that cannot be read
  kReserved,      ///< a reserved bit is set in the value
  kNonCanonical,  ///< an address field is not canonical
  kValue,         ///< no reserved bit is set, yet the register does not take this value
};

/// The fault in words, for messages: "reserved bit set".
[[nodiscard]] std::string_view describe(MsrFault fault);

/// What RDMSR gives: a value, or the reason why there is none.
struct MsrValue {
  u64 value = 0;
  MsrFault fault = MsrFault::kNone;

  [[nodiscard]] constexpr bool ok() const { return fault == MsrFault::kNone; }
};

/// One architectural MSR, or `count` consecutive ones. A model owns a table of these; the machine attaches
/// them all to one MsrBus; overlap is an error at construction.
struct MsrDef {
  u32 index;                   ///< address of the first register
  u32 count = 1;               ///< consecutive registers of this row
  std::string_view name;       ///< the manual's name, "IA32_DEBUGCTL"; a bank's with '#' for the number
  u64 writable = 0;            ///< bits software may change; 0: read-only, every WRMSR faults
  bool ignore_others = false;  ///< writes of other bits are ignored instead of faulting
  u64 reset = 0;               ///< value after RESET, for tools; the owner resets itself to it
  /// Whether register `i` exists now; nullptr: always. A register that does not raises #GP either way.
  bool (*present)(const void* self, u32 i) = nullptr;
  /// Value of register `i` of the row (0..count-1). No side effects.
  u64 (*read)(const void* self, u32 i) = nullptr;
  /// Takes `value` for register `i`; reserved bits are already checked. Refuses by a fault, then nothing has
  /// changed.
  MsrFault (*write)(void* self, u32 i, u64 value) = nullptr;
  bool write_only = false;  ///< RDMSR raises #GP; `read` is for tools
};

}  // namespace lastbranch
