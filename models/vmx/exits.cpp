#include "models/vmx/exits.h"

#include <algorithm>

#include "models/vmx/sources.h"
#include "sim/base/assert.h"

namespace lastbranch::vmx {
namespace {

using V = const InsnView&;
using S = VmxSensitive;

constexpr u64 kCr0Pe = 1, kCr0Ts = 8, kMsw = 0xf;

bool always(V) {
  return true;
}
bool in_low(u64 msr) {
  return msr <= 0x1fff;
}
bool in_high(u64 msr) {
  return msr >= 0xc0000000 && msr <= 0xc0001fff;
}
/// Reads at 0, writes at 2048 bytes; the low range first, the high one 1024 behind it.
bool msr_bit(V x, u64 offset) {
  const u64 high = in_high(x.insn.value) ? 1024 : 0;
  return x.bitmap(x.v.read(Field::kMsrBitmap) + offset + high, x.insn.value & 0x1fff);
}
bool port_bits(V x) {
  for (unsigned n = 0; n < x.insn.size; ++n) {
    const u32 port = x.insn.port + n;
    if (port > 0xffff) return true;
    const Field half = port < 0x8000 ? Field::kIoBitmapA : Field::kIoBitmapB;
    if (x.bitmap(x.v.read(half), port & 0x7fff)) return true;
  }
  return false;
}
bool no_bitmap(V x) {
  return !x.control(proc::kMsrBitmaps);
}
bool outside(V x) {
  return !in_low(x.insn.value) && !in_high(x.insn.value);
}
bool differs(V x, u64 value, Field mask, Field shadow) {
  return ((value ^ x.v.read(shadow)) & x.v.read(mask)) != 0;
}
bool is_target(V x) {
  const u64 n = std::min<u64>(4, x.v.read(Field::kCr3TargetCount));
  for (unsigned k = 0; k < n; ++k) {
    if (x.v.read(nth(Field::kCr3Target0, k)) == x.insn.value) return true;
  }
  return false;
}

constexpr InsnRule kInstructions[] = {
    {"CPUID always exits", sdm::kUnconditional, S::kCpuid, Reason::kCpuid, always},
    {"INVD always exits", sdm::kUnconditional, S::kInvd, Reason::kInvd, always},
    {"VMX instructions always exit", sdm::kUnconditional, S::kVmx, Reason::kVmcall, always},
    {"RDMSR exits without MSR bitmaps", sdm::kConditional, S::kRdmsr, Reason::kRdmsr, no_bitmap},
    {"RDMSR exits for registers that no bitmap covers", sdm::kConditional, S::kRdmsr, Reason::kRdmsr,
     outside},
    {"RDMSR exits by its bit", sdm::kConditional, S::kRdmsr, Reason::kRdmsr,
     [](V x) { return msr_bit(x, 0); }},
    {"WRMSR exits without MSR bitmaps", sdm::kConditional, S::kWrmsr, Reason::kWrmsr, no_bitmap},
    {"WRMSR exits for registers that no bitmap covers", sdm::kConditional, S::kWrmsr, Reason::kWrmsr,
     outside},
    {"WRMSR exits by its bit", sdm::kConditional, S::kWrmsr, Reason::kWrmsr,
     [](V x) { return msr_bit(x, 2048); }},
    {"RDPMC exits by RDPMC exiting", sdm::kConditional, S::kRdpmc, Reason::kRdpmc,
     [](V x) { return x.control(proc::kRdpmc); }},
    {"RDTSC exits by RDTSC exiting", sdm::kConditional, S::kRdtsc, Reason::kRdtsc,
     [](V x) { return x.control(proc::kRdtsc); }},
    {"HLT exits by HLT exiting", sdm::kConditional, S::kHlt, Reason::kHlt,
     [](V x) { return x.control(proc::kHlt); }},
    {"INVLPG exits by INVLPG exiting", sdm::kConditional, S::kInvlpg, Reason::kInvlpg,
     [](V x) { return x.control(proc::kInvlpg); }},
    {"MOV from CR3 exits by CR3-store exiting", sdm::kConditional, S::kReadCr, Reason::kCr,
     [](V x) { return x.insn.number == 3 && x.control(proc::kCr3Store); }},
    {"MOV from CR8 exits by CR8-store exiting", sdm::kConditional, S::kReadCr, Reason::kCr,
     [](V x) { return x.insn.number == 8 && x.control(proc::kCr8Store); }},
    {"MOV to CR0 exits when an owned bit is not that of the read shadow", sdm::kConditional, S::kWriteCr,
     Reason::kCr,
     [](V x) { return x.insn.number == 0 && differs(x, x.insn.value, Field::kCr0Mask, Field::kCr0Shadow); }},
    {"MOV to CR3 exits by CR3-load exiting, unless the value is a target", sdm::kConditional, S::kWriteCr,
     Reason::kCr, [](V x) { return x.insn.number == 3 && x.control(proc::kCr3Load) && !is_target(x); }},
    {"MOV to CR4 exits when an owned bit is not that of the read shadow", sdm::kConditional, S::kWriteCr,
     Reason::kCr,
     [](V x) { return x.insn.number == 4 && differs(x, x.insn.value, Field::kCr4Mask, Field::kCr4Shadow); }},
    {"MOV to CR8 exits by CR8-load exiting", sdm::kConditional, S::kWriteCr, Reason::kCr,
     [](V x) { return x.insn.number == 8 && x.control(proc::kCr8Load); }},
    {"CLTS exits when TS is owned and set in the read shadow", sdm::kConditional, S::kClts, Reason::kCr,
     [](V x) { return (x.v.read(Field::kCr0Mask) & x.v.read(Field::kCr0Shadow) & kCr0Ts) != 0; }},
    {"LMSW exits when it would set an owned PE that the read shadow has not", sdm::kConditional, S::kLmsw,
     Reason::kCr,
     [](V x) {
       return (x.insn.value & x.v.read(Field::kCr0Mask) & ~x.v.read(Field::kCr0Shadow) & kCr0Pe) != 0;
     }},
    {"LMSW exits when an owned MP, EM or TS is not that of the read shadow", sdm::kConditional, S::kLmsw,
     Reason::kCr,
     [](V x) {
       const u64 others = (x.insn.value ^ x.v.read(Field::kCr0Shadow)) & x.v.read(Field::kCr0Mask);
       return (others & kMsw & ~kCr0Pe) != 0;
     }},
    {"MOV from DR exits by MOV-DR exiting", sdm::kConditional, S::kReadDr, Reason::kMovDr,
     [](V x) { return x.control(proc::kMovDr); }},
    {"MOV to DR exits by MOV-DR exiting", sdm::kConditional, S::kWriteDr, Reason::kMovDr,
     [](V x) { return x.control(proc::kMovDr); }},
    {"I/O exits by a bit of the bitmaps, or by wrapping around", sdm::kConditional, S::kIo, Reason::kIo,
     [](V x) { return x.control(proc::kIoBitmaps) && port_bits(x); }},
    {"I/O without bitmaps exits by unconditional I/O exiting", sdm::kConditional, S::kIo, Reason::kIo,
     [](V x) { return !x.control(proc::kIoBitmaps) && x.control(proc::kUnconditionalIo); }},
};

bool is_exception(const VmxEvent& e) {
  return e.type == VmxEventType::kException || e.type == VmxEventType::kPrivileged ||
         e.type == VmxEventType::kSoftwareException;
}
bool in_bitmap(const EventView& x) {
  return (x.v.read(Field::kExceptionBitmap) >> (x.event.vector & 31) & 1) != 0;
}

constexpr EventRule kEvents[] = {
    {"an NMI exits by NMI exiting", sdm::kOtherCauses, Reason::kException,
     [](const VmxEvent& e) { return e.type == VmxEventType::kNmi; },
     [](const EventView& x) { return (x.pin & pin::kNmi) != 0; }},
    {"an external interrupt exits by external-interrupt exiting", sdm::kOtherCauses,
     Reason::kExternalInterrupt, [](const VmxEvent& e) { return e.type == VmxEventType::kInterrupt; },
     [](const EventView& x) { return (x.pin & pin::kExternalInterrupt) != 0; }},
    {"a page fault exits by its bit if its error code matches, by the bit's absence if not",
     sdm::kOtherCauses, Reason::kException,
     [](const VmxEvent& e) { return is_exception(e) && e.vector == static_cast<u8>(Vector::kPF); },
     [](const EventView& x) {
       const bool matches = (x.event.error & x.v.read(Field::kPfMask)) == x.v.read(Field::kPfMatch);
       return in_bitmap(x) == matches;
     }},
    {"another exception exits by its bit", sdm::kOtherCauses, Reason::kException, is_exception, in_bitmap},
    {"INT n does not exit", sdm::kOtherCauses, Reason::kException,
     [](const VmxEvent& e) { return e.type == VmxEventType::kSoftwareInterrupt; }, nullptr},
};

constexpr WindowRule kWindows[] = {
    {"a triple fault exits", sdm::kOtherCauses, Window::kTripleFault, Reason::kTripleFault,
     [](const Vmcs&) { return true; }},
    {"an external interrupt that is not acknowledged exits by external-interrupt exiting, and stays pending",
     sdm::kOtherCauses, Window::kInterruptWaiting, Reason::kExternalInterrupt,
     [](const Vmcs& v) {
       return (v.read(Field::kPinControls) & pin::kExternalInterrupt) != 0 &&
              (v.read(Field::kExitControls) & exit_ctl::kAcknowledge) == 0;
     }},
    {"an interrupt window exits by interrupt-window exiting", sdm::kOtherCauses, Window::kInterruptWindow,
     Reason::kInterruptWindow,
     [](const Vmcs& v) { return (v.read(Field::kProcControls) & proc::kInterruptWindow) != 0; }},
    {"an NMI window exits by NMI-window exiting", sdm::kOtherCauses, Window::kNmiWindow, Reason::kNmiWindow,
     [](const Vmcs& v) { return (v.read(Field::kProcControls) & proc::kNmiWindow) != 0; }},
};

constexpr ListRule kLists[] = {
    {"IA32_FS_BASE and IA32_GS_BASE are not loaded from a list", sdm::kEntryLists, true, false,
     [](u32 index, u32) { return index == 0xc0000100 || index == 0xc0000101; }},
    {"registers of the x2APIC are not in a list", sdm::kEntryLists, true, true,
     [](u32 index, u32) { return index >> 8 == 8; }},
    {"IA32_SMM_MONITOR_CTL is not loaded outside SMM", sdm::kEntryLists, true, false,
     [](u32 index, u32) { return index == 0x9b; }},
    {"IA32_SMBASE is not stored outside SMM", sdm::kSaveLists, false, true,
     [](u32 index, u32) { return index == 0x9e; }},
    {"reserved bits of an entry are 0", sdm::kEntryLists, true, true,
     [](u32, u32 reserved) { return reserved != 0; }},
};

/// Exit reasons of VMX instructions. Source: SDM vol. 3D, appendix "VMX Basic Exit Reasons".
constexpr struct {
  VmxOp op;
  Reason reason;
} kVmxReasons[] = {
    {VmxOp::kVmcall, Reason::kVmcall},     {VmxOp::kVmclear, Reason::kVmclear},
    {VmxOp::kVmlaunch, Reason::kVmlaunch}, {VmxOp::kVmptrld, Reason::kVmptrld},
    {VmxOp::kVmptrst, Reason::kVmptrst},   {VmxOp::kVmread, Reason::kVmread},
    {VmxOp::kVmresume, Reason::kVmresume}, {VmxOp::kVmwrite, Reason::kVmwrite},
    {VmxOp::kVmxoff, Reason::kVmxoff},     {VmxOp::kVmxon, Reason::kVmxon},
};

}  // namespace

std::span<const InsnRule> instruction_rules() {
  return kInstructions;
}
const InsnRule* instruction_rule(const InsnView& view) {
  const auto* const row =
      std::find_if(std::begin(kInstructions), std::end(kInstructions), [&](const InsnRule& r) {
        return r.what == view.insn.what && looked_at(table::kInstructions, r.rule, r.exits(view));
      });
  return row == std::end(kInstructions) ? nullptr : row;
}

u64 qualification(const VmxInsn& i) {
  const u64 gpr = u64{i.gpr} << 8;
  switch (i.what) {
    case S::kWriteCr:
      return i.number | gpr;
    case S::kReadCr:
      return i.number | 1u << 4 | gpr;
    case S::kClts:
      return 2u << 4;
    case S::kLmsw:
      return 3u << 4 | (i.memory ? 1u << 6 : 0) | i.value << 16;
    case S::kWriteDr:
      return i.number | gpr;
    case S::kReadDr:
      return i.number | 1u << 4 | gpr;
    case S::kIo:
      return (i.size - 1u) | (i.in ? 1u << 3 : 0) | (i.string ? 1u << 4 : 0) | (i.rep ? 1u << 5 : 0) |
             (i.immediate ? 1u << 6 : 0) | u64{i.port} << 16;
    case S::kInvlpg:
    case S::kVmx:
      return i.value;
    default:
      return 0;
  }
}

std::optional<u64> owned_bits(const InsnView& x, u64 cr0, u64 cr4) {
  const u64 mask0 = x.v.read(Field::kCr0Mask), mask4 = x.v.read(Field::kCr4Mask);
  switch (x.insn.what) {
    case S::kReadCr:
      if (x.insn.number == 0) return (cr0 & ~mask0) | (x.v.read(Field::kCr0Shadow) & mask0);
      if (x.insn.number == 4) return (cr4 & ~mask4) | (x.v.read(Field::kCr4Shadow) & mask4);
      return std::nullopt;
    case S::kWriteCr:
      if (x.insn.number == 0) return (x.insn.value & ~mask0) | (cr0 & mask0);
      if (x.insn.number == 4) return (x.insn.value & ~mask4) | (cr4 & mask4);
      return std::nullopt;
    case S::kClts:
      return cr0 & ~(kCr0Ts & ~mask0);
    case S::kLmsw: {
      const u64 loaded = kMsw & ~mask0;
      return (cr0 & ~loaded) | (x.insn.value & loaded) | (cr0 & kCr0Pe);
    }
    default:
      return std::nullopt;
  }
}

Reason reason_of(VmxOp op) {
  const auto* const row =
      std::find_if(std::begin(kVmxReasons), std::end(kVmxReasons), [&](const auto& r) { return r.op == op; });
  return row == std::end(kVmxReasons) ? Reason::kVmcall : row->reason;
}

std::span<const EventRule> event_rules() {
  return kEvents;
}
const EventRule& event_rule(const VmxEvent& event) {
  const auto* const row = std::find_if(std::begin(kEvents), std::end(kEvents),
                                       [&](const EventRule& r) { return r.concerns(event); });
  LASTBRANCH_ASSERT(row != std::end(kEvents), "no rule for an event of type {}",
                    static_cast<int>(event.type));
  return *row;
}

bool exits(const EventRule& rule, const EventView& view) {
  const bool leaves = rule.exits != nullptr && rule.exits(view);
  looked_at(table::kEvents, rule.rule, leaves || rule.exits == nullptr);
  return leaves;
}

std::span<const WindowRule> window_rules() {
  return kWindows;
}
const WindowRule* window_rule(Window what, const Vmcs& v) {
  for (const WindowRule& row : kWindows) {
    if (row.what == what && looked_at(table::kWindows, row.rule, row.exits(v))) return &row;
  }
  return nullptr;
}

std::span<const ListRule> list_rules() {
  return kLists;
}
const ListRule* list_rule(bool load, u32 index, u32 reserved) {
  const auto* const row = std::find_if(std::begin(kLists), std::end(kLists), [&](const ListRule& r) {
    return looked_at(table::kLists, r.rule, (load ? r.loads : r.stores) && r.refuses(index, reserved));
  });
  return row == std::end(kLists) ? nullptr : row;
}

}  // namespace lastbranch::vmx
