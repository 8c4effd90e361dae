#include "sim/machine/capture_windows.h"

#include <algorithm>

#include <fmt/format.h>

#include "sim/base/kernel_half.h"

namespace lastbranch {
namespace {

using replay::Cause;
using replay::Check;
using replay::WindowIndex;

/// Whether samples of the event come by branches, each as likely as the next.
bool by_branches(const perfdata::Attr& attr) {
  constexpr u32 kHardware = 0;
  constexpr u32 kRaw = 4;
  constexpr u64 kBranchInstructions = 4;
  constexpr u64 kBranchesRetired = 0xc4;
  return (attr.type == kHardware && attr.config == kBranchInstructions) ||
         (attr.type == kRaw && (attr.config & 0xff) == kBranchesRetired);
}

bool touches_kernel(const perfdata::BranchEntry& e) {
  return in_kernel(e.from) || in_kernel(e.to);
}

}  // namespace

CaptureWindows::CaptureWindows(perfdata::RecordSource& source, bool duplicated_tops, replay::Report& report)
    : source_(source),
      duplicated_tops_(duplicated_tops),
      report_(report),
      places_(maps_, source.features()),
      filter_(any_user_branch()) {
  u64 number = 0;
  while (const perfdata::Record* record = source.next()) {
    if (const auto* s = std::get_if<perfdata::SampleRecord>(&record->body)) {
      sample(*s, number++);
    } else {
      maps_.record(*record);
    }
  }
  index_.build();
  if (too_many_ != 0)
    report.notes.push_back(fmt::format("windows of {} samples are not looked for: too many", too_many_));
  if (other_filter_ != 0) {
    report.notes.push_back(
        fmt::format("windows of {} samples are not looked for: events have other filters", other_filter_));
  }
}

bool CaptureWindows::same_filter(const perfdata::Attr& attr) {
  u64 bits = attr.branch_sample_type;
  constexpr u64 kFlags = perfdata::kBranchUser | perfdata::kBranchKernel | perfdata::kBranchHv |
                         perfdata::kBranchNoFlags | perfdata::kBranchNoCycles | perfdata::kBranchTypeSave |
                         perfdata::kBranchHwIndex | perfdata::kBranchPrivSave | perfdata::kBranchCounters;
  bits &= ~kFlags;
  if (bits == 0) bits = perfdata::kBranchAny;
  bits |= perfdata::kBranchUser;
  ratios_.time_weighted = ratios_.time_weighted || !by_branches(attr);
  if (filter_known_) return bits == filter_.sample_type;
  filter_.sample_type = bits;
  filter_known_ = true;
  return true;
}

void CaptureWindows::aside(Cause cause, const perfdata::SampleRecord& sample, u64 number, std::string words) {
  report_.disagree({.check = Check::kWindow,
                    .cause = cause,
                    .sample = number,
                    .from = sample.branches.front().from,
                    .to = sample.branches.front().to,
                    .words = std::move(words)});
}

void CaptureWindows::sample(const perfdata::SampleRecord& sample, u64 number) {
  if (sample.branches.empty()) return;
  const perfdata::Attr& attr = source_.events().at(sample.event).attr;
  if ((attr.branch_sample_type & perfdata::kBranchCallStack) != 0) {
    aside(Cause::kCallStack, sample, number, "frames of a call stack are no sequence of branches");
    return;
  }
  if (!same_filter(attr)) {
    ++other_filter_;
    return;
  }
  const bool twice = duplicated_tops_ && sample.branches.size() > 1 &&
                     sample.branches[0].from == sample.branches[1].from &&
                     sample.branches[0].to == sample.branches[1].to;
  ratios_.depth = std::max(ratios_.depth, static_cast<u32>(sample.branches.size()));
  if (!gather(sample)) {
    aside(Cause::kUnknownMapping, sample, number,
          "the window has code of no file, or of one that is not run");
  } else if (window_.empty()) {
    aside(Cause::kKernel, sample, number, "the window has no branch of the program");
  } else {
    add(sample, number, twice);
  }
}

/// The sample's branches of user mode in window_, oldest first, and in the counts; false where one is of no
/// file.
bool CaptureWindows::gather(const perfdata::SampleRecord& sample) {
  window_.clear();
  bool known = true;
  const auto& branches = sample.branches;
  std::optional<replay::CommonPlace> arrived;  // TO of the entry before, where it leads on here
  for (std::size_t k = branches.size(); k-- != 0;) {
    const perfdata::BranchEntry& e = branches[k];
    if (e.from == 0 && e.to == 0) continue;
    if (touches_kernel(e)) {
      arrived.reset();
      continue;
    }
    const auto from = places_.in_capture(sample.pid, e.from, sample.time);
    const auto to = places_.in_capture(sample.pid, e.to, sample.time);
    if (!from || !to) {
      known = false;
      arrived.reset();
      continue;
    }
    const auto [it, added] = symbol_of_.try_emplace({*from, *to}, static_cast<u32>(symbol_of_.size() + 1));
    if (added) edges_.emplace_back(*from, *to);
    window_.push_back(it->second);
    const bool top_of_two = k == 0 && duplicated_tops_ && branches.size() > 1 &&
                            branches[0].from == branches[1].from && branches[0].to == branches[1].to;
    if (top_of_two) break;  // it may not have been there
    flow_.edge(*from, *to, sample.repeat);
    if (arrived) flow_.line(*arrived, *from, sample.repeat);
    arrived = to;
  }
  return known;
}

void CaptureWindows::add(const perfdata::SampleRecord& sample, u64 number, bool twice) {
  if (index_.nodes() > kMostNodes || symbols_.size() > kMostSymbols) {
    ++too_many_;
    return;
  }
  const u32 whole = index_.add(window_);
  const std::span<const u32> rest(window_.data(), window_.size() - 1);
  const u32 without = twice && !rest.empty() ? index_.add(rest) : kNone;
  Group& group = groups_[{whole, without}];
  if (group.samples == 0) {
    group.first = number;
    group.from = sample.branches.front().from;
    group.to = sample.branches.front().to;
    group.symbols = symbols_.size();
    group.length = static_cast<u32>(window_.size());
    symbols_.insert(symbols_.end(), window_.begin(), window_.end());
  }
  group.samples += sample.repeat;
}

u32 CaptureWindows::symbol(const replay::CommonPlace& from, const replay::CommonPlace& to) const {
  const auto it = symbol_of_.find({from, to});
  return it == symbol_of_.end() ? WindowIndex::kOther : it->second;
}

bool CaptureWindows::run_has_files_of(const Group& group) const {
  return std::ranges::all_of(symbols(group), [&](u32 symbol) {
    const Edge& e = edges_[symbol - 1];
    return places_.run_has(e.first.file) && places_.run_has(e.second.file);
  });
}

std::string CaptureWindows::words(const Group& group, const std::function<bool(u32, u32)>& follows) const {
  const auto name = [&](u32 symbol) {
    const Edge& e = edges_[symbol - 1];
    return fmt::format("{:#x} -> {:#x}", e.first.offset, e.second.offset);
  };
  const std::span<const u32> window = symbols(group);
  for (std::size_t k = 1; k < window.size(); ++k) {
    if (follows(window[k - 1], window[k])) continue;
    return fmt::format(
        "expected a piece of the run, found that there no branch {} follows {} (offsets in the file)",
        name(window[k]), name(window[k - 1]));
  }
  return fmt::format("expected a piece of the run, found its branches there, but not all {} in this order",
                     window.size());
}

void CaptureWindows::judge(const std::function<bool(u32, u32)>& follows, replay::Report& report) const {
  bool other_order = false;
  for (const auto& [windows, group] : groups_) {
    const bool found =
        index_.found(windows.first) || (windows.second != kNone && index_.found(windows.second));
    if (found) {
      report[Check::kWindow].held += group.samples;
      continue;
    }
    const bool known = run_has_files_of(group);
    other_order = other_order || known;
    const std::string text =
        known ? words(group, follows) : "the window has code of a file that is not run, or of another build";
    report.disagree({.check = Check::kWindow,
                     .cause = known ? Cause::kUnexplained : Cause::kUnknownMapping,
                     .sample = group.first,
                     .from = group.from,
                     .to = group.to,
                     .words = text},
                    group.samples);
  }
  if (other_order) {
    report.notes.emplace_back(
        "windows that are not in the run: it must have the arguments, environment, input and files of the "
        "recording, as the length of an environment variable alone changes a program's loops");
  }
}

}  // namespace lastbranch
