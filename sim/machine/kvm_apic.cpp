#include "sim/machine/kvm_apic.h"

namespace lastbranch {

std::optional<u64> KvmApic::read(u32 msr) const {
  // At FEE00000H, enabled, x2APIC mode, the boot processor.
  constexpr u64 kBaseValue = 0xfee00d00, kVersionValue = 0x50014;
  switch (msr) {
    case kBase:
      return kBaseValue;
    case kId:
      return 0;
    case kVersion:
      return kVersionValue;
    case kSvr:
      return svr_;
    case kLvtpc:
      return lvtpc_;
    default:
      return std::nullopt;
  }
}

bool KvmApic::write(u32 msr, u64 value) {
  constexpr u64 kSvrBits = 0x1ff, kLvtBits = 0x107ff;
  switch (msr) {
    case kBase:
      return value == read(kBase);
    case kEoi:
      if (value != 0) return false;
      in_service_.reset();
      return true;
    case kSvr:
      if ((value & ~kSvrBits) != 0) return false;
      svr_ = value;
      if ((svr_ & kEnabled) == 0) lvtpc_ |= kMasked;
      return true;
    case kLvtpc:
      if ((value & ~kLvtBits) != 0) return false;
      lvtpc_ = (svr_ & kEnabled) != 0 ? value : value | kMasked;
      return true;
    default:
      return false;
  }
}

void KvmApic::pmi() {
  constexpr u64 kNmiMode = 4;
  if ((lvtpc_ & kMasked) != 0) return;
  if ((lvtpc_ >> 8 & 7) == kNmiMode) {
    nmi_ = true;
  } else if ((lvtpc_ >> 8 & 7) == 0) {
    requested_ = static_cast<u8>(lvtpc_);
  }
  if (masks_) lvtpc_ |= kMasked;
}

std::optional<u8> KvmApic::pending() const {
  return in_service_ ? std::nullopt : requested_;
}

void KvmApic::take_interrupt() {
  in_service_ = requested_;
  requested_.reset();
}

}  // namespace lastbranch
