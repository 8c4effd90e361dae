#pragma once
/// Reads perf.data as a stream: header, events and features at once, then record by record.
/// Reads file mode, little-endian. Not yet: pipe mode, the other byte order, compressed records; those are
/// refused by name. AUX area data is passed over. Unknown records and features are passed over and counted.
/// Memory stays small whatever the file says: every offset, size and count is checked against what is there.
/// Sources: as format.h.
#include <map>
#include <string>
#include <vector>

#include "sim/base/units.h"
#include "sim/perfdata/feature_reader.h"
#include "sim/perfdata/format.h"
#include "sim/perfdata/input_file.h"
#include "sim/perfdata/record_reader.h"
#include "sim/perfdata/records.h"

namespace lastbranch::perfdata {

class Reader {
 public:
  /// Reads everything but the records. Throws Error, which names the file, the offset of the field, what was
  /// expected and what was found.
  explicit Reader(std::string path);
  Reader(const Reader&) = delete;
  Reader& operator=(const Reader&) = delete;

  [[nodiscard]] const FileHeader& header() const { return header_; }
  [[nodiscard]] const std::vector<EventInfo>& events() const { return events_; }
  [[nodiscard]] const Features& features() const { return features_; }

  /// The next record in the order of the file, or null after the last; valid until the next call. Throws
  /// Error.
  [[nodiscard]] const Record* next();

  /// How many records of each type next() returned as OtherRecord so far.
  [[nodiscard]] const std::map<u32, u64>& passed_over() const { return passed_over_; }

 private:
  [[nodiscard]] static FileHeader read_header(const InputFile& file);
  [[nodiscard]] static std::vector<EventInfo> read_events(const InputFile& file, const FileHeader& header);
  void name_events();
  /// The next `size` bytes of the data section, without moving on.
  [[nodiscard]] std::span<const std::byte> peek(u64 size);
  void skip_auxtrace(std::span<const std::byte> body);

  InputFile file_;
  FileHeader header_;
  Features features_;
  std::vector<EventInfo> events_;
  RecordReader records_;
  u64 at_;  // offsets in the file: the next record, and the end of the data
  u64 end_;
  std::vector<std::byte> window_;
  u64 window_at_ = 0;
  Record record_;
  std::map<u32, u64> passed_over_;
};

}  // namespace lastbranch::perfdata
