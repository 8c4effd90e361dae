#include "tests/perfdata/packed_file.h"

#include <algorithm>
#include <cstring>
#include <stdexcept>

#include <zstd.h>

#include "sim/perfdata/encoder.h"

namespace lastbranch::perfdata::test {
namespace {

void put_record(Encoder& out, std::span<const std::byte> payload, RecordType type) {
  const bool second = type == RecordType::kCompressed2;
  const std::size_t extra = second ? 8 : 0;
  const std::size_t size = sizeof(RecordHeader) + extra + payload.size();
  out.put(RecordHeader{.type = static_cast<u32>(type),
                       .size = static_cast<u16>(second ? align_up(size, 8) : size)});
  if (second) out.put(u64{payload.size()});
  out.put_all(payload);
  if (second) out.put_zeros(align_up(size, 8) - size);
}

/// Compresses `piece` and ends it as `end` says.
std::vector<std::byte> compress(ZSTD_CCtx* context, std::span<const std::byte> piece, ZSTD_EndDirective end) {
  std::vector<std::byte> packed(ZSTD_compressBound(piece.size()) + 1024);
  ZSTD_inBuffer in{piece.data(), piece.size(), 0};
  ZSTD_outBuffer out{packed.data(), packed.size(), 0};
  while (ZSTD_compressStream2(context, &out, &in, end) != 0) {
    if (out.pos == out.size) throw std::runtime_error("does not compress");
  }
  packed.resize(out.pos);
  return packed;
}

}  // namespace

std::vector<std::byte> packed_records(std::span<const std::byte> data, Packing packing, std::size_t piece,
                                      RecordType type) {
  ZSTD_CCtx* const context = ZSTD_createCCtx();
  Encoder out;
  if (packing == Packing::kOneFrameCutUp) {
    const std::vector<std::byte> packed = compress(context, data, ZSTD_e_end);
    for (std::span<const std::byte> rest = packed; !rest.empty();) {
      const std::size_t n = std::min(piece, rest.size());
      put_record(out, rest.first(n), type);
      rest = rest.subspan(n);
    }
  } else {
    while (!data.empty()) {
      const std::size_t n = std::min(piece, data.size());
      put_record(out,
                 compress(context, data.first(n), packing == Packing::kFrames ? ZSTD_e_end : ZSTD_e_flush),
                 type);
      data = data.subspan(n);
    }
  }
  ZSTD_freeCCtx(context);
  return {out.bytes().begin(), out.bytes().end()};
}

std::vector<std::byte> packed_file(std::span<const std::byte> file, Packing packing, std::size_t piece,
                                   RecordType type) {
  FileHeader header;
  std::memcpy(static_cast<void*>(&header), file.data(), sizeof header);
  const std::size_t end = header.data.offset + header.data.size;
  const auto packed =
      packed_records(file.subspan(header.data.offset, header.data.size), packing, piece, type);
  const u64 moved = packed.size() - header.data.size;
  std::vector<std::byte> result(file.begin(), file.begin() + static_cast<std::ptrdiff_t>(header.data.offset));
  result.insert(result.end(), packed.begin(), packed.end());
  const std::size_t table = result.size();
  result.insert(result.end(), file.begin() + static_cast<std::ptrdiff_t>(end), file.end());
  header.data.size = packed.size();
  std::memcpy(result.data(), &header, sizeof header);
  std::size_t at = table;
  for (u32 bit = 0; bit < kFeatureBits; ++bit) {
    if ((header.features[bit / 64] >> bit % 64 & 1) == 0) continue;
    Section section;
    std::memcpy(&section, &result[at], sizeof section);
    section.offset += moved;
    std::memcpy(&result[at], &section, sizeof section);
    at += sizeof section;
  }
  return result;
}

}  // namespace lastbranch::perfdata::test
