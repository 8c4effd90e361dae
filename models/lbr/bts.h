#pragma once
// The branch trace store: every branch, written to a buffer that the DS save area describes.
//
// Modelled: 24-byte records of the 64-bit layout, circular buffers and buffers with an interrupt at their
// threshold, suppression by privilege. Not modelled: branch trace messages on the bus (TR without BTS), the
// predicted flag (NetBurst's alone), what storing costs. Source: SDM vol. 3B, "Branch Trace Store (BTS)",
// "BTS and DS Save Area", "CPL-Qualified Branch Trace Mechanism".
#include <span>

#include "sim/base/debugctl.h"
#include "sim/base/ds_area.h"
#include "sim/base/guest_memory.h"
#include "sim/base/retire.h"
#include "sim/base/units.h"

namespace lastbranch::lbr {

class Bts {
 public:
  static constexpr u64 kRecordSize = 24;

  void connect(DsArea* ds, GuestMemory* memory, PmiRequest* pmi) {
    ds_ = ds;
    memory_ = memory;
    pmi_ = pmi;
  }

  /// Whether `debugctl` makes anything be stored.
  [[nodiscard]] static bool active(u64 debugctl);
  /// Stores a branch if `debugctl` says so of `cpl`, which decides about it.
  void branch(const RetiredBranch& b, u64 debugctl, unsigned cpl, bool wrong_cpl_from);

  [[nodiscard]] u64 stored() const { return stored_; }
  /// Records that found no room, no DS area or no accessible page.
  [[nodiscard]] u64 lost() const { return lost_; }

 private:
  bool store(u64 from, u64 to, bool interrupt);

  DsArea* ds_ = nullptr;
  GuestMemory* memory_ = nullptr;
  PmiRequest* pmi_ = nullptr;
  u64 stored_ = 0;
  u64 lost_ = 0;
  u64 last_to_ = 0;
};

}  // namespace lastbranch::lbr
