#pragma once
// One description of a layout, two directions: layouts are templates over one of these, so that a record is
// read back exactly as it was written. Records are little-endian, as the hosts are.
#include <cstring>
#include <span>

#include "models/pmu/pebs_record.h"
#include "sim/base/assert.h"

namespace lastbranch::pmu {

/// Appends to a record.
class PebsWriter {
 public:
  static constexpr bool kReads = false;

  PebsWriter(PebsRecord& out, bool long_mode) : out_(out), mask_(long_mode ? ~u64{0} : 0xffff'ffff) {
    out_.size = 0;
  }

  void word(u64 value) {
    LASTBRANCH_ASSERT(out_.size + sizeof value <= PebsRecord::kCapacity, "at {}", out_.size);
    std::memcpy(&out_.storage[out_.size], &value, sizeof value);
    out_.size += sizeof value;
  }
  /// A register or linear address: its upper half is 0 outside IA-32e mode.
  void reg(u64 value) { word(value & mask_); }
  void reserved(unsigned words = 1) {
    for (; words != 0; --words) word(0);
  }

 private:
  PebsRecord& out_;
  u64 mask_;
};

/// Takes a record apart. Past the end it reads 0 and is not ok().
class PebsReader {
 public:
  static constexpr bool kReads = true;

  explicit PebsReader(std::span<const u8> bytes) : bytes_(bytes) {}

  void word(u64& value) {
    value = 0;
    if (bytes_.size() - at_ < sizeof value) {
      ok_ = false;
      return;
    }
    std::memcpy(&value, &bytes_[at_], sizeof value);
    at_ += sizeof value;
  }
  [[nodiscard]] u64 word() {
    u64 value = 0;
    word(value);
    return value;
  }
  void reg(u64& value) { word(value); }
  void reserved(unsigned words = 1) {
    for (; words != 0; --words) static_cast<void>(word());
  }

  [[nodiscard]] bool ok() const { return ok_; }
  [[nodiscard]] std::size_t at() const { return at_; }

 private:
  std::span<const u8> bytes_;
  std::size_t at_ = 0;
  bool ok_ = true;
};

/// A field of 32 bits or fewer within a word of its own.
template <class Io, class T>
void narrow(Io& io, T& value) {
  u64 word = value;
  if constexpr (Io::kReads) {
    io.word(word);
    value = static_cast<T>(word);
  } else {
    io.word(word);
  }
}

/// The XMM group: 16 registers, low half first.
template <class Io, class Sample>
void xmm_group(Io& io, Sample& sample) {
  for (auto& reg : sample.xmm) {
    io.word(reg[0]);
    io.word(reg[1]);
  }
}

/// Flags, instruction pointer and general registers as adaptive and architectural records order them.
template <class Io, class Sample>
void gpr_group(Io& io, Sample& sample) {
  io.reg(sample.rflags);
  io.reg(sample.rip);
  for (auto& reg : sample.gpr) io.reg(reg);
}

/// Entries of an LBR group; `lbrs` may be shorter when writing, the rest is 0.
template <class Io, class Lbrs>
void lbr_entries(Io& io, std::size_t count, Lbrs& lbrs) {
  for (std::size_t i = 0; i < count; ++i) {
    if (i < lbrs.size()) {
      io.word(lbrs[i].from);
      io.word(lbrs[i].to);
      io.word(lbrs[i].info);
    } else {
      io.reserved(3);
    }
  }
}

/// What the header of a counter group says is there.
struct CounterGroup {
  u32 gp = 0, fixed = 0;
  bool metrics = false;
};

/// The counter group; when reading, `group` comes from its header.
template <class Io, class Sample>
void counter_group(Io& io, CounterGroup& group, Sample& sample) {
  constexpr u64 kMetricsPresent = 3;
  u64 masks = group.gp | u64{group.fixed} << 32;
  u64 metrics = group.metrics ? kMetricsPresent : 0;
  io.word(masks);
  io.word(metrics);
  if constexpr (Io::kReads) {
    group = {.gp = static_cast<u32>(masks),
             .fixed = static_cast<u32>(masks >> 32),
             .metrics = (metrics & 0xffff'ffff) == kMetricsPresent};
  }
  for (std::size_t i = 0; i < sample.gp.size(); ++i) {
    if (((group.gp >> i) & 1) != 0) io.word(sample.gp[i]);
  }
  for (std::size_t i = 0; i < sample.fixed.size(); ++i) {
    if (((group.fixed >> i) & 1) != 0) io.word(sample.fixed[i]);
  }
  if (group.metrics) {
    io.word(sample.fixed[3]);
    io.word(sample.metrics);
  }
}

}  // namespace lastbranch::pmu
