#pragma once
// Puts a program and its loader into an address space, as execve() does.
// Source: Linux fs/binfmt_elf.c (load_elf_binary), man execve(2).
#include <string>

#include "sim/load/elf.h"
#include "sim/user/address_space.h"

namespace lastbranch::user {

/// Where a started program is; what its stack and registers are made from.
struct Program {
  u64 entry = 0;          ///< first instruction: the loader's, or the program's own
  u64 program_entry = 0;  ///< AT_ENTRY
  u64 headers = 0;        ///< AT_PHDR
  u16 header_count = 0;   ///< AT_PHNUM
  u64 loader_base = 0;    ///< AT_BASE, 0 when static
  u64 end = 0;            ///< where the heap may start
  bool executable_stack = false;
};

/// One ELF file, checked, and how the guest and perf.data call it.
struct ProgramFile {
  load::ElfImage image;
  std::shared_ptr<MappedFile> file;
};

/// Maps `program` and, when it names one, `loader`. Throws Error when the segments do not fit.
[[nodiscard]] Program load_program(AddressSpace& space, const ProgramFile& program,
                                   const ProgramFile* loader);

}  // namespace lastbranch::user
