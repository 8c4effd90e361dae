#include "models/lbr/bts.h"

#include <array>
#include <bit>
#include <cstring>

namespace lastbranch::lbr {
namespace {

/// The buffer as the management area describes it: four 64-bit fields from kBtsBase on.
struct Buffer {
  u64 base = 0, index = 0, maximum = 0, threshold = 0;
};
static_assert(sizeof(Buffer) == ds::kPebsBase - ds::kBtsBase);
static_assert(std::endian::native == std::endian::little, "guest and host share their byte order");

}  // namespace

bool Bts::active(u64 debugctl) {
  constexpr u64 kOn = debugctl::kTr | debugctl::kBts;
  constexpr u64 kNobody = debugctl::kBtsOffOs | debugctl::kBtsOffUsr;
  return (debugctl & kOn) == kOn && (debugctl & kNobody) != kNobody;
}

void Bts::branch(const RetiredBranch& b, u64 debugctl, unsigned cpl, bool wrong_cpl_from) {
  const u64 off = cpl == 0 ? debugctl::kBtsOffOs : debugctl::kBtsOffUsr;
  const bool qualified = (debugctl & (debugctl::kBtsOffOs | debugctl::kBtsOffUsr)) != 0;
  const u64 before = last_to_;
  last_to_ = b.to;
  if ((debugctl & off) != 0) return;
  const bool wrong = wrong_cpl_from && qualified && b.cpl_from != b.cpl_to;
  if (store(wrong ? before : b.from, b.to, (debugctl & debugctl::kBtint) != 0)) {
    ++stored_;
  } else {
    ++lost_;
  }
}

bool Bts::store(u64 from, u64 to, bool interrupt) {
  if (ds_ == nullptr || memory_ == nullptr) return false;
  const u64 area = ds_->base() + ds::kBtsBase;
  std::array<u8, sizeof(Buffer)> bytes{};
  if (!memory_->read(area, bytes)) return false;
  auto buffer = std::bit_cast<Buffer>(bytes);
  const auto room = [&] {
    return buffer.index >= buffer.base && buffer.index <= buffer.maximum &&
           buffer.maximum - buffer.index >= kRecordSize;
  };
  if (!interrupt && !room()) buffer.index = buffer.base;
  if (!room()) return false;
  const std::array<u64, 3> record{from, to, 0};
  if (!memory_->write(buffer.index, std::bit_cast<std::array<u8, kRecordSize>>(record))) return false;
  buffer.index += kRecordSize;
  if (!interrupt && !room()) buffer.index = buffer.base;
  const auto index = std::bit_cast<std::array<u8, 8>>(buffer.index);
  if (!memory_->write(area + ds::kBtsIndex, index)) return false;
  // No status bit tells of BTS; its handler looks at the index.
  if (interrupt && buffer.index >= buffer.threshold && pmi_ != nullptr) pmi_->request_pmi(0);
  return true;
}

}  // namespace lastbranch::lbr
