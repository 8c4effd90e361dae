#include "sim/perfdata/export_symbols.h"

#include <algorithm>
#include <tuple>
#include <unordered_map>

#include <fmt/format.h>
#include <gelf.h>
#include <unistd.h>

#include "sim/base/error.h"
#include "sim/base/regular_file.h"

namespace lastbranch::perfdata {
namespace {

constexpr u32 kKernelPid = ~u32{0};

struct Symbol {
  u64 address = 0;
  u64 size = 0;
  bool local = false;
  bool function = false;
  std::string name;
  std::string unique_name;
};

/// The ELF file of a descriptor, both given back.
class OpenElf {
 public:
  explicit OpenElf(const std::string& path) : fd_(open_regular_file(path)) {
    elf_version(EV_CURRENT);
    elf_ = elf_begin(fd_, ELF_C_READ_MMAP, nullptr);
    if (elf_ != nullptr && elf_kind(elf_) == ELF_K_ELF && gelf_getclass(elf_) == ELFCLASS64) return;
    elf_end(elf_);
    close(fd_);
    throw Error("{}: offset 0x0: magic: expected an ELF64 file, found none", path);
  }
  ~OpenElf() {
    elf_end(elf_);
    close(fd_);
  }
  OpenElf(const OpenElf&) = delete;
  OpenElf& operator=(const OpenElf&) = delete;

  [[nodiscard]] Elf* get() const { return elf_; }

 private:
  int fd_;
  Elf* elf_ = nullptr;
};

void read_symbols(Elf* elf, Elf_Scn* section, const GElf_Shdr& header, std::vector<Symbol>& symbols) {
  Elf_Data* data = elf_getdata(section, nullptr);
  if (data == nullptr || header.sh_entsize == 0) return;
  const auto count = static_cast<int>(std::min<u64>(data->d_size / sizeof(Elf64_Sym), 1u << 28));
  for (int i = 0; i < count; ++i) {
    GElf_Sym entry;
    if (gelf_getsym(data, i, &entry) == nullptr || entry.st_shndx == SHN_UNDEF || entry.st_shndx == SHN_ABS)
      continue;
    const unsigned type = GELF_ST_TYPE(entry.st_info);
    if (type == STT_FILE || type == STT_SECTION || type == STT_TLS) continue;
    const char* name = elf_strptr(elf, header.sh_link, entry.st_name);
    if (name == nullptr || *name == '\0') continue;
    symbols.push_back({.address = entry.st_value,
                       .size = entry.st_size,
                       .local = GELF_ST_BIND(entry.st_info) == STB_LOCAL,
                       .function = type == STT_FUNC || type == STT_GNU_IFUNC,
                       .name = name,
                       .unique_name = {}});
  }
}

/// Of symbols of one name the lower address has the lower number.
void number_local_symbols(std::vector<Symbol>& symbols) {
  std::ranges::stable_sort(symbols, {}, &Symbol::address);
  std::unordered_map<std::string_view, u64> numbers;
  for (Symbol& symbol : symbols) {
    symbol.unique_name =
        symbol.local ? fmt::format("{}/{}", symbol.name, ++numbers[symbol.name]) : symbol.name;
  }
}

}  // namespace

const CaptureMaps::Range* CaptureMaps::find_in(const Ranges& ranges, u64 address) {
  for (auto range = ranges.rbegin(); range != ranges.rend(); ++range) {
    if (address - range->address < range->length) return &*range;
  }
  return nullptr;
}

CaptureMaps::Ranges& CaptureMaps::own(u32 pid) {
  std::shared_ptr<Ranges>& ranges = processes_[pid];
  if (ranges && ranges.use_count() > 1 && ranges->size() > kCopiedMax - copied_) {
    ++lost_copies_;
    ranges.reset();
  }
  if (!ranges) {
    ranges = std::make_shared<Ranges>();
  } else if (ranges.use_count() > 1) {
    copied_ += ranges->size();
    ranges = std::make_shared<Ranges>(*ranges);
  }
  return *ranges;
}

void CaptureMaps::follow(const Record& record) {
  if (const auto* map = std::get_if<MmapRecord>(&record.body)) {
    const auto [number, is_new] = numbers_.try_emplace(map->filename, static_cast<u32>(files_.size()));
    if (is_new) files_.push_back(map->filename);
    const Range range{map->addr, map->len, map->pgoff, number->second};
    (map->pid == kKernelPid ? kernel_ : own(map->pid)).push_back(range);
    all_.push_back(range);
  } else if (const auto* comm = std::get_if<CommRecord>(&record.body); comm != nullptr && comm->exec) {
    processes_.erase(comm->pid);
  } else if (const auto* task = std::get_if<TaskRecord>(&record.body); task != nullptr && !task->exit) {
    const auto parent = processes_.find(task->parent_pid);
    if (task->pid != task->parent_pid && parent != processes_.end()) {
      const auto shared = parent->second;
      processes_[task->pid] = shared;
    }
  }
}

std::vector<std::string> CaptureMaps::notes() const {
  if (lost_copies_ == 0) return {};
  return {fmt::format("{} processes lost the mappings of their parents, of which there are too many",
                      lost_copies_)};
}

FilePlace CaptureMaps::find(u32 pid, u64 address) const {
  const auto process = processes_.find(pid);
  const Range* range = find_in(process != processes_.end() ? *process->second : all_, address);
  if (range == nullptr) range = find_in(kernel_, address);
  if (range == nullptr) return {FilePlace::kNoFile, address};
  return {range->file, address - range->address + range->offset};
}

FileSymbols::FileSymbols(const std::string& path) {
  const OpenElf elf(path);
  std::size_t headers = 0;
  static_cast<void>(elf_getphdrnum(elf.get(), &headers));
  for (std::size_t i = 0; i < headers; ++i) {
    GElf_Phdr header;
    if (gelf_getphdr(elf.get(), static_cast<int>(i), &header) == nullptr || header.p_type != PT_LOAD)
      continue;
    segments_.push_back({header.p_offset, header.p_vaddr, header.p_filesz});
  }
  std::vector<Symbol> symbols;
  for (const u32 wanted : {u32{SHT_SYMTAB}, u32{SHT_DYNSYM}}) {
    if (!symbols.empty()) break;  // .dynsym is a part of .symtab
    for (Elf_Scn* section = nullptr; (section = elf_nextscn(elf.get(), section)) != nullptr;) {
      GElf_Shdr header;
      if (gelf_getshdr(section, &header) != nullptr && header.sh_type == wanted) {
        read_symbols(elf.get(), section, header, symbols);
      }
    }
  }
  number_local_symbols(symbols);
  std::erase_if(symbols, [](const Symbol& symbol) { return !symbol.function; });
  // Global names first: those are what others call a function.
  std::ranges::stable_sort(symbols, {}, [](const Symbol& s) { return std::tuple(s.address, s.local); });
  for (std::size_t i = 0; i < symbols.size(); ++i) {
    Symbol& symbol = symbols[i];
    if (!functions_.empty() && functions_.back().address == symbol.address) continue;
    functions_.push_back({symbol.address, symbol.address + symbol.size, symbol.name, symbol.unique_name});
  }
  for (std::size_t i = 0; i < functions_.size(); ++i) {
    Function& function = functions_[i];
    // Without a size up to the next.
    const u64 next = i + 1 < functions_.size() ? functions_[i + 1].address : function.address + 1;
    if (function.end == function.address) function.end = next;
  }
}

std::optional<FileSymbols::Hit> FileSymbols::at_offset(u64 offset) const {
  for (const Segment& segment : segments_) {
    if (offset - segment.offset < segment.size) return at_address(offset - segment.offset + segment.address);
  }
  return std::nullopt;
}

std::optional<FileSymbols::Hit> FileSymbols::at_address(u64 address) const {
  const auto next = std::ranges::upper_bound(functions_, address, {}, &Function::address);
  if (next == functions_.begin()) return std::nullopt;
  const Function& function = *std::prev(next);
  if (address >= function.end) return std::nullopt;
  return Hit{function.name, function.unique_name, address - function.address};
}

const FileSymbols* SymbolCache::of(const std::string& file) {
  const auto [at, is_new] = files_.try_emplace(file);
  if (is_new) {
    try {
      at->second = std::make_unique<FileSymbols>(root_ + file);
    } catch (const Error&) {
      // "[vdso]", "//anon", or a file that has gone since: without symbols.
    }
  }
  return at->second.get();
}

}  // namespace lastbranch::perfdata
