#pragma once
// A capture made in the test: records as they are given.
#include <string>
#include <utility>
#include <vector>

#include "sim/perfdata/record_source.h"

namespace lastbranch::replay {

class ListedSource final : public perfdata::RecordSource {
 public:
  explicit ListedSource(std::vector<perfdata::Record> records) : records_(std::move(records)) {}

  [[nodiscard]] const std::string& path() const override { return path_; }
  [[nodiscard]] perfdata::SourceKind kind() const override { return perfdata::SourceKind::kPerfData; }
  [[nodiscard]] const std::vector<perfdata::EventInfo>& events() const override { return events_; }
  [[nodiscard]] const perfdata::Features& features() const override { return features_; }
  [[nodiscard]] const perfdata::Record* next() override {
    return at_ == records_.size() ? nullptr : &records_[at_++];
  }
  [[nodiscard]] std::vector<std::string> notes() const override { return {}; }
  [[nodiscard]] const std::string& damage() const override { return damage_; }

  std::string path_ = "listed";
  std::vector<perfdata::EventInfo> events_ = std::vector<perfdata::EventInfo>(1);
  perfdata::Features features_;

 private:
  std::vector<perfdata::Record> records_;
  std::string damage_;
  std::size_t at_ = 0;
};

/// A record with `body`, of user code.
template <typename Body>
perfdata::Record record_of(Body body) {
  perfdata::Record record;
  record.header.misc = static_cast<u16>(perfdata::CpuMode::kUser);
  record.body = std::move(body);
  return record;
}

}  // namespace lastbranch::replay
