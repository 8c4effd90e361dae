#pragma once
// The last-branch records of one logical processor and IA32_DEBUGCTL.
//
// Modelled: depths 1 to 32, formats 0-7 and architectural records with their MSRs; filters of both
// polarities; call-stack mode; IA32_DEBUGCTL whole, with freezing, #DB, SMM, deep C-states and resets;
// last-exception records; BTS (bts.h); the errata of LbrQuirks. Not modelled: NetBurst's layout of
// IA32_DEBUGCTL, branch trace messages on the bus, a sibling thread that shares MSR_LBR_SELECT (Nehalem).
// Which transfer is announced with which addresses is the core's.
// Sources: SDM vol. 3B, "Last Branch, Interrupt, and Exception Recording Overview", "IA32_DEBUGCTL MSR", "LBR
// Stack", "Filtering of Last Branch Records", "Freezing LBR and Performance Counters on PMI", "Architectural
// Last Branch Records"; Linux 6.12 arch/x86/events/intel/lbr.c.
#include <array>
#include <span>
#include <vector>

#include "models/lbr/arch_lbr.h"
#include "models/lbr/bts.h"
#include "models/lbr/lbr_format.h"
#include "models/lbr/lbr_select.h"
#include "models/lbr/ring.h"
#include "sim/base/debugctl.h"
#include "sim/base/event_log.h"
#include "sim/base/far_branches.h"
#include "sim/base/lbr_params.h"
#include "sim/base/msr.h"
#include "sim/base/retire.h"
#include "sim/base/rng.h"
#include "sim/base/units.h"

namespace lastbranch::lbr {

enum class ResetKind : u8 {
  kCold,         ///< power-up
  kWarm,         ///< RESET: architectural records stay, recording goes off
  kWarmInDeepC,  ///< RESET while in a deep C-state: as kCold
};

class Lbr final : public DebugControl, public DebugEvents {
 public:
  static constexpr unsigned kMaxDepth = Ring::kMaxDepth;

  /// Throws Error when `params` cannot be: depth not 1, 4, 8, 16 or 32; architectural depths not within
  /// 8..32. `seed` is for the errata that strike at random.
  explicit Lbr(const LbrParams& params, u64 seed = 1);
  // rows() of an attached object are known elsewhere.
  Lbr(const Lbr&) = delete;
  Lbr& operator=(const Lbr&) = delete;

  /// Where BTS stores and asks for its PMI; each may be nullptr, and then BTS counts what it could not store.
  /// All must outlive this.
  void connect(DsArea* ds, GuestMemory* memory, PmiRequest* pmi) { bts_.connect(ds, memory, pmi); }
  /// Who counts for the records of parts with event logging; nullptr: their counts stay 0. `behind`: totals
  /// lack the instruction that is announced, and count_events() is called when they have it.
  void connect(const EventLogSource* events, bool behind = false);
  /// Fills in the counts of a record since the last call.
  void count_events();

  /// A branch was taken and retired: records it if recording is on and the filter keeps it. On the path of
  /// every taken branch: one test, then five stores; everything else waits until somebody reads, or is out of
  /// line. Branches not taken are not for this function. The kind of near branches leaves privilege as it is.
  [[gnu::always_inline]] void push(const RetiredBranch& b) {
    if (!push_fast(b) && needs_slow(b)) push_slow(b);
  }
  // push() in its parts, for callers that want no call on the way.
  /// Whether it was recorded. If not, needs_slow() says whether push_slow() must have it.
  [[gnu::always_inline]] bool push_fast(const RetiredBranch& b) {
    if (((plain_ >> keep_bit(b.kind, b.cpl_to)) & 1) == 0) [[unlikely]]
      return false;
    ring_.push(b);
    return true;
  }
  [[nodiscard, gnu::always_inline]] bool needs_slow(const RetiredBranch& b) const {
    return ((special_ >> keep_bit(b.kind, b.cpl_to)) & 1) != 0;
  }
  /// BTS, call-stack mode, last-exception records, quirks: all about a branch that is not plain recording.
  [[gnu::noinline]] void push_slow(const RetiredBranch& b);
  /// A transaction aborted: `from` is where it was, `to` where execution goes on.
  void transaction_abort(u64 from, u64 to, u64 time, u8 cpl);

  /// Records now in the ring, newest first, up to the first empty one; never more than `out` holds. Returns
  /// how many.
  [[nodiscard]] std::size_t read(std::span<Entry> out) const;
  /// The same as a vector.
  [[nodiscard]] std::vector<Entry> entries() const;
  /// Record `i` (the number in its MSRs' names), empty or not; `i` < depth().
  [[nodiscard]] Entry slot(unsigned i) const;
  /// The newest records as their MSRs show them, empty ones too. See DebugControl.
  [[nodiscard]] std::size_t records(std::span<LbrRecord> out) const override;

  [[nodiscard]] const LbrParams& params() const { return params_; }
  /// Whether these are architectural records.
  [[nodiscard]] bool architectural() const { return params_.arch.depth_mask != 0; }
  /// Records there are now: the part's, or IA32_LBR_DEPTH.
  [[nodiscard]] unsigned depth() const { return depth_; }
  /// Place of the newest record; architectural: always 0.
  [[nodiscard]] unsigned tos() const { return architectural() ? 0 : ring_.tos(); }
  /// IA32_DEBUGCTL.LBR, architectural IA32_LBR_CTL.LBREn.
  [[nodiscard]] bool enabled() const;
  /// Whether branches that pass the filter are being recorded: enabled, not frozen, not suspended.
  [[nodiscard]] bool recording() const { return recording_; }
  /// Whether CALLs push and RETs pop.
  [[nodiscard]] bool call_stack_mode() const;
  /// Records written and, in call-stack mode, records removed, ever: what LBR_INSERTS counts.
  [[nodiscard]] u64 inserts() const { return ring_.inserts(); }
  [[nodiscard]] const Bts& bts() const { return bts_; }

  /// As WRMSR IA32_DEBUGCTL or IA32_LBR_CTL would, for boards that act in the guest kernel's name. An
  /// architectural part whose IA32_LBR_CTL selects nothing gets every privilege and class selected.
  void enable(bool on);
  /// As WRMSR MSR_LBR_SELECT would; on an architectural part the same selection as IA32_LBR_CTL says it.
  /// Throws Error when a bit does not exist on this part.
  void select(u64 value);
  /// Selects branches that end in user mode, of every class, where the part can.
  void record_user_only();
  /// Selects call-stack mode as the manual demands it. Throws Error when the part has none.
  void record_call_stack(bool user_only);
  /// Empties the ring, as software does by writing 0 to its MSRs and to TOS, or by writing IA32_LBR_DEPTH;
  /// filter and enable stay.
  void clear();

  [[nodiscard]] u64 debugctl() const override;
  /// WRMSR IA32_DEBUGCTL. A bit that the part does not have is refused; then nothing has changed.
  MsrFault write_debugctl(u64 value);
  void legacy_freeze() override;
  void set_frozen(bool frozen) override;
  [[nodiscard]] bool frozen() const { return frozen_; }
  /// #DB is delivered (instead of a push): LBR, architectural LBREn, and BTF go off, TR and BTS stay.
  void debug_exception() override;
  /// SMI, after its own record; RSM, before its own.
  void enter_smm();
  void leave_smm();
  /// INIT: nothing changes, neither IA32_DEBUGCTL nor the records.
  void init() {}
  void reset(ResetKind kind = ResetKind::kCold);
  /// The core slept in a C-state deeper than C1: parts that do lose their records.
  void deep_c_state();
  /// How often, of 1000, the newest record repeats the addresses of the one before when recording stops, from
  /// now on: LbrQuirks::dup_top_per_mille for who knows when the erratum struck.
  void set_duplicates_top(u32 per_mille) { params_.quirks.dup_top_per_mille = per_mille; }
  /// Intel PT's TraceEn, which some parts cannot have together with LBRs.
  void set_pt_tracing(bool on);

  /// The MSRs of this part: attach(rows(), this). IA32_DS_AREA is DsArea's.
  [[nodiscard]] std::span<const MsrDef> rows() const { return rows_; }

 private:
  // The MSR rows and the XSAVES image are faces of this object, in files of their own.
  friend struct LegacyFace;
  friend struct ArchFace;
  friend LbrState save(const Lbr& lbr);
  friend MsrFault restore(Lbr& lbr, const LbrState& state);

  [[nodiscard]] bool keeps(const RetiredBranch& b) const;
  void record(const RetiredBranch& b);
  void pop(u64 time);
  void take_exception_record();
  [[nodiscard]] u8 logged_events();
  /// The record `i` as it is stored, with all that is known of it.
  [[nodiscard]] Entry stored(unsigned i) const;
  void put(unsigned i, const Entry& e);
  void wipe();
  void set_ctl(u64 value);
  void set_legacy_select(u64 value);
  /// Recomputes what follows from control registers; notices recording going on and off.
  void update();
  void start_recording();
  void stop_recording();
  void glitch_tos();

  KeepMask plain_ = 0;    ///< branches that are recorded and nothing else
  KeepMask special_ = 0;  ///< branches that push_slow takes
  Ring ring_;

  LbrParams params_;
  LbrFormat format_;  ///< as records are encoded: Knights Landing's differs from what it reports
  unsigned depth_;
  KeepMask filter_ = 0;  ///< by kind and privilege, whatever else is on
  u64 debugctl_ = 0;
  u64 select_ = 0;
  u64 ctl_ = 0;  ///< IA32_LBR_CTL
  bool recording_ = false;
  bool frozen_ = false;
  bool pt_tracing_ = false;
  bool in_smm_ = false;
  bool last_was_pop_ = false;
  u64 smm_debugctl_ = 0;
  u64 smm_ctl_ = 0;
  Entry ler_;  ///< the last branch before the last exception or interrupt
  u64 ler_garbage_ = 0;
  Bts bts_;
  const EventLogSource* events_ = nullptr;
  bool events_behind_ = false;
  bool events_due_ = false;  ///< the newest record has yet to get its counts
  u32 events_logged_ = 0;
  std::array<u64, 4> event_totals_{};
  Rng rng_;
  u64 select_writable_;
  std::vector<MsrDef> rows_;
};

}  // namespace lastbranch::lbr
