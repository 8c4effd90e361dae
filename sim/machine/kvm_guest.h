#pragma once
// A vCPU that runs: guest code executes on a hart in VMX non-root operation, and what exits is answered by
// kvm::Vcpu.
//
// Modelled: the host kernel's side in C++ and in a little real code of VMX root operation on the same hart:
// VMXON, a VMCS and MSR bitmap in physical memory, VMLAUNCH and VMRESUME, the exits that KVM takes; LBR
// registers passed through by the bitmap while KVM's rules say so, IA32_DEBUGCTL in the VMCS; perf's save and
// restore of the ring when the host switches tasks; guest counters fed by what the guest retired, their
// interrupts by way of an NMI exit and the guest's LVTPC. Not modelled: EPT (guest-physical is physical, and
// the host's few pages behind the guest's memory are within its reach), a second vCPU on the hart, devices
// but two ports, PEBS of guests, the mediated vPMU, nested guests that run.
// Sources: kvm-lbr-semantics.md, "Reset, entry, exit", "LBR MSRs, event, pass-through"; SDM vol. 3C, "VM
// Entries", "VM Exits".
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "models/vmx/kvm/kvm.h"
#include "models/vmx/vmx.h"
#include "sim/base/debugctl.h"
#include "sim/board/layout.h"
#include "sim/machine/processor.h"

namespace lastbranch {

/// What the host's own perf does with the LBRs.
enum class HostLbr : u8 {
  kUnused,
  kOtherTask,  ///< another task of the CPU is sampled with LBRs; perf switches the ring with the tasks
  kPinned,     ///< a pinned event of the whole CPU has them: the guest's event cannot become active
};

struct KvmGuestConfig {
  std::string uarch = std::string(cpu::kDefaultUarch);  ///< the part of the hart: name or alias
  /// (field, value) of cpu::uarch_fields() to change in the record.
  std::vector<std::pair<std::string, u64>> overrides{};
  u64 memory_bytes = u64{16} << 20;  ///< the guest's: board::kLeastMemory..board::kMostMemory
  HostLbr host_lbr = HostLbr::kUnused;
  /// Guest instructions after which the host's timer ends the vCPU's time slice and another task runs; 0:
  /// never.
  u64 slice = 0;
  std::size_t kept_exits = 4096;                   ///< exits that KvmRun describes; all are counted
  std::function<void(std::string_view)> output{};  ///< takes what the guest writes to port E9H
};

/// One VM exit and what became of it.
struct KvmExit {
  vmx::Reason reason = vmx::Reason::kException;
  bool pmi = false;             ///< an NMI that a counter of the guest caused
  u64 rip = 0;                  ///< where the guest was
  u64 instructions = 0;         ///< it had retired by then, since load()
  u32 index = 0;                ///< MSR, ECX of RDPMC, leaf of CPUID, port, control register
  u64 value = 0;                ///< written; subleaf of CPUID
  u64 answer = 0;               ///< what the guest has read; CPUID: EBX:EAX
  bool gp = false;              ///< #GP(0) was injected
  int code = 0;                 ///< KVM's own, kvm::Code
  bool passed_through = false;  ///< the LBR registers were, up to this exit
  std::string_view note{};      ///< who answered, where no rule of the model did
  kvm::Trace entry;             ///< rules that decided on the entry before it
  kvm::Trace rules;             ///< rules that decided the answer

  /// "WRMSR 0x1d9 = 0x1: ok at 0x100045".
  [[nodiscard]] std::string describe() const;
};

/// Why run() came back, and what happened on the way.
struct KvmRun {
  enum class How : u8 {
    kHalted,       ///< HLT, and nothing is pending that could wake the vCPU; run() continues behind it
    kExited,       ///< the guest wrote the exit port; `status` is 0..255
    kShutdown,     ///< triple fault, or the guest has overwritten the host's pages: `why` says which
    kBudget,       ///< a limit of run()'s; run() continues
    kStuck,        ///< nothing but faults and exits that complete no instruction: `why` says where
    kUnhandled,    ///< an exit for user space that nobody handles: `why` names it
    kFailedEntry,  ///< the CPU refused the VM entry: `why` names the check
  };
  How how = How::kHalted;
  int status = 0;
  std::string why;                       ///< in words
  u64 instructions = 0;                  ///< retired by the guest in this run
  u64 branches = 0;                      ///< ... of which branches
  u64 entries = 0;                       ///< VM entries
  u64 exits_seen = 0;                    ///< VM exits, kept or not
  u64 pmis = 0;                          ///< performance-monitoring interrupts of the guest's counters
  u64 slices = 0;                        ///< time slices that ended
  unsigned log_lines = 0, warnings = 0;  ///< in the host's log: KVM's own, "guest LBR may be wrong"
  std::vector<KvmExit> exits;            ///< the first KvmGuestConfig::kept_exits, in order

  /// All ends but these two are final until load().
  [[nodiscard]] bool ended() const { return how != How::kBudget && how != How::kHalted; }
};
[[nodiscard]] std::string_view name(KvmRun::How how);
/// "WRMSR", "external interrupt": the basic exit reason for people.
[[nodiscard]] std::string_view name(vmx::Reason reason);

/// The guest's registers between two runs.
struct KvmRegisters {
  std::array<u64, 16> gpr{};  ///< RAX, RCX, RDX, RBX, RSP, RBP, RSI, RDI, R8..R15
  u64 rip = 0, rflags = 0, cr0 = 0, cr2 = 0, cr3 = 0, cr4 = 0, efer = 0, dr7 = 0;
};

class KvmGuest {
 public:
  /// Gives `vcpu`, which must outlive it, a CPU of its own. If the vCPU has its LBR event, and it is active,
  /// its LBR registers move to that CPU, and back at the end. Throws Error: unknown names, too little or too
  /// much memory, a part without VMX.
  explicit KvmGuest(kvm::Vcpu& vcpu, KvmGuestConfig config = {});
  ~KvmGuest();
  KvmGuest(const KvmGuest&) = delete;
  KvmGuest& operator=(const KvmGuest&) = delete;

  static constexpr u64 kNoLimit = ~u64{0};

  /// Copies a flat 64-bit image to `address`, behind the GDT's page, and has the guest start there: CPL 0,
  /// identity map, RSP board::kStackTop, RDI bytes of memory, RSI end of the image, interrupts off, no IDT.
  /// The vCPU keeps its KVM state. Throws Error: an empty image, one that does not fit.
  void load(std::span<const u8> image, u64 address = board::kFlatAddress);
  /// The same from a file, a flat image or an ELF executable with fixed addresses.
  void load_file(const std::string& path);

  /// KVM_RUN: up to `max_instructions` more that the guest retires, and `max_exits` more VM exits. A guest
  /// that completes no instruction any more, as its handlers fault in turn without end, is stuck in any case.
  /// Throws Error without an image and after an end.
  KvmRun run(u64 max_instructions = kNoLimit, u64 max_exits = kNoLimit);

  [[nodiscard]] KvmRegisters registers() const;
  /// Guest-physical memory. Throws Error where it ends before.
  void read_memory(u64 address, std::span<u8> out) const;
  void write_memory(u64 address, std::span<const u8> data);
  [[nodiscard]] u64 memory_bytes() const;
  /// The guest's instructions since load().
  [[nodiscard]] u64 instructions() const;
  /// The CPU's own register, as the host kernel reads it between entries. Nothing: the read faults.
  [[nodiscard]] std::optional<u64> hardware_msr(u32 index);

  /// The host's own LBR records, newest first, as their registers show them: of the other task after its last
  /// turn, or of the event that is pinned; none where the host has no use for LBRs.
  [[nodiscard]] std::vector<LbrRecord> host_records() const;
  /// [first, last) of the addresses of the host's code.
  [[nodiscard]] std::pair<u64, u64> host_code() const;

  [[nodiscard]] kvm::Vcpu& vcpu();
  [[nodiscard]] Processor& processor();
  [[nodiscard]] const vmx::Vmx& vmx() const;
  /// Registers of the CPU, as KVM reaches them.
  [[nodiscard]] kvm::HardwareMsrs& hardware();
  /// What software asked of the CPU and did not get, a line each.
  [[nodiscard]] std::vector<std::string> unmodelled() const;

 private:
  struct Parts;
  std::unique_ptr<Parts> parts_;
};

}  // namespace lastbranch
