#pragma once
/// Decodes single records, each with the attribute of its event.
#include <span>
#include <string>
#include <unordered_map>
#include <vector>

#include "sim/base/units.h"
#include "sim/perfdata/byte_cursor.h"
#include "sim/perfdata/format.h"
#include "sim/perfdata/record_stream.h"
#include "sim/perfdata/records.h"

namespace lastbranch::perfdata {

/// An event of the file.
struct EventInfo {
  std::string name;  ///< from the EVENT_DESC section, else made of type and config
  Attr attr;         ///< short ones extended with zeros
  std::vector<u64> ids;
};

class RecordReader {
 public:
  /// `events` must outlive the reader.
  explicit RecordReader(const std::vector<EventInfo>& events) : events_(events) {}

  /// To be called when the events have changed; messages name `file`. Throws Error when the events have
  /// samples of different shapes and no id that tells them apart.
  void index_events(std::string_view file);

  /// Decodes a record. Its body comes from `origin`. Throws Error.
  void decode(const RawRecord& raw, const Origin& origin, Record& record) const;

 private:
  /// Where samples say which event they are of.
  enum class IdAt { kNone, kFirst, kAfterAddr };

  void decode_other(const RawRecord& raw, ByteCursor& in, Record& record) const;
  void decode_sample(ByteCursor& in, SampleRecord& sample) const;
  [[nodiscard]] std::size_t find_event(ByteCursor in) const;
  [[nodiscard]] const Attr& attr_of_trailer(ByteCursor in) const;
  [[nodiscard]] SampleId take_sample_id(ByteCursor& in) const;

  const std::vector<EventInfo>& events_;
  std::unordered_map<u64, std::size_t> event_of_id_;
  IdAt id_at_ = IdAt::kNone;
};

}  // namespace lastbranch::perfdata
