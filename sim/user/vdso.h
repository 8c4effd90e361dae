#pragma once
// The vDSO: the small shared object that the kernel maps into every process and announces by AT_SYSINFO_EHDR.
//
// Modelled: an ELF image with Linux's functions, each under both of its names and version LINUX_2.6, findable
// by program headers (as glibc, musl and Go do) and by section headers (as dietlibc does). Not: reading the
// clock without entering the kernel: each function makes its system call, so that time comes from one place
// and a recording has its branches; no [vvar] page, no build-id, no call-frame information.
// Sources: man vdso(7); System V gABI "Dynamic Section", "Hash Table"; Linux Standard Base "Symbol
// Versioning".
#include <span>
#include <string>

#include "sim/base/units.h"

namespace lastbranch::user {

/// A function of the vDSO: exported as `name`, weak, and as "__vdso_" + `name`.
struct VdsoFunction {
  const char* name;
  u16 number;  ///< of the system call that it makes
};

[[nodiscard]] std::span<const VdsoFunction> vdso_functions();

/// The image, linked at 0: one page, zero after its end. Always the same bytes.
[[nodiscard]] std::span<const u8> vdso_image();

/// "clock_gettime+0x5" for an offset into the image, "" where no function is.
[[nodiscard]] std::string describe_vdso(u64 offset);

}  // namespace lastbranch::user
