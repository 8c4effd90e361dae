// The vDSO: found and called in every way that programs do it, by this host's own loader and processor, by
// libelf and by the table walks of C libraries; and as a mapping of a process.
#include "sim/user/vdso.h"

#include <algorithm>
#include <cstring>
#include <ctime>
#include <map>
#include <memory>

#include <dlfcn.h>
#include <elf.h>
#include <gelf.h>
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <unistd.h>

#include "sim/user/process.h"
#include "sim/user/syscall_table.h"
#include "tests/load/file_fixture.h"
#include "tests/user/temp_dir.h"

namespace lastbranch::user {
namespace {

using testing::TempDir;

std::string image_file(const TempDir& folder) {
  const std::span<const u8> image = vdso_image();
  return folder.write("vdso.so", std::string(image.begin(), image.end()));
}

template <class T>
T image_at(u64 offset) {
  T value;
  std::memcpy(&value, vdso_image().data() + offset, sizeof value);
  return value;
}

TEST(Vdso, host_loader_finds_every_function_under_both_names_and_its_version) {
  const TempDir folder;
  void* handle = ::dlopen(image_file(folder).c_str(), RTLD_NOW | RTLD_LOCAL);
  ASSERT_NE(handle, nullptr) << ::dlerror();
  for (const VdsoFunction& f : vdso_functions()) {
    const std::string long_name = std::string("__vdso_") + f.name;
    const auto* function = static_cast<const u8*>(::dlvsym(handle, long_name.c_str(), "LINUX_2.6"));
    ASSERT_NE(function, nullptr) << ::dlerror();
    EXPECT_EQ(function, ::dlvsym(handle, f.name, "LINUX_2.6"));
    EXPECT_EQ(function, ::dlsym(handle, f.name));
    EXPECT_EQ(::dlvsym(handle, f.name, "LINUX_2.5"), nullptr);
  }
  EXPECT_EQ(::dlsym(handle, "__vdso_none"), nullptr);
  ::dlclose(handle);
}

TEST(Vdso, functions_do_on_the_host_processor_what_their_system_calls_do) {
  const TempDir folder;
  void* handle = ::dlopen(image_file(folder).c_str(), RTLD_NOW | RTLD_LOCAL);
  ASSERT_NE(handle, nullptr) << ::dlerror();
  const auto call = [&](const char* name, u64 a, const void* b, const void* c) {
    using Function = i64 (*)(u64, const void*, const void*);
    return reinterpret_cast<Function>(::dlvsym(handle, name, "LINUX_2.6"))(a, b, c);
  };
  const auto number = [](const void* p) { return reinterpret_cast<u64>(p); };

  timespec before{}, now{}, after{};
  ::clock_gettime(CLOCK_MONOTONIC, &before);
  EXPECT_EQ(call("__vdso_clock_gettime", CLOCK_MONOTONIC, &now, nullptr), 0);
  ::clock_gettime(CLOCK_MONOTONIC, &after);
  const auto ns = [](const timespec& t) { return t.tv_sec * 1'000'000'000 + t.tv_nsec; };
  EXPECT_LE(ns(before), ns(now));
  EXPECT_LE(ns(now), ns(after));
  EXPECT_EQ(call("__vdso_clock_gettime", 77, &now, nullptr), -EINVAL) << "the error itself, not errno";

  timespec resolution{}, expected{};
  ::clock_getres(CLOCK_REALTIME, &expected);
  EXPECT_EQ(call("__vdso_clock_getres", CLOCK_REALTIME, &resolution, nullptr), 0);
  EXPECT_EQ(ns(resolution), ns(expected));

  const time_t start = ::time(nullptr);
  timeval of_day{};
  time_t stored = 0;
  EXPECT_EQ(call("__vdso_gettimeofday", number(&of_day), nullptr, nullptr), 0);
  const i64 answered = call("__vdso_time", number(&stored), nullptr, nullptr);
  EXPECT_EQ(answered, stored);
  EXPECT_GE(of_day.tv_sec, start);
  EXPECT_LE(of_day.tv_sec - start, 60);
  EXPECT_LE(answered - start, 60);

  unsigned processor = ~0u, node = ~0u;
  EXPECT_EQ(call("__vdso_getcpu", number(&processor), &node, nullptr), 0);
  EXPECT_LT(processor, static_cast<unsigned>(::sysconf(_SC_NPROCESSORS_CONF)));
  EXPECT_LT(node, 1024u);
  ::dlclose(handle);
}

TEST(Vdso, board_serves_the_system_calls_that_it_makes) {
  for (const VdsoFunction& f : vdso_functions()) {
    const SyscallRow* row = find_syscall(f.number);
    ASSERT_NE(row, nullptr) << f.name;
    EXPECT_STREQ(row->name, f.name);
    EXPECT_NE(row->serve, nullptr) << f.name;
  }
}

TEST(Vdso, section_headers_lead_to_names_and_code) {
  ASSERT_NE(::elf_version(EV_CURRENT), unsigned{EV_NONE});
  std::vector<char> bytes(vdso_image().begin(), vdso_image().end());
  const std::unique_ptr<Elf, int (*)(Elf*)> elf(::elf_memory(bytes.data(), bytes.size()), ::elf_end);
  ASSERT_NE(elf, nullptr);
  std::size_t names = 0;
  ASSERT_EQ(::elf_getshdrstrndx(elf.get(), &names), 0);
  std::map<std::string, GElf_Shdr> sections;
  std::vector<std::string> symbols;
  for (Elf_Scn* s = nullptr; (s = ::elf_nextscn(elf.get(), s)) != nullptr;) {
    GElf_Shdr header;
    ASSERT_NE(::gelf_getshdr(s, &header), nullptr);
    sections[::elf_strptr(elf.get(), names, header.sh_name)] = header;
    if (header.sh_type != SHT_DYNSYM) continue;
    for (int i = 1; i < static_cast<int>(header.sh_size / header.sh_entsize); ++i) {
      GElf_Sym symbol;
      ASSERT_NE(::gelf_getsym(::elf_getdata(s, nullptr), i, &symbol), nullptr);
      symbols.emplace_back(::elf_strptr(elf.get(), header.sh_link, symbol.st_name));
      GElf_Shdr home;
      ASSERT_NE(::gelf_getshdr(::elf_getscn(elf.get(), symbol.st_shndx), &home), nullptr);
      EXPECT_STREQ(::elf_strptr(elf.get(), names, home.sh_name), ".text") << symbols.back();
      EXPECT_EQ(bytes[home.sh_offset + symbol.st_value - home.sh_addr], '\xb8') << symbols.back();
      EXPECT_EQ(GELF_ST_BIND(symbol.st_info), symbols.back().starts_with("__vdso_") ? STB_GLOBAL : STB_WEAK);
    }
  }
  EXPECT_EQ(symbols.size(), 2 * vdso_functions().size());
  for (const char* name :
       {".text", ".dynsym", ".dynstr", ".hash", ".gnu.version", ".gnu.version_d", ".dynamic"}) {
    ASSERT_TRUE(sections.contains(name)) << name;
    EXPECT_NE(sections[name].sh_flags & SHF_ALLOC, 0u) << name;
    EXPECT_EQ(sections[name].sh_addr, sections[name].sh_offset) << name;
  }
  EXPECT_NE(sections[".text"].sh_flags & SHF_EXECINSTR, 0u);
  EXPECT_EQ(sections[".shstrtab"].sh_flags & SHF_ALLOC, 0u);
  // dietlibc takes the first loaded string table for the symbols' names.
  const auto loaded_strings = std::ranges::count_if(sections, [](const auto& s) {
    return s.second.sh_type == SHT_STRTAB && (s.second.sh_flags & SHF_ALLOC) != 0;
  });
  EXPECT_EQ(loaded_strings, 1);
}

/// What a command of the shell prints, and its status when that is not 0.
std::string shell(const std::string& command) {
  std::unique_ptr<FILE, int (*)(FILE*)> pipe(::popen(command.c_str(), "r"), ::pclose);
  std::string text;
  for (int c; pipe && (c = std::fgetc(pipe.get())) != EOF;) text.push_back(static_cast<char>(c));
  const int status = pipe ? ::pclose(pipe.release()) : -1;
  return status == 0 ? text : text + "status " + std::to_string(status);
}

TEST(Vdso, readelf_has_nothing_to_complain_about) {
  if (::access("/usr/bin/readelf", X_OK) != 0) GTEST_SKIP() << "readelf is not installed";
  const TempDir folder;
  const std::string file = image_file(folder);
  for (const char* option : {"-a", "--lint", "-D -s"}) {
    EXPECT_EQ(shell(std::string("readelf -W 2>&1 >/dev/null ") + option + " " + file), "") << option;
  }
  const std::string dynamic = shell("readelf -W -d " + file);
  for (const char* tag : {"[linux-vdso.so.1]", "(HASH)", "(STRTAB)", "(SYMTAB)", "(VERSYM)", "(VERDEF)"}) {
    EXPECT_NE(dynamic.find(tag), std::string::npos) << tag << dynamic;
  }
}

TEST(Vdso, offsets_have_names) {
  const auto header = image_at<Elf64_Ehdr>(0);
  const auto text = image_at<Elf64_Shdr>(header.e_shoff + sizeof(Elf64_Shdr));
  const auto last = std::to_string(vdso_functions().size());
  EXPECT_EQ(describe_vdso(text.sh_offset), "clock_gettime+0x0");
  EXPECT_EQ(describe_vdso(text.sh_offset + 5), "clock_gettime+0x5");
  EXPECT_EQ(describe_vdso(text.sh_offset + 16), "gettimeofday+0x0");
  for (const u64 outside :
       {u64{0}, text.sh_offset - 1, text.sh_offset + 8, text.sh_offset + text.sh_size, ~u64{0}}) {
    EXPECT_EQ(describe_vdso(outside), "") << outside;
  }
}

/// A process that has been loaded, and not started.
class Loaded {
 public:
  Loaded() {
    load::testing::TinyElf elf;
    elf.segments[0].p_type = 0;
    const std::vector<u8> bytes = elf.bytes();
    config_.arguments = {folder_.write("program", std::string(bytes.begin(), bytes.end()))};
    std::filesystem::permissions(config_.arguments[0], std::filesystem::perms(0755));
    config_.on_executable = [this](const ExecMapping& m) { seen.push_back(m); };
    process = std::make_unique<Process>(config_, memory_);
  }

 private:
  TempDir folder_;
  ProcessConfig config_;
  PhysMem memory_{u64{16} << 20};

 public:
  std::vector<ExecMapping> seen;
  std::unique_ptr<Process> process;
};

TEST(Vdso, process_has_the_image_at_the_documented_address) {
  Loaded loaded;
  AddressSpace& space = loaded.process->memory();
  std::vector<u8> there(vdso_image().size());
  ASSERT_TRUE(space.copy_in(there.data(), kVdsoBase, there.size()));
  EXPECT_TRUE(std::ranges::equal(there, vdso_image()));
  EXPECT_NE(space.maps_text().find(
                "7ffff7fff000-7ffff8000000 r-xp 00000000 00:00 0                          [vdso]\n"),
            std::string::npos)
      << space.maps_text();
  EXPECT_FALSE(space.copy_out(kVdsoBase, "x", 1)) << "it cannot be written";
  const u64 function =
      kVdsoBase + image_at<Elf64_Shdr>(image_at<Elf64_Ehdr>(0).e_shoff + sizeof(Elf64_Shdr)).sh_addr;
  EXPECT_EQ(loaded.process->describe(function), "clock_gettime+0x0 ([vdso])");
}

TEST(Vdso, perf_data_gets_it_as_the_kernel_names_it) {
  const Loaded loaded;
  ASSERT_EQ(loaded.seen.size(), 2u);
  const ExecMapping& m = loaded.seen[1];
  EXPECT_EQ(m.filename, "[vdso]");
  EXPECT_EQ(m.address, kVdsoBase);
  EXPECT_EQ(m.length, kPageSize);
  EXPECT_EQ(m.prot, u32{PROT_READ | PROT_EXEC});
  EXPECT_EQ(m.flags, u32{MAP_PRIVATE});
  EXPECT_EQ(m.pgoff + m.inode + m.major + m.minor, 0u);
}

TEST(Vdso, dropped_page_comes_back_and_stores_to_it_are_private) {
  Loaded loaded, other;
  AddressSpace& space = loaded.process->memory();
  ASSERT_EQ(space.protect(kVdsoBase, kPageSize, PROT_READ | PROT_WRITE), 0);
  ASSERT_TRUE(space.copy_out(kVdsoBase, "x", 1));
  u8 first = 0;
  ASSERT_TRUE(other.process->memory().read(kVdsoBase, first));
  EXPECT_EQ(first, ELFMAG0);
  ASSERT_EQ(space.advise(kVdsoBase, kPageSize, MADV_DONTNEED), 0);
  ASSERT_TRUE(space.read(kVdsoBase, first));
  EXPECT_EQ(first, ELFMAG0);
  EXPECT_EQ(space.remap(kVdsoBase, kPageSize, 2 * kPageSize, MREMAP_MAYMOVE, 0), -EFAULT);
  EXPECT_EQ(space.unmap(kVdsoBase, kPageSize), 0);
  EXPECT_FALSE(space.read(kVdsoBase, first));
}

}  // namespace
}  // namespace lastbranch::user
