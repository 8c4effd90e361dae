#include "sim/machine/kvm_cpu.h"

#include <algorithm>
#include <array>
#include <cstring>

#include "models/cpu/control.h"
#include "models/cpu/control_registers.h"
#include "models/cpu/system_msrs.h"
#include "sim/base/assert.h"
#include "sim/base/error.h"
#include "sim/board/layout.h"

namespace lastbranch {
namespace {

using vmx::Field;
using vmx::nth;
using vmx::Word;

/// The records' parts that Intel sold without VT-x: Atom 230 and D2700.
constexpr std::array<std::string_view, 2> kWithoutVmx = {"bonnell", "saltwell"};

const cpu::Uarch& with_vmx(const cpu::Uarch& part) {
  if (std::ranges::find(kWithoutVmx, part.name) != kWithoutVmx.end())
    throw Error("uarch: expected a part with VMX, found '{}' ({})", part.name, part.brand);
  return part;
}

constexpr u64 kCr4Vmxe = 0x2000;
constexpr u64 kMostHostInstructions = 1000;      ///< what the host's code needs, many times
constexpr u64 kMostInstructions = u64{1} << 30;  ///< in one run of the core
constexpr u16 kTss = 0x30;
constexpr u16 kYieldPort = 0x80, kFailPort = 0x81;

// The host's code. Offsets of its parts, and the parts.
constexpr u64 kLaunch = 0x00, kResume = 0x10, kFailed = 0x20, kExit = 0x30, kWork = 0x40, kTask = 0x50;
// clang-format off
constexpr std::array<u8, 0x60> kHostCode = {
    0xe8, kWork - 0x05, 0, 0, 0,            // launch: call work
    0x0f, 0x01, 0xc2,                       //         vmlaunch
    0xeb, kFailed - 0x0a,                   //         jmp failed
    0x90, 0x90, 0x90, 0x90, 0x90, 0x90,
    0xe8, kWork - 0x15, 0, 0, 0,            // resume: call work
    0x0f, 0x01, 0xc3,                       //         vmresume
    0xeb, kFailed - 0x1a,                   //         jmp failed
    0x90, 0x90, 0x90, 0x90, 0x90, 0x90,
    0xe6, kFailPort, 0x90, 0x90,            // failed: out kFailPort, al
    0x90, 0x90, 0x90, 0x90, 0x90, 0x90, 0x90, 0x90, 0x90, 0x90, 0x90, 0x90,
    0xe8, kWork - 0x35, 0, 0, 0,            // exit:   call work
    0xe6, kYieldPort,                       //         out kYieldPort, al
    0x90, 0x90, 0x90, 0x90, 0x90, 0x90, 0x90, 0x90, 0x90,
    0x51,                                   // work:   push rcx
    0xb9, 0x05, 0, 0, 0,                    //         mov ecx, 5
    0xe2, 0xfe,                             // again:  loop again
    0x59, 0xc3,                             //         pop rcx; ret
    0x90, 0x90, 0x90, 0x90, 0x90, 0x90,
    0xe8, 0xeb, 0xff, 0xff, 0xff,           // task:   call work
    0xe6, kYieldPort,                       //         out kYieldPort, al
    0x90, 0x90, 0x90, 0x90, 0x90, 0x90, 0x90, 0x90, 0x90,
};
// clang-format on

/// Registers that every guest has for itself.
constexpr std::array<u32, 6> kOwn = {0x174, 0x175, 0x176, 0xc0000100, 0xc0000101, 0xc0000102};
constexpr u32 kTsc = 0x10, kFeatureControl = 0x3a;

MsrBus& with_system_msrs(Processor& processor) {
  processor.msrs.attach(cpu::system_msrs(), &processor.cpu());
  return processor.msrs;
}

void check(const VmxOutcome& outcome, std::string_view what) {
  LASTBRANCH_ASSERT(outcome.how == VmxOutcome::How::kSucceed, "the host's {} failed", what);
}

}  // namespace

KvmCpu::KvmCpu(const cpu::Uarch& part, u64 guest_bytes)
    : memory(page_ceil(guest_bytes) + kHostBytes),
      map_(memory),
      processor(with_vmx(part), {.memory = memory, .walker = map_, .pmi = *this}),
      system(processor.cpu(), processor,
             {.ports = this,
              .debug = &processor.hub.lbr,
              .events = &processor,
              .rdpmc = Processor::rdpmc,
              .rdpmc_self = &processor}),
      vmx(system.vmx_processor(), memory, with_system_msrs(processor),
          {.cr4 = cpu::cr4_bits(processor.cpu()), .physical_bits = part.pa_bits}, &processor),
      host_(page_ceil(guest_bytes)) {
  system.attach(vmx);
  std::memcpy(memory.host(host_ + kCode), kHostCode.data(), kHostCode.size());
  vmx_on();
  fill_vmcs();
}

void KvmCpu::vmx_on() {
  cpu::Cpu& c = processor.cpu();
  c.cr4 |= kCr4Vmxe;
  c.selector = {board::kKernelData, board::kKernelCode, board::kKernelData, board::kKernelData, 0, 0};
  c.tr = {kTss, host_ + kTables, 0x67};
  c.r[cpu::kRsp] = host_ + kStackTop;
  processor.msrs.write(kFeatureControl, 5);
  const u32 revision = vmx::kRevision;
  for (const u64 page : {kVmxon, kVmcs}) std::memcpy(memory.host(host_ + page), &revision, sizeof revision);
  check(vmx.execute(VmxOp::kVmxon, host_ + kVmxon, 0), "VMXON");
  check(vmx.execute(VmxOp::kVmclear, host_ + kVmcs, 0), "VMCLEAR");
  check(vmx.execute(VmxOp::kVmptrld, host_ + kVmcs, 0), "VMPTRLD");
}

/// The fields that stay: controls and host state. Guests start with the board's registers.
void KvmCpu::fill_vmcs() {
  const vmx::Features& features = vmx.limits().features;
  const auto controls = [&](Field field, Word word, u32 bits) {
    vmwrite(field, vmx::allowed(word, features).ones | bits);
  };
  controls(Field::kPinControls, Word::kPin,
           vmx::pin::kExternalInterrupt | vmx::pin::kNmi | vmx::pin::kVirtualNmis);
  controls(Field::kProcControls, Word::kProc,
           vmx::proc::kHlt | vmx::proc::kRdpmc | vmx::proc::kUnconditionalIo | vmx::proc::kMsrBitmaps);
  controls(Field::kExitControls, Word::kExit, vmx::exit_ctl::kSaveDebug | vmx::exit_ctl::kAcknowledge);
  controls(Field::kEntryControls, Word::kEntry, vmx::entry_ctl::kLoadDebug);
  vmwrite(Field::kMsrBitmap, host_ + kBitmap);
  std::memset(memory.host(host_ + kBitmap), 0xff, kPageSize);
  for (const u32 index : kOwn) {
    intercept(index, false, false);
    intercept(index, true, false);
  }
  intercept(kTsc, false, false);
  vmwrite(Field::kLinkPointer, ~u64{0});
  // The host keeps CR4.VMXE, which the guest is not shown.
  vmwrite(Field::kCr4Mask, kCr4Vmxe);

  const cpu::Cpu& c = processor.cpu();
  vmwrite(Field::kHostCr0, c.cr0);
  vmwrite(Field::kHostCr3, c.cr3);
  vmwrite(Field::kHostCr4, c.cr4);
  for (const unsigned segment : {kVmxEs, kVmxSs, kVmxDs})
    vmwrite(nth(Field::kHostEsSelector, segment), board::kKernelData);
  vmwrite(nth(Field::kHostEsSelector, kVmxCs), board::kKernelCode);
  vmwrite(Field::kHostTrSelector, kTss);
  for (const Field base : {Field::kHostTrBase, Field::kHostGdtrBase, Field::kHostIdtrBase})
    vmwrite(base, host_ + kTables);
  vmwrite(Field::kHostRsp, host_ + kStackTop);
  vmwrite(Field::kHostRip, host_ + kCode + kExit);
}

std::optional<u64> KvmCpu::read(u32 index) {
  if (before_access) before_access();
  const MsrValue value = processor.msrs.read(index);
  if (!value.ok()) return std::nullopt;
  return value.value;
}

bool KvmCpu::write(u32 index, u64 value) {
  if (before_access) before_access();
  return processor.msrs.write(index, value) == MsrFault::kNone;
}

void KvmCpu::intercept(u32 index, bool write, bool on) {
  constexpr u32 kHigh = 0xc0000000, kRange = 0x2000;
  const bool high = index >= kHigh && index - kHigh < kRange;
  if (!high && index >= kRange) return;
  const u64 byte = (write ? 2048 : 0) + (high ? 1024 : 0) + (index & (kRange - 1)) / 8;
  u8& bits = *memory.host(host_ + kBitmap + byte);
  const u8 bit = static_cast<u8>(1u << (index & 7));
  bits = static_cast<u8>(on ? bits | bit : bits & ~bit);
}

void KvmCpu::out(u16 port, unsigned /*size*/, u32 /*value*/) {
  yielded_ = true;
  failed_ = port == kFailPort;
}

cpu::RunResult KvmCpu::step(Horizon horizon) {
  horizon.within(kMostInstructions);
  const cpu::RunResult result = processor.run(horizon);
  system.serve(result.why);
  processor.serve_counters();
  return result;
}

/// From an offset of the host's code to its end, or into the guest.
void KvmCpu::run_host(u64 offset) {
  processor.cpu().rip = host_ + kCode + offset;
  processor.cpu().r[cpu::kRsp] = host_ + kStackTop;
  yielded_ = failed_ = false;
  Horizon horizon;
  horizon.within(kMostHostInstructions);
  const u64 begin = processor.cpu().retired();
  // Faults without end retire nothing.
  for (u64 steps = 0; !yielded_ && !vmx.in_guest() && !dead(); ++steps) {
    step(horizon);
    lost_ = steps >= kMostHostInstructions || processor.cpu().retired() - begin >= kMostHostInstructions;
  }
}

KvmCpu::Entry KvmCpu::enter() {
  constexpr u64 kNoReason = 0xffff;
  vmwrite(Field::kExitReason, kNoReason);
  run_host(launched_ ? kResume : kLaunch);
  const bool failed = failed_ || (vmread(Field::kExitReason) & vmx::kEntryFailure) != 0;
  if (!vmx.in_guest() && failed) return Entry::kFailed;
  // The code came to its end, but neither VMLAUNCH nor VMRESUME is in it any more.
  if (!vmx.in_guest() && vmread(Field::kExitReason) == kNoReason) lost_ = true;
  launched_ = true;
  return vmx.in_guest() ? Entry::kGuest : Entry::kExit;
}

bool KvmCpu::run_guest(Horizon horizon) {
  // A window opens behind the instruction that follows STI or MOV SS.
  if (system.shadowed()) horizon.within(1);
  if (!system.leave_for_nmi_window() && !system.leave_for_interrupt(false)) step(horizon);
  if (vmx.in_guest()) return false;
  run_host(kExit);
  return true;
}

void KvmCpu::interrupt_guest(const cpu::Event& event) {
  system.deliver(event);
  // The host asks for an exit by every event from outside: somebody has changed its controls.
  if (vmx.in_guest()) {
    lost_ = true;
    return;
  }
  run_host(kExit);
}

void KvmCpu::run_task() {
  run_host(kTask);
}

}  // namespace lastbranch
