#include "models/cpu/lapic.h"

#include <algorithm>
#include <bit>

#include "models/cpu/lapic_bits.h"
#include "models/cpu/uarch/uarch.h"

namespace lastbranch::cpu {
namespace {

/// Highest vector of a bit array, or -1.
int highest(const std::array<u32, 8>& bits) {
  for (int word = 7; word >= 0; --word) {
    if (const u32 w = bits[static_cast<std::size_t>(word)]; w != 0)
      return word * 32 + 31 - std::countl_zero(w);
  }
  return -1;
}
void set(std::array<u32, 8>& bits, u8 vector) {
  bits[vector / 32] |= u32{1} << (vector % 32);
}
void clear(std::array<u32, 8>& bits, u8 vector) {
  bits[vector / 32] &= ~(u32{1} << (vector % 32));
}

}  // namespace

LapicParams lapic_params(const Uarch& part, u64 timer_hz) {
  // CMCI and x2APIC came with Nehalem as SSE4.2 did, the TSC deadline with Sandy Bridge and Silvermont.
  const bool nehalem = part.isa.has(Isa::kSse42);
  return {.version = nehalem ? 0x15u : 0x14u,
          .cmci = nehalem,
          .x2apic = nehalem,
          .tsc_deadline = part.isa.has(Isa::kAvx) || part.isa.has(Isa::kRdrand),
          .pa_bits = part.pa_bits,
          .bus_clocks = std::max<u64>(1, (part.frequency_hz + timer_hz / 2) / timer_hz)};
}

void Lapic::reset() {
  base_ = (base_ & apic_base::kAddress) | apic_base::kBsp | apic_base::kEnable;
  tpr_ = ldr_ = esr_ = errors_ = icr_ = icr_high_ = 0;
  svr_ = 0xff;
  dfr_ = ~u32{0};
  isr_ = tmr_ = irr_ = {};
  lvt_.fill(lvt::kMasked);
  nmi_ = false;
  timer_.reset();
}

Lapic::Mode Lapic::mode() const {
  if ((base_ & apic_base::kEnable) == 0) return Mode::kDisabled;
  return (base_ & apic_base::kX2apic) != 0 ? Mode::kX2apic : Mode::kXapic;
}

bool Lapic::software_enabled() const {
  return mode() != Mode::kDisabled && (svr_ & svr::kEnable) != 0;
}

void Lapic::advance() {
  if (timer_.take_expiry()) local(ApicReg::kLvtTimer);
}

u64 Lapic::next_deadline_cycles() const {
  const bool masked = (value(ApicReg::kLvtTimer) & lvt::kMasked) != 0;
  return masked ? kNever : timer_.remaining();
}

u32 Lapic::ppr() const {
  const int in_service = highest(isr_);
  const u32 isrv = in_service < 0 ? 0 : static_cast<u32>(in_service);
  return (tpr_ >> 4) >= (isrv >> 4) ? tpr_ : isrv & 0xf0;
}

std::optional<u8> Lapic::pending() const {
  if (mode() == Mode::kDisabled) return std::nullopt;
  const int vector = highest(irr_);
  if (vector < 0 || (static_cast<u32>(vector) >> 4) <= (ppr() >> 4)) return std::nullopt;
  return static_cast<u8>(vector);
}

u8 Lapic::acknowledge() {
  const std::optional<u8> vector = pending();
  if (!vector) return static_cast<u8>(svr_);
  clear(irr_, *vector);
  set(isr_, *vector);
  return *vector;
}

void Lapic::end_of_interrupt() {
  if (const int vector = highest(isr_); vector >= 0) clear(isr_, static_cast<u8>(vector));
}

void Lapic::local(ApicReg entry) {
  u32& e = lvt(entry);
  if (mode() == Mode::kDisabled || (e & lvt::kMasked) != 0) return;
  // Timer and error entries have no delivery mode: those bits are 0 there, which is fixed.
  deliver(static_cast<Delivery>((e >> 8) & 7), static_cast<u8>(e));
  // The handler has to unmask it: the source may go on asking.
  if (entry == ApicReg::kLvtPerf) e |= lvt::kMasked;
}

void Lapic::deliver(Delivery mode, u8 vector) {
  switch (mode) {
    case Delivery::kFixed:
    case Delivery::kLowest:
      if (vector < 16) {
        error(esr::kReceivedIllegalVector);
      } else if (software_enabled()) {
        set(irr_, vector);
        clear(tmr_, vector);
      }
      break;
    case Delivery::kNmi:
      nmi_ = true;
      break;
    case Delivery::kSmi:
    case Delivery::kReserved3:
    case Delivery::kInit:
    case Delivery::kStartup:
    case Delivery::kExtInt:
      ++refused_[static_cast<std::size_t>(mode)];
      break;
  }
}

void Lapic::error(u32 bit) {
  errors_ |= bit;
  // An illegal vector in the error entry itself must not raise another error.
  if (static_cast<u8>(lvt(ApicReg::kLvtError)) >= 16) local(ApicReg::kLvtError);
}

void Lapic::send(u32 low, u32 destination) {
  constexpr u32 kSelf = 1, kOthers = 3;
  const u32 shorthand = (low >> 18) & 3;
  const u8 vector = static_cast<u8>(low);
  const auto delivery = static_cast<Delivery>((low >> 8) & 7);
  const bool fixed = delivery == Delivery::kFixed || delivery == Delivery::kLowest;
  if (fixed && vector < 16) {
    error(esr::kSendIllegalVector);
    return;
  }
  // Nobody else is there, and an INIT level de-assert is for nobody.
  if (shorthand == kOthers || (delivery == Delivery::kInit && (low & icr::kAssert) == 0)) return;
  if (shorthand == 0 && !addressed(low, destination)) return;
  // To itself a processor can send fixed interrupts only; all including self takes any.
  deliver(shorthand == kSelf ? Delivery::kFixed : delivery, vector);
}

bool Lapic::addressed(u32 low, u32 destination) const {
  const bool logical = (low & icr::kLogical) != 0;
  if (mode() == Mode::kX2apic) {
    if (destination == ~u32{0}) return true;
    if (!logical) return destination == params_.id;
    return destination >> 16 == params_.id >> 4 && ((destination >> (params_.id & 15)) & 1) != 0;
  }
  const u32 to = destination >> 24;
  if (!logical) return to == 0xff || to == (params_.id & 0xff);
  const u32 own = ldr_ >> 24;
  if (dfr_ >> 28 == 0xf) return (to & own) != 0;
  return (to >> 4 == own >> 4 || to >> 4 == 0xf) && (to & own & 0xf) != 0;
}

std::vector<std::pair<std::string, u64>> Lapic::unmodelled() const {
  static constexpr const char* kNames[] = {"", "",     "SMI",      "reserved mode 3",
                                           "", "INIT", "start-up", "ExtINT"};
  std::vector<std::pair<std::string, u64>> out;
  for (std::size_t k = 0; k < refused_.size(); ++k) {
    if (refused_[k] != 0) out.emplace_back(std::string("local APIC delivery as ") + kNames[k], refused_[k]);
  }
  return out;
}

}  // namespace lastbranch::cpu
