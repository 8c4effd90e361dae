// VM exits in words.
#include <array>

#include <fmt/format.h>

#include "sim/machine/kvm_guest.h"

namespace lastbranch {
namespace {

using vmx::Reason;

struct Named {
  Reason reason;
  std::string_view name;
};
constexpr Named kReasons[] = {{Reason::kException, "exception or NMI"},
                              {Reason::kExternalInterrupt, "external interrupt"},
                              {Reason::kTripleFault, "triple fault"},
                              {Reason::kInterruptWindow, "interrupt window"},
                              {Reason::kNmiWindow, "NMI window"},
                              {Reason::kCpuid, "CPUID"},
                              {Reason::kHlt, "HLT"},
                              {Reason::kInvd, "INVD"},
                              {Reason::kInvlpg, "INVLPG"},
                              {Reason::kRdpmc, "RDPMC"},
                              {Reason::kRdtsc, "RDTSC"},
                              {Reason::kVmcall, "VMCALL"},
                              {Reason::kVmclear, "VMCLEAR"},
                              {Reason::kVmlaunch, "VMLAUNCH"},
                              {Reason::kVmptrld, "VMPTRLD"},
                              {Reason::kVmptrst, "VMPTRST"},
                              {Reason::kVmread, "VMREAD"},
                              {Reason::kVmresume, "VMRESUME"},
                              {Reason::kVmwrite, "VMWRITE"},
                              {Reason::kVmxoff, "VMXOFF"},
                              {Reason::kVmxon, "VMXON"},
                              {Reason::kCr, "control register"},
                              {Reason::kMovDr, "MOV DR"},
                              {Reason::kIo, "I/O"},
                              {Reason::kRdmsr, "RDMSR"},
                              {Reason::kWrmsr, "WRMSR"},
                              {Reason::kInvalidGuestState, "invalid guest state"},
                              {Reason::kMsrLoading, "MSR loading"}};

/// "ok" or "#GP(0)", and who decided where no rule did.
std::string verdict(const KvmExit& exit) {
  std::string text = exit.gp ? "#GP(0)" : "ok";
  if (!exit.note.empty()) text += fmt::format(" ({})", exit.note);
  return text;
}

std::string what(const KvmExit& exit) {
  switch (exit.reason) {
    case Reason::kWrmsr:
      return fmt::format("WRMSR {:#x} = {:#x}: {}", exit.index, exit.value, verdict(exit));
    case Reason::kRdmsr:
    case Reason::kRdpmc:
      return fmt::format("{} {:#x}: {}", name(exit.reason), exit.index,
                         exit.gp ? verdict(exit) : fmt::format("{:#x}, {}", exit.answer, verdict(exit)));
    case Reason::kCpuid:
      return fmt::format("CPUID {:#x}.{:#x}", exit.index, exit.value);
    case Reason::kIo:
      return fmt::format("I/O port {:#x}", exit.index);
    case Reason::kException:
      return "NMI";
    default:
      return std::string(name(exit.reason));
  }
}

}  // namespace

std::string_view name(vmx::Reason reason) {
  for (const Named& row : kReasons)
    if (row.reason == reason) return row.name;
  return "unknown";
}

std::string_view name(KvmRun::How how) {
  constexpr std::array<std::string_view, 7> kNames = {"halted", "exited",    "shutdown",    "budget",
                                                      "stuck",  "unhandled", "failed entry"};
  return kNames.at(static_cast<std::size_t>(how));
}

std::string KvmExit::describe() const {
  return fmt::format("{} at {:#x}{}", what(*this), rip, pmi ? ", with a PMI" : "");
}

}  // namespace lastbranch
