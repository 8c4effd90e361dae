#include "sim/perfdata/compressor.h"

#include <algorithm>
#include <cstring>

#include <zstd.h>

#include "sim/base/assert.h"
#include "sim/base/error.h"
#include "sim/perfdata/format.h"

namespace lastbranch::perfdata {
namespace {

/// What a record holds beside its header. Its size is no multiple of 8: zeros at its end would be taken for
/// compressed bytes.
constexpr std::size_t kPayloadMax = kRecordSizeMax - sizeof(RecordHeader);
static_assert(ZSTD_COMPRESSBOUND(Compressor::kPieceMax) + 64 <= kPayloadMax);

/// The bytes of the records that go into the next piece: more than it may have if the first is too long.
std::size_t whole_records(std::span<const std::byte> records) {
  std::size_t size = 0;
  while (size < records.size()) {
    RecordHeader header;
    std::memcpy(&header, &records[size], sizeof header);
    if (size != 0 && size + header.size > Compressor::kPieceMax) break;
    size += header.size;
  }
  return size;
}

}  // namespace

struct Compressor::Stream {
  ZSTD_CCtx* context = ZSTD_createCCtx();

  Stream() {
    if (context == nullptr) throw Error("zstd: cannot make a stream: out of memory");
  }
  ~Stream() { ZSTD_freeCCtx(context); }
  Stream(const Stream&) = delete;
  Stream& operator=(const Stream&) = delete;
};

Compressor::Compressor(int level) : level_(level) {
  if (level < kLevelMin || level > kLevelMax) {
    throw Error("compression level: expected {} to {}, found {}", kLevelMin, kLevelMax, level);
  }
  stream_ = std::make_unique<Stream>();
  const std::size_t set = ZSTD_CCtx_setParameter(stream_->context, ZSTD_c_compressionLevel, level);
  if (ZSTD_isError(set) != 0) throw Error("zstd: level {}: {}", level, ZSTD_getErrorName(set));
}

Compressor::~Compressor() = default;

std::span<const std::byte> Compressor::encode(std::span<const std::byte> records) {
  out_.clear();
  taken_ += records.size();
  while (!records.empty()) {
    const std::size_t size = whole_records(records);
    put(records.first(std::min(size, kPieceMax)));
    if (size > kPieceMax) put(records.subspan(kPieceMax, size - kPieceMax));
    records = records.subspan(size);
  }
  given_ += out_.size();
  return out_;
}

void Compressor::put(std::span<const std::byte> piece) {
  const std::size_t at = out_.size();
  out_.resize(at + sizeof(RecordHeader) + kPayloadMax);
  ZSTD_inBuffer in{piece.data(), piece.size(), 0};
  ZSTD_outBuffer out{&out_[at + sizeof(RecordHeader)], kPayloadMax, 0};
  const std::size_t waiting = ZSTD_compressStream2(stream_->context, &out, &in, ZSTD_e_flush);
  if (ZSTD_isError(waiting) != 0) throw Error("zstd: {}", ZSTD_getErrorName(waiting));
  LASTBRANCH_ASSERT(waiting == 0 && in.pos == in.size, "{} bytes gave more than a record", piece.size());
  const RecordHeader header{.type = static_cast<u32>(RecordType::kCompressed),
                            .misc = 0,
                            .size = static_cast<u16>(sizeof(RecordHeader) + out.pos)};
  std::memcpy(&out_[at], &header, sizeof header);
  out_.resize(at + header.size);
}

u32 Compressor::ratio() const {
  return given_ == 0 ? 0 : static_cast<u32>((taken_ + given_ / 2) / given_);
}

}  // namespace lastbranch::perfdata
