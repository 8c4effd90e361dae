#include "sim/perfdata/build_id.h"

#include <algorithm>
#include <cstring>
#include <memory>
#include <string_view>
#include <vector>

#include <fmt/format.h>
#include <gelf.h>
#include <unistd.h>

#include "sim/base/error.h"
#include "sim/base/regular_file.h"

namespace lastbranch::perfdata {
namespace {

struct ElfEnd {
  void operator()(Elf* elf) const { elf_end(elf); }
};
using ElfHandle = std::unique_ptr<Elf, ElfEnd>;

std::optional<BuildId> find_in_notes(Elf_Data* notes) {
  if (notes == nullptr || notes->d_buf == nullptr) return std::nullopt;
  constexpr std::string_view kOwner{"GNU\0", 4};
  GElf_Nhdr note;
  std::size_t name = 0;
  std::size_t description = 0;
  for (std::size_t at = 0; (at = gelf_getnote(notes, at, &note, &name, &description)) != 0;) {
    const auto* bytes = static_cast<const u8*>(notes->d_buf);
    if (note.n_type != NT_GNU_BUILD_ID || note.n_namesz != kOwner.size() || note.n_descsz == 0) continue;
    if (std::memcmp(bytes + name, kOwner.data(), kOwner.size()) != 0) continue;
    BuildId id;
    id.size = static_cast<u8>(std::min<std::size_t>(note.n_descsz, id.bytes.size()));
    std::copy_n(bytes + description, id.size, id.bytes.begin());
    return id;
  }
  return std::nullopt;
}

/// Segments first: they survive `strip` and are all that a loaded image has. Sections for object files.
std::optional<BuildId> find(Elf* elf) {
  if (elf == nullptr || elf_kind(elf) != ELF_K_ELF) return std::nullopt;
  std::size_t segments = 0;
  if (elf_getphdrnum(elf, &segments) == 0) {
    for (std::size_t i = 0; i < segments; ++i) {
      GElf_Phdr header;
      if (gelf_getphdr(elf, static_cast<int>(i), &header) == nullptr || header.p_type != PT_NOTE) continue;
      const Elf_Type type = header.p_align == 8 ? ELF_T_NHDR8 : ELF_T_NHDR;
      auto id =
          find_in_notes(elf_getdata_rawchunk(elf, static_cast<i64>(header.p_offset), header.p_filesz, type));
      if (id) return id;
    }
  }
  for (Elf_Scn* section = nullptr; (section = elf_nextscn(elf, section)) != nullptr;) {
    GElf_Shdr header;
    if (gelf_getshdr(section, &header) == nullptr || header.sh_type != SHT_NOTE) continue;
    if (auto id = find_in_notes(elf_getdata(section, nullptr))) return id;
  }
  return std::nullopt;
}

}  // namespace

std::string BuildId::hex() const {
  std::string text;
  for (u8 i = 0; i < size; ++i) text += fmt::format("{:02x}", bytes[i]);
  return text;
}

std::optional<BuildId> read_build_id(const std::string& path) {
  elf_version(EV_CURRENT);
  int fd = -1;
  try {
    fd = open_regular_file(path);
  } catch (const Error&) {
    return std::nullopt;
  }
  std::optional<BuildId> id;
  {
    const ElfHandle elf(elf_begin(fd, ELF_C_READ, nullptr));
    id = find(elf.get());
  }
  close(fd);
  return id;
}

std::optional<BuildId> read_build_id(std::span<const std::byte> image) {
  elf_version(EV_CURRENT);
  // libelf takes a mutable image and may convert in place; a copy keeps the caller's bytes as they are.
  std::vector<char> copy(image.size());
  if (!image.empty()) std::memcpy(copy.data(), image.data(), image.size());
  const ElfHandle elf(elf_memory(copy.data(), copy.size()));
  return find(elf.get());
}

}  // namespace lastbranch::perfdata
