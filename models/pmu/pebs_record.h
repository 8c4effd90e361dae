#pragma once
// PEBS records as bytes: pure functions from what a record says to the bytes in the guest's buffer, and back.
//
// Modelled: formats 0-3 with their fixed layouts, the groups of formats 4-6 that MSR_PEBS_DATA_CFG selects,
// and architectural PEBS. Not: the 40-byte records of processors without DTES64, vectors above XMM, records
// that continue in another (architectural PEBS, bit 31), the shadow stack pointer (0).
// Sources: SDM vol. 3B, "Processor Event Based Sampling (PEBS)" and "PEBS Record Format" of each
// microarchitecture, "Adaptive PEBS"; Linux 6.12 arch/x86/events/intel/ds.c and asm/perf_event.h; the
// architectural PEBS patches to Linux for the layouts of format 6 and later.
#include <array>
#include <optional>
#include <span>

#include "sim/base/debugctl.h"
#include "sim/base/units.h"

namespace lastbranch::pmu {

/// Everything any record can say about one sample.
struct PebsSample {
  u64 eventing_ip = 0;  ///< the instruction that caused the event
  u64 rip = 0;          ///< trap-like: the next one; fault-like: the same
  u64 rflags = 0;
  std::array<u64, 16> gpr{};                 ///< by number: RAX, RCX, RDX, RBX, RSP, RBP, RSI, RDI, R8..R15
  std::array<std::array<u64, 2>, 16> xmm{};  ///< low half first
  u64 tsc = 0;
  u64 applicable = 0;          ///< counters the record is for, as bits of IA32_PERF_GLOBAL_STATUS
  u64 status = 0;              ///< IA32_PERF_GLOBAL_STATUS before the record
  u64 data_address = 0;        ///< linear address of the memory operand
  u64 data_source = 0;         ///< see pebs_data_source.h
  u32 latency = 0;             ///< core clocks
  u32 cache_latency = 0;       ///< core clocks; parts that split the latency
  u32 retire_latency = 0;      ///< core clocks since the previous retirement; a record saturates it at 65535
  u64 tx = 0;                  ///< TX abort information
  std::array<u64, 16> gp{};    ///< general counters
  std::array<u64, 8> fixed{};  ///< fixed counters; 3 is also the base of the metrics
  u64 metrics = 0;             ///< MSR_PERF_METRICS
  bool operator==(const PebsSample&) const = default;
};

/// One record's bytes.
struct PebsRecord {
  /// All groups with 256 LBR entries are the longest.
  static constexpr std::size_t kCapacity = 8192;
  std::array<u8, kCapacity> storage;
  std::size_t size = 0;

  [[nodiscard]] std::span<const u8> bytes() const { return {storage.data(), size}; }
};

/// MSR_PEBS_DATA_CFG, which also says what groups an adaptive record holds.
namespace data_cfg {
inline constexpr u64 kMemory = 1u << 0;
inline constexpr u64 kGpr = 1u << 1;
inline constexpr u64 kXmm = 1u << 2;
inline constexpr u64 kLbr = 1u << 3;
inline constexpr u64 kCounters = 1u << 4;
inline constexpr u64 kMetrics = 1u << 5;
inline constexpr unsigned kLbrEntriesShift = 24;  ///< 31:24, entries - 1
inline constexpr unsigned kGpShift = 32;          ///< 47:32, which general counters
inline constexpr unsigned kFixedShift = 48;       ///< 55:48, which fixed counters
inline constexpr u64 kGroups4 = 0xff00'000f;      ///< what formats 4 and 5 have
inline constexpr u64 kGroups6 = 0x00ff'ffff'ff00'003f;
}  // namespace data_cfg

/// IA32_PMC_GPn_CFG_C and IA32_PMC_FXn_CFG_C; the bits from 35 up are also those of a record's header.
namespace cfg_c {
inline constexpr u64 kReload = 0xffff'ffff;
inline constexpr u64 kAllow = u64{1} << 35;  ///< others' records may hold this counter
inline constexpr u64 kGp = u64{1} << 36;
inline constexpr u64 kFixed = u64{1} << 37;
inline constexpr u64 kMetrics = u64{1} << 38;
inline constexpr unsigned kLbrShift = 40;  ///< 41:40: none, 8 entries, 16, as many as there are
inline constexpr u64 kXmm = u64{1} << 49;
inline constexpr u64 kGpr = u64{1} << 61;
inline constexpr u64 kAux = u64{1} << 62;
inline constexpr u64 kEnable = u64{1} << 63;  ///< in a header: the basic group
}  // namespace cfg_c

/// How a part's records differ from others of their format.
struct PebsLayout {
  unsigned format = 0;  ///< 0..6
  /// Formats 2 and 3 of the Atom line: 98H-A8H (format 2) or A0H-A8H (format 3), and B8H are 0.
  bool memory_reserved = false;
  bool retire_latency = false;  ///< IA32_PERF_CAPABILITIES[17]
  bool split_latency = false;   ///< instruction and cache latency apart
  bool long_mode = true;        ///< false: not in IA-32e mode, upper halves of registers are 0
};

/// What only architectural PEBS's LBR group says.
struct PebsLbrState {
  u64 ctl = 0, depth = 0;
  LbrRecord ler{};
  bool operator==(const PebsLbrState&) const = default;
};

/// Bytes of a record of formats 0-3: 144, 176, 192, 200.
[[nodiscard]] std::size_t fixed_record_size(unsigned format);
/// Bytes of an adaptive record of that configuration.
[[nodiscard]] std::size_t adaptive_record_size(u64 config);

/// Formats 0-3.
void encode_fixed(const PebsLayout& layout, const PebsSample& sample, PebsRecord& out);
/// Formats 4-6. `config`: MSR_PEBS_DATA_CFG, 0 for the basic group alone. `lbrs`: newest first; when there
/// are fewer than the configuration asks for, the rest of the group is 0.
void encode_adaptive(const PebsLayout& layout, u64 config, const PebsSample& sample,
                     std::span<const LbrRecord> lbrs, PebsRecord& out);
/// Architectural PEBS. `config`: the counter's CFG_C; `gp`, `fixed`: counters that the counter group holds.
/// A multiple of 16 bytes long.
void encode_architectural(u64 config, u32 gp, u32 fixed, const PebsSample& sample,
                          std::span<const LbrRecord> lbrs, const PebsLbrState& lbr_state, PebsRecord& out);

/// A record read back: fields that it does not hold are 0.
struct DecodedPebs {
  PebsSample sample;
  u64 config = 0;  ///< adaptive: the groups, as MSR_PEBS_DATA_CFG; architectural: the header, size left out
  std::size_t size = 0;  ///< bytes it took
  std::size_t lbr_count = 0;
  std::array<LbrRecord, 256> lbrs;  ///< newest first
  PebsLbrState lbr_state;

  [[nodiscard]] std::span<const LbrRecord> branches() const { return {lbrs.data(), lbr_count}; }
};

/// The record at the start of `bytes`; nullopt when they are too short for it, or no such record.
[[nodiscard]] std::optional<DecodedPebs> decode_fixed(const PebsLayout& layout, std::span<const u8> bytes);
[[nodiscard]] std::optional<DecodedPebs> decode_adaptive(const PebsLayout& layout, std::span<const u8> bytes);
[[nodiscard]] std::optional<DecodedPebs> decode_architectural(std::span<const u8> bytes);

}  // namespace lastbranch::pmu
