#include <algorithm>
#include <bit>

#include "models/pmu/pebs_bytes.h"
#include "sim/base/field.h"

namespace lastbranch::pmu {
namespace {

using RecordFormat = Field<31, 0>;
using RetireLatency = Field<47, 32>;
using RecordSize = Field<63, 48>;
using Latency = Field<15, 0>;
using CacheLatency = Field<47, 32>;

constexpr std::size_t kBasicSize = 0x20;
constexpr std::size_t kMemorySize = 0x20;
constexpr std::size_t kGprSize = 0x90;
constexpr std::size_t kXmmSize = 0x100;
constexpr std::size_t kLbrEntrySize = 0x18;

std::size_t lbr_count(u64 config) {
  return ((config >> data_cfg::kLbrEntriesShift) & 0xff) + 1;
}

CounterGroup group_of(u64 config) {
  const bool counters = (config & data_cfg::kCounters) != 0;
  return {.gp = counters ? static_cast<u32>(config >> data_cfg::kGpShift) & 0xffff : 0,
          .fixed = counters ? static_cast<u32>(config >> data_cfg::kFixedShift) & 0xff : 0,
          .metrics = (config & data_cfg::kMetrics) != 0};
}

u64 saturated(u64 value, u64 most) {
  return std::min(value, most);
}

/// The second word of the memory group after the data source: one latency, or two.
u64 latency_word(const PebsLayout& layout, const PebsSample& s) {
  if (!layout.split_latency) return s.latency;
  return Latency::of(saturated(s.latency, Latency::kMax)) |
         CacheLatency::of(saturated(s.cache_latency, CacheLatency::kMax));
}

/// Everything after the first word, which differs by direction.
template <class Io, class Sample, class Lbrs>
void groups(Io& io, u64 config, u64& latency, Sample& s, Lbrs& lbrs, CounterGroup& counters) {
  io.reg(s.eventing_ip);
  io.word(s.applicable);
  io.word(s.tsc);
  if ((config & data_cfg::kMemory) != 0) {
    io.reg(s.data_address);
    io.word(s.data_source);
    io.word(latency);
    io.word(s.tx);
  }
  if ((config & data_cfg::kGpr) != 0) gpr_group(io, s);
  if ((config & data_cfg::kXmm) != 0) xmm_group(io, s);
  if ((config & data_cfg::kLbr) != 0) lbr_entries(io, lbr_count(config), lbrs);
  if ((config & (data_cfg::kCounters | data_cfg::kMetrics)) != 0) counter_group(io, counters, s);
}

}  // namespace

std::size_t adaptive_record_size(u64 config) {
  std::size_t size = kBasicSize;
  if ((config & data_cfg::kMemory) != 0) size += kMemorySize;
  if ((config & data_cfg::kGpr) != 0) size += kGprSize;
  if ((config & data_cfg::kXmm) != 0) size += kXmmSize;
  if ((config & data_cfg::kLbr) != 0) size += kLbrEntrySize * lbr_count(config);
  if ((config & (data_cfg::kCounters | data_cfg::kMetrics)) != 0) {
    const CounterGroup group = group_of(config);
    const auto values = static_cast<std::size_t>(std::popcount(group.gp) + std::popcount(group.fixed));
    size += 16 + 8 * values + (group.metrics ? 16 : 0);
  }
  return size;
}

void encode_adaptive(const PebsLayout& layout, u64 config, const PebsSample& sample,
                     std::span<const LbrRecord> lbrs, PebsRecord& out) {
  PebsWriter io(out, layout.long_mode);
  const u64 retire = layout.retire_latency ? saturated(sample.retire_latency, RetireLatency::kMax) : 0;
  io.word(RecordFormat::of(config) | RetireLatency::of(retire) |
          RecordSize::of(adaptive_record_size(config)));
  CounterGroup counters = group_of(config);
  u64 latency = latency_word(layout, sample);
  groups(io, config, latency, sample, lbrs, counters);
}

std::optional<DecodedPebs> decode_adaptive(const PebsLayout& layout, std::span<const u8> bytes) {
  PebsReader io(bytes);
  std::optional<DecodedPebs> decoded(std::in_place);
  PebsSample& s = decoded->sample;
  const u64 head = io.word();
  decoded->config = RecordFormat::get(head);
  if (layout.retire_latency) s.retire_latency = static_cast<u32>(RetireLatency::get(head));
  CounterGroup counters;
  u64 latency = 0;
  groups(io, decoded->config, latency, s, decoded->lbrs, counters);
  if (!io.ok() || io.at() != RecordSize::get(head)) return std::nullopt;
  s.latency = static_cast<u32>(layout.split_latency ? Latency::get(latency) : latency);
  s.cache_latency = static_cast<u32>(layout.split_latency ? CacheLatency::get(latency) : 0);
  decoded->config |= u64{counters.gp} << data_cfg::kGpShift | u64{counters.fixed} << data_cfg::kFixedShift;
  if ((decoded->config & data_cfg::kLbr) != 0) decoded->lbr_count = lbr_count(decoded->config);
  decoded->size = io.at();
  return decoded;
}

}  // namespace lastbranch::pmu
