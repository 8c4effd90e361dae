#include <algorithm>

#include "models/pmu/pebs_bytes.h"
#include "sim/base/field.h"

namespace lastbranch::pmu {
namespace {

using Size = Field<15, 0>;
using LongMode = Field<30>;
using Continued = Field<31>;
using RetireLatency = Field<15, 0>;
using RetireValid = Field<16>;
using Latency = Field<15, 0>;
using CacheLatency = Field<47, 32>;

constexpr u64 kLbrField = u64{3} << cfg_c::kLbrShift;
constexpr u64 kCounterBits = cfg_c::kGp | cfg_c::kFixed | cfg_c::kMetrics;
/// The groups a header names, as CFG_C has them.
constexpr u64 kGroups =
    cfg_c::kAllow | kCounterBits | kLbrField | cfg_c::kXmm | cfg_c::kGpr | cfg_c::kAux | cfg_c::kEnable;
/// The buffer's write offset counts in these, so a record with an odd number of counters is padded.
constexpr std::size_t kUnit = 16;
constexpr u64 kSseState = 2;  ///< the XSAVE component that the vector group holds

std::size_t lbr_count(u64 config, u64 depth) {
  constexpr std::size_t kVariable = 3;
  const std::size_t code = (config >> cfg_c::kLbrShift) & 3;
  return code == kVariable ? static_cast<std::size_t>(std::min<u64>(depth, 256)) : 8 * code;
}

template <class Io, class State>
void lbr_header(Io& io, State& state) {
  io.reserved();
  io.word(state.ctl);
  io.word(state.depth);
  io.word(state.ler.from);
  io.word(state.ler.to);
  io.word(state.ler.info);
}

/// Everything after the header. `retire` and `latency` are words of two fields.
template <class Io, class Sample, class Lbrs, class State>
void groups(Io& io, u64 config, u64& retire, u64& latency, Sample& s, Lbrs& lbrs, State& lbr_state,
            CounterGroup& counters) {
  if ((config & cfg_c::kEnable) != 0) {
    io.reg(s.eventing_ip);
    io.word(s.applicable);
    io.word(s.tsc);
    io.word(retire);
    io.reserved(2);
  }
  if ((config & cfg_c::kAux) != 0) {
    io.reg(s.data_address);
    io.reserved(4);
    io.word(s.data_source);
    io.word(latency);
    io.word(s.tx);
  }
  if ((config & cfg_c::kGpr) != 0) {
    gpr_group(io, s);
    io.reserved(2);
  }
  if ((config & cfg_c::kXmm) != 0) {
    if constexpr (Io::kReads) {
      io.reserved();
    } else {
      io.word(kSseState);
    }
    io.reserved();
    xmm_group(io, s);
  }
  if ((config & kLbrField) != 0) {
    lbr_header(io, lbr_state);
    lbr_entries(io, lbr_count(config, lbr_state.depth), lbrs);
  }
  if ((config & kCounterBits) != 0) counter_group(io, counters, s);
}

}  // namespace

void encode_architectural(u64 config, u32 gp, u32 fixed, const PebsSample& sample,
                          std::span<const LbrRecord> lbrs, const PebsLbrState& lbr_state, PebsRecord& out) {
  PebsWriter io(out, true);
  io.reserved(2);
  CounterGroup counters{.gp = (config & cfg_c::kGp) != 0 ? gp : 0,
                        .fixed = (config & cfg_c::kFixed) != 0 ? fixed : 0,
                        .metrics = (config & cfg_c::kMetrics) != 0};
  u64 retire =
      RetireValid::of(1) | RetireLatency::of(std::min<u64>(sample.retire_latency, RetireLatency::kMax));
  u64 latency = Latency::of(std::min<u64>(sample.latency, Latency::kMax)) |
                CacheLatency::of(std::min<u64>(sample.cache_latency, CacheLatency::kMax));
  groups(io, config, retire, latency, sample, lbrs, lbr_state, counters);
  if (out.size % kUnit != 0) io.reserved();
  const u64 header = (config & kGroups) | LongMode::of(1) | Size::of(out.size);
  std::memcpy(out.storage.data(), &header, sizeof header);
}

std::optional<DecodedPebs> decode_architectural(std::span<const u8> bytes) {
  PebsReader io(bytes);
  const u64 header = io.word();
  io.reserved();
  if (Continued::any(header)) return std::nullopt;
  std::optional<DecodedPebs> decoded(std::in_place);
  PebsSample& s = decoded->sample;
  decoded->config = header & kGroups;
  u64 retire = 0;
  u64 latency = 0;
  CounterGroup counters;
  groups(io, header, retire, latency, s, decoded->lbrs, decoded->lbr_state, counters);
  if (io.at() % kUnit != 0) io.reserved();
  if (!io.ok() || io.at() != Size::get(header)) return std::nullopt;
  s.retire_latency = RetireValid::any(retire) ? static_cast<u32>(RetireLatency::get(retire)) : 0;
  s.latency = static_cast<u32>(Latency::get(latency));
  s.cache_latency = static_cast<u32>(CacheLatency::get(latency));
  if ((header & kLbrField) != 0) decoded->lbr_count = lbr_count(header, decoded->lbr_state.depth);
  decoded->size = io.at();
  return decoded;
}

}  // namespace lastbranch::pmu
