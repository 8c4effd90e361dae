#pragma once
// A platform for PEBS without a core: counters, memory, machine state and LBRs that tests set by hand.
#include <cstring>
#include <map>
#include <span>
#include <string>
#include <vector>

#include "models/pmu/pebs.h"
#include "sim/base/debugctl.h"

namespace lastbranch::pmu::test {

/// A different value for every tag, all bytes in use and different from those of its neighbours.
constexpr u64 distinct(unsigned tag) {
  return 0xc3a5'9781'6f4d'2b00 + u64{0x0102'0304'0507'0b0d} * (tag + 1);
}

/// A sample without two equal fields.
inline PebsSample distinct_sample() {
  PebsSample s;
  unsigned tag = 0;
  for (u64* field : {&s.eventing_ip, &s.rip, &s.rflags, &s.tsc, &s.applicable, &s.status, &s.data_address,
                     &s.data_source, &s.tx, &s.metrics}) {
    *field = distinct(tag++);
  }
  for (u64& v : s.gpr) v = distinct(tag++);
  for (auto& v : s.xmm) v = {distinct(tag), distinct(tag + 1)}, tag += 2;
  for (u64& v : s.gp) v = distinct(tag++);
  for (u64& v : s.fixed) v = distinct(tag++);
  s.latency = 0x1234;
  s.cache_latency = 0x567;
  s.retire_latency = 0x89a;
  return s;
}

/// Different LBR records, newest first.
inline std::vector<LbrRecord> distinct_lbrs(unsigned count) {
  std::vector<LbrRecord> lbrs;
  for (unsigned i = 0; i < count; ++i) {
    const unsigned tag = 200 + 3 * i;
    lbrs.push_back({.from = distinct(tag), .to = distinct(tag + 1), .info = distinct(tag + 2)});
  }
  return lbrs;
}

/// The 8 bytes at `offset` of `bytes`.
inline u64 word_at(std::span<const u8> bytes, std::size_t offset) {
  u64 value = 0;
  std::memcpy(&value, bytes.subspan(offset, sizeof value).data(), sizeof value);
  return value;
}

class FakeCounters final : public PebsCounters {
 public:
  std::map<CounterBit, u64> values, controls;
  u64 imprecise = 0;
  u64 status_bits = 0;
  u64 cycles = 0;
  std::vector<u64> pmis;  ///< status bits of each request

  [[nodiscard]] u64 value(CounterBit c) const override { return get(values, c); }
  void reload(CounterBit c, u64 value) override { values[c] = value; }
  [[nodiscard]] u64 status() const override { return status_bits; }
  void set_status(u64 bits) override { status_bits |= bits; }
  void clear_status(u64 bits) override { status_bits &= ~bits; }
  [[nodiscard]] u64 control(CounterBit c) const override { return get(controls, c); }
  [[nodiscard]] bool precise(CounterBit c) const override { return ((imprecise >> c) & 1) == 0; }
  [[nodiscard]] u64 core_cycles() const override { return cycles; }
  [[nodiscard]] u64 perf_metrics() const override { return distinct(9); }
  void request_pmi(u64 status) override {
    status_bits |= status;
    pmis.push_back(status);
  }

 private:
  static u64 get(const std::map<CounterBit, u64>& map, CounterBit c) {
    const auto found = map.find(c);
    return found == map.end() ? 0 : found->second;
  }
};

/// Bytes from `base` on; nothing else is mapped.
class FakeMemory final : public GuestMemory {
 public:
  FakeMemory(u64 base, std::size_t size) : base_(base), bytes_(size) {}

  bool read(u64 linear, std::span<u8> data) override {
    if (!mapped(linear, data.size())) return false;
    std::memcpy(data.data(), &bytes_[linear - base_], data.size());
    return true;
  }
  bool write(u64 linear, std::span<const u8> data) override {
    if (!mapped(linear, data.size())) return false;
    std::memcpy(&bytes_[linear - base_], data.data(), data.size());
    return true;
  }
  [[nodiscard]] u64 word(u64 linear) const { return word_at(bytes_, linear - base_); }
  void set_word(u64 linear, u64 value) { std::memcpy(&bytes_[linear - base_], &value, sizeof value); }
  [[nodiscard]] std::span<const u8> at(u64 linear) const { return std::span(bytes_).subspan(linear - base_); }

 private:
  [[nodiscard]] bool mapped(u64 linear, std::size_t size) const {
    return linear >= base_ && linear - base_ <= bytes_.size() && size <= bytes_.size() - (linear - base_);
  }
  u64 base_;
  std::vector<u8> bytes_;
};

class FakeSource final : public PebsSource {
 public:
  PebsSample sample = distinct_sample();
  PebsLbrState lbr_state;

  void fill(PebsSample& out) const override { out = sample; }
  void fill(PebsLbrState& out) const override { out = lbr_state; }
};

class FakeDebug final : public DebugControl {
 public:
  std::vector<LbrRecord> lbrs;

  [[nodiscard]] u64 debugctl() const override { return 0; }
  void legacy_freeze() override {}
  void set_frozen(bool) override {}
  [[nodiscard]] std::size_t records(std::span<LbrRecord> out) const override {
    const std::size_t count = std::min(out.size(), lbrs.size());
    std::copy_n(lbrs.begin(), count, out.begin());
    return count;
  }
};

}  // namespace lastbranch::pmu::test
