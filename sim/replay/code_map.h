#pragma once
/// Which code lies at a runtime address of a capture: the mappings of its processes, and the binaries and
/// tables that were given for them.
///
/// A binary is of a mapped file when their build-ids are equal; where one of the two is not known, when the
/// path or its last part is. A table names no file: it is of the first mapping that has its executable
/// segment, at its addresses unless it is of a PIE. Captures without any maps: runtime addresses are the
/// link-time addresses of all that is given.
#include <memory>
#include <string>
#include <vector>

#include "sim/base/units.h"
#include "sim/perfdata/address_space.h"
#include "sim/perfdata/feature_reader.h"
#include "sim/replay/code.h"
#include "sim/replay/elf_code.h"
#include "sim/replay/flow_table.h"

namespace lastbranch::replay {

enum class SpotKind : u8 {
  kCode,      ///< of a binary that was given
  kKernel,    ///< an address of the kernel
  kVdso,      ///< the page of code that the kernel maps into every process
  kForeign,   ///< mapped, but no binary was given for it
  kUnmapped,  ///< the capture has no mapping there
  kNowhere,   ///< no address of this processor: bits 63 to 47 (56 with five levels) differ
};

/// What lies at a runtime address.
struct Spot {
  SpotKind kind = SpotKind::kUnmapped;
  u32 code = 0;     ///< kCode: index of the code
  u64 address = 0;  ///< kCode: link-time address, else the runtime one
  u64 bias = 0;     ///< runtime minus link-time address

  [[nodiscard]] bool in_code() const { return kind == SpotKind::kCode; }
};

class CodeMap {
 public:
  /// Reads the files. `object`: the mapped file that tables (or a single binary) are of, empty to find it.
  /// `features`: of the capture, null for none. Throws Error, also for a binary that the capture has under
  /// another build-id.
  CodeMap(const std::vector<std::string>& binaries, const std::vector<std::string>& tables,
          std::string object, const perfdata::Features* features);

  void record(const perfdata::Record& record) { maps_.record(record); }
  /// What is at `address` in process `pid` (0: not known) at `time` (0: now).
  [[nodiscard]] Spot locate(u32 pid, u64 address, u64 time);
  /// Where the place of link-time address `address` of the same code as `spot` is at run time.
  [[nodiscard]] static u64 runtime(const Spot& spot, u64 address) { return address + spot.bias; }

  [[nodiscard]] std::size_t size() const { return codes_.size(); }
  [[nodiscard]] const Code& code(u32 number) const { return *codes_[number]; }
  /// The binary of that number, null for a table.
  [[nodiscard]] const ElfCode* elf(u32 number) const {
    return number < elfs_.size() ? elfs_[number] : nullptr;
  }
  [[nodiscard]] const perfdata::AddressSpace& maps() const { return maps_; }

  /// Throws Error when a binary's name was mapped, but only with other build-ids.
  void check() const;
  /// Binaries and tables that no mapping was of, a line each.
  [[nodiscard]] std::vector<std::string> notes() const;

 private:
  static constexpr i64 kNone = -1;
  static constexpr i64 kUndecided = -2;

  [[nodiscard]] i64 code_of(const perfdata::Mapping& mapping);
  [[nodiscard]] i64 match_elf(const perfdata::MappedFile& file);
  [[nodiscard]] i64 match_table(const perfdata::Mapping& mapping) const;
  [[nodiscard]] bool named(const Code& code, const perfdata::MappedFile& file) const;
  [[nodiscard]] Spot by_link_address(u64 address) const;

  std::string object_;
  const perfdata::Features* features_;
  std::vector<std::unique_ptr<Code>> codes_;
  std::vector<const ElfCode*> elfs_;      // the first of codes_
  std::vector<const FlowTable*> tables_;  // the others
  perfdata::AddressSpace maps_;
  std::vector<i64> code_of_file_;     // by MappedFile::number
  std::vector<bool> used_;            // by code
  std::vector<std::string> refused_;  // by code: the build-id of a file of its name
};

}  // namespace lastbranch::replay
