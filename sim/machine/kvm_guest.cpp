#include "sim/machine/kvm_guest.h"

#include <algorithm>
#include <cstring>

#include <fmt/format.h>

#include "models/cpu/control.h"
#include "models/cpu/control_registers.h"
#include "sim/base/error.h"
#include "sim/board/image.h"
#include "sim/machine/kvm_exits.h"
#include "sim/machine/kvm_perf.h"

namespace lastbranch {
namespace {

using vmx::Field;
using vmx::nth;
using vmx::Reason;

cpu::Uarch effective(const KvmGuestConfig& config) {
  cpu::Uarch part = cpu::uarch(config.uarch);
  for (const auto& [field, value] : config.overrides) cpu::override_field(part, field, value);
  return part;
}

u64 checked_memory(u64 bytes) {
  if (bytes < board::kLeastMemory || bytes > board::kMostMemory || bytes % kPageSize != 0) {
    throw Error("memory: expected {:#x} to {:#x} bytes in whole pages, found {:#x}", board::kLeastMemory,
                board::kMostMemory, bytes);
  }
  return bytes;
}

/// The vector of the host's timer.
constexpr u8 kTimer = 0xec;
/// Faults and exits in a row that complete no instruction: more than the frames of nested handlers can be
/// before the stack has a wrong address, unless it is a large one.
constexpr u64 kMostStalls = u64{1} << 17;

}  // namespace

struct KvmGuest::Parts {
  KvmGuestConfig config;
  kvm::Vcpu& vcpu;
  KvmCpu cpu;
  KvmApic apic;
  KvmCounts counts;
  KvmExits exits;
  kvm::HardwareMsrs& before;  ///< what the vCPU ran on
  KvmPerf perf;
  bool loaded = false;
  bool passed_through = false;  ///< as the bitmap has it
  std::string ended;            ///< why the guest cannot go on
  u64 instructions_at_load = 0;
  u64 slice_end = 0;              ///< guest instructions, ever, at which the time slice ends
  u64 completed = 0, stalls = 0;  ///< instructions at the last look, and looks that found no new one

  Parts(kvm::Vcpu& v, KvmGuestConfig c)
      : config(std::move(c)),
        vcpu(v),
        cpu(effective(config), checked_memory(config.memory_bytes)),
        apic(vcpu.last().host.kernel),
        counts(cpu.processor, vcpu),
        exits(cpu, vcpu, apic, counts, config.output),
        before(vcpu.attach(cpu)),
        perf(cpu, vcpu, config.host_lbr) {
    copy_records(before, cpu);
    cpu.before_access = [this] { perf.follow_event(); };
  }
  ~Parts() {
    copy_records(cpu, before);
    vcpu.attach(before);
  }
  Parts(const Parts&) = delete;
  Parts& operator=(const Parts&) = delete;

  [[nodiscard]] std::vector<u32> lbr_msrs() const;
  /// The vCPU's records move to another CPU, if it has its event and that is active.
  void copy_records(kvm::HardwareMsrs& from, kvm::HardwareMsrs& to) const;
  void start(const board::LoadedImage& image);
  [[nodiscard]] u64 retired(Ev ev = Ev::kInstructions) const {
    const Ledger& ledger = cpu.processor.ledger;
    return ledger.total(ev, Ctx::kGuestKernel) + ledger.total(ev, Ctx::kGuestUser);
  }
  /// The guest has completed nothing for long, neither by itself nor with KVM's help.
  [[nodiscard]] bool stuck() const { return stalls >= kMostStalls; }
  /// To be called after a fault or an exit.
  void look_for_progress();
  KvmRun run(u64 max_instructions, u64 max_exits);
  void prepare_entry(KvmRun& run, KvmExit& exit);
  void run_guest(u64 end);
  void after_exit(KvmExit& exit);
  void end_slice(KvmRun& run);
  void fail_entry(KvmRun& run);
  void deliver_pmis(KvmRun& run, KvmExit& exit);
};

std::vector<u32> KvmGuest::Parts::lbr_msrs() const {
  const kvm::LbrRecordSet& lbr = vcpu.state.lbr;
  std::vector<u32> all = {kvm::msr::kLbrSelect, kvm::msr::kLbrTos};
  for (unsigned i = 0; i < std::min(lbr.nr, kvm::kMaxRecords); ++i) {
    all.push_back(lbr.from + i);
    all.push_back(lbr.to + i);
    if (lbr.info != 0) all.push_back(lbr.info + i);
  }
  return all;
}

void KvmGuest::Parts::copy_records(kvm::HardwareMsrs& from, kvm::HardwareMsrs& to) const {
  // Of an event that is not active the registers are the host's.
  if (!vcpu.state.lbr_event || vcpu.state.event_state != kvm::EventState::kActive || vcpu.state.lbr.nr == 0)
    return;
  for (const u32 index : lbr_msrs())
    if (const std::optional<u64> value = from.read(index)) to.write(index, *value);
}

void KvmGuest::Parts::start(const board::LoadedImage& image) {
  constexpr u32 kCode = 0xa09b, kData = 0xc093, kTss = 0x8b, kUnusable = 1u << 16;
  const u16 gdt_limit = board::write_gdt(cpu.memory);
  cpu::Cpu& c = cpu.processor.cpu();
  cpu::forget_code(c, 0, config.memory_bytes);
  const struct {
    unsigned segment;
    u16 selector;
    u32 limit, rights;
  } segments[] = {{kVmxEs, board::kKernelData, ~u32{0}, kData},
                  {kVmxCs, board::kKernelCode, ~u32{0}, kCode},
                  {kVmxSs, board::kKernelData, ~u32{0}, kData},
                  {kVmxDs, board::kKernelData, ~u32{0}, kData},
                  {kVmxFs, 0, ~u32{0}, kUnusable},
                  {kVmxGs, 0, ~u32{0}, kUnusable},
                  {kVmxLdtr, 0, 0, kUnusable},
                  {kVmxTr, 0, 0x67, kTss}};
  for (const auto& s : segments) {
    cpu.vmwrite(nth(Field::kGuestEsSelector, s.segment), s.selector);
    cpu.vmwrite(nth(Field::kGuestEsBase, s.segment), 0);
    cpu.vmwrite(nth(Field::kGuestEsLimit, s.segment), s.limit);
    cpu.vmwrite(nth(Field::kGuestEsRights, s.segment), s.rights);
  }
  cpu.vmwrite(Field::kGuestGdtrBase, board::kGdtAddress);
  cpu.vmwrite(Field::kGuestGdtrLimit, gdt_limit);
  cpu.vmwrite(Field::kGuestIdtrBase, 0);
  cpu.vmwrite(Field::kGuestIdtrLimit, 0);
  cpu.vmwrite(Field::kGuestCr0, cpu.vmread(Field::kHostCr0));
  cpu.vmwrite(Field::kGuestCr3, 0);
  cpu.vmwrite(Field::kGuestCr4, cpu.vmread(Field::kHostCr4));
  cpu.vmwrite(Field::kGuestDr7, cpu::dr7::kFixed);
  cpu.vmwrite(Field::kGuestRsp, board::kStackTop);
  cpu.vmwrite(Field::kGuestRip, image.entry);
  cpu.vmwrite(Field::kGuestRflags, cpu::rflags::kFixed1);
  cpu.vmwrite(Field::kGuestBlocking, 0);
  cpu.vmwrite(Field::kGuestActivity, 0);
  std::fill_n(c.r.begin(), 16, 0);
  c.r[cpu::kRdi] = config.memory_bytes;
  c.r[cpu::kRsi] = image.end;
  exits.reset();
  apic = KvmApic(vcpu.last().host.kernel);
  loaded = true;
  ended.clear();
  instructions_at_load = retired();
  stalls = 0;
  slice_end = config.slice == 0 ? kNoLimit : instructions_at_load + config.slice;
}

/// KVM's way to VMLAUNCH: the rules on LBRs, the bitmap, DEBUGCTL, what is to be injected.
void KvmGuest::Parts::prepare_entry(KvmRun& run, KvmExit& exit) {
  exits.inject();
  counts.program();
  vcpu.enter();
  run.warnings += vcpu.last().did.warnings;
  exit.entry = vcpu.rules();
  exit.passed_through = vcpu.state.lbr_passthrough;
  perf.follow_event();
  if (passed_through != exit.passed_through) {
    passed_through = exit.passed_through;
    for (const u32 index : lbr_msrs())
      for (const bool write : {false, true}) cpu.intercept(index, write, !passed_through);
  }
  cpu.vmwrite(Field::kGuestDebugctl, vcpu.state.vmcs_debugctl);
}

/// In the guest until it exits, up to its `end`-th instruction.
void KvmGuest::Parts::run_guest(u64 end) {
  for (;;) {
    const u64 now = retired();
    if (now >= end) {
      cpu.interrupt_guest(cpu::Event::interrupt(kTimer));
      return;
    }
    if (counts.overflow_due()) {
      cpu.interrupt_guest(cpu::Event::nmi());
      return;
    }
    Horizon horizon;
    horizon.within(end - now);
    counts.limit(horizon);
    if (cpu.run_guest(horizon)) return;
    look_for_progress();
    if (stuck()) {
      cpu.interrupt_guest(cpu::Event::interrupt(kTimer));
      return;
    }
  }
}

void KvmGuest::Parts::after_exit(KvmExit& exit) {
  exit.reason = static_cast<Reason>(cpu.vmread(Field::kExitReason));
  exit.rip = cpu.vmread(Field::kGuestRip);
  exit.instructions = retired() - instructions_at_load;
  vcpu.state.vmcs_debugctl = cpu.vmread(Field::kGuestDebugctl);
  vcpu.state.cpl = static_cast<unsigned>(cpu.vmread(nth(Field::kGuestEsRights, kVmxSs)) >> 5 & 3);
  vcpu.state.cr4_pce = (cpu.vmread(Field::kGuestCr4) & cpu::cr4::kPce) != 0;
  if (const u64 host = perf.host_debugctl(); host != 0) cpu.write(kvm::msr::kDebugctl, host);
  counts.account();
}

void KvmGuest::Parts::deliver_pmis(KvmRun& run, KvmExit& exit) {
  const unsigned pmis = counts.take_pmis();
  if (pmis == 0) return;
  run.pmis += pmis;
  for (unsigned i = 0; i < pmis; ++i) apic.pmi();
  exit.pmi = true;
  if (exit.rules.rules().empty()) exit.rules = counts.pmi_rules();
}

void KvmGuest::Parts::end_slice(KvmRun& run) {
  ++run.slices;
  slice_end = retired() + config.slice;
  perf.switch_tasks();
  vcpu.next_slice();
  perf.follow_event();
}

void KvmGuest::Parts::fail_entry(KvmRun& run) {
  run.how = KvmRun::How::kFailedEntry;
  const char* const what = cpu.instruction_failed() ? "VM instruction error" : "exit reason";
  const u64 number =
      cpu.vmread(cpu.instruction_failed() ? Field::kInstructionError : Field::kExitReason) & 0xffff;
  run.why = fmt::format("the CPU refuses the VM entry, {} {}: {}", what, number, cpu.vmx.decided_by());
}

void KvmGuest::Parts::look_for_progress() {
  const u64 now = retired() + exits.completed();
  stalls = now == completed ? stalls + 1 : 0;
  completed = now;
}

KvmRun KvmGuest::Parts::run(u64 max_instructions, u64 max_exits) {
  KvmRun run;
  const u64 begin = retired(), branches = retired(Ev::kBranches);
  const u64 end = max_instructions > kNoLimit - begin ? kNoLimit : begin + max_instructions;
  for (bool over = false; !over;) {
    const bool instructions = retired() >= end;
    if (instructions || run.exits_seen >= max_exits) {
      run.how = KvmRun::How::kBudget;
      run.why = instructions ? fmt::format("{} instructions", max_instructions)
                             : fmt::format("{} VM exits", max_exits);
      break;
    }
    KvmExit exit;
    prepare_entry(run, exit);
    const KvmCpu::Entry entry = cpu.enter();
    if (entry == KvmCpu::Entry::kFailed) {
      fail_entry(run);
      break;
    }
    ++run.entries;
    if (entry == KvmCpu::Entry::kGuest) run_guest(std::min(end, slice_end));
    if (cpu.dead()) {
      run.how = KvmRun::How::kShutdown;
      run.why = "the host is lost: the guest wrote to the pages behind its memory";
      break;
    }
    ++run.exits_seen;
    after_exit(exit);
    over = exits.handle(exit, run);
    look_for_progress();
    if (!over && stuck()) {
      run.how = KvmRun::How::kStuck;
      run.why = fmt::format(
          "the last {} faults and exits completed no instruction, the newest at {:#x}: the guest's handlers "
          "fault in turn, or it wrote to the pages behind its memory",
          stalls, exit.rip);
      over = true;
    }
    deliver_pmis(run, exit);
    if (run.how == KvmRun::How::kHalted && over && exits.wakes()) over = false;
    if (retired() >= slice_end) end_slice(run);
    if (run.exits.size() < config.kept_exits) run.exits.push_back(std::move(exit));
  }
  run.instructions = retired() - begin;
  run.branches = retired(Ev::kBranches) - branches;
  if (run.ended()) ended = run.why;
  return run;
}

KvmGuest::KvmGuest(kvm::Vcpu& vcpu, KvmGuestConfig config)
    : parts_(std::make_unique<Parts>(vcpu, std::move(config))) {}
KvmGuest::~KvmGuest() = default;

void KvmGuest::load(std::span<const u8> image, u64 address) {
  constexpr u64 kLowest = board::kGdtAddress + kPageSize;
  const u64 memory = parts_->config.memory_bytes;
  if (image.empty()) throw Error("image: expected a flat image, found no bytes");
  if (address < kLowest || address > memory)
    throw Error("image: expected an address from {:#x} to {:#x}, found {:#x}", kLowest, memory, address);
  if (image.size() > memory - address) {
    throw Error(
        "image: expected at most {:#x} bytes, as memory of {:#x} bytes and the address {:#x} allow, "
        "found {:#x}",
        memory - address, memory, address, image.size());
  }
  std::memcpy(parts_->cpu.memory.host(address), image.data(), image.size());
  parts_->start({address, page_ceil(address + image.size())});
}

void KvmGuest::load_file(const std::string& path) {
  // The host's pages are part of the CPU's memory, not of the guest's.
  PhysMem guest(parts_->config.memory_bytes);
  const board::LoadedImage image = board::load_image(path, guest);
  std::memcpy(parts_->cpu.memory.host(0), guest.host(0), image.end);
  parts_->start(image);
}

KvmRun KvmGuest::run(u64 max_instructions, u64 max_exits) {
  if (!parts_->loaded) throw Error("run: expected a guest with an image, found none loaded");
  if (!parts_->ended.empty())
    throw Error("run: expected a guest that can go on, found one that has ended: {}", parts_->ended);
  return parts_->run(max_instructions, max_exits);
}

KvmRegisters KvmGuest::registers() const {
  const KvmCpu& cpu = parts_->cpu;
  const cpu::Cpu& c = cpu.processor.cpu();
  KvmRegisters r;
  std::copy_n(c.r.begin(), r.gpr.size(), r.gpr.begin());
  r.gpr[cpu::kRsp] = cpu.vmread(Field::kGuestRsp);
  r.rip = cpu.vmread(Field::kGuestRip);
  r.rflags = cpu.vmread(Field::kGuestRflags);
  r.cr0 = cpu.vmread(Field::kGuestCr0);
  r.cr2 = c.cr2;
  r.cr3 = cpu.vmread(Field::kGuestCr3);
  r.cr4 = cpu.vmread(Field::kGuestCr4) & ~cpu::cr4::kVmxe;
  r.efer = c.efer;
  r.dr7 = cpu.vmread(Field::kGuestDr7);
  return r;
}

namespace {
void check_range(u64 address, std::size_t bytes, u64 memory) {
  if (address > memory || bytes > memory - address)
    throw Error("memory: expected an access within {:#x} bytes, found {:#x} bytes at {:#x}", memory, bytes,
                address);
}
}  // namespace

void KvmGuest::read_memory(u64 address, std::span<u8> out) const {
  check_range(address, out.size(), parts_->config.memory_bytes);
  if (!out.empty()) std::memcpy(out.data(), parts_->cpu.memory.host(address), out.size());
}

void KvmGuest::write_memory(u64 address, std::span<const u8> data) {
  check_range(address, data.size(), parts_->config.memory_bytes);
  if (data.empty()) return;
  std::memcpy(parts_->cpu.memory.host(address), data.data(), data.size());
  cpu::forget_code(parts_->cpu.processor.cpu(), address, data.size());
}

u64 KvmGuest::memory_bytes() const {
  return parts_->config.memory_bytes;
}
u64 KvmGuest::instructions() const {
  return parts_->retired() - parts_->instructions_at_load;
}
std::optional<u64> KvmGuest::hardware_msr(u32 index) {
  return parts_->cpu.read(index);
}
std::vector<LbrRecord> KvmGuest::host_records() const {
  return parts_->perf.host_records();
}
std::pair<u64, u64> KvmGuest::host_code() const {
  return parts_->cpu.host_code();
}
kvm::Vcpu& KvmGuest::vcpu() {
  return parts_->vcpu;
}
Processor& KvmGuest::processor() {
  return parts_->cpu.processor;
}
const vmx::Vmx& KvmGuest::vmx() const {
  return parts_->cpu.vmx;
}
kvm::HardwareMsrs& KvmGuest::hardware() {
  return parts_->cpu;
}

std::vector<std::string> KvmGuest::unmodelled() const {
  std::vector<std::string> lines = parts_->cpu.processor.unmodelled();
  const std::vector<std::string> events = parts_->counts.unmodelled();
  lines.insert(lines.end(), events.begin(), events.end());
  return lines;
}

}  // namespace lastbranch
