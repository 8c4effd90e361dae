#pragma once
// How a record is spread over FROM, TO and INFO MSRs: one encoding per LBR format.
//
// Modelled: formats 0-7 in 64-bit mode, where CS.base is 0 and linear and effective addresses are the same.
// Not: the format-4 encoding of parts whose TSX is fused off, architectural LBRs.
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
  u16 cycles =
      0;  ///< core clocks since the previous recorded branch, saturated; 0 where the format has no count
  bool mispredicted = false;
  bool in_tx = false;
  bool abort = false;
  /// What branched; BranchKind::kCount where software wrote the record. The MSRs do not show it, decoders
  /// derive it.
  BranchKind kind = BranchKind::kCount;

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
  return f == LbrFormat::kFlagsTsx || f == LbrFormat::kInfo;
}
/// Whether there are INFO MSRs.
[[nodiscard]] constexpr bool has_info(LbrFormat f) {
  return f == LbrFormat::kInfo || f == LbrFormat::kInfoNoTsx;
}
/// Whether there are TO MSRs; the oldest format has both addresses in one register.
[[nodiscard]] constexpr bool has_to(LbrFormat f) {
  return f != LbrFormat::kOffsets32;
}

/// Fields of `e` that the format has no bits for, cleared; addresses cut to what is recorded.
[[nodiscard]] constexpr Entry visible(LbrFormat f, const Entry& e) {
  Entry out = e;
  if (!has_misprediction(f)) out.mispredicted = false;
  if (!has_cycles(f)) out.cycles = 0;
  if (!has_tx(f)) out.in_tx = out.abort = false;
  if (f == LbrFormat::kOffsets32) {
    out.from = static_cast<u32>(e.from);
    out.to = static_cast<u32>(e.to);
  }
  return out;
}

/// The MSRs' values for a record. `va_bits`: width from which addresses are sign-extended.
[[nodiscard]] u64 encode_from(LbrFormat f, const Entry& e);
[[nodiscard]] u64 encode_to(LbrFormat f, const Entry& e);
[[nodiscard]] u64 encode_info(LbrFormat f, const Entry& e);

/// Takes one MSR's value into the record; bits that the format defines elsewhere stay. Refuses addresses that
/// are not canonical for `va_bits`, and reserved bits; then nothing has changed.
MsrFault decode_from(LbrFormat f, u64 value, unsigned va_bits, Entry& e);
MsrFault decode_to(LbrFormat f, u64 value, unsigned va_bits, Entry& e);
MsrFault decode_info(LbrFormat f, u64 value, Entry& e);

}  // namespace lastbranch::lbr
