#include "bindings/python/src/registers.h"

#include <algorithm>

#include "sim/base/error.h"

namespace lastbranch::python {
namespace {

std::string text(const MsrKey& key) {
  return std::holds_alternative<u32>(key) ? fmt::format("{:#x}", std::get<u32>(key))
                                          : std::get<std::string>(key);
}

/// "IA32_DEBUGCTL (0x1d9)".
std::string name_of(const MsrBus& msrs, u32 index) {
  const auto all = msrs.list();
  const auto found = std::ranges::find(all, index, &MsrBus::Listed::index);
  return found == all.end() ? fmt::format("{:#x}", index) : fmt::format("{} ({:#x})", found->name, index);
}

[[noreturn]] void no_such(const MsrKey& key) {
  throw pybind11::key_error(fmt::format("MSR {}: expected a register of this part, found none", text(key)));
}

}  // namespace

u32 msr_index(MsrBus& msrs, const MsrKey& key) {
  if (const std::string* name = std::get_if<std::string>(&key)) {
    const auto index = msrs.find(*name);
    if (!index) no_such(key);
    return *index;
  }
  const u32 index = std::get<u32>(key);
  const auto all = msrs.list();
  if (std::ranges::find(all, index, &MsrBus::Listed::index) == all.end()) no_such(key);
  return index;
}

u64 read_msr(MsrBus& msrs, const MsrKey& key) {
  const u32 index = msr_index(msrs, key);
  const MsrValue read = msrs.read(index);
  if (read.fault == MsrFault::kUnknown) no_such(key);
  if (!read.ok()) throw Error("MSR {}: cannot read: {}", name_of(msrs, index), describe(read.fault));
  return read.value;
}

void write_msr(MsrBus& msrs, const MsrKey& key, u64 value) {
  const u32 index = msr_index(msrs, key);
  const MsrFault fault = msrs.write(index, value);
  if (fault == MsrFault::kUnknown) no_such(key);
  if (fault != MsrFault::kNone) {
    throw Error("MSR {}: cannot write {:#x}: {}", name_of(msrs, index), value, describe(fault));
  }
}

}  // namespace lastbranch::python
