#pragma once
// The local APIC of one logical processor: what turns timers, performance monitoring, pins and
// inter-processor interrupts into interrupts of the core.
//
// Modelled: IA32_APIC_BASE with its modes, the xAPIC page and the x2APIC MSRs, TPR, PPR, SVR, EOI, ISR, TMR,
// IRR, ESR, ICR to this processor (there is no other), LVT entries with delivery as fixed or NMI, the timer,
// the performance entry's mask bit that sets itself. Not: delivery as SMI, INIT, start-up or ExtINT (counted
// and named), level-triggered interrupts of an I/O APIC, focus processors, CMCI and thermal sources, bus
// arbitration. Sources: SDM vol. 3A, "Advanced Programmable Interrupt Controller (APIC)"; vol. 4, MSRs
// 800H-8FFH.
#include <array>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "models/cpu/lapic_timer.h"
#include "sim/base/debugctl.h"
#include "sim/base/msr.h"
#include "sim/base/units.h"

namespace lastbranch::cpu {

struct Uarch;

struct LapicParams {
  u32 id = 0;                ///< of xAPIC (8 bits) and x2APIC
  u32 version = 0x15;        ///< bits 7:0 of the version register; 10H-15H are integrated APICs
  bool cmci = true;          ///< seven LVT entries instead of six
  bool x2apic = true;        ///< CPUID.1:ECX[21]
  bool tsc_deadline = true;  ///< CPUID.1:ECX[24]
  unsigned pa_bits = 39;     ///< width of the page's address in IA32_APIC_BASE
  u64 bus_clocks = 1;        ///< core clocks in a tick of the undivided timer
};

/// As the part has it; the timer runs at `timer_hz`.
[[nodiscard]] LapicParams lapic_params(const Uarch& part, u64 timer_hz = 100'000'000);

/// A register by its offset in the page divided by 16, which is also its MSR minus 800H.
enum class ApicReg : u8 {
  kId = 0x02,
  kVersion = 0x03,
  kTpr = 0x08,
  kPpr = 0x0a,
  kEoi = 0x0b,
  kLdr = 0x0d,
  kDfr = 0x0e,
  kSvr = 0x0f,
  kIsr = 0x10,  ///< eight registers
  kTmr = 0x18,  ///< eight registers
  kIrr = 0x20,  ///< eight registers
  kEsr = 0x28,
  kLvtCmci = 0x2f,
  kIcr = 0x30,
  kIcrHigh = 0x31,
  kLvtTimer = 0x32,
  kLvtThermal = 0x33,
  kLvtPerf = 0x34,
  kLvtLint0 = 0x35,
  kLvtLint1 = 0x36,
  kLvtError = 0x37,
  kInitialCount = 0x38,
  kCurrentCount = 0x39,
  kDivide = 0x3e,
  kSelfIpi = 0x3f,
};

class Lapic final : public PmiTarget {
 public:
  enum class Mode : u8 { kDisabled, kXapic, kX2apic };
  static constexpr u64 kDefaultBase = 0xfee0'0000;
  static constexpr u64 kNever = LapicTimer::kNever;

  /// `clock` must outlive it.
  Lapic(const LapicParams& params, const LapicClock& clock);
  Lapic(const Lapic&) = delete;
  Lapic& operator=(const Lapic&) = delete;

  // The core's side: at instruction boundaries.
  /// Lets the timer expire if it is due.
  void advance();
  /// Core clocks until advance() may raise an interrupt; kNever when nothing is armed and unmasked.
  [[nodiscard]] u64 next_deadline_cycles() const;
  /// Vector of the fixed interrupt to deliver when RFLAGS.IF allows; none while the priority forbids it.
  [[nodiscard]] std::optional<u8> pending() const;
  /// INTA: moves the pending interrupt from IRR to ISR. The spurious vector when there is none any more.
  u8 acknowledge();
  [[nodiscard]] bool nmi_pending() const { return nmi_; }
  /// The core takes the NMI.
  void acknowledge_nmi() { nmi_ = false; }

  // Sources.
  void pmi() override { local(ApicReg::kLvtPerf); }
  /// An edge at pin LINT0 or LINT1.
  void lint(unsigned pin) { local(pin == 0 ? ApicReg::kLvtLint0 : ApicReg::kLvtLint1); }

  /// CR8 is TPR[7:4].
  [[nodiscard]] u64 cr8() const { return tpr_ >> 4; }
  void set_cr8(u64 value) { tpr_ = static_cast<u32>(value & 15) << 4; }

  [[nodiscard]] Mode mode() const;
  /// Whether the xAPIC page answers at this physical address.
  [[nodiscard]] bool decodes(u64 paddr) const {
    return mode() == Mode::kXapic && page_of(paddr) == page_of(base_);
  }
  /// Accesses to the xAPIC page; `offset` is below 1000H. Only aligned doublewords at multiples of 16 reach a
  /// register.
  void read_page(u64 offset, std::span<u8> data);
  void write_page(u64 offset, std::span<const u8> data);

  /// The MSRs: attach(rows(), this).
  [[nodiscard]] std::span<const MsrDef> rows() const { return rows_; }
  /// One register as its 32 low bits read.
  [[nodiscard]] u32 value(ApicReg reg) const { return read(static_cast<unsigned>(reg)); }
  /// What was asked of it that is not modelled, with how often.
  [[nodiscard]] std::vector<std::pair<std::string, u64>> unmodelled() const;

  /// As RESET, without the base register's address.
  void reset();

 private:
  using Bits = std::array<u32, 8>;  ///< one bit a vector
  enum class Delivery : u8 { kFixed, kLowest, kSmi, kReserved3, kNmi, kInit, kStartup, kExtInt };
  struct Rows;

  [[nodiscard]] u32 read(unsigned reg) const;
  void write(unsigned reg, u32 value);
  void write_lvt(unsigned reg, u32 value);
  void write_svr(u32 value);
  MsrFault write_base(u64 value);
  void send(u32 low, u32 destination);
  [[nodiscard]] bool addressed(u32 low, u32 destination) const;
  void end_of_interrupt();
  /// A local source fires through its LVT entry.
  void local(ApicReg entry);
  void deliver(Delivery mode, u8 vector);
  void error(u32 bit);
  [[nodiscard]] u32& lvt(ApicReg reg) { return lvt_[static_cast<unsigned>(reg) - kFirstLvt]; }
  [[nodiscard]] u32 ppr() const;
  [[nodiscard]] bool software_enabled() const;

  static constexpr unsigned kFirstLvt = static_cast<unsigned>(ApicReg::kLvtCmci);

  LapicParams params_;
  LapicTimer timer_;
  u64 base_;
  u32 tpr_ = 0, svr_ = 0, ldr_ = 0, dfr_ = 0;
  u32 esr_ = 0;     ///< as software reads it
  u32 errors_ = 0;  ///< since ESR was last written
  u32 icr_ = 0, icr_high_ = 0;
  Bits isr_{}, tmr_{}, irr_{};
  std::array<u32, 9> lvt_{};  ///< from CMCI's register on; ICR's two slots are unused
  bool nmi_ = false;
  std::array<u64, 8> refused_{};  ///< by delivery mode
  std::vector<MsrDef> rows_;
};

}  // namespace lastbranch::cpu
