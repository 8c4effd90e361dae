// VM entries and VM exits: what is checked, loaded and saved, in the manual's order.
// Source: SDM vol. 3C, "VM Entries" ("Loading Guest State", "Loading MSRs", "Event Injection", "VM-Entry
// Failures During or After Loading Guest State"), "VM Exits" ("Recording VM-Exit Information", "Saving Guest
// State", "Saving MSRs", "Loading Host State", "Loading MSRs", "VMX Aborts").
#include "models/vmx/checks.h"
#include "models/vmx/exits.h"

namespace lastbranch::vmx {
namespace {

constexpr u32 kSysenterCs = 0x174, kSysenterEsp = 0x175, kSysenterEip = 0x176, kDebugctl = 0x1d9,
              kPat = 0x277, kPerfGlobalCtrl = 0x38f, kLbrCtl = 0x14ce;
constexpr u64 kDr7Reset = 0x400;
constexpr u32 kValid = 1u << 31, kHasError = 1u << 11;
constexpr u64 kLong = 0x500;  // EFER.LME and LMA
constexpr u64 kRf = 1u << 16;
/// CR0: what neither an entry nor an exit changes: reserved bits, ET, CD, NW.
constexpr u64 kCr0Kept = 0xffff'ffff'7ffa'ffd0;

u32 interruption(const VmxEvent& e) {
  return kValid | e.vector | static_cast<u32>(e.type) << 8 | (e.has_error ? kHasError : 0);
}

struct ListEntry {
  u32 index;
  u32 reserved;
  u64 value;
};
static_assert(sizeof(ListEntry) == 16);

}  // namespace

VmxOutcome Vmx::enter(bool launch) {
  if (current_ == kNoVmcs) return {.how = VmxOutcome::How::kFailInvalid};
  if ((processor_.state().blocking & vmx_block::kMovSs) != 0) return fail(InstructionError::kBlockedByMovSs);
  Vmcs v = vmcs();
  if (launch && v.launched()) return fail(InstructionError::kLaunchNotClear);
  if (!launch && !v.launched()) return fail(InstructionError::kResumeNotLaunched);
  const EntryView view{v, limits_};
  if (const Check* const broken = first_broken(control_checks(), view)) {
    decided_ = broken->rule;
    return fail(InstructionError::kControls);
  }
  if (const Check* const broken = first_broken(host_checks(), view)) {
    decided_ = broken->rule;
    return fail(InstructionError::kHostState);
  }

  const u64 from = processor_.state().rip;
  processor_.retire();
  constexpr VmxOutcome kMoved{.how = VmxOutcome::How::kMoved};
  if (const Check* const broken = first_broken(guest_checks(), view)) {
    decided_ = broken->rule;
    fail_entry(Reason::kInvalidGuestState, broken->qualification);
    return kMoved;
  }
  load_guest(v);
  if (const u64 number = load_list(v.read(Field::kEntryMsrLoad), v.read(Field::kEntryMsrLoadCount))) {
    fail_entry(Reason::kMsrLoading, number);
    return kMoved;
  }
  if (launch) v.set_launched(true);
  if (options_.record_entry && branches_ != nullptr)
    branches_->far_branch(BranchKind::kFar, from, v.read(Field::kGuestRip), 0, 0);
  if (view.injects()) {
    processor_.inject({.type = view.event_type(),
                       .vector = view.event_vector(),
                       .has_error = (view.event & kHasError) != 0,
                       .error = v.read32(Field::kEntryError),
                       .length = v.read32(Field::kEntryLength)});
  } else if (const u64 pending = v.read(Field::kGuestPendingDebug); pending != 0) {
    constexpr u64 kDr6 = 0x400f;
    processor_.raise_debug(pending & kDr6);
  }
  return kMoved;
}

void Vmx::load_guest(Vmcs v) {
  const u32 entry = v.read32(Field::kEntryControls);
  VmxState s = processor_.state();
  s.cr0 = (s.cr0 & kCr0Kept) | (v.read(Field::kGuestCr0) & ~kCr0Kept);
  s.cr3 = v.read(Field::kGuestCr3);
  s.cr4 = v.read(Field::kGuestCr4);
  s.rsp = v.read(Field::kGuestRsp);
  s.rip = v.read(Field::kGuestRip);
  s.rflags = v.read(Field::kGuestRflags);
  if ((entry & entry_ctl::kLoadDebug) != 0) {
    constexpr u64 kDr7Zero = 0xd000;
    s.dr7 = (v.read(Field::kGuestDr7) & ~kDr7Zero) | kDr7Reset;
  }
  s.efer = (entry & entry_ctl::kLoadEfer) != 0 ? v.read(Field::kGuestEfer) : s.efer | kLong;
  for (unsigned n = 0; n < s.segment.size(); ++n) {
    s.segment[n] = {static_cast<u16>(v.read(nth(Field::kGuestEsSelector, n))),
                    v.read(nth(Field::kGuestEsBase, n)), v.read32(nth(Field::kGuestEsLimit, n)),
                    v.read32(nth(Field::kGuestEsRights, n))};
  }
  s.gdtr_base = v.read(Field::kGuestGdtrBase);
  s.gdtr_limit = v.read32(Field::kGuestGdtrLimit);
  s.idtr_base = v.read(Field::kGuestIdtrBase);
  s.idtr_limit = v.read32(Field::kGuestIdtrLimit);
  s.halted = v.read(Field::kGuestActivity) == 1;
  s.blocking = v.read32(Field::kGuestBlocking);
  in_guest_ = true;
  processor_.enter(s, true);
  processor_.intercept(intercepts(v));
  msrs_.write(kSysenterCs, v.read(Field::kGuestSysenterCs));
  msrs_.write(kSysenterEsp, v.read(Field::kGuestSysenterEsp));
  msrs_.write(kSysenterEip, v.read(Field::kGuestSysenterEip));
  if ((entry & entry_ctl::kLoadPerfGlobalCtrl) != 0)
    msrs_.write(kPerfGlobalCtrl, v.read(Field::kGuestPerfGlobalCtrl));
  if ((entry & entry_ctl::kLoadPat) != 0) msrs_.write(kPat, v.read(Field::kGuestPat));
  if ((entry & entry_ctl::kLoadLbrCtl) != 0) msrs_.write(kLbrCtl, v.read(Field::kGuestLbrCtl));
  if ((entry & entry_ctl::kLoadDebug) != 0) msrs_.write(kDebugctl, v.read(Field::kGuestDebugctl));
}

/// The groups that a control of this VMCS is about.
u32 Vmx::intercepts(Vmcs v) const {
  using S = VmxSensitive;
  const auto bit = [](S s) { return u32{1} << static_cast<unsigned>(s); };
  const u32 controls = v.read32(Field::kProcControls);
  u32 groups = bit(S::kCpuid) | bit(S::kInvd) | bit(S::kVmx) | bit(S::kRdmsr) | bit(S::kWrmsr);
  const struct {
    u32 control;
    u32 groups;
  } rows[] = {
      {proc::kRdpmc, bit(S::kRdpmc)},
      {proc::kRdtsc, bit(S::kRdtsc)},
      {proc::kHlt, bit(S::kHlt)},
      {proc::kInvlpg, bit(S::kInvlpg)},
      {proc::kMovDr, bit(S::kReadDr) | bit(S::kWriteDr)},
      {proc::kUnconditionalIo | proc::kIoBitmaps, bit(S::kIo)},
      {proc::kCr3Load | proc::kCr3Store | proc::kCr8Load | proc::kCr8Store, bit(S::kReadCr)},
  };
  for (const auto& row : rows) groups |= (controls & row.control) != 0 ? row.groups : 0;
  if ((v.read(Field::kCr0Mask) | v.read(Field::kCr4Mask)) != 0) groups |= bit(S::kReadCr);
  return groups;
}

u64 Vmx::load_list(u64 address, u64 count) {
  for (u64 n = 0; n < count; ++n) {
    ListEntry e{};
    const u64 at = address + n * sizeof e;
    if (!memory_.contains(at, sizeof e)) return n + 1;
    std::memcpy(&e, memory_.host(at), sizeof e);
    if (const ListRule* const rule = list_rule(true, e.index, e.reserved)) {
      decided_ = rule->rule;
      return n + 1;
    }
    if (const MsrFault fault = msrs_.write(e.index, e.value); fault != MsrFault::kNone) {
      decided_ = describe(fault);
      return n + 1;
    }
  }
  return 0;
}

bool Vmx::store_list(u64 address, u64 count) {
  for (u64 n = 0; n < count; ++n) {
    ListEntry e{};
    const u64 at = address + n * sizeof e;
    if (!memory_.contains(at, sizeof e)) return false;
    std::memcpy(&e, memory_.host(at), sizeof e);
    if (list_rule(false, e.index, e.reserved) != nullptr) return false;
    const MsrValue value = msrs_.read(e.index);
    if (!value.ok()) return false;
    std::memcpy(memory_.host(at) + 8, &value.value, sizeof value.value);
  }
  return true;
}

void Vmx::leave(const ExitInfo& info) {
  Vmcs v = vmcs();
  VmxState state = processor_.state();
  v.write(Field::kExitReason, static_cast<u64>(info.reason));
  v.write(Field::kExitQualification, info.qualification);
  v.write(Field::kExitLength, info.length);
  v.write(Field::kExitEvent, info.event != nullptr ? interruption(*info.event) : 0);
  v.write(Field::kExitError, info.event != nullptr ? info.event->error : 0);
  v.write(Field::kVectoringEvent, info.vectoring != nullptr ? interruption(*info.vectoring) : 0);
  v.write(Field::kVectoringError, info.vectoring != nullptr ? info.vectoring->error : 0);
  v.write(Field::kEntryEvent, v.read(Field::kEntryEvent) & ~u64{kValid});

  // As the exception would have pushed it.
  if (info.event != nullptr && info.event->type == VmxEventType::kException &&
      info.event->vector != static_cast<u8>(Vector::kDB))
    state.rflags |= kRf;
  save_guest(v, state);
  if (!store_list(v.read(Field::kExitMsrStore), v.read(Field::kExitMsrStoreCount))) {
    abort(1);
    return;
  }
  if (options_.record_exit && branches_ != nullptr)
    branches_->far_branch(BranchKind::kFar, state.rip, v.read(Field::kHostRip), 0, 0);
  load_host(v);
}

void Vmx::save_guest(Vmcs v, const VmxState& s) {
  const u32 exit = v.read32(Field::kExitControls), entry = v.read32(Field::kEntryControls);
  v.write(Field::kGuestCr0, s.cr0);
  v.write(Field::kGuestCr3, s.cr3);
  v.write(Field::kGuestCr4, s.cr4);
  v.write(Field::kGuestRsp, s.rsp);
  v.write(Field::kGuestRip, s.rip);
  v.write(Field::kGuestRflags, s.rflags);
  if ((exit & exit_ctl::kSaveDebug) != 0) {
    v.write(Field::kGuestDr7, s.dr7);
    v.write(Field::kGuestDebugctl, read_msr(kDebugctl));
  }
  if ((exit & exit_ctl::kSavePat) != 0) v.write(Field::kGuestPat, read_msr(kPat));
  if ((exit & exit_ctl::kSaveEfer) != 0) v.write(Field::kGuestEfer, s.efer);
  if ((exit & exit_ctl::kClearLbrCtl) != 0 || (entry & entry_ctl::kLoadLbrCtl) != 0)
    v.write(Field::kGuestLbrCtl, read_msr(kLbrCtl));
  v.write(Field::kGuestSysenterCs, read_msr(kSysenterCs));
  v.write(Field::kGuestSysenterEsp, read_msr(kSysenterEsp));
  v.write(Field::kGuestSysenterEip, read_msr(kSysenterEip));
  for (unsigned n = 0; n < s.segment.size(); ++n) {
    v.write(nth(Field::kGuestEsSelector, n), s.segment[n].selector);
    v.write(nth(Field::kGuestEsBase, n), s.segment[n].base);
    v.write(nth(Field::kGuestEsLimit, n), s.segment[n].limit);
    v.write(nth(Field::kGuestEsRights, n), s.segment[n].rights);
  }
  v.write(Field::kGuestGdtrBase, s.gdtr_base);
  v.write(Field::kGuestGdtrLimit, s.gdtr_limit);
  v.write(Field::kGuestIdtrBase, s.idtr_base);
  v.write(Field::kGuestIdtrLimit, s.idtr_limit);
  v.write(Field::kGuestActivity, s.halted ? 1 : 0);
  v.write(Field::kGuestBlocking, s.blocking);
  v.write(Field::kGuestPendingDebug, 0);
}

void Vmx::load_host(Vmcs v) {
  constexpr u32 kCodeRights = 0xa09b, kDataRights = 0xc093, kTssRights = 0x8b, kUnusable = 1u << 16;
  const u32 exit = v.read32(Field::kExitControls);
  const bool by_nmi = v.read32(Field::kExitReason) == static_cast<u32>(Reason::kException) &&
                      static_cast<VmxEventType>(v.read32(Field::kExitEvent) >> 8 & 7) == VmxEventType::kNmi &&
                      (v.read32(Field::kExitEvent) & kValid) != 0;
  VmxState s = processor_.state();
  const bool was_blocked = (s.blocking & vmx_block::kNmi) != 0 && !(in_guest_ && virtual_nmis());
  s.cr0 = (s.cr0 & kCr0Kept) | (v.read(Field::kHostCr0) & ~kCr0Kept);
  s.cr3 = v.read(Field::kHostCr3);
  s.cr4 = v.read(Field::kHostCr4);
  s.dr7 = kDr7Reset;
  s.efer = (exit & exit_ctl::kLoadEfer) != 0 ? v.read(Field::kHostEfer) : s.efer | kLong;
  s.rsp = v.read(Field::kHostRsp);
  s.rip = v.read(Field::kHostRip);
  s.rflags = 2;
  for (unsigned n = 0; n <= kVmxGs; ++n) {
    const u16 selector = static_cast<u16>(v.read(nth(Field::kHostEsSelector, n)));
    s.segment[n] = {selector, 0, 0xffffffff,
                    n == kVmxCs     ? kCodeRights
                    : selector == 0 ? kUnusable
                                    : kDataRights};
  }
  s.segment[kVmxFs].base = v.read(Field::kHostFsBase);
  s.segment[kVmxGs].base = v.read(Field::kHostGsBase);
  s.segment[kVmxLdtr] = {0, 0, 0, kUnusable};
  s.segment[kVmxTr] = {static_cast<u16>(v.read(Field::kHostTrSelector)), v.read(Field::kHostTrBase), 0x67,
                       kTssRights};
  s.gdtr_base = v.read(Field::kHostGdtrBase);
  s.idtr_base = v.read(Field::kHostIdtrBase);
  s.gdtr_limit = s.idtr_limit = 0xffff;
  s.halted = false;
  s.blocking = by_nmi || was_blocked ? vmx_block::kNmi : 0;

  msrs_.write(kDebugctl, 0);
  if ((exit & exit_ctl::kClearLbrCtl) != 0) msrs_.write(kLbrCtl, 0);
  in_guest_ = false;
  processor_.enter(s, false);
  msrs_.write(kSysenterCs, v.read(Field::kHostSysenterCs));
  msrs_.write(kSysenterEsp, v.read(Field::kHostSysenterEsp));
  msrs_.write(kSysenterEip, v.read(Field::kHostSysenterEip));
  if ((exit & exit_ctl::kLoadPerfGlobalCtrl) != 0)
    msrs_.write(kPerfGlobalCtrl, v.read(Field::kHostPerfGlobalCtrl));
  if ((exit & exit_ctl::kLoadPat) != 0) msrs_.write(kPat, v.read(Field::kHostPat));
  if (load_list(v.read(Field::kExitMsrLoad), v.read(Field::kExitMsrLoadCount)) != 0) abort(4);
}

/// The guest state area stays as it was, and so does the event to inject.
void Vmx::fail_entry(Reason reason, u64 number) {
  Vmcs v = vmcs();
  v.write(Field::kExitReason, static_cast<u32>(reason) | kEntryFailure);
  v.write(Field::kExitQualification, number);
  load_host(v);
}

void Vmx::abort(u32 indicator) {
  vmcs().set_abort(indicator);
  in_guest_ = false;
  processor_.shut_down();
}

}  // namespace lastbranch::vmx
