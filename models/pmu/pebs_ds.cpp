// The PEBS assist into the buffer of the DS save area.
#include "models/pmu/pebs.h"
#include "models/pmu/pebs_bits.h"
#include "models/pmu/pebs_part.h"

namespace lastbranch::pmu {
namespace {

/// The buffer's four pointers as they stand in the DS area.
struct Buffer {
  u64 base, index, maximum, threshold;

  [[nodiscard]] bool holds(std::size_t record) const {
    return base <= index && index < maximum && record <= maximum - index;
  }
};
static_assert(sizeof(Buffer) == ds::kPebsReset - ds::kPebsBase);

bool read(GuestMemory& memory, u64 linear, auto& value) {
  return memory.read(linear, {reinterpret_cast<u8*>(&value), sizeof value});
}

bool write(GuestMemory& memory, u64 linear, u64 value) {
  return memory.write(linear, {reinterpret_cast<const u8*>(&value), sizeof value});
}

}  // namespace

void Pebs::encode(u64 served, PebsRecord& out) const {
  PebsSample sample;
  fill(served, sample);
  if (layout_.format < 4) {
    const bool memory = layout_.format >= 2 || (precise_store() && (served & bit(3)) != 0) ||
                        (served & (enable_ & params_.pebs_enable_extra) >> kFixed) != 0;
    if (!memory) sample.data_address = sample.data_source = sample.latency = 0;
    encode_fixed(layout_, sample, out);
    return;
  }
  u64 config = 0;
  for_each_bit(served, [&](CounterBit c) {
    const u64 adaptive = c < kFixed ? kAdaptive : kFixedAdaptive;
    if ((ports_.counters->control(c) & adaptive) != 0) config = data_config_;
  });
  std::array<LbrRecord, 256> space;
  const std::size_t wanted = (config & data_cfg::kLbr) == 0 ? 0 : lbr_entries_of(config);
  encode_adaptive(layout_, config, sample, branches(std::span(space).first(wanted)), out);
}

void Pebs::assist_ds(u64 served) {
  if (PebsOutput::get(enable_) == kOutputTrace) {
    assist_trace(served);
    return;
  }
  GuestMemory& memory = *ports_.memory;
  const u64 ds_area = ports_.ds->base();
  Buffer buffer;
  if (!read(memory, ds_area + ds::kPebsBase, buffer)) {
    ++lost_.inaccessible;
    return;
  }
  PebsRecord record;
  encode(served, record);
  if (!buffer.holds(record.size)) {
    if (goldmont_rules_) {
      // Goldmont tells software: the threshold's interrupt, and counters that go on from where they are.
      ++lost_.full;
      ports_.counters->clear_status(served);
      ports_.counters->request_pmi(kOvfBuffer);
    } else {
      rearm(served, lost_.full);
    }
    return;
  }
  const u64 next = buffer.index + record.size;
  if (!memory.write(buffer.index, record.bytes()) || !write(memory, ds_area + ds::kPebsIndex, next)) {
    ++lost_.inaccessible;
    return;
  }
  ++records_;
  ports_.counters->clear_status(served);
  reload_from_ds(served);
  const u64 reached = options_.threshold_late ? buffer.index : next;
  if (reached >= buffer.threshold || (enable_ & kPmiAfterEach) != 0) ports_.counters->request_pmi(kOvfBuffer);
}

void Pebs::reload_from_ds(u64 served) {
  for_each_bit(served, [&](CounterBit c) {
    u64 value = 0;
    if (read(*ports_.memory, ports_.ds->base() + pebs_reset_slot(layout_.format, c), value)) {
      ports_.counters->reload(c, value);
    } else {
      ++lost_.inaccessible;
    }
  });
}

void Pebs::assist_trace(u64 served) {
  ++lost_.to_trace;
  ports_.counters->clear_status(served);
  for_each_bit(served, [&](CounterBit c) {
    ports_.counters->reload(c, c < kFixed ? gp_reload_.at(c) : fixed_reload_.at(c - kFixed));
  });
  if ((enable_ & kPmiAfterEach) != 0) ports_.counters->request_pmi(kOvfBuffer);
}

}  // namespace lastbranch::pmu
