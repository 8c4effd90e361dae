// What is wrong with a stack before it is driven: what no processor writes, what this one's format cannot
// hold.
#include <fmt/format.h>

#include "sim/base/error.h"
#include "sim/base/kernel_half.h"
#include "sim/perfdata/format.h"
#include "sim/replay/ring.h"
#include "sim/replay/ring_entries.h"

namespace lastbranch::replay {
namespace {

using perfdata::BranchEntry;
using perfdata::BranchFlags;

/// A straight line of code is never that long.
constexpr u64 kLongestLine = 1u << 20;

}  // namespace

std::optional<BranchKind> kind_of_type(perfdata::BranchType type) {
  for (unsigned k = 0; k < static_cast<unsigned>(BranchKind::kCount); ++k) {
    const auto kind = static_cast<BranchKind>(k);
    if (type != perfdata::BranchType::kUnknown && perfdata::branch_type(kind) == type) return kind;
  }
  return std::nullopt;
}

std::string words_of(const BranchEntry& e) {
  const BranchFlags f = BranchFlags::unpack(e.flags);
  return fmt::format("{:#x}/{:#x}/{}/{}/{}/{}", e.from, e.to,
                     f.mispredicted ? 'M'
                     : f.predicted  ? 'P'
                                    : '-',
                     f.in_tx ? 'X' : '-', f.abort ? 'A' : '-', f.cycles);
}

/// A filter by kind needs to know the kinds.
void RingReplay::demand_kinds(const Taken& t) const {
  if ((options_.filter->sample_type & perfdata::kBranchAny) != 0) return;
  for (std::size_t n = 0; n < t.used; ++n) {
    const BranchEntry& e = t.record->branches[n];
    if (in_kernel(e.from) != in_kernel(e.to) || kind_of_type(BranchFlags::unpack(e.flags).type)) continue;
    if (options_.kind && options_.kind(*t.record, e)) continue;
    throw Error(
        "--filter: expected 'any', or entries whose branch types were saved (perf record -j ...,save_type); "
        "found none with entry {} of sample {}",
        n, t.number);
  }
}

/// Nothing that no processor can write.
bool RingReplay::possible(const Taken& t) {
  const std::vector<BranchEntry>& all = t.record->branches;
  if (all.size() > lbr::Lbr::kMaxDepth) {
    fail(t, Cause::kEdited, lbr::Lbr::kMaxDepth,
         fmt::format("expected at most {} entries, which no Intel processor exceeds; found {}",
                     lbr::Lbr::kMaxDepth, all.size()));
    return false;
  }
  for (std::size_t n = 0; n < t.used; ++n) {
    const BranchEntry& e = all[n];
    const BranchFlags f = BranchFlags::unpack(e.flags);
    const char* wrong = nullptr;
    constexpr unsigned kWidest = 57;
    if (e.from == 0) {
      wrong = "expected empty entries only as the oldest; found one before others";
    } else if (!is_canonical(e.from, kWidest) || !is_canonical(e.to, kWidest)) {
      wrong = "expected canonical addresses; found one that no processor can run at";
    } else if (f.predicted && f.mispredicted) {
      wrong = "expected predicted or mispredicted; found both";
    } else if (t.prediction && !f.predicted && !f.mispredicted) {
      wrong = "expected a prediction as in the sample's other entries; found none";
    }
    if (wrong != nullptr) {
      fail(t, Cause::kEdited, n, fmt::format("{}: {}", wrong, words_of(e)));
      return false;
    }
  }
  return true;
}

/// What the format of this processor's records has no bits for.
bool RingReplay::representable(const Taken& t, const RingDriver& driver) {
  for (std::size_t n = 0; n < t.used; ++n) {
    const BranchEntry& e = t.record->branches[n];
    const BranchFlags f = BranchFlags::unpack(e.flags);
    const unsigned va_bits = driver.params().va_bits;
    const char* what = nullptr;
    if (!is_canonical(e.from, va_bits) || !is_canonical(e.to, va_bits)) {
      what = "address";
    } else if (driver.params().format == LbrFormat::kOffsets32 && ((e.from | e.to) >> 32) != 0) {
      what = "address";
    } else if (f.cycles != 0 && !driver.shows_cycles()) {
      what = "cycle count";
    } else if ((f.in_tx || f.abort) && !driver.shows_transactions()) {
      what = "transaction flag";
    } else if ((f.predicted || f.mispredicted) && !driver.shows_prediction()) {
      what = "prediction";
    }
    if (what == nullptr) continue;
    fail(t, Cause::kNotRepresentable, n,
         fmt::format("format {} has no room for the {}: {}", static_cast<unsigned>(driver.params().format),
                     what, words_of(e)));
    return false;
  }
  return true;
}

/// Between one entry's TO and the next one's FROM the code ran straight on: never backwards, never far.
void RingReplay::check_lines(const Taken& t) {
  if (!options_.check_lines || t.filter.call_stack()) return;
  if ((t.filter.sample_type & perfdata::kBranchAny) == 0) return;
  const std::vector<BranchEntry>& all = t.record->branches;
  const bool unknown = filter_unknown(t);
  u64 found = 0;
  for (std::size_t n = t.duplicated ? 1 : 0; n + 1 < t.used; ++n) {
    const u64 start = all[n + 1].to;
    const u64 end = all[n].from;
    if (in_kernel(start) || in_kernel(end)) {
      backward_.kernel = true;
      continue;
    }
    if (end >= start && end - start < kLongestLine) continue;
    std::string words = fmt::format(
        "expected a straight line from {:#x} on to a branch; found the branch at {:#x}", start, end);
    ++found;
    if (!unknown) {
      // Records are off while the kernel handles a sample; another process may run when they go on.
      const bool seam = !options_.text && t.filter.kernel();
      const Cause cause = options_.text ? Cause::kEdited : seam ? Cause::kKernelSeam : Cause::kUnexplained;
      fail(t, cause, n, std::move(words), Check::kStraightLine);
    } else if (backward_.first.size() < kExamplesKept) {
      backward_.first.push_back({.check = Check::kStraightLine,
                                 .sample = t.number,
                                 .entry = static_cast<u32>(n),
                                 .from = all[n].from,
                                 .to = all[n].to,
                                 .words = std::move(words)});
    }
  }
  if (!unknown) return;
  ++backward_.samples;
  backward_.with += found != 0 ? 1 : 0;
  backward_.lines += found;
}

/// Whether nothing says which branches were recorded: text without a header, for which its reader takes all.
bool RingReplay::filter_unknown(const Taken& t) const {
  constexpr u64 kAll = perfdata::kBranchUser | perfdata::kBranchKernel | perfdata::kBranchAny;
  const perfdata::Attr& attr = t.event->attr;
  return options_.text && attr.sample_period == 0 &&
         (attr.branch_sample_type & ~u64{perfdata::kBranchTypeSave}) == kAll;
}

void RingReplay::finish() {
  if (backward_.lines == 0) return;
  // A hand changes a few places; a filter leaves gaps all over. Of few samples nothing can be said.
  constexpr u64 kFew = 20;
  if (backward_.samples >= kFew && backward_.with * 20 > backward_.samples) {
    report_.notes.push_back(
        fmt::format("the branches look filtered, as {} of {} stacks have lines that lead backwards: straight "
                    "lines are not judged",
                    backward_.with, backward_.samples));
    return;
  }
  const Cause cause = backward_.kernel ? Cause::kKernelSeam : Cause::kEdited;
  u64 left = backward_.lines;
  for (Example& example : backward_.first) {
    example.cause = cause;
    const bool last = &example == &backward_.first.back();
    const u64 times = last ? left : 1;
    left -= times;
    report_.disagree(std::move(example), times);
  }
  backward_ = {};
}

}  // namespace lastbranch::replay
