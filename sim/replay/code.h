#pragma once
/// The code of one binary as facts about the instruction at each link-time address: how long it is, what it
/// does to control flow, where it goes if it says so itself.
#include <optional>
#include <string>

#include "sim/base/units.h"
#include "sim/perfdata/branch_entry.h"
#include "sim/perfdata/build_id.h"

namespace lastbranch::replay {

enum class FlowKind : u8 {
  kOther,  ///< goes on behind itself
  kCond,   ///< Jcc, LOOPcc, JRCXZ
  kJump,   ///< direct
  kCall,   ///< direct
  kIndirectJump,
  kIndirectCall,
  kReturn,
  kFar,      ///< far transfer, SYSCALL, INT n: leaves, and may come back behind itself
  kFarBack,  ///< SYSRET, SYSEXIT, IRET, far RET: does not come back
};

[[nodiscard]] const char* name_of(FlowKind kind);  ///< "conditional branch"

[[nodiscard]] constexpr bool is_branch(FlowKind kind) {
  return kind != FlowKind::kOther;
}
/// Its target is in the instruction.
[[nodiscard]] constexpr bool is_direct(FlowKind kind) {
  return kind == FlowKind::kCond || kind == FlowKind::kJump || kind == FlowKind::kCall;
}
[[nodiscard]] constexpr bool is_call(FlowKind kind) {
  return kind == FlowKind::kCall || kind == FlowKind::kIndirectCall;
}
/// Nothing behind it is executed unless something comes back there: it ends a straight line. Returns of the
/// kernel (see kFar) are no branches of the program.
[[nodiscard]] constexpr bool ends_line(FlowKind kind) {
  return kind != FlowKind::kOther && kind != FlowKind::kCond && kind != FlowKind::kFar;
}
/// Whether perf would save a branch of this kind as `type`.
[[nodiscard]] bool fits(FlowKind kind, perfdata::BranchType type);

/// What an instruction does to the top of the stack, which a return takes its target from.
enum class StackTop : u8 {
  kKept,     ///< nothing, or not known
  kMoved,    ///< RSP changes
  kWritten,  ///< the instruction itself puts something there: PUSH, a store to [RSP]
};

/// Kinds of branches as a set, a bit each.
using FlowKinds = u16;
[[nodiscard]] constexpr FlowKinds kinds_of(FlowKind kind) {
  return static_cast<FlowKinds>(1u << static_cast<unsigned>(kind));
}

struct FlowInsn {
  u64 address = 0;  ///< link-time
  u8 length = 0;    ///< bytes, 1..15
  FlowKind kind = FlowKind::kOther;
  StackTop stack_top = StackTop::kKept;
  u64 target = 0;  ///< link-time address, of direct branches

  [[nodiscard]] u64 end() const { return address + length; }
};

/// What there is at an address.
enum class Coverage : u8 {
  kInsn,     ///< an instruction begins here
  kMiddle,   ///< an instruction lies here but begins before
  kInvalid,  ///< the bytes are no instruction
  kUnknown,  ///< outside of what is known of the binary
};

class Code {
 public:
  virtual ~Code() = default;
  Code(const Code&) = delete;
  Code& operator=(const Code&) = delete;

  /// The file that was read.
  [[nodiscard]] virtual const std::string& path() const = 0;
  [[nodiscard]] virtual const std::optional<perfdata::BuildId>& build_id() const = 0;
  /// Runtime addresses are not link-time addresses: a PIE or a shared library.
  [[nodiscard]] virtual bool position_independent() const = 0;
  /// The instruction at link-time address `address`.
  virtual Coverage at(u64 address, FlowInsn& out) const = 0;
  /// Whether a call ends at link-time address `address`; nothing: not known.
  [[nodiscard]] virtual std::optional<bool> follows_call(u64 address) const = 0;
  /// Whether what begins at link-time address `address` is the code that ends a signal handler: a return
  /// leads there without a call.
  [[nodiscard]] virtual bool is_signal_return(u64 address) const = 0;
  /// Whether link-time address `address` is where frames return to that nobody called: a context's first
  /// function into what ends the context.
  [[nodiscard]] virtual bool ends_context(u64) const { return false; }
  /// The first instruction of the function that holds link-time address `address`; nothing: not known.
  [[nodiscard]] virtual std::optional<u64> function_at(u64) const { return std::nullopt; }
  /// The link-time address of offset `offset` of the file; nothing: no executable segment holds it.
  [[nodiscard]] virtual std::optional<u64> address_of(u64 offset) const = 0;
  /// Whether link-time address `address` lies in an executable segment.
  [[nodiscard]] virtual bool contains(u64 address) const = 0;
  /// The instruction at link-time address `address` in words: "main+0x12: 75 e0  jne 0x401060".
  [[nodiscard]] virtual std::string describe(u64 address) const = 0;

 protected:
  Code() = default;
};

}  // namespace lastbranch::replay
