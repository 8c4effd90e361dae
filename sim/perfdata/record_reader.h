#pragma once
/// Decodes single records, each with the attribute of its event.
#include <span>
#include <string>
#include <unordered_map>
#include <vector>

#include "sim/base/units.h"
#include "sim/perfdata/byte_cursor.h"
#include "sim/perfdata/format.h"
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
  /// `events` must outlive the reader; messages name `file`. Throws Error when the events have samples of
  /// different shapes and no id that tells them apart.
  RecordReader(std::string file, const std::vector<EventInfo>& events);

  /// Decodes the record whose header is `header` and whose body is `body`, at `offset` of the file. Throws
  /// Error.
  void decode(u64 offset, RecordHeader header, std::span<const std::byte> body, Record& record) const;

 private:
  /// Where samples say which event they are of.
  enum class IdAt { kNone, kFirst, kAfterAddr };

  void decode_sample(ByteCursor& in, SampleRecord& sample) const;
  [[nodiscard]] std::size_t find_event(ByteCursor in) const;
  [[nodiscard]] SampleId take_sample_id(ByteCursor& in) const;

  std::string file_;
  const std::vector<EventInfo>& events_;
  std::unordered_map<u64, std::size_t> event_of_id_;
  IdAt id_at_ = IdAt::kNone;
};

/// "SAMPLE record", "record of type 71".
[[nodiscard]] std::string record_name(u32 type);

}  // namespace lastbranch::perfdata
