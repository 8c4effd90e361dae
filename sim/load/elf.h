#pragma once
// What starting a program needs of an ELF file: its kind, entry, loadable segments and the loader it names.
//
// Read: ELF64, little-endian, x86-64, ET_EXEC and ET_DYN. Not: 32-bit and x32 programs, ET_REL, ET_CORE,
// relocations (the program's own loader does them). Every offset and size is checked against the file before
// it is used. Sources: System V gABI "ELF Header", "Program Header"; psABI x86-64 "Object Files".
#include <string>
#include <vector>

#include "sim/base/units.h"
#include "sim/load/file_reader.h"

namespace lastbranch::load {

/// One PT_LOAD entry, as in the file.
struct Segment {
  u64 offset = 0;        ///< file offset, congruent to `address` modulo the page size
  u64 address = 0;       ///< link-time address
  u64 file_bytes = 0;    ///< from the file
  u64 memory_bytes = 0;  ///< >= file_bytes; the rest is zero
  u32 prot = 0;          ///< PROT_READ | PROT_WRITE | PROT_EXEC
};

struct ElfImage {
  bool position_independent = false;  ///< ET_DYN: the addresses are relative to where it is put
  u64 entry = 0;
  u64 header_address =
      0;  ///< link-time address of the program headers, for AT_PHDR; 0 when they are not loaded
  u16 header_count = 0;       ///< AT_PHNUM
  u64 alignment = kPageSize;  ///< largest p_align: what a load bias must be a multiple of
  bool executable_stack = false;
  std::string interpreter;        ///< PT_INTERP; empty when static
  std::vector<Segment> segments;  ///< ascending by address, not overlapping

  [[nodiscard]] u64 low() const { return page_of(segments.front().address); }
  [[nodiscard]] u64 high() const { return page_ceil(segments.back().address + segments.back().memory_bytes); }
};

/// Reads and checks `file`. Throws Error, one line: what, where, expected, found.
[[nodiscard]] ElfImage read_elf(const FileReader& file);

}  // namespace lastbranch::load
