#include "sim/replay/ring.h"

#include <algorithm>
#include <bit>
#include <utility>

#include <fmt/format.h>

#include "sim/base/assert.h"
#include "sim/base/error.h"
#include "sim/base/kernel_half.h"
#include "sim/perfdata/format.h"
#include "sim/replay/processor.h"
#include "sim/replay/ring_entries.h"

namespace lastbranch::replay {
namespace {

using perfdata::BranchEntry;
using perfdata::BranchFlags;

/// Threads whose last window is kept for joining.
constexpr std::size_t kMostStreams = 256;
/// What stands for the addresses of a branch where they are not known; they never show.
constexpr BranchEntry unknown_branch(bool kernel) {
  const u64 half = kernel ? ~u64{0} << 40 : 0;
  return {.from = half | 0x10'0000, .to = half | 0x10'0040};
}

constexpr u64 kEveryType = perfdata::kBranchAny | perfdata::kBranchAnyCall | perfdata::kBranchAnyReturn |
                           perfdata::kBranchIndCall | perfdata::kBranchCond | perfdata::kBranchCallStack |
                           perfdata::kBranchIndJump | perfdata::kBranchCall;

/// The flags that the hardware records; with `prediction` false the sample does not show that one.
u64 recorded_flags(u64 flags, bool prediction) {
  BranchFlags f = BranchFlags::unpack(flags);
  f.type = perfdata::BranchType::kUnknown;
  f.spec = f.new_type = f.priv = 0;
  if (!prediction) f.mispredicted = f.predicted = false;
  return f.pack();
}

bool is_empty(const BranchEntry& e) {
  return e.from == 0 && e.to == 0;
}

/// The place of the newest entry in the ring; nothing: not saved, or not known to the kernel either, as of
/// records that PEBS wrote.
std::optional<u64> place_of(const perfdata::Attr& attr, const perfdata::SampleRecord& sample) {
  constexpr u64 kUnknownPlace = ~u64{0};
  if ((attr.branch_sample_type & perfdata::kBranchHwIndex) == 0) return std::nullopt;
  if (sample.hw_index == kUnknownPlace) return std::nullopt;
  return sample.hw_index;
}

}  // namespace

RingReplay::RingReplay(RingOptions options, const std::vector<perfdata::EventInfo>& events, Report& report)
    : options_(std::move(options)), events_(events), report_(report) {
  LASTBRANCH_CHECK(options_.part != nullptr, "replay without a processor");
  const LbrParams& lbr = options_.part->lbr;
  // Whatever the file says: only a depth that the part can have.
  const unsigned said = options_.recorded_depth;
  const bool legacy = std::has_single_bit(said) && said != 2 && said <= lbr.depth;
  if (!(lbr.arch.depth_mask != 0 ? lbr::allows_depth(lbr.arch, said) : legacy)) options_.recorded_depth = 0;
  // A ring that the part cannot have is refused now, not at the first sample.
  if (options_.depth != 0) static_cast<void>(RingDriver(lbr, options_.depth, any_user_branch()));
}
RingReplay::~RingReplay() = default;

unsigned RingReplay::ring_depth() const {
  if (options_.depth != 0) return options_.depth;
  return options_.recorded_depth != 0 ? options_.recorded_depth : options_.part->lbr.depth;
}

BranchFilter RingReplay::filter_of(const perfdata::EventInfo& event) const {
  if (options_.filter) return *options_.filter;
  BranchFilter filter{event.attr.branch_sample_type};
  if ((filter.sample_type & kEveryType) == 0) filter.sample_type |= perfdata::kBranchAny;
  if (!filter.user() && !filter.kernel()) {
    // perf asks for the privileges of the event itself then; text does not say.
    const bool no_user = !options_.text && (event.attr.flags & perfdata::kAttrExcludeUser) != 0;
    const bool no_kernel = !options_.text && (event.attr.flags & perfdata::kAttrExcludeKernel) != 0;
    if (!no_user) filter.sample_type |= perfdata::kBranchUser;
    if (!no_kernel) filter.sample_type |= perfdata::kBranchKernel;
  }
  return filter;
}

void RingReplay::fail(const Taken& t, Cause cause, std::size_t entry, std::string words, Check check) {
  const std::vector<BranchEntry>& all = t.record->branches;
  const BranchEntry at = entry < all.size() ? all[entry] : BranchEntry{};
  report_.disagree({.check = check,
                    .cause = cause,
                    .sample = t.number,
                    .entry = static_cast<u32>(entry),
                    .from = at.from,
                    .to = at.to,
                    .words = std::move(words)});
}

bool RingReplay::sample(const perfdata::SampleRecord& sample, u64 number) {
  if (sample.branches.empty()) {
    ++report_.samples_without;
    return false;
  }
  ++report_.samples;
  report_.entries += sample.branches.size();
  Taken t{.record = &sample, .number = number, .event = &events_.at(sample.event), .filter = {}};
  t.filter = filter_of(*t.event);
  if (!first_filter_) first_filter_ = t.filter;
  const std::vector<BranchEntry>& all = sample.branches;
  t.used = static_cast<std::size_t>(std::ranges::find_if_not(all.rbegin(), all.rend(), is_empty).base() -
                                    all.begin());
  t.prediction = std::ranges::any_of(all.begin(), all.begin() + static_cast<std::ptrdiff_t>(t.used),
                                     [](const BranchEntry& e) {
                                       const BranchFlags f = BranchFlags::unpack(e.flags);
                                       return f.predicted || f.mispredicted;
                                     });
  t.duplicated = is_duplicated(t);
  if (t.used < all.size()) ++report_.zero_tails;
  if (t.duplicated) ++report_.duplicated_tops;
  if (t.used == all.size() && all.size() < ring_depth() && !t.filter.call_stack() && options_.depth == 0) {
    ++report_.shortened;
  }
  if (options_.filter) demand_kinds(t);
  if (!possible(t)) {
    streams_.erase(sample.tid);
    return t.duplicated;
  }
  check_lines(t);
  Stream& stream = stream_of(t);
  if (!representable(t, *stream.driver)) {
    streams_.erase(sample.tid);
    return t.duplicated;
  }
  const Join joined = join(t, stream);
  if (joined.overlap == Overlap::kProved) {
    ++report_.joined;
    drive(t, stream, joined.distance);
  } else {
    if (joined.overlap == Overlap::kAmbiguous) ++report_.ambiguous;
    restart(t, stream);
  }
  const bool equal = compare(t, stream);
  if (equal && joined.overlap == Overlap::kNone) {
    fail(t, Cause::kUnexplained, 0,
         fmt::format(
             "expected entries in common with the thread's sample before, as the event's period is {}; "
             "found none at any distance",
             sample.period != 0 ? sample.period : t.event->attr.sample_period));
  } else if (equal) {
    ++report_[Check::kRing].held;
  }
  stream.window.assign(all.begin(), all.begin() + static_cast<std::ptrdiff_t>(t.used));
  return t.duplicated;
}

bool RingReplay::is_duplicated(const Taken& t) const {
  // Others repeat an entry only by running it again.
  if (!may_duplicate_top(*options_.part) || t.filter.call_stack()) return false;
  if ((t.filter.sample_type & perfdata::kBranchAny) == 0 || t.used < 2) return false;
  const BranchEntry& newest = t.record->branches[0];
  const BranchEntry& before = t.record->branches[1];
  if (newest.from != before.from || newest.to != before.to) return false;
  if (options_.duplicated) {
    if (const std::optional<bool> known = options_.duplicated(*t.record)) return *known;
  }
  return newest.to > newest.from;
}

RingReplay::Stream& RingReplay::stream_of(const Taken& t) {
  if (streams_.size() >= kMostStreams && !streams_.contains(t.record->tid)) streams_.clear();
  Stream& stream = streams_[t.record->tid];
  if (!stream.driver || stream.driver->filter().sample_type != t.filter.sample_type) {
    stream = {};
    stream.driver = std::make_unique<RingDriver>(options_.part->lbr, ring_depth(), t.filter);
  }
  return stream;
}

Join RingReplay::join(const Taken& t, const Stream& stream) const {
  const perfdata::SampleRecord& s = *t.record;
  const perfdata::Attr& attr = t.event->attr;
  if (stream.window.empty() || s.repeat != 1 || s.tid == 0 || s.cpu != stream.cpu) return {};
  if (t.filter.call_stack() || options_.filter || events_.size() != 1) return {};
  const bool timed = (attr.sample_type & perfdata::kSampleTime) != 0;
  if (timed && s.time < stream.time) return {};
  Between between;
  if ((attr.flags & perfdata::kAttrFreq) == 0 || (attr.sample_type & perfdata::kSamplePeriod) != 0) {
    between.most = most_branches(attr, s.period != 0 ? s.period : attr.sample_period);
  }
  if (timed && stream.driver->shows_cycles()) between.nanoseconds = s.time - stream.time;
  const unsigned depth = options_.recorded_depth != 0 ? options_.recorded_depth : options_.part->lbr.depth;
  const std::optional<u64> place = place_of(attr, s);
  if (stream.place && place) between.places = (*place - *stream.place) & (depth - 1);
  return join_windows(stream.window, Window(s.branches).first(t.used), depth, between);
}

RetiredBranch RingReplay::retired(const Taken& t, const BranchEntry& e, u64 time) const {
  const BranchFlags f = BranchFlags::unpack(e.flags);
  const bool from_kernel = in_kernel(e.from), to_kernel = in_kernel(e.to);
  std::optional<BranchKind> kind = kind_of_type(f.type);
  if (!kind && options_.kind) kind = options_.kind(*t.record, e);
  if (!kind && from_kernel != to_kernel) kind = from_kernel ? BranchKind::kIret : BranchKind::kInterrupt;
  // Which kind it was decides only whether the filter keeps it, and the capture's filter has.
  for (unsigned k = 0; !kind && k < static_cast<unsigned>(BranchKind::kCount); ++k) {
    if (t.filter.keeps(static_cast<BranchKind>(k), t.filter.kernel())) kind = static_cast<BranchKind>(k);
  }
  return {.from = e.from,
          .to = e.to,
          .time = time,
          .kind = kind.value_or(BranchKind::kJcc),
          .length = 0,
          .cpl_from = static_cast<u8>(from_kernel ? 0 : 3),
          .cpl_to = static_cast<u8>(to_kernel ? 0 : 3),
          .mispredicted = f.mispredicted,
          .in_tx = f.in_tx,
          .abort = f.abort};
}

/// The newest `branches` of the sample, oldest first.
void RingReplay::drive(const Taken& t, Stream& stream, std::size_t branches) {
  RingDriver& ring = *stream.driver;
  ring.start();
  for (std::size_t n = branches; n-- > 0;) {
    BranchEntry e = t.record->branches[n];
    stream.clock += BranchFlags::unpack(e.flags).cycles;
    const bool strikes = n == 0 && t.duplicated;
    if (strikes) {
      const BranchEntry unknown = unknown_branch(in_kernel(e.to));
      e.from = unknown.from;
      e.to = unknown.to;
    }
    ring.push(retired(t, e, stream.clock));
  }
  if (t.filter.call_stack() && t.used < ring.depth()) {
    const BranchEntry unknown = unknown_branch(!t.filter.user());
    RetiredBranch call = retired(t, unknown, stream.clock);
    call.kind = BranchKind::kRelCall;
    ring.push(call);
    std::swap(call.from, call.to);
    call.kind = BranchKind::kRet;
    ring.push(call);
  }
  ring.stop(branches > 0 && t.duplicated);
  stream.time = t.record->time;
  stream.cpu = t.record->cpu;
  stream.place = place_of(t.event->attr, *t.record);
}

void RingReplay::restart(const Taken& t, Stream& stream) {
  RingDriver& ring = *stream.driver;
  // The branch before the oldest: its time is what the oldest one's cycles count from.
  const BranchEntry before = unknown_branch(!t.filter.user());
  ring.start();
  if (!t.filter.call_stack()) {
    RetiredBranch first = retired(t, before, ++stream.clock);
    ring.push(first);
  }
  const std::optional<u64> place = place_of(t.event->attr, *t.record);
  ring.reset(place ? static_cast<unsigned>(*place - t.used) : 0);
  drive(t, stream, t.used);
}

/// What the ring must show of the sample, found without it: the entries as they are, the newest ones with
/// --depth; those that --filter keeps, each with the cycles since the one kept before it.
std::vector<BranchEntry> RingReplay::expected(const Taken& t, const RingDriver& driver) const {
  const std::vector<BranchEntry>& all = t.record->branches;
  std::vector<BranchEntry> out(all.begin(), all.begin() + static_cast<std::ptrdiff_t>(t.used));
  if (options_.filter) {
    u64 cycles = 0;
    out.clear();
    for (std::size_t n = t.used; n-- > 0;) {
      BranchFlags f = BranchFlags::unpack(all[n].flags);
      cycles += f.cycles;
      if (!kept(retired(t, all[n], 0))) continue;
      f.cycles = std::min(cycles, perfdata::kMaxBranchCycles);
      cycles = 0;
      out.insert(out.begin(), {.from = all[n].from, .to = all[n].to, .flags = f.pack()});
    }
  }
  if (options_.depth != 0 || options_.filter) out.resize(std::min<std::size_t>(out.size(), driver.depth()));
  return out;
}

/// Whether --filter keeps a branch, by what the manual says of it.
bool RingReplay::kept(const RetiredBranch& b) const {
  const LbrParams& lbr = options_.part->lbr;
  const BranchFilter& filter = *options_.filter;
  const u64 types = filter.sample_type;
  const auto allows = [&](u8 cpl) { return cpl == 0 ? filter.kernel() : filter.user(); };
  // Privilege is that of where the branch arrives; architectural records ask where it came from as well.
  if (!allows(b.cpl_to) || (lbr.arch.depth_mask != 0 && !allows(b.cpl_from))) return false;
  constexpr u64 kFarToo = perfdata::kBranchAny | perfdata::kBranchAnyCall | perfdata::kBranchAnyReturn;
  if (b.kind >= BranchKind::kFar) return (types & kFarToo) != 0;
  // Before Sandy Bridge calls and returns are recorded only where jumps are.
  if (lbr.jmp_filters_drop_calls) {
    constexpr u64 kBothJumps = perfdata::kBranchAnyCall | perfdata::kBranchAnyReturn;
    if (b.kind == BranchKind::kRelJmp && (types & (kBothJumps | perfdata::kBranchCall)) != 0) return true;
    if (b.kind == BranchKind::kIndJmp && (types & (kBothJumps | perfdata::kBranchIndCall)) != 0) return true;
  }
  return filter.keeps(b.kind, filter.kernel());
}

bool RingReplay::compare(const Taken& t, Stream& stream) {
  RingDriver& ring = *stream.driver;
  const std::span<const BranchEntry> read = ring.read();
  const std::vector<BranchEntry> wanted = expected(t, ring);
  for (std::size_t n = 0; n < std::max(wanted.size(), read.size()); ++n) {
    if (n >= read.size()) {
      fail(t, Cause::kUnexplained, n,
           fmt::format("expected {} entries, found {} records on {}", wanted.size(), read.size(),
                       options_.part->name));
      return false;
    }
    // Behind the sample's entries: as a reset leaves it.
    const BranchEntry want = n < wanted.size() ? wanted[n] : BranchEntry{};
    const bool prediction = t.prediction && n < wanted.size();
    const BranchEntry& found = read[n];
    if (want.from == found.from && want.to == found.to &&
        recorded_flags(want.flags, prediction) == recorded_flags(found.flags, prediction)) {
      continue;
    }
    fail(t, Cause::kUnexplained, n, fmt::format("expected {}, found {}", words_of(want), words_of(found)));
    return false;
  }
  if (stream.place && options_.depth == 0 && !options_.filter && options_.part->lbr.arch.depth_mask == 0 &&
      *stream.place != ring.tos()) {
    fail(t, Cause::kUnexplained, 0,
         fmt::format("expected the newest entry at place {}, found it at {}", *stream.place, ring.tos()));
    return false;
  }
  return true;
}

void RingReplay::gap() {
  streams_.clear();
}

std::string RingReplay::recorded() const {
  const LbrParams& lbr = options_.part->lbr;
  const BranchFilter filter = first_filter_.value_or(any_user_branch());
  const std::string format = lbr.arch.depth_mask != 0
                                 ? "architectural"
                                 : fmt::format("format {}", static_cast<unsigned>(lbr.format));
  const char* whose = filter.user() && filter.kernel() ? "user and kernel"
                      : filter.kernel()                ? "kernel"
                                                       : "user";
  const char* which = filter.call_stack()                                ? "call stack of"
                      : (filter.sample_type & perfdata::kBranchAny) != 0 ? "any branch of"
                                                                         : "some branches of";
  return fmt::format("{} entries, {}, {} {}", ring_depth(), format, which, whose);
}

}  // namespace lastbranch::replay
