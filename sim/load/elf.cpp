#include "sim/load/elf.h"

#include <algorithm>
#include <array>
#include <bit>

#include <elf.h>
#include <sys/mman.h>

#include "sim/base/error.h"

namespace lastbranch::load {
namespace {

/// User addresses end here; what a program header asks for must lie below.
constexpr u64 kAddressLimit = 0x7ffffffff000;

struct MachineName {
  u16 machine;
  const char* name;
};
constexpr std::array kMachines = {
    MachineName{EM_386, "Intel 80386"}, MachineName{EM_AARCH64, "AArch64"},
    MachineName{EM_ARM, "ARM"},         MachineName{EM_RISCV, "RISC-V"},
    MachineName{EM_PPC64, "PowerPC64"}, MachineName{EM_S390, "IBM S/390"},
    MachineName{EM_MIPS, "MIPS"},       MachineName{EM_SPARCV9, "SPARC V9"},
    MachineName{EM_IA_64, "Itanium"},   MachineName{EM_PPC, "PowerPC"},
    MachineName{258, "LoongArch"},
};

std::string machine_name(u16 machine) {
  const auto* row =
      std::find_if(kMachines.begin(), kMachines.end(), [&](auto& m) { return m.machine == machine; });
  return row != kMachines.end() ? row->name : fmt::format("machine {}", machine);
}

const char* type_name(u16 type) {
  switch (type) {
    case ET_REL:
      return "a relocatable object";
    case ET_CORE:
      return "a core dump";
    default:
      return "an ELF file of unknown type";
  }
}

void check_identity(const FileReader& file) {
  const std::vector<u8> ident = file.read_some(0, EI_NIDENT);
  if (ident.size() < SELFMAG || !std::equal(ident.begin(), ident.begin() + SELFMAG, ELFMAG)) {
    std::string found = "an empty file";
    if (!ident.empty()) {
      found = "bytes";
      for (std::size_t i = 0; i < std::min<std::size_t>(ident.size(), 4); ++i)
        found += fmt::format(" {:02x}", ident[i]);
    }
    throw Error("{}: not an ELF file: expected 7f 45 4c 46 at offset 0, found {}", file.name(), found);
  }
  if (ident.size() < EI_NIDENT) {
    throw Error("{}: truncated: expected {} bytes of ELF identification, found {}", file.name(), EI_NIDENT,
                ident.size());
  }
  if (ident[EI_CLASS] == ELFCLASS32) {
    const auto machine = file.read_as<u16>(offsetof(Elf32_Ehdr, e_machine), "e_machine");
    throw Error("{}: expected a 64-bit x86-64 program, found a 32-bit one for {}", file.name(),
                machine == EM_X86_64 ? "the x32 interface" : machine_name(machine));
  }
  if (ident[EI_CLASS] != ELFCLASS64) {
    throw Error("{}: expected ELF class 2 (64-bit) at offset 4, found {}", file.name(), ident[EI_CLASS]);
  }
  if (ident[EI_DATA] != ELFDATA2LSB) {
    throw Error("{}: expected little-endian data (1) at offset 5, found {}", file.name(), ident[EI_DATA]);
  }
}

Elf64_Ehdr read_header(const FileReader& file) {
  check_identity(file);
  const auto h = file.read_as<Elf64_Ehdr>(0, "ELF header");
  if (h.e_machine != EM_X86_64) {
    throw Error("{}: expected a program for x86-64, found one for {}", file.name(),
                machine_name(h.e_machine));
  }
  if (h.e_type != ET_EXEC && h.e_type != ET_DYN) {
    throw Error("{}: expected a program, found {} (e_type {})", file.name(), type_name(h.e_type), h.e_type);
  }
  if (h.e_phentsize != sizeof(Elf64_Phdr)) {
    throw Error("{}: ELF header: expected e_phentsize {}, found {}", file.name(), sizeof(Elf64_Phdr),
                h.e_phentsize);
  }
  return h;
}

u32 protection(u32 flags) {
  u32 prot = PROT_NONE;
  if ((flags & PF_R) != 0) prot |= PROT_READ;
  if ((flags & PF_W) != 0) prot |= PROT_WRITE;
  if ((flags & PF_X) != 0) prot |= PROT_EXEC;
  return prot;
}

Segment read_segment(const FileReader& file, const Elf64_Phdr& p, std::size_t index) {
  const auto where = [&] { return fmt::format("{}: program header {}", file.name(), index); };
  if (p.p_memsz < p.p_filesz) {
    throw Error("{}: expected p_memsz >= p_filesz, found {:#x} < {:#x}", where(), p.p_memsz, p.p_filesz);
  }
  if (p.p_vaddr >= kAddressLimit || p.p_memsz > kAddressLimit - p.p_vaddr) {
    throw Error("{}: expected addresses below {:#x}, found {:#x} + {:#x}", where(), kAddressLimit, p.p_vaddr,
                p.p_memsz);
  }
  if (((p.p_vaddr ^ p.p_offset) & (kPageSize - 1)) != 0) {
    throw Error("{}: expected p_vaddr and p_offset equal modulo {:#x}, found {:#x} and {:#x}", where(),
                kPageSize, p.p_vaddr, p.p_offset);
  }
  file.require(p.p_offset, p.p_filesz, 1, "loadable segment");
  return {p.p_offset, p.p_vaddr, p.p_filesz, p.p_memsz, protection(p.p_flags)};
}

std::string read_interpreter(const FileReader& file, const Elf64_Phdr& p) {
  constexpr u64 kLongestPath = 4096;
  if (p.p_filesz < 2 || p.p_filesz > kLongestPath) {
    throw Error("{}: PT_INTERP: expected 2 to {} bytes, found {}", file.name(), kLongestPath, p.p_filesz);
  }
  const auto bytes = file.read_array<char>(p.p_offset, p.p_filesz, "PT_INTERP");
  if (bytes.back() != '\0')
    throw Error("{}: PT_INTERP: expected a string that ends in a zero byte", file.name());
  return bytes.data();
}

u64 load_alignment(u64 so_far, u64 align) {
  return std::has_single_bit(align) && align <= (u64{1} << 30) ? std::max(so_far, align) : so_far;
}

void check_order(const FileReader& file, const ElfImage& image) {
  if (image.segments.empty())
    throw Error("{}: expected at least one PT_LOAD program header, found none", file.name());
  for (std::size_t i = 1; i < image.segments.size(); ++i) {
    const Segment& before = image.segments[i - 1];
    const Segment& after = image.segments[i];
    if (after.address < before.address + before.memory_bytes) {
      throw Error("{}: expected loadable segments in ascending order, found {:#x} after {:#x} + {:#x}",
                  file.name(), after.address, before.address, before.memory_bytes);
    }
  }
}

}  // namespace

ElfImage read_elf(const FileReader& file) {
  const Elf64_Ehdr header = read_header(file);
  const auto table = file.read_array<Elf64_Phdr>(header.e_phoff, header.e_phnum, "program headers");
  ElfImage image;
  image.position_independent = header.e_type == ET_DYN;
  image.entry = header.e_entry;
  image.header_count = header.e_phnum;
  for (std::size_t i = 0; i < table.size(); ++i) {
    const Elf64_Phdr& p = table[i];
    if (p.p_type == PT_LOAD && p.p_memsz != 0) {
      image.segments.push_back(read_segment(file, p, i));
      image.alignment = load_alignment(image.alignment, p.p_align);
      if (header.e_phoff >= p.p_offset && header.e_phoff - p.p_offset < p.p_filesz) {
        image.header_address = p.p_vaddr + (header.e_phoff - p.p_offset);
      }
    } else if (p.p_type == PT_INTERP) {
      image.interpreter = read_interpreter(file, p);
    } else if (p.p_type == PT_GNU_STACK) {
      image.executable_stack = (p.p_flags & PF_X) != 0;
    }
  }
  check_order(file, image);
  return image;
}

}  // namespace lastbranch::load
