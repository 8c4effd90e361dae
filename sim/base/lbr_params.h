#pragma once
// What distinguishes one part's last-branch records from another's. Microarchitecture records state it, the
// LBR model is built from it; it stands here because neither includes the other. Sources: SDM vol. 3B, "LBR
// Stack", "Filtering of Last Branch Records"; vol. 4 for addresses.
#include "sim/base/units.h"

namespace lastbranch {

/// IA32_PERF_CAPABILITIES[5:0]: how a record is spread over its MSRs.
enum class LbrFormat : u8 {
  kOffsets32 = 0,  ///< one MSR: 31:0 from, 63:32 to, offsets in CS
  kLinear = 1,     ///< FROM and TO: linear addresses
  kOffsets64 = 2,  ///< FROM and TO: offsets in CS
  kFlags = 3,      ///< FROM[63] mispredicted
  kFlagsTsx = 4,   ///< FROM[63] mispredicted, [62] in transaction, [61] abort
  kInfo = 5,       ///< flags and cycles in an INFO MSR
  kTime = 6,       ///< FROM[63] mispredicted, TO[63:48] cycles
  kInfoNoTsx = 7,  ///< as kInfo, without the transaction flags
  kNone = 0x3f,    ///< no legacy ring: the part has architectural LBRs
};

/// Architectural LBRs as CPUID leaf 1CH enumerates them. Source: SDM vol. 3B, "Architectural Last Branch
/// Records".
struct ArchLbrParams {
  u32 depth_mask = 0;        ///< EAX[7:0]: bit n set = 8 * (n + 1) records allowed; 0 = no architectural LBRs
  bool deep_c_reset = true;  ///< EAX[30]: MWAIT to a state deeper than C1 may clear the records
  bool lip = false;          ///< EAX[31]: addresses are linear (1) or offsets in CS (0)
  bool cpl_filter = true;    ///< EBX[0]
  bool branch_filter = true;   ///< EBX[1]
  bool call_stack = true;      ///< EBX[2]
  bool mispredicted = true;    ///< ECX[0]
  bool timed = true;           ///< ECX[1]
  bool branch_type = true;     ///< ECX[2]
  u32 event_log_counters = 0;  ///< ECX[19:16]: general counters whose events a record counts

  bool operator==(const ArchLbrParams&) const = default;
};

/// Departures of some parts from the rules, and choices where no public source decides. Off but for a core's
/// own; each is a field of the microarchitecture's record under the same name ("lbr_dup_abort_record").
struct LbrQuirks {
  bool fmt4_tsx_disabled = false;     ///< Haswell, Broadwell without TSX: FROM[62:61] (data sheet's Q1)
  bool dup_abort_record = false;      ///< Haswell: a second record of each abort, without the flag (Q2)
  bool cs_freeze_tos_glitch = false;  ///< a PMI freeze in call-stack mode moves TOS once more (Q3)
  /// Skylake: how often the newest record is there twice when recording stops, of 1000 (Q4)
  u32 dup_top_per_mille = 0;
  bool fmt1_with_mispred = false;   ///< Knights Landing: format 1, yet FROM[63] is the mispredict bit (Q6)
  bool no_freeze = false;           ///< Bonnell steppings below 10: a PMI does not freeze (Q7)
  bool pt_excludes_lbr = false;     ///< Broadwell, Skylake client: no LBRs while Intel PT traces (Q8)
  bool c6_clears = false;           ///< deep C-states zero the ring (Q9)
  bool ler_to_garbage = false;      ///< Broadwell-EP: top three bits of LER_TO (Q11)
  bool boundary_signext = false;    ///< return address 8000_0000_0000H recorded sign-extended (Q12)
  bool rsm_corrupts = false;        ///< Westmere mobile: ring invalid after SMM (Q13)
  bool bts_wrong_cpl_from = false;  ///< Core 2: BTS FROM wrong at privilege changes (Q14)
  u32 oldest_entry_bias_per_mille = 0;  ///< how often the oldest record stays instead of leaving (Q16)
  bool cpl_filter_on_target = true;  ///< the privilege filter tests the destination (Q19); false: the source
  bool underflow_moves_tos = true;   ///< a RET with an empty call stack moves TOS back all the same
  bool pop_restarts_cycles = false;  ///< a pop counts as an update of the cycle count
  /// Architectural, a branch from a privilege that is not recorded into one that is: recorded with FROM 0.
  /// false: not recorded. With 0 readers would take it for the end of the records.
  bool arch_zeroes_kernel_from = false;
  bool record_after_enable_counts = false;  ///< the first record after recording starts has a cycle count
  bool freeze_clears_tr = false;            ///< Bonnell, Silvermont: legacy freezing clears TR beside LBR
  bool tr_updates_ring = false;             ///< TR = 1 keeps the ring recording while LBR = 0

  bool operator==(const LbrQuirks&) const = default;
};

struct LbrParams {
  unsigned depth = 0;  ///< records in the ring: 1 or a power of two, 4..32; architectural: the largest
  LbrFormat format = LbrFormat::kInfo;
  u32 from_base = 0x680;  ///< MSR of FROM 0; the others follow
  u32 to_base = 0x6c0;    ///< MSR of TO 0; unused by kOffsets32
  u32 info_base = 0xdc0;  ///< MSR of INFO 0; used by kInfo and kInfoNoTsx
  u32 tos = 0x1c9;        ///< MSR_LASTBRANCH_TOS
  u32 select = 0x1c8;     ///< MSR_LBR_SELECT
  bool has_select = true;
  u64 select_mask = 0x1ff;  ///< bits of MSR_LBR_SELECT that exist
  /// Nehalem, Westmere, Silvermont: suppressing indirect JMPs also drops indirect CALLs and RETs, suppressing
  /// relative JMPs also drops relative CALLs.
  bool jmp_filters_drop_calls = false;
  unsigned va_bits = 48;        ///< linear address bits: how far addresses are sign-extended
  bool has_call_stack = false;  ///< MSR_LBR_SELECT.EN_CALLSTACK
  u32 ler_from = 0x1dd;         ///< MSR_LER_FROM_LIP; MSR_LER_TO_LIP follows
  /// Bits of IA32_DEBUGCTL that exist on this part; others raise #GP.
  u64 debugctl_mask = 0x1;
  bool record_suspends_on_tr = false;  ///< Core 2 and older: TR = 1 leaves the ring's content undefined
  ArchLbrParams arch;
  LbrQuirks quirks;

  bool operator==(const LbrParams&) const = default;
};

}  // namespace lastbranch
