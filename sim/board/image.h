#pragma once
// Loading a program into the bare board's RAM: a flat image, or an ELF executable as ld makes it.
//
// Read: ELF64 ET_EXEC, its PT_LOAD segments at their addresses, which are physical ones here. Anything that
// does not begin as an ELF file does is a flat image. Not: position-independent executables, multiboot.
#include <string>

#include "sim/base/phys_mem.h"
#include "sim/base/units.h"

namespace lastbranch::board {

struct LoadedImage {
  u64 entry = 0;
  u64 end = 0;  ///< first page boundary behind it
};

/// Throws Error: a file that cannot be read or does not fit.
[[nodiscard]] LoadedImage load_image(const std::string& path, PhysMem& memory);

/// Writes the board's GDT (selectors in sim/board/layout.h) and returns its limit.
u16 write_gdt(PhysMem& memory);

}  // namespace lastbranch::board
