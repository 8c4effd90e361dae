#include "sim/user/vdso.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <elf.h>
#include <fmt/format.h>
#include <sys/syscall.h>

#include "sim/base/assert.h"

namespace lastbranch::user {
namespace {

constexpr std::array kFunctions = {
    VdsoFunction{"clock_gettime", SYS_clock_gettime},
    VdsoFunction{"gettimeofday", SYS_gettimeofday},
    VdsoFunction{"time", SYS_time},
    VdsoFunction{"getcpu", SYS_getcpu},
    VdsoFunction{"clock_getres", SYS_clock_getres},
};
constexpr const char* kSoname = "linux-vdso.so.1";
constexpr const char* kVersion = "LINUX_2.6";
constexpr u16 kBaseVersion = 1, kOurVersion = 2;  // indices in the version definitions
constexpr u32 kBuckets = 5;

/// mov eax, imm32; syscall; ret. A system call takes its arguments where a function does but for the fourth,
/// which none of ours has, and clobbers what a call may.
constexpr u64 kFunctionBytes = 8;
constexpr u64 kFunctionStride = 16;
constexpr u8 kPadding = 0xcc;  // int3

/// Section indices; .text comes first so that every table's contents are known when it is written.
enum Index : u16 { kNone, kText, kDynstr, kDynsym, kHash, kVersym, kVerdef, kDynamic, kShstrtab, kSections };
enum Segment : std::size_t { kLoad, kDynamicSegment, kStack, kSegments };
/// The first function is right behind the headers.
constexpr u64 kTextOffset =
    (sizeof(Elf64_Ehdr) + kSegments * sizeof(Elf64_Phdr) + kFunctionStride - 1) & ~(kFunctionStride - 1);

u32 elf_hash(std::string_view name) {
  u32 h = 0;
  for (const char c : name) {
    h = (h << 4) + static_cast<u8>(c);
    const u32 high = h & 0xf0000000;
    h = (h ^ (high >> 24)) & ~high;
  }
  return h;
}

class StringTable {
 public:
  u32 add(const std::string& s) {
    const std::size_t at = text_.size();
    text_.append(s).push_back('\0');
    return static_cast<u32>(at);
  }
  [[nodiscard]] const std::string& text() const { return text_; }

 private:
  std::string text_{'\0'};
};

/// Writes the image from front to back, keeping a section header of each part; addresses are file offsets.
class Builder {
 public:
  std::vector<u8> build() {
    bytes_.resize(kTextOffset);
    put_text();
    put_symbols();
    put_versions();
    put_dynamic();
    const u64 loaded = bytes_.size();
    put_section_names();
    put_headers(loaded);
    LASTBRANCH_CHECK(bytes_.size() <= kPageSize, "{} bytes", bytes_.size());
    bytes_.resize(kPageSize);
    return std::move(bytes_);
  }

 private:
  template <class T>
  void put(const T& value) {
    const auto* from = reinterpret_cast<const u8*>(&value);
    bytes_.insert(bytes_.end(), from, from + sizeof value);
  }
  void put_string(const std::string& s) { bytes_.insert(bytes_.end(), s.begin(), s.end()); }

  /// `contents` as section `index`, which is complete but for its name, place and size.
  template <class Contents>
  void put_section(Index index, Elf64_Shdr header, Contents contents) {
    bytes_.resize((bytes_.size() + header.sh_addralign - 1) & ~(header.sh_addralign - 1));
    header.sh_offset = bytes_.size();
    if ((header.sh_flags & SHF_ALLOC) != 0) header.sh_addr = header.sh_offset;
    contents();
    header.sh_size = bytes_.size() - header.sh_offset;
    sections_[index] = header;
  }
  static Elf64_Shdr section(u32 type, u64 flags, u64 alignment, u64 entry = 0, u32 link = 0, u32 info = 0) {
    Elf64_Shdr header{};
    header.sh_type = type;
    header.sh_flags = flags;
    header.sh_addralign = alignment;
    header.sh_entsize = entry;
    header.sh_link = link;
    header.sh_info = info;
    return header;
  }

  void put_text() {
    put_section(kText, section(SHT_PROGBITS, SHF_ALLOC | SHF_EXECINSTR, kFunctionStride), [&] {
      for (const VdsoFunction& f : kFunctions) {
        bytes_.push_back(0xb8);
        put(u32{f.number});
        put(std::array<u8, 3>{0x0f, 0x05, 0xc3});
        bytes_.resize(bytes_.size() + kFunctionStride - kFunctionBytes, kPadding);
      }
    });
  }

  void add_symbol(const std::string& name, u8 binding, u64 address) {
    Elf64_Sym s{};
    s.st_name = strings_.add(name);
    s.st_info = static_cast<u8>(ELF64_ST_INFO(binding, STT_FUNC));
    s.st_shndx = kText;
    s.st_value = address;
    s.st_size = kFunctionBytes;
    symbols_.push_back(s);
    hashes_.push_back(elf_hash(name));
  }

  void put_symbols() {
    u64 address = sections_[kText].sh_addr;
    for (const VdsoFunction& f : kFunctions) {
      add_symbol(std::string("__vdso_") + f.name, STB_GLOBAL, address);
      add_symbol(f.name, STB_WEAK, address);
      address += kFunctionStride;
    }
    soname_ = strings_.add(kSoname);
    version_ = strings_.add(kVersion);
    put_section(kDynstr, section(SHT_STRTAB, SHF_ALLOC, 1), [&] { put_string(strings_.text()); });
    put_section(kDynsym, section(SHT_DYNSYM, SHF_ALLOC, 8, sizeof(Elf64_Sym), kDynstr, 1), [&] {
      for (const Elf64_Sym& s : symbols_) put(s);
    });
    put_section(kHash, section(SHT_HASH, SHF_ALLOC, 8, sizeof(u32), kDynsym), [&] { put_hash(); });
  }

  /// Each bucket heads a chain of symbol indices that 0 ends.
  void put_hash() {
    std::vector<u32> buckets(kBuckets), chains(symbols_.size());
    for (u32 i = 1; i < symbols_.size(); ++i) {
      u32& head = buckets[hashes_[i] % kBuckets];
      chains[i] = head;
      head = i;
    }
    put(kBuckets);
    put(static_cast<u32>(chains.size()));
    for (const auto* list : {&buckets, &chains}) {
      for (const u32 word : *list) put(word);
    }
  }

  void put_versions() {
    put_section(kVersym, section(SHT_GNU_versym, SHF_ALLOC, 2, sizeof(u16), kDynsym), [&] {
      for (std::size_t i = 0; i < symbols_.size(); ++i) put(i == 0 ? u16{VER_NDX_LOCAL} : kOurVersion);
    });
    put_section(kVerdef, section(SHT_GNU_verdef, SHF_ALLOC, 8, 0, kDynstr, kOurVersion), [&] {
      put_version(kBaseVersion, VER_FLG_BASE, kSoname, soname_);
      put_version(kOurVersion, 0, kVersion, version_);
    });
  }
  void put_version(u16 index, u16 flags, const char* name, u32 name_at) {
    Elf64_Verdef d{};
    d.vd_version = VER_DEF_CURRENT;
    d.vd_flags = flags;
    d.vd_ndx = index;
    d.vd_cnt = 1;
    d.vd_hash = elf_hash(name);
    d.vd_aux = sizeof d;
    d.vd_next = index == kOurVersion ? 0 : sizeof d + sizeof(Elf64_Verdaux);
    put(d);
    put(Elf64_Verdaux{name_at, 0});
  }

  void put_dynamic() {
    put_section(kDynamic, section(SHT_DYNAMIC, SHF_ALLOC, 8, sizeof(Elf64_Dyn), kDynstr), [&] {
      const std::pair<i64, u64> entries[] = {
          {DT_SONAME, soname_},
          {DT_HASH, sections_[kHash].sh_addr},
          {DT_STRTAB, sections_[kDynstr].sh_addr},
          {DT_SYMTAB, sections_[kDynsym].sh_addr},
          {DT_STRSZ, sections_[kDynstr].sh_size},
          {DT_SYMENT, sizeof(Elf64_Sym)},
          {DT_VERDEF, sections_[kVerdef].sh_addr},
          {DT_VERDEFNUM, kOurVersion},
          {DT_VERSYM, sections_[kVersym].sh_addr},
          {DT_NULL, 0},
      };
      for (const auto& [tag, value] : entries) put(Elf64_Dyn{tag, {value}});
    });
  }

  void put_section_names() {
    constexpr const char* kNames[kSections] = {"",         ".text",        ".dynstr",        ".dynsym",
                                               ".hash",    ".gnu.version", ".gnu.version_d", ".dynamic",
                                               ".shstrtab"};
    StringTable names;
    std::array<u32, kSections> at{};
    for (std::size_t i = 1; i < kSections; ++i) at[i] = names.add(kNames[i]);
    put_section(kShstrtab, section(SHT_STRTAB, 0, 1), [&] { put_string(names.text()); });
    for (std::size_t i = 1; i < kSections; ++i) sections_[i].sh_name = at[i];
    bytes_.resize((bytes_.size() + 7) & ~std::size_t{7});
    section_table_ = bytes_.size();
    for (const Elf64_Shdr& header : sections_) put(header);
  }

  void put_headers(u64 loaded) {
    const Elf64_Shdr& d = sections_[kDynamic];
    std::array<Elf64_Phdr, kSegments> segments{};
    segments[kLoad] = {PT_LOAD, PF_R | PF_X, 0, 0, 0, loaded, loaded, kPageSize};
    segments[kDynamicSegment] = {PT_DYNAMIC, PF_R,      d.sh_offset, d.sh_addr,
                                 d.sh_addr,  d.sh_size, d.sh_size,   8};
    // Without it a loader takes the stack to have to be executable.
    segments[kStack] = {PT_GNU_STACK, PF_R | PF_W, 0, 0, 0, 0, 0, 16};

    Elf64_Ehdr h{};
    std::memcpy(h.e_ident, ELFMAG, SELFMAG);
    h.e_ident[EI_CLASS] = ELFCLASS64;
    h.e_ident[EI_DATA] = ELFDATA2LSB;
    h.e_ident[EI_VERSION] = EV_CURRENT;
    h.e_type = ET_DYN;
    h.e_machine = EM_X86_64;
    h.e_version = EV_CURRENT;
    h.e_phoff = sizeof h;
    h.e_shoff = section_table_;
    h.e_ehsize = sizeof h;
    h.e_phentsize = sizeof(Elf64_Phdr);
    h.e_phnum = kSegments;
    h.e_shentsize = sizeof(Elf64_Shdr);
    h.e_shnum = kSections;
    h.e_shstrndx = kShstrtab;
    std::memcpy(bytes_.data(), &h, sizeof h);
    std::memcpy(bytes_.data() + sizeof h, segments.data(), sizeof segments);
  }

  std::vector<u8> bytes_;
  std::array<Elf64_Shdr, kSections> sections_{};
  StringTable strings_;
  std::vector<Elf64_Sym> symbols_{1};
  std::vector<u32> hashes_{0};
  u32 soname_ = 0, version_ = 0;
  u64 section_table_ = 0;
};

}  // namespace

std::span<const VdsoFunction> vdso_functions() {
  return kFunctions;
}

std::span<const u8> vdso_image() {
  static const std::vector<u8> kImage = Builder().build();
  return kImage;
}

std::string describe_vdso(u64 offset) {
  const u64 index = (offset - kTextOffset) / kFunctionStride,
            within = (offset - kTextOffset) % kFunctionStride;
  if (offset < kTextOffset || index >= kFunctions.size() || within >= kFunctionBytes) return {};
  return fmt::format("{}+{:#x}", kFunctions[index].name, within);
}

}  // namespace lastbranch::user
