#pragma once
// The debug-store area of a machine without a kernel: management area and PEBS buffer in memory of their own
// at a kernel address, and the driver's side of filling and emptying them.
//
// Modelled: one buffer with a threshold of one record, as perf uses it when every sample needs a branch
// stack. Not: BTS, architectural PEBS. Source: Linux 6.12 arch/x86/events/intel/ds.c.
#include <functional>
#include <vector>

#include "models/pmu/pebs_record.h"
#include "sim/base/guest_memory.h"
#include "sim/base/units.h"

namespace lastbranch {

class Processor;

class PebsBuffer final : public GuestMemory {
 public:
  static constexpr u64 kBase = 0xffff'fe00'0000'3000;  ///< where Linux maps the first CPU's
  static constexpr u64 kBufferBytes = 64 * 1024;       ///< as Linux has it

  bool read(u64 linear, std::span<u8> data) override;
  bool write(u64 linear, std::span<const u8> data) override;

  /// Points IA32_DS_AREA here and empties the buffer. Throws Error on parts without such a buffer.
  void open(Processor& processor);
  /// What the counter is reloaded with after a record.
  void set_reset(unsigned counter, u64 value);
  /// Hands over every record, oldest first, and empties the buffer.
  void drain(const std::function<void(const pmu::PebsSample&)>& take);

 private:
  static constexpr u64 kManagementBytes = kPageSize;

  [[nodiscard]] u64 word(u64 offset) const;
  void set_word(u64 offset, u64 value);

  Processor* processor_ = nullptr;
  std::vector<u8> bytes_;  ///< allocated by open()
};

}  // namespace lastbranch
