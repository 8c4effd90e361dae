#pragma once
/// Cuts the records out of perf.data's data section: frames only, not their contents. Compressed records are
/// replaced by what is in them; the raw bytes that follow some records are passed over.
/// Memory is bounded: by the window of the file, a buffer of decompressed bytes, and zstd's own window.
/// Sources: as format.h.
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "sim/base/units.h"
#include "sim/perfdata/byte_cursor.h"
#include "sim/perfdata/byte_stream.h"
#include "sim/perfdata/decompressor.h"
#include "sim/perfdata/format.h"

namespace lastbranch::perfdata {

struct RawRecord {
  u64 offset = 0;  ///< in the file; of a decompressed record: of the compressed one that ended it
  bool unpacked = false;
  RecordHeader header;              ///< in this machine's byte order; `size` is 0 when 16 bits do not hold it
  std::span<const std::byte> body;  ///< after the header; empty when `size` is 0. Valid until the next call.
};

class RecordStream {
 public:
  /// What a compressed record may unpack to, in bytes: by itself, and all of them beyond the ratio.
  static constexpr u64 kUnpackedPerRecordMax = u64{1} << 27;
  static constexpr u64 kUnpackedFree = u64{1} << 26;
  static constexpr u64 kRatioMax = 1000;

  RecordStream(ByteStream stream, bool swapped);

  /// The next record; false after the last. Throws Error for damage.
  [[nodiscard]] bool next(RawRecord& record);

  /// What the COMPRESSED feature says: no record unpacks to more; 0: not known.
  void set_unpacked_max(u64 bytes);

  [[nodiscard]] Origin origin_of(const RawRecord& record) const {
    return {.file = stream_.file().path(),
            .offset = record.offset + (record.unpacked ? 0 : sizeof(RecordHeader)),
            .swapped = swapped_,
            .unpacked = record.unpacked};
  }
  [[nodiscard]] u64 raw_bytes_skipped() const { return raw_bytes_skipped_; }

 private:
  enum class Unpacked { kRecord, kNeedsMore };

  [[nodiscard]] bool next_in_file(RawRecord& record);
  [[nodiscard]] Unpacked next_unpacked(RawRecord& record);
  [[nodiscard]] RecordHeader decode_header(std::span<const std::byte> bytes, u64& size) const;
  void open_compressed(const RawRecord& record);
  [[nodiscard]] bool unpack_more();
  /// The bytes after `record` that its header does not count.
  [[nodiscard]] u64 raw_bytes_after(const RawRecord& record) const;
  [[noreturn]] void fail_unpacked(std::string_view field, std::string_view expected,
                                  std::string_view found) const;

  ByteStream stream_;
  bool swapped_;
  u64 skip_next_ = 0;  // bytes of the stream to pass over before the next record of the file
  u64 raw_bytes_skipped_ = 0;

  std::optional<Decompressor> decompressor_;
  std::span<const std::byte>
      packed_;              // what is left of the current compressed record, in the stream's window
  bool held_back_ = false;  // the decompressor may have more without input
  u64 packed_at_ = 0;       // offset of the current compressed record
  u64 packed_size_ = 0;     // of it in the file
  u64 unpacked_max_ = kUnpackedPerRecordMax;
  u64 unpacked_now_ = 0;  // by the current record
  u64 packed_total_ = 0;
  u64 unpacked_total_ = 0;
  u64 unpacked_skip_ = 0;  // decompressed bytes to pass over
  std::vector<std::byte> unpacked_;
  std::size_t unpacked_used_ = 0;
  std::size_t unpacked_filled_ = 0;
};

/// "SAMPLE record", "record of type 1234".
[[nodiscard]] std::string record_name(u32 type);
/// "SAMPLE"; empty for an unknown type.
[[nodiscard]] std::string_view record_type_name(u32 type);

}  // namespace lastbranch::perfdata
