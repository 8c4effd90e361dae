#pragma once
// How a record is spread over FROM, TO and INFO MSRs: one encoding per LBR format.
//
// Modelled: formats 0-7 in 64-bit mode, where CS.base is 0 and linear and effective addresses are the same;
// format 4 as parts with their TSX fused off have it. Architectural records: arch_lbr.h.
// Sources: SDM vol. 3B, "LBR Stack and 64-Bit Mode Addresses" (LBR_FMT table), "LBR Stack and IA-32
// Processors", the tables of MSR_LASTBRANCH_x_FROM_IP, _TO_IP and LBR_INFO_x; Linux 6.12
// arch/x86/events/intel/lbr.c.
#include "sim/base/lbr_params.h"
#include "sim/base/msr.h"
#include "sim/base/retire.h"
#include "sim/base/units.h"

namespace lastbranch::lbr {

/// Cycle counts stop here.
inline constexpr u16 kMaxCycles = 0xffff;

/// One record, as far as the format shows it.
struct Entry {
  u64 from = 0;  ///< linear address of the branch; 0: the record is empty
  u64 to = 0;    ///< linear address of the target
  /// Core clocks since the previous recorded branch, saturated; 0 where the format has no count.
  u16 cycles = 0;
  bool mispredicted = false;
  bool in_tx = false;
  bool abort = false;
  /// What branched; BranchKind::kCount where software wrote the record. The MSRs do not show it, decoders
  /// derive it.
  BranchKind kind = BranchKind::kCount;
  // Architectural records only; 0 elsewhere.
  bool cycles_valid = false;
  u8 type = 0;    ///< INFO.BR_TYPE
  u8 events = 0;  ///< two bits for each of general counters 0-3: events since the previous record, saturated

  bool operator==(const Entry&) const = default;
};

/// Whether records tell mispredicted from predicted branches.
[[nodiscard]] constexpr bool has_misprediction(LbrFormat f) {
  return f >= LbrFormat::kFlags;
}
/// Whether records count cycles.
[[nodiscard]] constexpr bool has_cycles(LbrFormat f) {
  return f >= LbrFormat::kInfo;
}
/// Whether records show transactions.
[[nodiscard]] constexpr bool has_tx(LbrFormat f) {
  return f == LbrFormat::kFlagsTsx || f == LbrFormat::kInfo || f == LbrFormat::kNone;
}
/// Whether there are INFO MSRs.
[[nodiscard]] constexpr bool has_info(LbrFormat f) {
  return f == LbrFormat::kInfo || f == LbrFormat::kInfoNoTsx;
}
/// Whether there are TO MSRs; the oldest format has both addresses in one register.
[[nodiscard]] constexpr bool has_to(LbrFormat f) {
  return f != LbrFormat::kOffsets32;
}

/// INFO.BR_TYPE of a branch; everything that is no near branch is "other".
[[nodiscard]] constexpr u8 branch_type(BranchKind kind) {
  // Four bits for each near kind, the first lowest.
  constexpr u32 kTypes = 0x534120;
  if (kind >= BranchKind::kFar) return 8;
  return static_cast<u8>((kTypes >> (4 * static_cast<unsigned>(kind))) & 15);
}

/// The record of a branch, but for its cycles. Only near branches can be mispredicted.
[[nodiscard]] constexpr Entry recorded(u64 from, u64 to, BranchKind kind, bool mispredicted, bool in_tx,
                                       bool abort) {
  return {.from = from,
          .to = to,
          .mispredicted = mispredicted && kind < BranchKind::kFar,
          .in_tx = in_tx,
          .abort = abort,
          .kind = kind,
          .type = branch_type(kind)};
}

/// Fields of `e` that the legacy format has no bits for, cleared; addresses cut to what is recorded.
[[nodiscard]] constexpr Entry visible(LbrFormat f, const Entry& e) {
  Entry out = e;
  out.cycles_valid = false;
  out.type = out.events = 0;
  if (!has_misprediction(f)) out.mispredicted = false;
  if (!has_cycles(f)) out.cycles = 0;
  if (!has_tx(f)) out.in_tx = out.abort = false;
  if (f == LbrFormat::kOffsets32) {
    out.from = static_cast<u32>(e.from);
    out.to = static_cast<u32>(e.to);
  }
  return out;
}

/// The MSRs' values for a record.
[[nodiscard]] u64 encode_from(LbrFormat f, const Entry& e);
[[nodiscard]] u64 encode_to(LbrFormat f, const Entry& e);
[[nodiscard]] u64 encode_info(LbrFormat f, const Entry& e);

/// Takes one MSR's value into the record; bits that the format defines elsewhere stay. Refuses addresses that
/// are not canonical for `va_bits`, and reserved bits; then nothing has changed. `tsx_disabled`: format 4's
/// transaction flags are part of the sign extension, though they are kept as written.
MsrFault decode_from(LbrFormat f, u64 value, unsigned va_bits, Entry& e, bool tsx_disabled = false);
MsrFault decode_to(LbrFormat f, u64 value, unsigned va_bits, Entry& e);
MsrFault decode_info(LbrFormat f, u64 value, Entry& e);

}  // namespace lastbranch::lbr
