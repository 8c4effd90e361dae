#include "sim/base/msr_bus.h"

#include <algorithm>

#include "sim/base/error.h"

namespace lastbranch {
namespace {

std::string name_of(const MsrDef& def, u32 i) {
  std::string name(def.name);
  if (const auto mark = name.find('#'); mark != std::string::npos) name.replace(mark, 1, std::to_string(i));
  return name;
}

bool equal_ignoring_case(std::string_view a, std::string_view b) {
  const auto upper = [](char c) { return c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c; };
  return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                    [&](char x, char y) { return upper(x) == upper(y); });
}

}  // namespace

std::string_view describe(MsrFault fault) {
  switch (fault) {
    case MsrFault::kNone:
      return "no fault";
    case MsrFault::kUnknown:
      return "no such register";
    case MsrFault::kReadOnly:
      return "read-only register";
    case MsrFault::kWriteOnly:
      return "write-only register";
    case MsrFault::kReserved:
      return "reserved bit set";
    case MsrFault::kNonCanonical:
      return "address not canonical";
    case MsrFault::kValue:
      return "value not accepted";
  }
  return "unknown fault";
}

void MsrBus::attach(std::span<const MsrDef> rows, void* self) {
  for (const MsrDef& def : rows) {
    if (def.count == 0 || def.read == nullptr || (def.writable != 0) != (def.write != nullptr)) {
      throw Error(
          "MSR {:#x} {}: bad row: expected a count, a read function, and a write function exactly if bits "
          "are writable",
          def.index, def.name);
    }
    const u64 end = u64{def.index} + def.count;
    const auto after = std::upper_bound(entries_.begin(), entries_.end(), def.index,
                                        [](u32 index, const Entry& e) { return index < e.def->index; });
    if (after != entries_.end() && after->def->index < end) {
      throw Error("MSR {:#x} {}: overlaps {:#x} {}", def.index, def.name, after->def->index,
                  after->def->name);
    }
    if (after != entries_.begin()) {
      const MsrDef& before = *(after - 1)->def;
      if (u64{before.index} + before.count > def.index) {
        throw Error("MSR {:#x} {}: overlaps {:#x} {}", def.index, def.name, before.index, before.name);
      }
    }
    for (u32 i = 0; i < def.count; ++i) {
      if (const std::string name = name_of(def, i); const auto other = find(name)) {
        throw Error("MSR {:#x} {}: name already taken by {:#x}", def.index + i, name, *other);
      }
    }
    entries_.insert(after, {&def, self});
  }
}

const MsrBus::Entry* MsrBus::entry(u32 index) const {
  const auto after = std::upper_bound(entries_.begin(), entries_.end(), index,
                                      [](u32 i, const Entry& e) { return i < e.def->index; });
  if (after == entries_.begin()) return nullptr;
  const Entry& e = *(after - 1);
  return index - e.def->index < e.def->count ? &e : nullptr;
}

MsrValue MsrBus::read(u32 index) {
  const Entry* e = entry(index);
  if (e == nullptr) {
    const MsrValue v = others_ != nullptr ? others_->read_msr(index) : MsrValue{0, MsrFault::kUnknown};
    if (v.fault == MsrFault::kUnknown) ++unknown_[index];
    return v;
  }
  const u32 i = index - e->def->index;
  if (e->def->present != nullptr && !e->def->present(e->self, i)) return {0, MsrFault::kUnknown};
  if (e->def->write_only) return {0, MsrFault::kWriteOnly};
  return {e->def->read(e->self, i), MsrFault::kNone};
}

MsrFault MsrBus::write(u32 index, u64 value) {
  const Entry* e = entry(index);
  if (e == nullptr) {
    const MsrFault f = others_ != nullptr ? others_->write_msr(index, value) : MsrFault::kUnknown;
    if (f == MsrFault::kUnknown) ++unknown_[index];
    return f;
  }
  const MsrDef& def = *e->def;
  if (def.present != nullptr && !def.present(e->self, index - def.index)) return MsrFault::kUnknown;
  if (def.write == nullptr) return MsrFault::kReadOnly;
  if (!def.ignore_others && (value & ~def.writable) != 0) return MsrFault::kReserved;
  return def.write(e->self, index - def.index, value & def.writable);
}

std::optional<u32> MsrBus::find(std::string_view name) const {
  for (const Entry& e : entries_) {
    for (u32 i = 0; i < e.def->count; ++i) {
      if (equal_ignoring_case(name, name_of(*e.def, i))) return e.def->index + i;
    }
  }
  return std::nullopt;
}

u32 MsrBus::index_of(std::string_view name) const {
  if (const auto index = find(name)) return *index;
  throw Error("MSR {}: expected a register of this machine, found none of that name", name);
}

u64 MsrBus::read(std::string_view name) {
  return read(index_of(name)).value;
}

void MsrBus::write(std::string_view name, u64 value) {
  if (const MsrFault fault = write(index_of(name), value); fault != MsrFault::kNone) {
    throw Error("MSR {}: cannot write {:#x}: {}", name, value, describe(fault));
  }
}

std::vector<MsrBus::Listed> MsrBus::list() const {
  std::vector<Listed> all;
  for (const Entry& e : entries_) {
    for (u32 i = 0; i < e.def->count; ++i) {
      all.push_back({e.def->index + i, name_of(*e.def, i), e.def->writable, e.def->reset});
    }
  }
  return all;
}

}  // namespace lastbranch
