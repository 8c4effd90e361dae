#pragma once
// Where the rules come from: volume, chapter and section of the Intel SDM, as each row of a table names it.
// Titles, not numbers: chapters are renumbered between editions.
#include <string_view>

namespace lastbranch::vmx::sdm {

using Source = std::string_view;

// Volume 3C, chapter "Virtual Machine Control Structures".
inline constexpr Source  //
    kGuestRegisters = "SDM vol. 3C, Virtual Machine Control Structures: Guest Register State",
    kGuestNonRegister = "SDM vol. 3C, Virtual Machine Control Structures: Guest Non-Register State",
    kHostArea = "SDM vol. 3C, Virtual Machine Control Structures: Host-State Area",
    kPinControls = "SDM vol. 3C, Virtual Machine Control Structures: Pin-Based VM-Execution Controls",
    kProcControls = "SDM vol. 3C, Virtual Machine Control Structures: Processor-Based VM-Execution Controls",
    kExceptionBitmap = "SDM vol. 3C, Virtual Machine Control Structures: Exception Bitmap",
    kIoBitmaps = "SDM vol. 3C, Virtual Machine Control Structures: I/O-Bitmap Addresses",
    kMasks =
        "SDM vol. 3C, Virtual Machine Control Structures: Guest/Host Masks and Read Shadows for CR0 and CR4",
    kCr3Targets = "SDM vol. 3C, Virtual Machine Control Structures: CR3-Target Controls",
    kMsrBitmaps = "SDM vol. 3C, Virtual Machine Control Structures: MSR-Bitmap Address",
    kExitControls = "SDM vol. 3C, Virtual Machine Control Structures: VM-Exit Controls",
    kExitMsrControls = "SDM vol. 3C, Virtual Machine Control Structures: VM-Exit Controls for MSRs",
    kEntryControls = "SDM vol. 3C, Virtual Machine Control Structures: VM-Entry Controls",
    kEntryMsrControls = "SDM vol. 3C, Virtual Machine Control Structures: VM-Entry Controls for MSRs",
    kEntryEventControls =
        "SDM vol. 3C, Virtual Machine Control Structures: VM-Entry Controls for Event Injection",
    kBasicInformation = "SDM vol. 3C, Virtual Machine Control Structures: Basic VM-Exit Information",
    kEventInformation =
        "SDM vol. 3C, Virtual Machine Control Structures: Information for VM Exits Due to Vectored Events",
    kDeliveryInformation =
        "SDM vol. 3C, Virtual Machine Control Structures: Information for VM Exits That "
        "Occur During Event Delivery",
    kInsnInformation =
        "SDM vol. 3C, Virtual Machine Control Structures: Information for VM Exits Due to "
        "Instruction Execution",
    kErrorInformation = "SDM vol. 3C, Virtual Machine Control Structures: VM-Instruction Error Field";

// Volume 3C, chapter "VMX Non-Root Operation".
inline constexpr Source  //
    kUnconditional = "SDM vol. 3C, VMX Non-Root Operation: Instructions That Cause VM Exits Unconditionally",
    kConditional = "SDM vol. 3C, VMX Non-Root Operation: Instructions That Cause VM Exits Conditionally",
    kOtherCauses = "SDM vol. 3C, VMX Non-Root Operation: Other Causes of VM Exits";

// Volume 3C, chapter "VMX Instruction Reference".
inline constexpr Source  //
    kVmcall = "SDM vol. 3C, VMX Instruction Reference: VMCALL",
    kVmclear = "SDM vol. 3C, VMX Instruction Reference: VMCLEAR",
    kVmlaunch = "SDM vol. 3C, VMX Instruction Reference: VMLAUNCH/VMRESUME",
    kVmptrld = "SDM vol. 3C, VMX Instruction Reference: VMPTRLD",
    kVmread = "SDM vol. 3C, VMX Instruction Reference: VMREAD",
    kVmwrite = "SDM vol. 3C, VMX Instruction Reference: VMWRITE",
    kVmxon = "SDM vol. 3C, VMX Instruction Reference: VMXON";

// Volume 3C, chapter "VM Entries".
inline constexpr Source  //
    kCheckExecution = "SDM vol. 3C, VM Entries: Checks on VMX Controls, VM-Execution Control Fields",
    kCheckExit = "SDM vol. 3C, VM Entries: Checks on VMX Controls, VM-Exit Control Fields",
    kCheckEntry = "SDM vol. 3C, VM Entries: Checks on VMX Controls, VM-Entry Control Fields",
    kCheckHostRegisters = "SDM vol. 3C, VM Entries: Checks on Host Control Registers, MSRs, and SSP",
    kCheckHostSegments = "SDM vol. 3C, VM Entries: Checks on Host Segment and Descriptor-Table Registers",
    kCheckHostSize = "SDM vol. 3C, VM Entries: Checks Related to Address-Space Size",
    kCheckRegisters = "SDM vol. 3C, VM Entries: Checks on Guest Control Registers, Debug Registers, and MSRs",
    kCheckSegments = "SDM vol. 3C, VM Entries: Checks on Guest Segment Registers",
    kCheckTables = "SDM vol. 3C, VM Entries: Checks on Guest Descriptor-Table Registers",
    kCheckFlow = "SDM vol. 3C, VM Entries: Checks on Guest RIP, RFLAGS, and SSP",
    kCheckOther = "SDM vol. 3C, VM Entries: Checks on Guest Non-Register State",
    kLoadRegisters = "SDM vol. 3C, VM Entries: Loading Guest Control Registers, Debug Registers, and MSRs",
    kLoadSegments = "SDM vol. 3C, VM Entries: Loading Guest Segment Registers and Descriptor-Table Registers",
    kLoadFlow = "SDM vol. 3C, VM Entries: Loading Guest RIP, RSP, RFLAGS, and SSP",
    kEntryActivity = "SDM vol. 3C, VM Entries: Activity State",
    kEntryBlocking = "SDM vol. 3C, VM Entries: Interruptibility State",
    kEntryLists = "SDM vol. 3C, VM Entries: Loading MSRs",
    kInjection = "SDM vol. 3C, VM Entries: Vectored-Event Injection",
    kPendingDebug = "SDM vol. 3C, VM Entries: Delivery of Pending Debug Exceptions after VM Entry";

// Volume 3C, chapter "VM Exits".
inline constexpr Source  //
    kSaveRegisters = "SDM vol. 3C, VM Exits: Saving Control Registers, Debug Registers, and MSRs",
    kSaveSegments = "SDM vol. 3C, VM Exits: Saving Segment Registers and Descriptor-Table Registers",
    kSaveFlow = "SDM vol. 3C, VM Exits: Saving RIP, RSP, RFLAGS, and SSP",
    kSaveOther = "SDM vol. 3C, VM Exits: Saving Non-Register State",
    kSaveLists = "SDM vol. 3C, VM Exits: Saving MSRs",
    kHostRegisters = "SDM vol. 3C, VM Exits: Loading Host Control Registers, Debug Registers, MSRs",
    kHostSegments = "SDM vol. 3C, VM Exits: Loading Host Segment and Descriptor-Table Registers",
    kHostFlow = "SDM vol. 3C, VM Exits: Loading Host RIP, RSP, RFLAGS, and SSP",
    kHostOther = "SDM vol. 3C, VM Exits: Updating Non-Register State";

// Volume 3B: the manual does not say that an entry or exit is a record; an option asks for one.
inline constexpr Source kRecords =
    "SDM vol. 3B, Debug, Branch Profile, TSC, and Intel RDT Features: Last Branch Recording, which does not "
    "mention VM entries and exits: by option";

// Volume 3D, appendix "VMX Capability Reporting Facility"; volume 4 for the register that locks VMX.
inline constexpr Source  //
    kReserved = "SDM vol. 3D, VMX Capability Reporting Facility: Reserved Controls and Default Settings",
    kBasic = "SDM vol. 3D, VMX Capability Reporting Facility: Basic VMX Information",
    kExecutionCapability = "SDM vol. 3D, VMX Capability Reporting Facility: VM-Execution Controls",
    kExitCapability = "SDM vol. 3D, VMX Capability Reporting Facility: VM-Exit Controls",
    kEntryCapability = "SDM vol. 3D, VMX Capability Reporting Facility: VM-Entry Controls",
    kMisc = "SDM vol. 3D, VMX Capability Reporting Facility: Miscellaneous Data",
    kFixedCr0 = "SDM vol. 3D, VMX Capability Reporting Facility: VMX-Fixed Bits in CR0",
    kFixedCr4 = "SDM vol. 3D, VMX Capability Reporting Facility: VMX-Fixed Bits in CR4",
    kEnumeration = "SDM vol. 3D, VMX Capability Reporting Facility: VMCS Enumeration",
    kFeatureControl =
        "SDM vol. 3C, Introduction to Virtual Machine Extensions: Enabling and Entering VMX Operation";

}  // namespace lastbranch::vmx::sdm
