// The assist of architectural PEBS: its own buffer by physical address, and CFG_C of each counter.
#include <algorithm>

#include "models/pmu/pebs.h"
#include "models/pmu/pebs_bits.h"

namespace lastbranch::pmu {
namespace {

using SizeOrder = Field<4, 0>;
using BufferPage = Field<51, 12>;
constexpr u64 kOffset = Field<26, 4>::kMask;
constexpr u64 kFull = bit(31);
constexpr u64 kPmiEnable = bit(32);

u64 buffer_size(u64 base) {
  // The write offset cannot say more than 128 MiB.
  return std::min(kPageSize << SizeOrder::get(base), kOffset + 16);
}

}  // namespace

u64& Pebs::config_c(CounterBit counter) {
  return counter < kFixed ? gp_config_c_.at(counter) : fixed_config_c_.at(counter - kFixed);
}

u64 Pebs::config_c(CounterBit counter) const {
  return counter < kFixed ? gp_config_c_.at(counter) : fixed_config_c_.at(counter - kFixed);
}

void Pebs::encode_arch(u64 served, PebsRecord& out) const {
  PebsSample sample;
  fill(served, sample);
  PebsLbrState state;
  ports_.source->fill(state);
  // Counters that share a record get what any of them asks for.
  u64 config = 0;
  for_each_bit(served, [&](CounterBit c) { config |= config_c(c) & ~cfg_c::kReload; });
  u32 gp = 0;
  u32 fixed = 0;
  for (unsigned n = 0; n < kMaxGp; ++n) {
    if ((gp_config_c_[n] & cfg_c::kAllow) != 0) gp |= 1u << n;
  }
  for (unsigned i = 0; i < kMaxFixed; ++i) {
    if ((fixed_config_c_[i] & cfg_c::kAllow) != 0) fixed |= 1u << i;
  }
  std::array<LbrRecord, 256> space;
  encode_architectural(config, gp, fixed, sample, branches(space), state, out);
}

void Pebs::assist_arch(u64 served) {
  PebsRecord record;
  encode_arch(served, record);
  const u64 offset = index_ & kOffset;
  const u64 size = buffer_size(base_);
  if ((index_ & kFull) != 0 || offset > size || record.size > size - offset) {
    index_ |= kFull;
    rearm(served, lost_.full);
    return;
  }
  if (!ports_.physical->write((BufferPage::kMask & base_) + offset, record.bytes())) {
    ++lost_.inaccessible;
    return;
  }
  ++records_;
  const u64 next = offset + record.size;
  index_ = (index_ & ~kOffset) | (next & kOffset);
  if (next > kOffset) index_ |= kFull;
  ports_.counters->clear_status(served);
  for_each_bit(served, [&](CounterBit c) {
    ports_.counters->reload(c, sign_extend(config_c(c) & cfg_c::kReload, 32));
  });
  const u64 threshold = (index_ >> 32) & kOffset;
  if ((index_ & kPmiEnable) != 0 && next >= threshold) ports_.counters->request_pmi(kArchThreshold);
}

}  // namespace lastbranch::pmu
