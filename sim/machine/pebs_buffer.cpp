#include "sim/machine/pebs_buffer.h"

#include <cstring>

#include "models/pmu/pebs_part.h"
#include "sim/base/assert.h"
#include "sim/base/ds_area.h"
#include "sim/base/error.h"
#include "sim/machine/processor.h"

namespace lastbranch {
namespace {

bool inside(u64 linear, std::size_t size, std::size_t capacity) {
  return linear >= PebsBuffer::kBase && size <= capacity && linear - PebsBuffer::kBase <= capacity - size;
}

}  // namespace

bool PebsBuffer::read(u64 linear, std::span<u8> data) {
  if (!inside(linear, data.size(), bytes_.size())) return false;
  std::memcpy(data.data(), bytes_.data() + (linear - kBase), data.size());
  return true;
}

bool PebsBuffer::write(u64 linear, std::span<const u8> data) {
  if (!inside(linear, data.size(), bytes_.size())) return false;
  std::memcpy(bytes_.data() + (linear - kBase), data.data(), data.size());
  return true;
}

u64 PebsBuffer::word(u64 offset) const {
  u64 value = 0;
  std::memcpy(&value, bytes_.data() + offset, sizeof value);
  return value;
}

void PebsBuffer::set_word(u64 offset, u64 value) {
  std::memcpy(bytes_.data() + offset, &value, sizeof value);
}

void PebsBuffer::open(Processor& processor) {
  const PmuParams& part = processor.part.pmu;
  if (!part.ds_area || part.pebs_counters == 0 || processor.part.arch_pebs != 0) {
    throw Error("PEBS: expected a part with a PEBS buffer in its DS area, found {}", processor.part.name);
  }
  if (processor_ != nullptr) return;
  processor_ = &processor;
  bytes_.assign(kManagementBytes + kBufferBytes, 0);
  constexpr u64 kBuffer = kBase + kManagementBytes;
  set_word(ds::kPebsBase, kBuffer);
  set_word(ds::kPebsIndex, kBuffer);
  set_word(ds::kPebsMaximum, kBuffer + kBufferBytes);
  set_word(ds::kPebsThreshold, kBuffer + 1);
  processor.ds.set_base(kBase);
}

void PebsBuffer::set_reset(unsigned counter, u64 value) {
  set_word(pmu::pebs_reset_slot(processor_->part.pmu.pebs_format, counter), value);
}

void PebsBuffer::drain(const std::function<void(const pmu::PebsSample&)>& take) {
  const pmu::PebsLayout& layout = processor_->pebs.layout();
  const u64 base = word(ds::kPebsBase), end = word(ds::kPebsIndex);
  for (u64 at = base; at < end;) {
    const std::span<const u8> rest{bytes_.data() + (at - kBase), end - at};
    const auto record =
        layout.format < 4 ? pmu::decode_fixed(layout, rest) : pmu::decode_adaptive(layout, rest);
    LASTBRANCH_CHECK(record.has_value(), "PEBS record at {:#x} cannot be read", at);
    take(record->sample);
    at += record->size;
  }
  set_word(ds::kPebsIndex, base);
}

}  // namespace lastbranch
