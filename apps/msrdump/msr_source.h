#pragma once
/// Where the registers of one logical processor are read from: Linux's msr and cpuid devices, or, for tests,
/// files in their places. Sources: msr(4), cpuid(4).
#include <optional>
#include <string>
#include <string_view>

#include "sim/base/units.h"
#include "sim/replay/msr_dump.h"

namespace lastbranch::msrdump {

/// A register's value, or the errno's name.
struct MsrRead {
  std::optional<u64> value;
  std::string why;
};

/// A regular file in the place of a device is a table, all numbers little-endian: of the msr device {u64
/// index, u64 value}, of the cpuid device {u32 leaf, u32 sub-leaf, u32 EAX, EBX, ECX, EDX}; what is not in it
/// cannot be read.
class MsrSource {
 public:
  /// Opens `root`/dev/cpu/`cpu`/msr; its cpuid device, or CPUID itself on that processor when there is none.
  /// Throws Error: what is missing and what makes it appear.
  MsrSource(std::string root, unsigned cpu);
  ~MsrSource();
  MsrSource(const MsrSource&) = delete;
  MsrSource& operator=(const MsrSource&) = delete;

  [[nodiscard]] MsrRead read(u32 index) const;
  /// Throws Error when the leaf cannot be read.
  [[nodiscard]] replay::DumpedCpuid cpuid(u32 leaf, u32 subleaf) const;

  [[nodiscard]] const std::string& path() const { return msr_path_; }
  /// The first "key : value" of this processor in /proc/cpuinfo; empty: none.
  [[nodiscard]] std::string cpuinfo(std::string_view key) const;
  /// Name, release and machine of the kernel.
  [[nodiscard]] std::string kernel() const;

 private:
  std::string root_;
  unsigned cpu_;
  std::string msr_path_;
  int msr_ = -1;
  int cpuid_ = -1;
  bool msr_table_ = false;
  bool cpuid_table_ = false;
};

}  // namespace lastbranch::msrdump
