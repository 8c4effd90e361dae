#pragma once
// The last-branch-record ring.
//
// Modelled: depth, TOS, MSR_LBR_SELECT with the privilege test on the destination, FROM/TO/INFO encodings of
// formats 0-7, cycles since the last recorded branch, misprediction, IA32_DEBUGCTL.LBR. Not modelled:
// call-stack mode, freezing on a PMI, deep C-states, errata; architectural LBRs. Bits of registers that only
// these would use are reserved, so nobody can switch on what does nothing. Sources: SDM vol. 3B, "Last
// Branch, Interrupt, and Exception Recording Overview", "IA32_DEBUGCTL MSR", "LBR Stack", "Filtering of Last
// Branch Records"; the Skylake section there for INFO.
#include <array>
#include <span>
#include <vector>

#include "models/lbr/lbr_format.h"
#include "models/lbr/lbr_select.h"
#include "sim/base/assert.h"
#include "sim/base/lbr_params.h"
#include "sim/base/msr.h"
#include "sim/base/retire.h"
#include "sim/base/units.h"

namespace lastbranch::lbr {

class Lbr {
 public:
  static constexpr unsigned kMaxDepth = 32;

  /// Throws Error when `params` cannot be: depth not a power of two in 4..32.
  explicit Lbr(const LbrParams& params);
  // rows() of an attached object are known elsewhere.
  Lbr(const Lbr&) = delete;
  Lbr& operator=(const Lbr&) = delete;

  /// A branch retired: records it if recording is on and the filter keeps it. On the path of every taken
  /// branch: one test, then five stores; everything else waits until somebody reads.
  [[gnu::always_inline]] void push(const RetiredBranch& b) {
    if (((keep_ >> keep_bit(b.kind, b.cpl_to)) & 1) != 0) [[likely]] {
      Pushed& p = pushed_[++pushes_ & kPushMask];
      p.from = b.from;
      p.to = b.to;
      p.time = b.time;
      p.detail = detail_of(b);
    }
  }

  /// Records now in the ring, newest first, up to the first empty one; never more than `out` holds. Returns
  /// how many.
  [[nodiscard]] std::size_t read(std::span<Entry> out) const;
  /// The same as a vector.
  [[nodiscard]] std::vector<Entry> entries() const;
  /// Record `i` of the ring (the number in its MSRs' names), empty or not; `i` < depth.
  [[nodiscard]] Entry slot(unsigned i) const;

  [[nodiscard]] const LbrParams& params() const { return params_; }
  [[nodiscard]] unsigned depth() const { return params_.depth; }
  /// Index of the newest record.
  [[nodiscard]] unsigned tos() const { return (image_tos_ + static_cast<unsigned>(pushes_)) & depth_mask_; }
  /// IA32_DEBUGCTL.LBR.
  [[nodiscard]] bool enabled() const { return (debugctl_ & kDebugctlLbr) != 0; }

  /// As WRMSR IA32_DEBUGCTL would, for boards that act in the guest kernel's name.
  void enable(bool on);
  /// As WRMSR MSR_LBR_SELECT would. Throws Error when a bit does not exist on this part.
  void select(u64 value);
  /// Empties the ring, as software does by writing 0 to its MSRs and to TOS; filter and enable stay.
  void clear();
  /// RESET: everything 0, recording off.
  void reset();

  /// The MSRs of this part: attach(rows(), this).
  [[nodiscard]] std::span<const MsrDef> rows() const { return rows_; }

 private:
  static constexpr u64 kDebugctlLbr = 1;

  // Branches are pushed into a ring of their own with one more record than the deepest LBR needs, so that the
  // newest `depth` all have a predecessor to take their cycles from. What software wrote, and what is older
  // than the last such write, is in the image.
  static constexpr std::size_t kPushed = 64;
  static constexpr std::size_t kPushMask = kPushed - 1;
  static_assert(kPushed > kMaxDepth);

  /// A branch as it was pushed; one cache line holds two.
  struct Pushed {
    u64 from = 0;
    u64 to = 0;
    u64 time = 0;
    u32 detail = 0;  ///< bits 3:0 kind, then flags
  };

  static constexpr u32 kKind = 15;
  static constexpr u32 kMispredicted = 1u << 4;
  static constexpr u32 kInTx = 1u << 5;
  static constexpr u32 kAbort = 1u << 6;
  static constexpr u64 kNoTime = ~u64{0};

  [[gnu::always_inline]] static u32 detail_of(const RetiredBranch& b) {
    return u32{static_cast<u8>(b.kind)} | (b.mispredicted ? kMispredicted : 0) | (b.in_tx ? kInTx : 0) |
           (b.abort ? kAbort : 0);
  }

  /// Record `i` with all that is known of it, whatever the format shows.
  [[nodiscard]] Entry stored(unsigned i) const;
  /// Moves what was pushed into the image, where software can change it.
  void settle();
  void update_keep();
  void make_rows();
  MsrFault write_slot(unsigned i, u64 value, MsrFault (*decode)(const Lbr&, u64, Entry&));

  KeepMask keep_ = 0;  ///< 0 while recording is off
  u64 pushes_ = 0;     ///< since the image was made; record n is at n & kPushMask
  alignas(64) std::array<Pushed, kPushed> pushed_{};

  std::array<Entry, kMaxDepth> image_{};  ///< by number of the MSR
  unsigned image_tos_ = 0;
  u64 image_time_ = kNoTime;  ///< of the newest record in the image; kNoTime: the next one counts no cycles
  unsigned depth_mask_;

  LbrParams params_;
  u64 select_ = 0;
  u64 select_writable_;
  u64 debugctl_ = 0;
  std::vector<MsrDef> rows_;
};

}  // namespace lastbranch::lbr
