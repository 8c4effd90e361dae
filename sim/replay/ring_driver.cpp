#include "sim/replay/ring_driver.h"

#include "models/lbr/arch_lbr.h"
#include "sim/base/debugctl.h"
#include "sim/base/error.h"
#include "sim/base/field.h"
#include "sim/perfdata/format.h"

namespace lastbranch::replay {
namespace {

constexpr u32 kDebugctl = 0x1d9;
using Mispredicted = Field<63>;
using InTx = Field<62>;
using Abort = Field<61>;
using InfoCycles = Field<15, 0>;
using InfoCyclesValid = Field<60>;
using ToCycles = Field<63, 48>;

bool architectural(const LbrParams& p) {
  return p.arch.depth_mask != 0;
}

/// The part with `depth` records. What depends on the instant of switching on and off is the capture's to
/// say: its cycle counts are given, and its duplicated tops are known.
LbrParams adapted(LbrParams p, unsigned depth) {
  if (!architectural(p)) p.depth = depth;
  p.quirks.record_after_enable_counts = true;
  p.quirks.dup_top_per_mille = 0;
  return p;
}

LbrFormat decoded_as(const LbrParams& p) {
  return p.quirks.fmt1_with_mispred && p.format == LbrFormat::kLinear ? LbrFormat::kFlags : p.format;
}

}  // namespace

RingDriver::RingDriver(const LbrParams& params, unsigned depth, const BranchFilter& filter)
    : params_(adapted(params, depth)),
      filter_(filter),
      depth_(depth),
      format_(decoded_as(params_)),
      no_info_((filter.sample_type & perfdata::kBranchNoFlags) != 0 &&
               (filter.sample_type & perfdata::kBranchNoCycles) != 0),
      shows_prediction_(false),
      lbr_(params_) {
  const bool arch = architectural(params_);
  const bool has_flag = arch ? params_.arch.mispredicted : lbr::has_misprediction(format_);
  shows_prediction_ = has_flag && !(no_info_ && (arch || lbr::has_info(format_)));
  msrs_.attach(lbr_.rows(), &lbr_);
  if (filter.call_stack() && !(arch ? params_.arch.call_stack : params_.has_call_stack)) {
    throw Error("call-stack mode: expected a part that has it (Haswell or later), found one without");
  }
  if (arch) {
    if (!lbr::allows_depth(params_.arch, depth)) {
      throw Error("depth: expected one that IA32_LBR_DEPTH takes on this part, found {}", depth);
    }
    write(lbr::arch::kDepth, depth);
  } else if (params_.has_select) {
    u64 select = lbr_select(filter, params_);
    write(params_.select, select & params_.select_mask);
  }
}

void RingDriver::write(u32 index, u64 value) {
  const MsrFault fault = msrs_.write(index, value);
  LASTBRANCH_CHECK(fault == MsrFault::kNone, "WRMSR {:#x} = {:#x}: {}", index, value, describe(fault));
}

u64 RingDriver::msr(u32 index) {
  const MsrValue v = msrs_.read(index);
  LASTBRANCH_CHECK(v.ok(), "RDMSR {:#x}: {}", index, describe(v.fault));
  return v.value;
}

void RingDriver::start() {
  if (architectural(params_)) {
    write(lbr::arch::kCtl, lbr_ctl(filter_) & lbr::ctl_writable(params_.arch));
  } else {
    write(kDebugctl, debugctl::kLbr);
  }
}

void RingDriver::stop(bool duplicate) {
  lbr_.set_duplicates_top(duplicate ? 1000 : 0);
  if (architectural(params_)) {
    write(lbr::arch::kCtl, 0);
  } else {
    write(kDebugctl, 0);
  }
}

void RingDriver::reset(unsigned tos) {
  const bool arch = architectural(params_);
  for (unsigned i = 0; i < depth_; ++i) {
    write((arch ? lbr::arch::kFrom : params_.from_base) + i, 0);
    if (arch || lbr::has_to(params_.format)) write((arch ? lbr::arch::kTo : params_.to_base) + i, 0);
    if (arch || lbr::has_info(params_.format)) write((arch ? lbr::arch::kInfo : params_.info_base) + i, 0);
  }
  if (!arch && depth_ > 1) write(params_.tos, tos & (depth_ - 1));
}

u64 RingDriver::tos() {
  return architectural(params_) || depth_ == 1 ? 0 : msr(params_.tos) & (depth_ - 1);
}

bool RingDriver::shows_cycles() const {
  if (no_info_) return false;
  return architectural(params_) ? params_.arch.timed : lbr::has_cycles(format_);
}

bool RingDriver::shows_transactions() const {
  if (no_info_ && (architectural(params_) || lbr::has_info(format_))) return false;
  return architectural(params_) || lbr::has_tx(format_);
}

perfdata::BranchEntry RingDriver::decode(unsigned place, bool& abort) {
  const bool arch = architectural(params_);
  u64 from = msr((arch ? lbr::arch::kFrom : params_.from_base) + place);
  u64 to = 0;
  perfdata::BranchFlags flags;
  if (!arch && format_ == LbrFormat::kOffsets32) {
    return {.from = static_cast<u32>(from), .to = from >> 32, .flags = 0};
  }
  to = msr((arch ? lbr::arch::kTo : params_.to_base) + place);
  const bool has_info = arch || lbr::has_info(format_);
  const u64 word = !has_info  ? from
                   : no_info_ ? 0
                              : msr((arch ? lbr::arch::kInfo : params_.info_base) + place);
  if (shows_transactions()) {
    flags.in_tx = InTx::any(word);
    flags.abort = Abort::any(word);
  }
  if (shows_prediction_) {
    flags.mispredicted = Mispredicted::any(word);
    flags.predicted = !flags.mispredicted;
  }
  if (shows_cycles()) {
    if (format_ == LbrFormat::kTime) {
      flags.cycles = ToCycles::get(to);
    } else if (!arch || InfoCyclesValid::any(word)) {
      flags.cycles = InfoCycles::get(word);
    }
  }
  if (!has_info && lbr::has_misprediction(format_)) from = sign_extend(from, lbr::has_tx(format_) ? 61 : 63);
  if (format_ == LbrFormat::kTime) to = sign_extend(to, ToCycles::kLow);
  abort = flags.abort;
  return {.from = from, .to = to, .flags = flags.pack()};
}

std::span<const perfdata::BranchEntry> RingDriver::read() {
  const bool arch = architectural(params_);
  const auto newest = static_cast<unsigned>(tos());
  std::size_t out = 0;
  for (unsigned age = 0; age < depth_; ++age) {
    bool abort = false;
    const perfdata::BranchEntry entry = decode(arch ? age : (newest - age) & (depth_ - 1), abort);
    if (filter_.call_stack() && entry.from == 0) break;
    // The copy came after the abort, so it was read before it.
    if (abort && params_.quirks.dup_abort_record && out > 0) --out;
    stack_.at(out++) = entry;
  }
  return {stack_.data(), out};
}

}  // namespace lastbranch::replay
