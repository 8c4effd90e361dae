#pragma once
/// Places of code that are the same in a capture and in another run of the same program: a mapped file and an
/// offset in it, wherever the two have the file.
///
/// Two files are the same when their build-ids are equal; where one is not known, when the last parts of
/// their names are. A vDSO is the same only with equal build-ids, or with none on both sides and the same
/// size. A capture without maps has its addresses as they are.
#include <compare>
#include <optional>
#include <string>
#include <vector>

#include "sim/base/units.h"
#include "sim/perfdata/address_space.h"
#include "sim/perfdata/feature_reader.h"

namespace lastbranch::replay {

struct CommonPlace {
  u32 file = 0;    ///< number of the capture's file; kNoMaps: the offset is the address itself
  u64 offset = 0;  ///< in bytes

  static constexpr u32 kNoMaps = ~u32{0};
  friend auto operator<=>(const CommonPlace&, const CommonPlace&) = default;
};

class CommonPlaces {
 public:
  /// `capture`: all maps of the capture; `features`: its features. Both must outlive this.
  CommonPlaces(const perfdata::AddressSpace& capture, const perfdata::Features& features)
      : capture_(capture), features_(features) {}

  /// A place of the capture; nothing where no file is mapped.
  [[nodiscard]] std::optional<CommonPlace> in_capture(u32 pid, u64 address, u64 time);
  /// A place of the run, of which `mapping` is what is mapped at `address`, null for nothing; nothing where
  /// the capture does not have the file.
  [[nodiscard]] std::optional<CommonPlace> in_run(const perfdata::Mapping* mapping, u64 address);
  /// Whether in_run() has met the capture's file of this number.
  [[nodiscard]] bool run_has(u32 file) const;

 private:
  static constexpr i64 kUndecided = -2;

  [[nodiscard]] i64 match(const perfdata::Mapping& mapping) const;
  [[nodiscard]] bool same(const perfdata::MappedFile& theirs, const perfdata::Mapping& mapping) const;

  const perfdata::AddressSpace& capture_;
  const perfdata::Features& features_;
  std::vector<i64> of_run_;     // by number of the run's file
  std::vector<u64> vdso_size_;  // by number of the capture's file: bytes, of vDSOs
};

}  // namespace lastbranch::replay
