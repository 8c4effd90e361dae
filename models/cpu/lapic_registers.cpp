// The local APIC's registers: what a read shows and a write does, and the two ways to them: page and MSRs.
#include <algorithm>
#include <cstring>
#include <utility>

#include "models/cpu/lapic.h"
#include "models/cpu/lapic_bits.h"

namespace lastbranch::cpu {
namespace {

constexpr unsigned number(ApicReg reg) {
  return static_cast<unsigned>(reg);
}
/// Whether `reg` is one of the eight that begin at `first`.
constexpr bool in_bank(unsigned reg, ApicReg first) {
  return reg - number(first) < 8;
}

/// Bits of an LVT entry that software can write.
constexpr u32 lvt_writable(ApicReg reg) {
  switch (reg) {
    case ApicReg::kLvtTimer:
      return lvt::kTimer;
    case ApicReg::kLvtError:
      return lvt::kPlain;
    case ApicReg::kLvtLint0:
    case ApicReg::kLvtLint1:
      return lvt::kPin;
    default:
      return lvt::kWithMode;
  }
}

}  // namespace

u32 Lapic::read(unsigned reg) const {
  if (in_bank(reg, ApicReg::kIsr)) return isr_[reg - number(ApicReg::kIsr)];
  if (in_bank(reg, ApicReg::kTmr)) return tmr_[reg - number(ApicReg::kTmr)];
  if (in_bank(reg, ApicReg::kIrr)) return irr_[reg - number(ApicReg::kIrr)];
  const bool x2apic = mode() == Mode::kX2apic;
  switch (static_cast<ApicReg>(reg)) {
    case ApicReg::kId:
      return x2apic ? params_.id : params_.id << 24;
    case ApicReg::kVersion:
      return params_.version | (params_.cmci ? 6u : 5u) << 16;
    case ApicReg::kTpr:
      return tpr_;
    case ApicReg::kPpr:
      return ppr();
    case ApicReg::kLdr:
      return x2apic ? (params_.id >> 4) << 16 | u32{1} << (params_.id & 15) : ldr_;
    case ApicReg::kDfr:
      return dfr_;
    case ApicReg::kSvr:
      return svr_;
    case ApicReg::kEsr:
      return esr_;
    case ApicReg::kIcr:
      return icr_;
    case ApicReg::kIcrHigh:
      return icr_high_;
    case ApicReg::kLvtCmci:
    case ApicReg::kLvtTimer:
    case ApicReg::kLvtThermal:
    case ApicReg::kLvtPerf:
    case ApicReg::kLvtLint0:
    case ApicReg::kLvtLint1:
    case ApicReg::kLvtError:
      return lvt_[reg - kFirstLvt];
    case ApicReg::kInitialCount:
      return timer_.initial();
    case ApicReg::kCurrentCount:
      return timer_.current();
    case ApicReg::kDivide:
      return timer_.divide();
    default:
      return 0;
  }
}

void Lapic::write(unsigned reg, u32 value) {
  switch (static_cast<ApicReg>(reg)) {
    case ApicReg::kTpr:
      tpr_ = value & 0xff;
      break;
    case ApicReg::kEoi:
      end_of_interrupt();
      break;
    case ApicReg::kLdr:
      ldr_ = value & 0xff00'0000;
      break;
    case ApicReg::kDfr:
      dfr_ = value | 0x0fff'ffff;
      break;
    case ApicReg::kSvr:
      write_svr(value);
      break;
    case ApicReg::kEsr:
      esr_ = std::exchange(errors_, 0);
      break;
    case ApicReg::kIcr:
      icr_ = value & icr::kWritable;
      send(icr_, icr_high_);
      break;
    case ApicReg::kIcrHigh:
      icr_high_ = mode() == Mode::kX2apic ? value : value & 0xff00'0000;
      break;
    case ApicReg::kLvtCmci:
    case ApicReg::kLvtTimer:
    case ApicReg::kLvtThermal:
    case ApicReg::kLvtPerf:
    case ApicReg::kLvtLint0:
    case ApicReg::kLvtLint1:
    case ApicReg::kLvtError:
      write_lvt(reg, value);
      break;
    case ApicReg::kInitialCount:
      timer_.set_initial(value);
      break;
    case ApicReg::kDivide:
      timer_.set_divide(value);
      break;
    case ApicReg::kSelfIpi:
      send(1u << 18 | (value & 0xff), 0);
      break;
    default:
      break;
  }
}

void Lapic::write_lvt(unsigned reg, u32 value) {
  const auto entry = static_cast<ApicReg>(reg);
  value &= lvt_writable(entry);
  // While software has the APIC disabled the entries stay masked.
  if (!software_enabled()) value |= lvt::kMasked;
  lvt_[reg - kFirstLvt] = value;
  if (entry == ApicReg::kLvtTimer) {
    const auto mode = static_cast<LapicTimer::Mode>((value >> 17) & 3);
    const bool known = mode != LapicTimer::Mode::kTscDeadline || params_.tsc_deadline;
    timer_.set_mode(known ? mode : LapicTimer::Mode::kOneShot);
  }
}

void Lapic::write_svr(u32 value) {
  svr_ = value & svr::kWritable;
  if ((svr_ & svr::kEnable) == 0) {
    for (u32& entry : lvt_) entry |= lvt::kMasked;
  }
}

MsrFault Lapic::write_base(u64 value) {
  const bool enable = (value & apic_base::kEnable) != 0, x2apic = (value & apic_base::kX2apic) != 0;
  // From x2APIC only off, to x2APIC only from xAPIC. Source: SDM vol. 3A, "x2APIC State Transitions".
  const bool allowed = enable ? x2apic ? mode() != Mode::kDisabled : mode() != Mode::kX2apic : !x2apic;
  if (!allowed) return MsrFault::kValue;
  const Mode before = mode();
  base_ = value;
  if (!enable && before != Mode::kDisabled) {
    reset();
    base_ = value;
  }
  return MsrFault::kNone;
}

void Lapic::read_page(u64 offset, std::span<u8> data) {
  const unsigned reg = static_cast<unsigned>(offset >> 4);
  if (offset % 16 != 0 || data.size() != 4 || reg >= number(ApicReg::kSelfIpi)) {
    std::ranges::fill(data, u8{0});
    error(esr::kIllegalRegister);
    return;
  }
  const u32 value = read(reg);
  std::memcpy(data.data(), &value, sizeof value);
}

void Lapic::write_page(u64 offset, std::span<const u8> data) {
  const unsigned reg = static_cast<unsigned>(offset >> 4);
  if (offset % 16 != 0 || data.size() != 4 || reg >= number(ApicReg::kSelfIpi)) {
    error(esr::kIllegalRegister);
    return;
  }
  u32 value = 0;
  std::memcpy(&value, data.data(), sizeof value);
  write(reg, value);
}

/// The MSRs' functions, which reach what is private.
struct Lapic::Rows {
  static const Lapic& of(const void* self) { return *static_cast<const Lapic*>(self); }
  static Lapic& of(void* self) { return *static_cast<Lapic*>(self); }
  static bool present(const void* self, u32) { return of(self).mode() == Mode::kX2apic; }

  template <ApicReg reg>
  static u64 get(const void* self, u32 i) {
    return of(self).read(number(reg) + i);
  }
  template <ApicReg reg>
  static MsrFault put(void* self, u32, u64 value) {
    of(self).write(number(reg), static_cast<u32>(value));
    return MsrFault::kNone;
  }
  /// EOI and ESR take 0 only.
  template <ApicReg reg>
  static MsrFault put_zero(void* self, u32 i, u64 value) {
    return value == 0 ? put<reg>(self, i, value) : MsrFault::kValue;
  }

  static MsrDef read_only(ApicReg reg, std::string_view name, u64 reset = 0, u32 count = 1) {
    MsrDef row{
        .index = 0x800 + number(reg), .count = count, .name = name, .reset = reset, .present = present};
    return row;
  }
  template <ApicReg reg>
  static MsrDef ro(std::string_view name, u32 count = 1) {
    MsrDef row = read_only(reg, name, 0, count);
    row.read = get<reg>;
    return row;
  }
  template <ApicReg reg>
  static MsrDef rw(std::string_view name, u64 writable, u64 reset = 0) {
    MsrDef row = read_only(reg, name, reset);
    row.writable = writable;
    row.read = get<reg>;
    row.write = put<reg>;
    return row;
  }
  template <ApicReg reg>
  static MsrDef entry(std::string_view name) {
    return rw<reg>(name, lvt_writable(reg) | lvt::kStatus, lvt::kMasked);
  }

  static std::vector<MsrDef> base(const LapicParams& p) {
    MsrDef row{.index = 0x1b, .name = "IA32_APIC_BASE", .reset = kDefaultBase | 0x900};
    row.writable = ((u64{1} << p.pa_bits) - 1) & (apic_base::kAddress | 0x900 | (p.x2apic ? 0x400u : 0u));
    row.read = [](const void* self, u32) { return of(self).base_; };
    row.write = [](void* self, u32, u64 v) { return of(self).write_base(v); };
    std::vector<MsrDef> rows{row};
    if (p.tsc_deadline) {
      MsrDef deadline{.index = 0x6e0, .name = "IA32_TSC_DEADLINE", .writable = ~u64{0}};
      deadline.read = [](const void* self, u32) { return of(self).timer_.deadline(); };
      deadline.write = [](void* self, u32, u64 v) {
        of(self).timer_.set_deadline(v);
        return MsrFault::kNone;
      };
      rows.push_back(deadline);
    }
    return rows;
  }

  static std::vector<MsrDef> x2apic(const LapicParams& p) {
    using enum ApicReg;
    std::vector<MsrDef> rows = {ro<kId>("IA32_X2APIC_APICID"),
                                ro<kVersion>("IA32_X2APIC_VERSION"),
                                rw<kTpr>("IA32_X2APIC_TPR", 0xff),
                                ro<kPpr>("IA32_X2APIC_PPR"),
                                ro<kLdr>("IA32_X2APIC_LDR"),
                                rw<kSvr>("IA32_X2APIC_SIVR", svr::kWritable, 0xff),
                                ro<kIsr>("IA32_X2APIC_ISR#", 8),
                                ro<kTmr>("IA32_X2APIC_TMR#", 8),
                                ro<kIrr>("IA32_X2APIC_IRR#", 8),
                                entry<kLvtTimer>("IA32_X2APIC_LVT_TIMER"),
                                entry<kLvtThermal>("IA32_X2APIC_LVT_THERMAL"),
                                entry<kLvtPerf>("IA32_X2APIC_LVT_PMI"),
                                entry<kLvtLint0>("IA32_X2APIC_LVT_LINT0"),
                                entry<kLvtLint1>("IA32_X2APIC_LVT_LINT1"),
                                entry<kLvtError>("IA32_X2APIC_LVT_ERROR"),
                                rw<kInitialCount>("IA32_X2APIC_INIT_COUNT", 0xffff'ffff),
                                ro<kCurrentCount>("IA32_X2APIC_CUR_COUNT"),
                                rw<kDivide>("IA32_X2APIC_DIV_CONF", 0xb)};
    if (p.cmci) rows.push_back(entry<kLvtCmci>("IA32_X2APIC_LVT_CMCI"));
    // Every value but 0 is refused, whichever bits it has.
    MsrDef eoi = rw<kEoi>("IA32_X2APIC_EOI", ~u64{0});
    eoi.write = put_zero<kEoi>;
    eoi.write_only = true;
    rows.push_back(eoi);
    MsrDef esr = rw<kEsr>("IA32_X2APIC_ESR", ~u64{0});
    esr.write = put_zero<kEsr>;
    rows.push_back(esr);
    MsrDef self = rw<kSelfIpi>("IA32_X2APIC_SELF_IPI", 0xff);
    self.write_only = true;
    rows.push_back(self);
    MsrDef icr = rw<kIcr>("IA32_X2APIC_ICR", u64{0xffff'ffff} << 32 | icr::kWritable);
    icr.read = [](const void* s, u32) { return u64{of(s).icr_high_} << 32 | of(s).icr_; };
    icr.write = [](void* s, u32, u64 v) {
      of(s).write(number(kIcrHigh), static_cast<u32>(v >> 32));
      of(s).write(number(kIcr), static_cast<u32>(v));
      return MsrFault::kNone;
    };
    rows.push_back(icr);
    return rows;
  }
};

Lapic::Lapic(const LapicParams& params, const LapicClock& clock)
    : params_(params), timer_(clock, params.bus_clocks), base_(kDefaultBase), rows_(Rows::base(params)) {
  if (params.x2apic) {
    const std::vector<MsrDef> more = Rows::x2apic(params);
    rows_.insert(rows_.end(), more.begin(), more.end());
  }
  reset();
}

}  // namespace lastbranch::cpu
