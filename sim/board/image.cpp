#include "sim/board/image.h"

#include <array>
#include <cstring>

#include "sim/base/error.h"
#include "sim/board/layout.h"
#include "sim/load/elf.h"
#include "sim/load/file_reader.h"

namespace lastbranch::board {
namespace {

bool is_elf(const load::FileReader& file) {
  const std::vector<u8> magic = file.read_some(0, 4);
  return magic.size() == 4 && std::memcmp(magic.data(), "\177ELF", 4) == 0;
}

LoadedImage load_flat(const load::FileReader& file, PhysMem& memory) {
  if (file.size() == 0) throw Error("{}: expected an image, found an empty file", file.name());
  if (!memory.contains(kFlatAddress, file.size())) {
    throw Error(
        "{}: expected at most {:#x} bytes, as RAM of {:#x} bytes and the address {:#x} allow, found {:#x}",
        file.name(), memory.size() - kFlatAddress, memory.size(), kFlatAddress, file.size());
  }
  file.read(0, {memory.host(kFlatAddress), file.size()}, "flat image");
  return {kFlatAddress, page_ceil(kFlatAddress + file.size())};
}

LoadedImage load_elf(const load::FileReader& file, PhysMem& memory) {
  const load::ElfImage image = load::read_elf(file);
  if (image.position_independent) {
    throw Error(
        "{}: expected an executable with fixed addresses (ET_EXEC), found a position-independent one: "
        "link with -static -no-pie",
        file.name());
  }
  for (const load::Segment& s : image.segments) {
    if (!memory.contains(s.address, s.memory_bytes)) {
      throw Error("{}: expected segments within RAM of {:#x} bytes, found {:#x} bytes at {:#x}", file.name(),
                  memory.size(), s.memory_bytes, s.address);
    }
    file.read(s.offset, {memory.host(s.address), s.file_bytes}, "loadable segment");
  }
  if (!memory.contains(image.entry, 1)) {
    throw Error("{}: expected an entry within RAM, found {:#x}", file.name(), image.entry);
  }
  return {image.entry, image.high()};
}

}  // namespace

LoadedImage load_image(const std::string& path, PhysMem& memory) {
  const load::FileReader file(path);
  return is_elf(file) ? load_elf(file, memory) : load_flat(file, memory);
}

u16 write_gdt(PhysMem& memory) {
  // Flat segments: present, writable or readable, accessed; code with L.
  constexpr u64 kCode = 0x00af'9b00'0000'ffff, kData = 0x00cf'9300'0000'ffff, kUser = u64{3} << 45;
  // The fourth is the 32-bit user code segment's place, which SYSRET to 64-bit mode skips.
  constexpr std::array<u64, 6> kGdt = {0, kCode, kData, 0, kData | kUser, kCode | kUser};
  std::memcpy(memory.host(kGdtAddress), kGdt.data(), sizeof kGdt);
  return sizeof kGdt - 1;
}

}  // namespace lastbranch::board
