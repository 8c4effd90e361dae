#pragma once
// A hart as machines run it, LBR and ledger included, without board, process and SystemC around it.
#include <cstring>
#include <span>

#include "models/cpu/uarch/uarch.h"
#include "sim/base/ledger.h"
#include "sim/base/phys_mem.h"
#include "sim/machine/hub.h"

namespace lastbranch::bench {

/// Linear addresses are physical ones; everything in RAM may be read, written and executed.
class IdentityMap final : public cpu::Walker {
 public:
  explicit IdentityMap(u64 ram_bytes) : ram_bytes_(ram_bytes) {}
  cpu::Translation walk(u64 linear, cpu::Access, bool) override {
    if (linear >= ram_bytes_) return {.fault = page_fault(linear, 0)};
    return {.ok = true, .writable = true, .page = page_of(linear)};
  }

 private:
  u64 ram_bytes_;
};

class BareHart {
 public:
  static constexpr u64 kRam = u64{64} << 20;
  static constexpr u64 kCode = 0x100000;
  static constexpr u64 kData = 0x1000000;  ///< RSI; 16 MiB and more may be touched
  static constexpr u64 kStack = 0x800000;  ///< RSP

  /// Ready to run `code`, with recording of user-mode branches on or off.
  BareHart(std::span<const u8> code, bool record)
      : memory_(kRam),
        map_(kRam),
        hub_(cpu::uarch(cpu::kDefaultUarch).lbr),
        core_(memory_, map_, hub_, ledger_) {
    for (std::size_t i = 0; i < code.size(); ++i) *memory_.host(kCode + i) = code[i];
    hub_.lbr.select(1);  // CPL_EQ_0: as `perf record -b` of user events has it
    hub_.lbr.enable(record);
    cpu::Cpu& c = core_.cpu();
    c.rip = kCode;
    c.r[cpu::kRsi] = kData;
    c.r[cpu::kRsp] = kStack;
  }

  [[nodiscard]] FastCore& core() { return core_; }
  [[nodiscard]] const Ledger& ledger() const { return ledger_; }

 private:
  PhysMem memory_;
  IdentityMap map_;
  Hub hub_;
  Ledger ledger_;
  FastCore core_;
};

}  // namespace lastbranch::bench
