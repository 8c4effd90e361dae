#pragma once
// Where RDMSR and WRMSR meet the models: finds the row of an index, applies the row's bit rules, calls its
// owner.
//
// Modelled: existence, read-only and reserved bits. Not: privilege (the core checks CPL and intercepts before
// it asks). Accesses to registers that nobody owns are counted by index: a run names them at its end.
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "sim/base/msr.h"

namespace lastbranch {

/// Registers that are elsewhere: behind a platform's bus.
class MsrAccess {
 public:
  virtual ~MsrAccess() = default;
  virtual MsrValue read_msr(u32 index) = 0;
  virtual MsrFault write_msr(u32 index, u64 value) = 0;
};

/// The MSRs of one logical processor.
class MsrBus {
 public:
  /// One register as tools list it.
  struct Listed {
    u32 index;
    std::string name;  ///< with the number of the register where the row has several
    u64 writable;
    u64 reset;
  };

  /// Adds the rows of one owner; `self` is handed to their functions. Both must outlive the bus.
  /// Throws Error when a register, or its name, is there already, or when a row cannot be read.
  void attach(std::span<const MsrDef> rows, void* self);
  /// Who is asked about registers that no row has; it must outlive the bus. Names and lists know only rows.
  void forward(MsrAccess& others) { others_ = &others; }

  /// RDMSR. O(log rows).
  [[nodiscard]] MsrValue read(u32 index);
  /// WRMSR; a fault means that nothing has changed.
  MsrFault write(u32 index, u64 value);

  /// Index of the register of that name ("MSR_LASTBRANCH_3_FROM_IP"), in any case of letters.
  [[nodiscard]] std::optional<u32> find(std::string_view name) const;
  /// By name, for tools. Throws Error when there is no such register.
  [[nodiscard]] u64 read(std::string_view name);
  /// By name, for tools. Throws Error when there is no such register or it refuses the value.
  void write(std::string_view name, u64 value);

  /// Every register, by ascending index.
  [[nodiscard]] std::vector<Listed> list() const;
  /// Index -> accesses of registers that no model has.
  [[nodiscard]] const std::map<u32, u64>& unknown() const { return unknown_; }

 private:
  struct Entry {
    const MsrDef* def;
    void* self;
  };
  [[nodiscard]] const Entry* entry(u32 index) const;
  [[nodiscard]] u32 index_of(std::string_view name) const;

  std::vector<Entry> entries_;  ///< by ascending index
  MsrAccess* others_ = nullptr;
  std::map<u32, u64> unknown_;
};

}  // namespace lastbranch
