#include <algorithm>

#include "models/pmu/pebs_bytes.h"

namespace lastbranch::pmu {
namespace {

/// RAX, RBX, RCX, RDX, RSI, RDI, RBP, RSP, R8..R15.
constexpr std::array<u8, 16> kOrder = {0, 3, 1, 2, 6, 7, 5, 4, 8, 9, 10, 11, 12, 13, 14, 15};

template <class Io, class Sample>
void fields(Io& io, const PebsLayout& layout, Sample& s) {
  const bool no_address = layout.memory_reserved && layout.format == 2;
  io.reg(s.rflags);
  io.reg(s.rip);
  for (const u8 i : kOrder) io.reg(s.gpr[i]);
  if (layout.format >= 1) {
    io.word(layout.format >= 3 ? s.applicable : s.status);
    no_address ? io.reserved() : io.reg(s.data_address);
    if (layout.memory_reserved) {
      io.reserved(2);
    } else {
      io.word(s.data_source);
      narrow(io, s.latency);
    }
  }
  if (layout.format >= 2) {
    io.reg(s.eventing_ip);
    layout.memory_reserved ? io.reserved() : io.word(s.tx);
  }
  if (layout.format >= 3) io.word(s.tsc);
}

}  // namespace

std::size_t fixed_record_size(unsigned format) {
  static constexpr std::array<std::size_t, 4> kSizes = {0x90, 0xb0, 0xc0, 0xc8};
  return kSizes[std::min<std::size_t>(format, kSizes.size() - 1)];
}

void encode_fixed(const PebsLayout& layout, const PebsSample& sample, PebsRecord& out) {
  PebsWriter io(out, layout.long_mode);
  fields(io, layout, sample);
}

std::optional<DecodedPebs> decode_fixed(const PebsLayout& layout, std::span<const u8> bytes) {
  PebsReader io(bytes);
  std::optional<DecodedPebs> decoded(std::in_place);
  fields(io, layout, decoded->sample);
  if (!io.ok()) return std::nullopt;
  decoded->size = io.at();
  return decoded;
}

}  // namespace lastbranch::pmu
