#pragma once
// The facts that the simulator counts, and which of them somebody supplies.
//
// In order of who knows them: a block, before it is executed; the core and the board, as things happen;
// nobody yet, because they need a predictor, caches or a pipeline. Events of the PMU are formulas over facts;
// one that needs a fact of the last kind waits for it. What a fact means is what Intel's event lists say of
// the events that count it (github.com/intel/perfmon). The order is no interface: names are.
#include <array>
#include <cstddef>
#include <initializer_list>
#include <string_view>

#include "sim/base/units.h"

namespace lastbranch {

/// Facts that are counted. Instruction facts count instructions: a RMW instruction is one load and one store.
enum class Ev : u16 {
  // Known to a block, in most of them.
  kInstructions,   ///< retired; a REP string instruction is one
  kBranches,       ///< near and far, taken or not
  kTakenBranches,  ///< near, taken
  kCondBranches,   ///< Jcc, LOOPcc, JRCXZ
  kNearCalls,
  kNearReturns,
  kIndirect,  ///< near indirect JMP and CALL; not RET
  kIndirectCalls,
  kLoads,   ///< instructions that read memory, and software prefetches
  kStores,  ///< instructions that write memory
  kMemory,  ///< instructions that do either, and software prefetches
  kNops,    ///< NOP of any length, ENDBR64 included; not PAUSE
  // Known to a block, in few of them.
  kFarBranches,  ///< far transfers, SYSCALL and SYSRET, INT n, IRET, interrupts and exceptions
  kLocked,       ///< instructions with a locked access
  kX87,
  kMmx,
  kSseFp,           ///< SSE floating point, conversions and comparisons included
  kFpScalarSingle,  ///< arithmetic of FP_ARITH_INST_RETIRED; DPPS and DPPD count two
  kFpScalarDouble,
  kFpPackedSingle,
  kFpPackedDouble,
  kPauses,
  kLfences,
  kPrefetchNta,  ///< software prefetches
  kPrefetchT0,
  kPrefetchT1T2,
  kPrefetchW,
  // The core supplies these. It adds the conditional ones to kTakenBranches, too.
  kCycles,  ///< core clocks while not halted
  kCondTaken,
  // The board supplies these, and the far branches that are no instructions.
  kLbrInserts,  ///< entries written to the LBR, and entries that call-stack mode removed
  kInterrupts,  ///< hardware interrupts taken

  // Waiting. What the processor's clocks and string instructions would say.
  kCrystalCycles,  ///< clocks of the crystal or bus while not halted
  kCyclesC01,      ///< in light sleep
  kCyclesC02,
  kPauseCycles,
  kRepIterations,  ///< of REP string instructions
  kMacroFused,     ///< pairs of instructions retired as one uop

  // Waiting. Mispredictions of retired branches.
  kMispredicted,
  kMispredictedCond,
  kMispredictedCondTaken,
  kMispredictedTaken,  ///< near branches that were taken
  kMispredictedCalls,  ///< near
  kMispredictedIndirectCalls,
  kMispredictedReturns,
  kMispredictedIndirect,  ///< near indirect JMP and CALL

  // Waiting. Branches executed, on the wrong path too.
  kExecCondTaken,
  kExecCondNotTaken,
  kExecDirectJumps,
  kExecDirectCalls,
  kExecIndirectJumps,
  kExecIndirectCalls,
  kExecReturns,
  kExecMispCondTaken,
  kExecMispCondNotTaken,
  kExecMispDirectJumps,
  kExecMispDirectCalls,
  kExecMispIndirectJumps,
  kExecMispIndirectCalls,
  kExecMispReturns,
  kDecodedBranches,
  kMissedCallReturns,
  kResteers,  ///< front-end re-steers by the decoder (BACLEARS)
  kResteersBadTarget,
  kResteersForceIq,
  kBpuClearsEarly,
  kBpuClearsLate,

  // Waiting. Uops and slots.
  kUopsIssued,  ///< at allocation, fused
  kUopsIssuedFused,
  kUopsFlagsMerge,
  kUopsSlowLea,
  kUopsSingleMul,
  kUopsVectorWidthMismatch,
  kUopsExecuted,  ///< unfused
  kUopsExecutedNoPort5,
  kCyclesExecuted1,  ///< with at least one uop executed
  kCyclesExecuted2,
  kCyclesExecuted3,
  kCyclesExecuted4,
  kUopsExecutedX87,
  kUopsRetired,   ///< unfused
  kSlotsRetired,  ///< retirement slots used
  kUopsMacroFused,
  kUopsHeavy,  ///< of instructions of two uops or more
  kUopsMicrocodeRetired,
  kSlotsFrontendBound,
  kSlotsBackendBound,
  kSlotsBadSpeculation,
  kSlotsMispredict,
  kSlotsMachineClear,
  kSlotsFastClear,
  kSlotsMemoryBound,
  kSlotsFetchLatency,
  kSlotsHeavy,
  kSlotsAllocation,
  kSlotsMemoryScheduler,
  kSlotsNonMemoryScheduler,
  kSlotsSerialization,
  kSlotsRegisters,
  kSlotsReorderBuffer,

  // Waiting. Supply by the front end, and recovery.
  kSlotsNotDelivered,    ///< slots without a uop while the back end could take one
  kCyclesNoneDelivered,  ///< cycles in which no slot got a uop, the back end ready
  kRecoveryCycles,       ///< allocation stalled by recovery from a clear
  kRecoveryPeriods,
  kAllRecoveryCycles,
  kClears,  ///< of any kind
  kClearResteerCycles,
  kUopsDropped,
  kMbaStalls,
  kRatStallCycles,
  kUnknownBranchCycles,
  kMachineClears,
  kMachineClearCycles,
  kClearsMemoryOrdering,
  kClearsSelfModifying,
  kClearsMaskMove,
  kClearsFpAssist,
  kClearsDisambiguation,
  kClearsPageFault,
  kClearsSlow,
  kClearsFast,
  kClearsNuke,

  // Waiting. Retired memory operations: instructions, then uops.
  kSplitLoads,
  kSplitStores,
  kStlbMissLoads,
  kStlbMissStores,
  kLoadL1Hit,
  kLoadL1Miss,
  kLoadFbHit,
  kLoadL2Hit,
  kLoadL2Miss,
  kLoadL3Hit,
  kLoadL3Miss,
  kLoadL3HitUnshared,
  kLoadL3HitOtherCore,
  kLoadLocalPmm,
  kLoadDtlbMiss,
  kStoreDtlbMiss,
  kStoreL2Hit,
  kLoadUops,
  kStoreUops,
  kMemoryUops,
  kLockedLoadUops,
  kSplitLoadUops,
  kSplitStoreUops,
  kStlbMissLoadUops,
  kStlbMissStoreUops,
  kLoadUopL1Hit,
  kLoadUopL1Miss,
  kLoadUopFbHit,
  kLoadUopL2Hit,
  kLoadUopL2Miss,
  kLoadUopL3Hit,
  kLoadUopL3Miss,

  // Waiting. Requests to the caches.
  kL1dReplacements,
  kL2DemandDataHit,
  kL2DemandDataMiss,
  kL2RfoHit,
  kL2RfoMiss,
  kL2CodeHit,
  kL2CodeMiss,
  kL2PrefetchHit,
  kL2PrefetchMiss,
  kL2SwPrefetchHit,
  kL2SwPrefetchMiss,
  kLlcReferences,
  kLlcMisses,

  // Waiting. Translation.
  kDtlbLoadWalks,  ///< begun
  kDtlbLoadStlbHit4k,
  kDtlbLoadStlbHit2m,
  kDtlbLoadWalks4k,  ///< completed
  kDtlbLoadWalks2m,
  kDtlbLoadWalks1g,
  kDtlbLoadWalkPending,  ///< walks under way, summed over cycles
  kDtlbLoadPdeMiss,
  kDtlbStoreWalks,
  kDtlbStoreStlbHit4k,
  kDtlbStoreStlbHit2m,
  kDtlbStoreWalks4k,
  kDtlbStoreWalks2m,
  kDtlbStoreWalks1g,
  kDtlbStoreWalkPending,
  kDtlbStorePdeMiss,
  kItlbWalks,
  kItlbStlbHit4k,
  kItlbStlbHit2m,
  kItlbWalks4k,
  kItlbWalks2m,
  kItlbWalks1g,
  kItlbWalkPending,
  kItlbFlushes,
  kItlbMissRetired,
  kLargeItlbHits,

  // Waiting. Stall cycles and resources.
  kCyclesL1dMiss,  ///< with an L1 miss outstanding
  kCyclesL2Miss,
  kCyclesL3Miss,
  kCyclesMemory,  ///< with a load outstanding
  kStalls,        ///< cycles in which nothing executed
  kStallsL1dMiss,
  kStallsL2Miss,
  kStallsL3Miss,
  kStallsMemory,
  kCyclesPorts0,
  kCyclesPorts1,
  kCyclesPorts2,
  kCyclesPorts3,
  kCyclesPorts4,
  kCyclesBoundOnLoads,
  kCyclesBoundOnStores,
  kAmxBusyCycles,
  kResourceStalls,
  kResourceStallsLoadBuffer,
  kResourceStallsStoreBuffer,
  kResourceStallsLoadOrStoreBuffer,
  kResourceStallsMemoryOrRs,
  kResourceStallsOutOfOrder,
  kResourceStallsRob,
  kResourceStallsRs,
  kResourceStallsScoreboard,
  kResourceStallsFpcw,
  kResourceStallsMxcsr,
  kResourceStallsOther,
  kRatStallsFlags,
  kRatStallsRegisters,
  kRatStallsRobReadPort,
  kRatStallsScoreboard,
  kPartialStallsSlowLea,
  kFreeListsEmpty,
  kRegisterFileControl,
  kBranchOrderBufferFull,
  kOutOfOrderResources,
  kRsEmptyCycles,

  // Waiting. Where uops come from.
  kUopsDsb,
  kUopsMite,
  kUopsMsFromDsb,
  kUopsMsFromMite,
  kUopsLsd,
  kIdqEmptyCycles,
  kDsbToMiteSwitches,
  kDsbToMiteCycles,
  kDsbFillExceeded,
  kDsbFillOther,
  kIcacheHits,
  kIcacheMisses,
  kIcacheDataStalls,  ///< cycles
  kIcacheTagHits,
  kIcacheTagMisses,
  kIcacheTagStalls,  ///< cycles
  kIcacheTagStallsInUse,
  kIcacheTagStallsIsb,
  kLcpStalls,  ///< cycles lost to length-changing prefixes
  kInstructionQueueFull,
  kLengthDecoderMru,
  kLengthDecoderRegen,
  kMicrocodeBusy,
  kUopsDecoder0,
  kDecoder0Cycles,  ///< with a uop from it
  kUopsDecodedMs,
  kUopsDecoded,
  kEspFolding,
  kEspSync,
  kCount,
};
inline constexpr std::size_t kEvCount = static_cast<std::size_t>(Ev::kCount);
/// How many facts, the first ones, most blocks have; a block knows; somebody supplies.
inline constexpr std::size_t kCommonFacts = static_cast<std::size_t>(Ev::kFarBranches);
inline constexpr std::size_t kBlockFacts = static_cast<std::size_t>(Ev::kCycles);
inline constexpr std::size_t kSuppliedFacts = static_cast<std::size_t>(Ev::kCrystalCycles);

/// The facts' names in listings and errors: the enumerators in snake case.
// clang-format off
inline constexpr auto kEvNames = std::to_array<std::string_view>({
    "instructions", "branches", "taken_branches", "cond_branches", "near_calls", "near_returns", "indirect",
    "indirect_calls", "loads", "stores", "memory", "nops", "far_branches", "locked", "x87", "mmx", "sse_fp",
    "fp_scalar_single", "fp_scalar_double", "fp_packed_single", "fp_packed_double", "pauses", "lfences",
    "prefetch_nta", "prefetch_t0", "prefetch_t1_t2", "prefetch_w", "cycles", "cond_taken", "lbr_inserts",
    "interrupts", "crystal_cycles", "cycles_c01", "cycles_c02", "pause_cycles", "rep_iterations",
    "macro_fused", "mispredicted", "mispredicted_cond", "mispredicted_cond_taken", "mispredicted_taken",
    "mispredicted_calls", "mispredicted_indirect_calls", "mispredicted_returns", "mispredicted_indirect",
    "exec_cond_taken", "exec_cond_not_taken", "exec_direct_jumps", "exec_direct_calls", "exec_indirect_jumps",
    "exec_indirect_calls", "exec_returns", "exec_misp_cond_taken", "exec_misp_cond_not_taken",
    "exec_misp_direct_jumps", "exec_misp_direct_calls", "exec_misp_indirect_jumps",
    "exec_misp_indirect_calls", "exec_misp_returns", "decoded_branches", "missed_call_returns", "resteers",
    "resteers_bad_target", "resteers_force_iq", "bpu_clears_early", "bpu_clears_late", "uops_issued",
    "uops_issued_fused", "uops_flags_merge", "uops_slow_lea", "uops_single_mul", "uops_vector_width_mismatch",
    "uops_executed", "uops_executed_no_port5", "cycles_executed1", "cycles_executed2", "cycles_executed3",
    "cycles_executed4", "uops_executed_x87", "uops_retired", "slots_retired", "uops_macro_fused",
    "uops_heavy", "uops_microcode_retired", "slots_frontend_bound", "slots_backend_bound",
    "slots_bad_speculation", "slots_mispredict", "slots_machine_clear", "slots_fast_clear",
    "slots_memory_bound", "slots_fetch_latency", "slots_heavy", "slots_allocation", "slots_memory_scheduler",
    "slots_non_memory_scheduler", "slots_serialization", "slots_registers", "slots_reorder_buffer",
    "slots_not_delivered", "cycles_none_delivered", "recovery_cycles", "recovery_periods",
    "all_recovery_cycles", "clears", "clear_resteer_cycles", "uops_dropped", "mba_stalls", "rat_stall_cycles",
    "unknown_branch_cycles", "machine_clears", "machine_clear_cycles", "clears_memory_ordering",
    "clears_self_modifying", "clears_mask_move", "clears_fp_assist", "clears_disambiguation",
    "clears_page_fault", "clears_slow", "clears_fast", "clears_nuke", "split_loads", "split_stores",
    "stlb_miss_loads", "stlb_miss_stores", "load_l1_hit", "load_l1_miss", "load_fb_hit", "load_l2_hit",
    "load_l2_miss", "load_l3_hit", "load_l3_miss", "load_l3_hit_unshared", "load_l3_hit_other_core",
    "load_local_pmm", "load_dtlb_miss", "store_dtlb_miss", "store_l2_hit", "load_uops", "store_uops",
    "memory_uops", "locked_load_uops", "split_load_uops", "split_store_uops", "stlb_miss_load_uops",
    "stlb_miss_store_uops", "load_uop_l1_hit", "load_uop_l1_miss", "load_uop_fb_hit", "load_uop_l2_hit",
    "load_uop_l2_miss", "load_uop_l3_hit", "load_uop_l3_miss", "l1d_replacements", "l2_demand_data_hit",
    "l2_demand_data_miss", "l2_rfo_hit", "l2_rfo_miss", "l2_code_hit", "l2_code_miss", "l2_prefetch_hit",
    "l2_prefetch_miss", "l2_sw_prefetch_hit", "l2_sw_prefetch_miss", "llc_references", "llc_misses",
    "dtlb_load_walks", "dtlb_load_stlb_hit4k", "dtlb_load_stlb_hit2m", "dtlb_load_walks4k",
    "dtlb_load_walks2m", "dtlb_load_walks1g", "dtlb_load_walk_pending", "dtlb_load_pde_miss",
    "dtlb_store_walks", "dtlb_store_stlb_hit4k", "dtlb_store_stlb_hit2m", "dtlb_store_walks4k",
    "dtlb_store_walks2m", "dtlb_store_walks1g", "dtlb_store_walk_pending", "dtlb_store_pde_miss",
    "itlb_walks", "itlb_stlb_hit4k", "itlb_stlb_hit2m", "itlb_walks4k", "itlb_walks2m", "itlb_walks1g",
    "itlb_walk_pending", "itlb_flushes", "itlb_miss_retired", "large_itlb_hits", "cycles_l1d_miss",
    "cycles_l2_miss", "cycles_l3_miss", "cycles_memory", "stalls", "stalls_l1d_miss", "stalls_l2_miss",
    "stalls_l3_miss", "stalls_memory", "cycles_ports0", "cycles_ports1", "cycles_ports2", "cycles_ports3",
    "cycles_ports4", "cycles_bound_on_loads", "cycles_bound_on_stores", "amx_busy_cycles", "resource_stalls",
    "resource_stalls_load_buffer", "resource_stalls_store_buffer", "resource_stalls_load_or_store_buffer",
    "resource_stalls_memory_or_rs", "resource_stalls_out_of_order", "resource_stalls_rob",
    "resource_stalls_rs", "resource_stalls_scoreboard", "resource_stalls_fpcw", "resource_stalls_mxcsr",
    "resource_stalls_other", "rat_stalls_flags", "rat_stalls_registers", "rat_stalls_rob_read_port",
    "rat_stalls_scoreboard", "partial_stalls_slow_lea", "free_lists_empty", "register_file_control",
    "branch_order_buffer_full", "out_of_order_resources", "rs_empty_cycles", "uops_dsb", "uops_mite",
    "uops_ms_from_dsb", "uops_ms_from_mite", "uops_lsd", "idq_empty_cycles", "dsb_to_mite_switches",
    "dsb_to_mite_cycles", "dsb_fill_exceeded", "dsb_fill_other", "icache_hits", "icache_misses",
    "icache_data_stalls", "icache_tag_hits", "icache_tag_misses", "icache_tag_stalls",
    "icache_tag_stalls_in_use", "icache_tag_stalls_isb", "lcp_stalls", "instruction_queue_full",
    "length_decoder_mru", "length_decoder_regen", "microcode_busy", "uops_decoder0", "decoder0_cycles",
    "uops_decoded_ms", "uops_decoded", "esp_folding", "esp_sync"
});
// clang-format on
static_assert(kEvNames.size() == kEvCount);

[[nodiscard]] constexpr std::string_view name_of(Ev ev) {
  return kEvNames[static_cast<std::size_t>(ev)];
}

/// A set of facts.
class FactSet {
 public:
  constexpr FactSet() = default;
  constexpr FactSet(std::initializer_list<Ev> facts) {
    for (const Ev ev : facts) add(ev);
  }
  /// The facts that a machine without a timing model supplies.
  [[nodiscard]] static constexpr FactSet supplied() { return first(kSuppliedFacts); }
  [[nodiscard]] static constexpr FactSet all() { return first(kEvCount); }

  constexpr void add(Ev ev) { words_[index(ev)] |= bit(ev); }
  [[nodiscard]] constexpr bool has(Ev ev) const { return (words_[index(ev)] & bit(ev)) != 0; }
  constexpr FactSet& operator|=(const FactSet& other) {
    for (std::size_t k = 0; k < words_.size(); ++k) words_[k] |= other.words_[k];
    return *this;
  }
  bool operator==(const FactSet&) const = default;

 private:
  static constexpr FactSet first(std::size_t n) {
    FactSet set;
    for (std::size_t k = 0; k < n; ++k) set.add(static_cast<Ev>(k));
    return set;
  }
  static constexpr std::size_t index(Ev ev) { return static_cast<std::size_t>(ev) / 64; }
  static constexpr u64 bit(Ev ev) { return u64{1} << (static_cast<std::size_t>(ev) % 64); }

  std::array<u64, (kEvCount + 63) / 64> words_{};
};

/// A number for each fact.
struct FactCounts {
  std::array<u64, kEvCount> n{};

  constexpr u64& operator[](Ev ev) { return n[static_cast<std::size_t>(ev)]; }
  constexpr u64 operator[](Ev ev) const { return n[static_cast<std::size_t>(ev)]; }
};

}  // namespace lastbranch
