#pragma once
/// Which function an address of a capture lies in: the mappings of each process, and the symbols of the
/// files. Read: .symtab and .dynsym of ELF64 files. Not: DWARF, separate debug files, names of inlined
/// functions.
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "sim/base/units.h"
#include "sim/perfdata/records.h"

namespace lastbranch::perfdata {

/// A place in a file that was mapped.
struct FilePlace {
  static constexpr u32 kNoFile = ~u32{0};
  u32 file = kNoFile;  ///< index of CaptureMaps::files()
  u64 offset = 0;      ///< in the file; without one the address

  friend bool operator==(const FilePlace&, const FilePlace&) = default;
};

/// What is mapped where in each process, so far in the capture.
class CaptureMaps {
 public:
  /// Takes mappings, execs and forks; nothing of other records.
  void follow(const Record& record);

  /// Where `address` of a process lies. A process without any mapping, as in text that has no such column,
  /// has those of all.
  [[nodiscard]] FilePlace find(u32 pid, u64 address) const;

  /// The names of files that were mapped, each once.
  [[nodiscard]] const std::vector<std::string>& files() const { return files_; }
  /// Mappings that are copied in all, for processes that share theirs since a fork and then change them.
  static constexpr std::size_t kCopiedMax = 2'000'000;
  /// Processes that changed what they shared past kCopiedMax and were left with the change alone.
  [[nodiscard]] u64 lost_copies() const { return lost_copies_; }
  [[nodiscard]] std::vector<std::string> notes() const;

 private:
  struct Range {
    u64 address = 0;
    u64 length = 0;
    u64 offset = 0;
    u32 file = FilePlace::kNoFile;
  };
  using Ranges = std::vector<Range>;  // later ones hide earlier ones

  [[nodiscard]] static const Range* find_in(const Ranges& ranges, u64 address);
  /// Those of a process alone, to be changed.
  [[nodiscard]] Ranges& own(u32 pid);

  std::map<u32, std::shared_ptr<Ranges>> processes_;  // a child shares its parent's
  std::size_t copied_ = 0;
  u64 lost_copies_ = 0;
  Ranges kernel_;
  Ranges all_;
  std::vector<std::string> files_;
  std::unordered_map<std::string, u32> numbers_;  // of files_
};

/// The functions of one file.
class FileSymbols {
 public:
  struct Hit {
    std::string_view name;
    std::string_view unique_name;  ///< local ones are numbered as BOLT does: "leaf/1"
    u64 offset = 0;                ///< from the function's start
  };

  /// Throws Error when the file cannot be read or is no ELF64 file.
  explicit FileSymbols(const std::string& path);

  /// The function at an offset of the file.
  [[nodiscard]] std::optional<Hit> at_offset(u64 offset) const;
  /// The function at a link-time address.
  [[nodiscard]] std::optional<Hit> at_address(u64 address) const;
  [[nodiscard]] bool empty() const { return functions_.empty(); }

 private:
  struct Segment {
    u64 offset = 0;
    u64 address = 0;
    u64 size = 0;
  };
  struct Function {
    u64 address = 0;
    u64 end = 0;
    std::string name;
    std::string unique_name;
  };

  std::vector<Segment> segments_;
  std::vector<Function> functions_;  // ascending by address, one for each address
};

/// The symbols of several files, each read when it is first needed.
class SymbolCache {
 public:
  /// `root` stands before the names of files.
  explicit SymbolCache(std::string root) : root_(std::move(root)) {}

  /// Null: the file cannot be read.
  [[nodiscard]] const FileSymbols* of(const std::string& file);

 private:
  std::string root_;
  std::map<std::string, std::unique_ptr<FileSymbols>, std::less<>> files_;
};

}  // namespace lastbranch::perfdata
