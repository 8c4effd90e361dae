#pragma once
// Files of chosen bytes for the loader's tests.
#include <cstdlib>
#include <cstring>
#include <string>
#include <vector>

#include <elf.h>
#include <fcntl.h>
#include <unistd.h>

#include "sim/base/units.h"

namespace lastbranch::load::testing {

/// A temporary file that disappears with the object.
class TempFile {
 public:
  explicit TempFile(const std::vector<u8>& bytes) {
    const int fd = ::mkstemp(path_.data());
    if (fd < 0 || ::write(fd, bytes.data(), bytes.size()) != static_cast<ssize_t>(bytes.size())) std::abort();
    ::close(fd);
  }
  explicit TempFile(const std::string& text) : TempFile(std::vector<u8>(text.begin(), text.end())) {}
  ~TempFile() { ::unlink(path_.c_str()); }
  TempFile(const TempFile&) = delete;
  TempFile& operator=(const TempFile&) = delete;

  [[nodiscard]] const std::string& path() const { return path_; }

 private:
  std::string path_ = "/tmp/lastbranch-test-XXXXXX";
};

template <class T>
void put(std::vector<u8>& bytes, u64 offset, const T& value) {
  if (bytes.size() < offset + sizeof value) bytes.resize(offset + sizeof value);
  std::memcpy(bytes.data() + offset, &value, sizeof value);
}

/// A small valid position-independent program: two segments and an interpreter.
struct TinyElf {
  Elf64_Ehdr header{};
  std::vector<Elf64_Phdr> segments;
  std::string interpreter = "/lib64/ld-linux-x86-64.so.2";

  TinyElf() {
    std::memcpy(header.e_ident, ELFMAG, SELFMAG);
    header.e_ident[EI_CLASS] = ELFCLASS64;
    header.e_ident[EI_DATA] = ELFDATA2LSB;
    header.e_ident[EI_VERSION] = EV_CURRENT;
    header.e_type = ET_DYN;
    header.e_machine = EM_X86_64;
    header.e_entry = 0x1010;
    header.e_phoff = sizeof header;
    header.e_phentsize = sizeof(Elf64_Phdr);
    header.e_ehsize = sizeof header;
    segments = {{PT_INTERP, PF_R, 0x200, 0x200, 0, interpreter.size() + 1, interpreter.size() + 1, 1},
                {PT_LOAD, PF_R, 0, 0, 0, 0x300, 0x300, 0x1000},
                {PT_LOAD, PF_R | PF_X, 0x1000, 0x1000, 0, 0x40, 0x140, 0x1000}};
    header.e_phnum = static_cast<Elf64_Half>(segments.size());
  }

  [[nodiscard]] std::vector<u8> bytes() const {
    std::vector<u8> out(0x1040);
    put(out, 0, header);
    for (std::size_t i = 0; i < segments.size(); ++i)
      put(out, sizeof header + i * sizeof segments[i], segments[i]);
    std::memcpy(out.data() + 0x200, interpreter.c_str(), interpreter.size() + 1);
    return out;
  }
};

}  // namespace lastbranch::load::testing
