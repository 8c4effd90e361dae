#pragma once
/// Reads perf.data as a stream: header, events and features at once, then record by record.
/// Reads file mode, pipe mode and folders of `perf record --threads`, whose files it reads side by side, as
/// far as their times say; either byte order; compressed records. AUX area data, and records and features
/// that are not known, are passed over and counted. Not read: "PERFFILE", the format before Linux 2.6.33.
/// Memory stays small whatever the file says: every offset, size and count is checked against what is there.
/// Sources: as format.h.
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "sim/base/units.h"
#include "sim/perfdata/feature_reader.h"
#include "sim/perfdata/format.h"
#include "sim/perfdata/input_file.h"
#include "sim/perfdata/reading_notes.h"
#include "sim/perfdata/record_reader.h"
#include "sim/perfdata/record_source.h"
#include "sim/perfdata/record_stream.h"
#include "sim/perfdata/records.h"

namespace lastbranch::perfdata {

class Reader final : public RecordSource {
 public:
  /// Reads everything but the records; in pipe mode, what lies before the first of them. `path` may be "-"
  /// for standard input, a pipe, or a folder. Throws Error, which names the file, the offset of the field,
  /// what was expected and what was found; with `keep_going` only when events cannot be read.
  explicit Reader(const std::string& path, OpenOptions options = {});
  explicit Reader(std::unique_ptr<InputFile> file, OpenOptions options = {});

  [[nodiscard]] const std::string& path() const override { return path_; }
  [[nodiscard]] SourceKind kind() const override { return kind_; }
  /// In this machine's byte order; of pipe mode only its first two fields.
  [[nodiscard]] const FileHeader& header() const { return header_; }
  [[nodiscard]] const std::vector<EventInfo>& events() const override { return events_; }
  [[nodiscard]] const Features& features() const override { return features_; }

  [[nodiscard]] const Record* next() override;

  [[nodiscard]] std::vector<std::string> notes() const override;
  [[nodiscard]] const std::string& damage() const override { return damage_; }

  /// How many records of each type next() returned as OtherRecord so far.
  [[nodiscard]] const std::map<u32, u64>& passed_over() const { return notes_.passed_over(); }
  /// The file comes from a machine with the other byte order.
  [[nodiscard]] bool swapped() const { return swapped_; }

 private:
  void open();
  void open_file_mode();
  void open_pipe_mode();
  void read_file_header();
  void read_file_features();
  void start_records(ByteStream stream);
  void update_index();
  /// Brings the next record to raw_; false after the last of all files.
  [[nodiscard]] bool fetch();
  void open_parts();
  [[nodiscard]] bool fetch_from_parts();
  [[nodiscard]] const Record* next_record();
  /// Takes a record that tells of events or features; false for others.
  [[nodiscard]] bool absorb();
  void absorb_event();
  void absorb_feature(ByteCursor in);
  void absorb_event_update(ByteCursor in);
  void absorb_simpleperf_ids(ByteCursor in);
  void count_kept(u64 bytes);

  /// A file of a folder, "data.0" and so on, which holds records only.
  struct Part {
    std::unique_ptr<InputFile> file;
    std::unique_ptr<RecordStream> stream;
    u64 time = 0;  // of the newest record so far
  };

  OpenOptions options_;
  std::string path_;
  std::unique_ptr<InputFile> file_;
  std::vector<std::string> more_files_;  // of a folder, not yet opened
  std::vector<Part> parts_;              // those that have records left
  std::size_t part_ = 0;                 // what raw_ comes from, once parts_ are open
  SourceKind kind_ = SourceKind::kPerfData;
  FileHeader header_;
  bool swapped_ = false;
  Features features_;
  std::vector<EventInfo> events_;
  RecordReader decoder_{events_};
  std::unique_ptr<RecordStream> main_stream_;
  RecordStream* stream_ = nullptr;  // what raw_ comes from
  RawRecord raw_;
  bool at_front_ = true;       // no record was returned yet; only in pipe mode
  bool index_is_old_ = false;  // events_ have changed since decoder_ looked at them
  bool fetched_ = false;       // raw_ holds a record that next() has not seen
  u64 kept_bytes_ = 0;         // of records that stay in events_ and features_
  std::string cut_short_;      // damage that is told when the records have ended
  Record record_;
  ReadingNotes notes_;
  std::string damage_;
};

}  // namespace lastbranch::perfdata
