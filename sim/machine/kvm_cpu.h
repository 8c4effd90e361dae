#pragma once
// The physical CPU under a KVM host, and the lowest part of that host: VMX on, one VMCS with its MSR bitmap,
// the way into the guest and back.
//
// Modelled: a little real code of VMX root operation that branches, executes VMLAUNCH or VMRESUME, and is
// where VM exits lead to; everything else of the host kernel is C++ that takes over between two runs. The
// host's pages lie behind the guest's memory. Not modelled: EPT; the host's own page tables and interrupts.
// Sources: SDM vol. 3C, "Virtual Machine Monitor Programming Considerations"; kvm-lbr-semantics.md, "Reset,
// entry, exit" (debug controls always loaded and saved).
#include <functional>

#include "models/cpu/identity_map.h"
#include "models/cpu/system.h"
#include "models/vmx/kvm/kvm.h"
#include "models/vmx/vmx.h"
#include "sim/base/debugctl.h"
#include "sim/machine/processor.h"

namespace lastbranch {

class KvmCpu final : public kvm::HardwareMsrs, private PmiTarget, private cpu::PortIo {
 public:
  /// `guest_bytes` are whole pages. Throws Error: a part without VMX.
  KvmCpu(const cpu::Uarch& part, u64 guest_bytes);

  /// RDMSR and WRMSR of the host kernel.
  [[nodiscard]] std::optional<u64> read(u32 index) override;
  bool write(u32 index, u64 value) override;
  /// Called before each of the two: perf may have something to do first.
  std::function<void()> before_access{};

  [[nodiscard]] u64 vmread(vmx::Field field) const {
    // Reading changes nothing; Vmcs takes memory that can be changed.
    return vmx::Vmcs(const_cast<PhysMem&>(memory), host_ + kVmcs).read(field);
  }
  void vmwrite(vmx::Field field, u64 value) { vmx::Vmcs(memory, host_ + kVmcs).write(field, value); }
  /// Bit of the bitmap for RDMSR (`write` false) or WRMSR of a register; one without a bit always exits.
  void intercept(u32 index, bool write, bool on);

  /// How an entry ends: in the guest; with an exit before its first instruction, as the event that was
  /// injected could not be delivered; refused, and the exit reason or the instruction error says why.
  enum class Entry : u8 { kGuest, kExit, kFailed };
  /// The host's code up to and including VMLAUNCH or VMRESUME; up to its end unless the guest is entered.
  Entry enter();
  /// Runs the guest up to the horizon. True: a VM exit took place, and the host's code behind it has run.
  bool run_guest(Horizon horizon);
  /// In the guest: an event from outside, which exits.
  void interrupt_guest(const cpu::Event& event);
  /// Host code of another task, with branches of its own.
  void run_task();
  /// The host's code came to no end, to a shutdown or not into the guest, or an event of the host's did not
  /// leave the guest: the guest has written to the host's pages.
  [[nodiscard]] bool dead() const { return lost_ || system.shut_down(); }
  /// [first, last) of the host's code.
  [[nodiscard]] std::pair<u64, u64> host_code() const { return {host_ + kCode, host_ + kCode + kPageSize}; }
  /// After enter(): VMfail, with the error number in the VMCS; otherwise the exit reason says what failed.
  [[nodiscard]] bool instruction_failed() const { return failed_; }

  PhysMem memory;

 private:
  cpu::IdentityMap map_;

 public:
  Processor processor;
  cpu::System system;
  vmx::Vmx vmx;

 private:
  // Pages of the host behind the guest's memory.
  static constexpr u64 kVmxon = 0, kVmcs = 0x1000, kBitmap = 0x2000, kTables = 0x3000, kCode = 0x4000,
                       kStackTop = 0x8000, kHostBytes = 0x8000;

  void pmi() override {}
  u32 in(u16, unsigned) override { return ~u32{0}; }
  void out(u16 port, unsigned size, u32 value) override;

  cpu::RunResult step(Horizon horizon);
  void run_host(u64 offset);
  void vmx_on();
  void fill_vmcs();

  u64 host_;  ///< where its pages begin
  bool launched_ = false;
  bool yielded_ = false;  ///< the host's code has come to its end
  bool failed_ = false;   ///< VMfail
  bool lost_ = false;     ///< see dead()
};

}  // namespace lastbranch
