#include "sim/perfdata/time_order.h"

#include <algorithm>
#include <exception>
#include <limits>
#include <utility>

#include <fmt/format.h>

namespace lastbranch::perfdata {
namespace {

constexpr u64 kBytesMax = u64{1} << 26;

/// Whether records other than samples have times.
bool has_times(const std::vector<EventInfo>& events) {
  return events.empty() || (events.front().attr.flags & kAttrSampleIdAll) != 0;
}

class TimeOrder final : public RecordSource {
 public:
  explicit TimeOrder(std::unique_ptr<RecordSource> source)
      : source_(std::move(source)), unordered_(!has_times(source_->events())) {}

  [[nodiscard]] const std::string& path() const override { return source_->path(); }
  [[nodiscard]] SourceKind kind() const override { return source_->kind(); }
  [[nodiscard]] const std::vector<EventInfo>& events() const override { return source_->events(); }
  [[nodiscard]] const Features& features() const override { return source_->features(); }
  [[nodiscard]] const Record* next() override;
  [[nodiscard]] std::vector<std::string> notes() const override;
  [[nodiscard]] std::vector<std::string> edited() const override { return source_->edited(); }
  [[nodiscard]] const std::string& damage() const override { return source_->damage(); }

 private:
  struct Waiting {
    u64 time;
    u64 number;  // records of one time keep the order of the file
    std::unique_ptr<Record> record;
  };
  static bool later(const Waiting& a, const Waiting& b) {
    return a.time != b.time ? a.time > b.time : a.number > b.number;
  }
  /// About what a waiting record takes.
  static u64 bytes_of(const Record& record) { return sizeof(Record) + record.header.size; }

  [[nodiscard]] const Record* read();
  void wait(const Record& record, u64 time);
  [[nodiscard]] const Record* release();

  std::unique_ptr<RecordSource> source_;
  std::vector<Waiting> waiting_;  // a heap, the oldest at its top
  std::vector<std::unique_ptr<Record>> spare_;
  std::unique_ptr<Record> current_;
  std::exception_ptr error_;  // what reading ended with
  bool ended_ = false;
  bool unordered_;    // only samples have times: the other records keep their places among them
  u64 go_until_ = 0;  // records up to this time may go
  u64 round_time_ = 0;
  u64 newest_ = 0;
  u64 bytes_ = 0;
  bool crowded_ = false;
  u64 numbers_ = 0;
  u64 last_time_ = 0;
  u64 late_ = 0;
};

const Record* TimeOrder::read() {
  if (ended_) return nullptr;
  try {
    const Record* const record = source_->next();
    ended_ = record == nullptr;
    return record;
  } catch (...) {
    error_ = std::current_exception();
    ended_ = true;
    return nullptr;
  }
}

void TimeOrder::wait(const Record& record, u64 time) {
  std::unique_ptr<Record> copy;
  if (spare_.empty()) {
    copy = std::make_unique<Record>(record);
  } else {
    copy = std::move(spare_.back());
    spare_.pop_back();
    *copy = record;
  }
  bytes_ += bytes_of(record);
  crowded_ = crowded_ || bytes_ > kBytesMax;
  newest_ = std::max(newest_, time);
  waiting_.push_back({time, numbers_++, std::move(copy)});
  std::ranges::push_heap(waiting_, later);
}

const Record* TimeOrder::release() {
  std::ranges::pop_heap(waiting_, later);
  Waiting& oldest = waiting_.back();
  late_ += u64{oldest.time < last_time_};
  last_time_ = std::max(last_time_, oldest.time);
  current_ = std::move(oldest.record);
  waiting_.pop_back();
  bytes_ -= bytes_of(*current_);
  return current_.get();
}

const Record* TimeOrder::next() {
  if (unordered_) return source_->next();
  if (current_) spare_.push_back(std::move(current_));
  for (;;) {
    crowded_ = crowded_ && bytes_ > kBytesMax / 2;
    if (!waiting_.empty() && (ended_ || crowded_ || waiting_.front().time <= go_until_)) return release();
    const Record* const record = read();
    if (record == nullptr) {
      if (!waiting_.empty()) continue;
      if (error_) std::rethrow_exception(std::exchange(error_, nullptr));
      return nullptr;
    }
    if (static_cast<RecordType>(record->header.type) == RecordType::kFinishedRound) {
      go_until_ = std::exchange(round_time_, newest_);
      return record;
    }
    const u64 time = record->time();
    if (time == 0) return record;
    wait(*record, time);
  }
}

std::vector<std::string> TimeOrder::notes() const {
  std::vector<std::string> lines = source_->notes();
  if (late_ != 0) {
    lines.push_back(fmt::format("{} record{} out of the order of the times", late_, late_ == 1 ? "" : "s"));
  }
  return lines;
}

}  // namespace

std::unique_ptr<RecordSource> in_time_order(std::unique_ptr<RecordSource> source) {
  return std::make_unique<TimeOrder>(std::move(source));
}

std::unique_ptr<RecordSource> open_capture(const std::string& path, const OpenOptions& options) {
  auto source = open_source(path, options);
  const bool text = source->kind() != SourceKind::kPerfData && source->kind() != SourceKind::kPerfDataPipe;
  return text ? std::move(source) : in_time_order(std::move(source));
}

}  // namespace lastbranch::perfdata
