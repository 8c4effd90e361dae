#include "models/lbr/ring.h"

#include <algorithm>

namespace lastbranch::lbr {

void Ring::set_cycles(Entry& e, u64 before, u64 now) {
  LASTBRANCH_ASSERT(before == kNoTime || before <= now, "branch at {} after one at {}", now, before);
  e.cycles_valid = before != kNoTime;
  e.cycles = e.cycles_valid ? static_cast<u16>(std::min<u64>(now - before, kMaxCycles)) : u16{0};
}

Entry Ring::at(unsigned i) const {
  const u64 age = (tos() - i) & mask_;
  if (age >= pushes_) return image_[i];
  const u64 n = pushes_ - age;
  const Pushed& p = pushed_[n & kPushMask];
  Entry e = recorded(p.from, p.to, static_cast<BranchKind>(p.detail & kKind), (p.detail & kMispredicted) != 0,
                     (p.detail & kInTx) != 0, (p.detail & kAbort) != 0);
  set_cycles(e, n == 1 ? time_ : pushed_[(n - 1) & kPushMask].time, p.time);
  return e;
}

void Ring::settle() {
  if (pushes_ == 0) return;
  std::array<Entry, kMaxDepth> image{};
  for (unsigned i = 0; i <= mask_; ++i) image[i] = at(i);
  tos_ = tos();
  time_ = pushed_[pushes_ & kPushMask].time;
  image_ = image;
  inserts_ += pushes_;
  pushes_ = 0;
}

void Ring::insert(Entry e, u64 time) {
  settle();
  set_cycles(e, time_, time);
  time_ = time;
  tos_ = (tos_ + 1) & mask_;
  image_[tos_] = e;
  ++inserts_;
}

void Ring::put(unsigned i, const Entry& e) {
  settle();
  image_[i] = e;
}

void Ring::set_tos(unsigned tos) {
  settle();
  tos_ = tos & mask_;
}

void Ring::pop(bool move_always) {
  settle();
  Entry& top = image_[tos_];
  const bool empty = top.from == 0;
  if (!empty) ++inserts_;
  top = {};
  if (!empty || move_always) tos_ = (tos_ - 1) & mask_;
}

void Ring::clear() {
  settle();
  image_ = {};
  tos_ = 0;
}

void Ring::forget_time() {
  settle();
  time_ = kNoTime;
}

void Ring::restart_time(u64 time) {
  settle();
  time_ = time;
}

}  // namespace lastbranch::lbr
