#pragma once
// What physical addresses without RAM are on the bare board: the local APIC's page at the hart's own elbow,
// everything else on the bus of the platform.
//
// Not modelled: a local APIC page that was moved onto RAM (RAM keeps answering there).
#include "models/cpu/cpu.h"
#include "models/cpu/lapic.h"
#include "sim/base/bus_access.h"

namespace lastbranch {

class BareBus final : public BusAccess {
 public:
  BareBus(cpu::Lapic& lapic, cpu::Cpu& cpu) : lapic_(lapic), cpu_(cpu) {}
  /// Where accesses go that are not the APIC's.
  void connect(BusAccess& platform) { platform_ = &platform; }

  bool read(u64 paddr, std::span<u8> data) override {
    if (!lapic_.decodes(paddr)) return platform_ != nullptr && platform_->read(paddr, data);
    lapic_.read_page(paddr & ~kPageMask, data);
    return true;
  }
  bool write(u64 paddr, std::span<const u8> data) override {
    if (!lapic_.decodes(paddr)) return platform_ != nullptr && platform_->write(paddr, data);
    lapic_.write_page(paddr & ~kPageMask, data);
    // It may have made an interrupt due, or moved the next deadline: the hart has to look.
    cpu_.end_run = true;
    return true;
  }

 private:
  cpu::Lapic& lapic_;
  cpu::Cpu& cpu_;
  BusAccess* platform_ = nullptr;
};

}  // namespace lastbranch
