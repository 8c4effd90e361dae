#pragma once
// The bare board's addresses and what a program finds at its start: docs/bare-machine.md tells it to people.
//
// Modelled: RAM from address 0, one exit port, one output port, a local APIC's page. Not: a firmware, a PC's
// devices.
#include "sim/base/units.h"

namespace lastbranch::board {

inline constexpr u64 kGdtAddress = 0x1000;
inline constexpr u64 kStackTop = 0x80000;       ///< RSP at the start; nothing is below the GDT's page but it
inline constexpr u64 kFlatAddress = 0x10'0000;  ///< where a flat image is loaded and entered
/// RAM must end below the APIC's page.
inline constexpr u64 kMostMemory = 0xfec0'0000;
inline constexpr u64 kLeastMemory = 0x20'0000;
inline constexpr u64 kDefaultMemory = u64{128} << 20;

// Selectors of the GDT that the board sets up, in the order that SYSCALL and SYSRET want.
inline constexpr u16 kKernelCode = 0x08;
inline constexpr u16 kKernelData = 0x10;
inline constexpr u16 kUserData = 0x20 | 3;
inline constexpr u16 kUserCode = 0x28 | 3;

inline constexpr u16 kOutputPort = 0xe9;  ///< bytes written go to the output; reads as 0xe9
inline constexpr u16 kExitPort = 0xf4;    ///< ends the run: see exit_status()

/// On the board's bus, I/O port p is address kPortSpace + p: no physical address reaches that far.
inline constexpr u64 kPortSpace = u64{1} << 60;

/// What a value written to the exit port becomes: itself up to 255, 255 beyond.
[[nodiscard]] constexpr int exit_status(u32 value) {
  return value < 256 ? static_cast<int>(value) : 255;
}

}  // namespace lastbranch::board
