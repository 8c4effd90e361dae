#pragma once
// Where records lie: a ring of 1 to 32 of them with the index of the newest.
//
// Modelled: update order (index first, then record), saturating cycle counts between records, popping for
// call-stack mode. Legacy MSRs number records by place, architectural ones by age; both are here. Source: SDM
// vol. 3B, "LBR Stack"; the Haswell section there for popping.
#include <array>

#include "models/lbr/lbr_format.h"
#include "sim/base/assert.h"
#include "sim/base/retire.h"
#include "sim/base/units.h"

namespace lastbranch::lbr {

class Ring {
 public:
  static constexpr unsigned kMaxDepth = 32;

  /// `depth`: places, a power of two up to kMaxDepth.
  explicit Ring(unsigned depth) : mask_(depth - 1) {}

  /// Records a branch: five stores; everything else waits until somebody reads.
  [[gnu::always_inline]] void push(const RetiredBranch& b) {
    Pushed& p = pushed_[++pushes_ & kPushMask];
    p.from = b.from;
    p.to = b.to;
    p.time = b.time;
    p.detail = detail_of(b);
  }

  /// The record at place `i`, whatever the format shows of it.
  [[nodiscard]] Entry at(unsigned i) const;
  /// The `age`-th newest record; 0 is the newest.
  [[nodiscard]] Entry newest(unsigned age = 0) const { return at((tos() - age) & mask_); }
  /// Place of the newest record.
  [[nodiscard]] unsigned tos() const { return (tos_ + static_cast<unsigned>(pushes_)) & mask_; }
  [[nodiscard]] unsigned depth() const { return mask_ + 1; }
  /// Records written and records removed by pop(), ever.
  [[nodiscard]] u64 inserts() const { return inserts_ + pushes_; }

  /// Records `e`, whose cycle count is taken from `time`; `e.cycles` is ignored.
  void insert(Entry e, u64 time);
  /// Replaces the record at place `i`; counts and times stay.
  void put(unsigned i, const Entry& e);
  /// Moves the index of the newest record; records stay where they are.
  void set_tos(unsigned tos);
  /// Clears the newest record and steps back, which a RET does in call-stack mode. With an empty newest
  /// record the step back is left out unless `move_always`.
  void pop(bool move_always);
  /// Empties all records and puts the index to 0.
  void clear();

  /// The next record has nothing to count its cycles from.
  void forget_time();
  /// The next record counts its cycles from `time`.
  void restart_time(u64 time);

 private:
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

  static void set_cycles(Entry& e, u64 before, u64 now);
  /// Moves what was pushed into the image, where it can be changed.
  void settle();

  u64 pushes_ = 0;  ///< since the image was made; record n is at n & kPushMask
  alignas(64) std::array<Pushed, kPushed> pushed_{};

  std::array<Entry, kMaxDepth> image_{};  ///< by place
  unsigned mask_;
  unsigned tos_ = 0;    ///< of the image
  u64 time_ = kNoTime;  ///< of the newest record in the image; kNoTime: the next one counts no cycles
  u64 inserts_ = 0;     ///< before pushes_
};

}  // namespace lastbranch::lbr
