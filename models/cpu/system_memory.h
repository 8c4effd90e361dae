#pragma once
// Guest memory by linear address for what the processor does besides an instruction's own operands:
// descriptor tables, stacks of deliveries, the DS save area. All or nothing, with the fault it would raise.
#include <cstring>
#include <optional>
#include <span>

#include "models/cpu/cpu.h"
#include "sim/base/guest_memory.h"

namespace lastbranch::cpu {

class LinearMemory final : public GuestMemory {
 public:
  explicit LinearMemory(Cpu& cpu) : c_(cpu) {}

  // As a supervisor.
  bool read(u64 linear, std::span<u8> data) override { return !load(linear, data, false); }
  bool write(u64 linear, std::span<const u8> data) override { return !store(linear, data, false); }

  /// Reads all of `data`, or nothing and says why. Any length.
  std::optional<Fault> load(u64 linear, std::span<u8> data, bool user);
  /// Writes all of `data`, or nothing. Code in the way is decoded anew.
  std::optional<Fault> store(u64 linear, std::span<const u8> data, bool user);
  /// The fault that storing `length` bytes would raise.
  std::optional<Fault> probe_store(u64 linear, u64 length, bool user);

  template <class T>
  std::optional<Fault> get(u64 linear, T& value, bool user = false) {
    return load(linear, {reinterpret_cast<u8*>(&value), sizeof value}, user);
  }
  template <class T>
  std::optional<Fault> put(u64 linear, T value, bool user = false) {
    return store(linear, {reinterpret_cast<const u8*>(&value), sizeof value}, user);
  }

 private:
  std::optional<Fault> translate(u64 linear, Access access, bool user, Translation& t);

  Cpu& c_;
};

}  // namespace lastbranch::cpu
