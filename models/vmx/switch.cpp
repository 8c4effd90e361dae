// VM entries and VM exits: what is checked, loaded and saved, in the manual's order.
// Source: SDM vol. 3C, "VM Entries" ("Loading Guest State", "Loading MSRs", "Event Injection", "VM-Entry
// Failures During or After Loading Guest State"), "VM Exits" ("Recording VM-Exit Information", "Saving Guest
// State", "Saving MSRs", "Loading Host State", "Loading MSRs", "VMX Aborts").
#include "models/vmx/checks.h"
#include "models/vmx/exits.h"
#include "models/vmx/sources.h"
#include "models/vmx/switch_rules.h"

namespace lastbranch::vmx {
namespace {

constexpr u32 kValid = 1u << 31, kHasError = 1u << 11;
constexpr u64 kRf = 1u << 16;

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
  Vmcs v = vmcs();
  const EntryView view{v, limits_};
  if (const Check* const broken = first_broken(control_checks(), view)) {
    decided(broken->rule, broken->source);
    return fail(InstructionError::kControls);
  }
  if (const Check* const broken = first_broken(host_checks(), view)) {
    decided(broken->rule, broken->source);
    return fail(InstructionError::kHostState);
  }

  const u64 from = processor_.state().rip;
  processor_.retire();
  constexpr VmxOutcome kMoved{.how = VmxOutcome::How::kMoved};
  if (const Check* const broken = first_broken(guest_checks(), view)) {
    decided(broken->rule, broken->source);
    fail_entry(Reason::kInvalidGuestState, broken->qualification);
    return kMoved;
  }
  load_guest(v);
  if (const u64 number = load_list(v.read(Field::kEntryMsrLoad), v.read(Field::kEntryMsrLoadCount))) {
    fail_entry(Reason::kMsrLoading, number);
    return kMoved;
  }
  if (launch) v.set_launched(true);
  VmxState state = processor_.state();
  Crossing crossing = this->crossing(v, state, from);
  cross(table::kEntry, entry_rules(), Stage::kEnd, crossing);
  return kMoved;
}

Crossing Vmx::crossing(Vmcs v, VmxState& state, u64 from) {
  const bool nmi_blocked = (state.blocking & vmx_block::kNmi) != 0 && !(in_guest_ && virtual_nmis());
  return {.v = v,
          .state = state,
          .msrs = msrs_,
          .processor = processor_,
          .branches = branches_,
          .options = options_,
          .from = from,
          .nmi_blocked = nmi_blocked};
}

void Vmx::load_guest(Vmcs v) {
  VmxState state = processor_.state();
  Crossing crossing = this->crossing(v, state, state.rip);
  cross(table::kEntry, entry_rules(), Stage::kState, crossing);
  in_guest_ = true;
  processor_.enter(state, true);
  processor_.intercept(intercepts(v));
  cross(table::kEntry, entry_rules(), Stage::kRegisters, crossing);
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
    if (!memory_.contains(at, sizeof e)) {
      decided("an entry of an MSR list is in memory that exists", sdm::kEntryLists);
      return n + 1;
    }
    std::memcpy(&e, memory_.host(at), sizeof e);
    if (const ListRule* const rule = list_rule(true, e.index, e.reserved)) {
      decided(rule->rule, rule->source);
      return n + 1;
    }
    if (const MsrFault fault = msrs_.write(e.index, e.value); fault != MsrFault::kNone) {
      decided(describe(fault), sdm::kEntryLists);
      return n + 1;
    }
  }
  return 0;
}

bool Vmx::store_list(u64 address, u64 count) {
  for (u64 n = 0; n < count; ++n) {
    ListEntry e{};
    const u64 at = address + n * sizeof e;
    if (!memory_.contains(at, sizeof e)) {
      decided("an entry of an MSR list is in memory that exists", sdm::kSaveLists);
      return false;
    }
    std::memcpy(&e, memory_.host(at), sizeof e);
    if (const ListRule* const rule = list_rule(false, e.index, e.reserved)) {
      decided(rule->rule, rule->source);
      return false;
    }
    const MsrValue value = msrs_.read(e.index);
    if (!value.ok()) {
      decided(describe(value.fault), sdm::kSaveLists);
      return false;
    }
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
  Crossing crossing = this->crossing(v, state, state.rip);
  cross(table::kSave, save_rules(), Stage::kState, crossing);
  if (!store_list(v.read(Field::kExitMsrStore), v.read(Field::kExitMsrStoreCount))) {
    abort(1);
    return;
  }
  cross(table::kSave, save_rules(), Stage::kEnd, crossing);
  load_host(v);
}

void Vmx::load_host(Vmcs v) {
  VmxState state = processor_.state();
  Crossing crossing = this->crossing(v, state, state.rip);
  cross(table::kLoad, host_rules(), Stage::kState, crossing);
  in_guest_ = false;
  processor_.enter(state, false);
  cross(table::kLoad, host_rules(), Stage::kRegisters, crossing);
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
