// What a dump's registers must be for the models to be right about the part.
#include <algorithm>

#include <fmt/format.h>

#include "models/cpu/cpuid.h"
#include "models/lbr/arch_lbr.h"
#include "models/pmu/pmu_select.h"
#include "sim/base/debugctl.h"
#include "sim/base/error.h"
#include "sim/replay/msr_dump.h"
#include "sim/replay/msr_dump_model.h"
#include "sim/replay/processor.h"

namespace lastbranch::replay {
namespace {

using lbr::Entry;

constexpr u32 kCounter = 0xc1, kFullWidth = 0x4c1, kFixed = 0x309;
constexpr u32 kCapabilities = 0x345, kStatus = 0x38e, kStatusReset = 0x390, kInUse = 0x392,
              kMiscEnable = 0x1a0, kDebugctl = 0x1d9;

constexpr u64 low_bits(unsigned width) {
  return width >= 64 ? ~u64{0} : (u64{1} << width) - 1;
}

/// Fields of IA32_PERF_CAPABILITIES.
struct CapabilityField {
  std::string_view name;
  unsigned first;
  unsigned width;
};
constexpr std::array kCapabilityFields = {
    CapabilityField{"LBR_FMT", 0, 6},           CapabilityField{"PEBS_TRAP", 6, 1},
    CapabilityField{"PEBS_ARCH_REG", 7, 1},     CapabilityField{"PEBS_FMT", 8, 4},
    CapabilityField{"FREEZE_WHILE_SMM", 12, 1}, CapabilityField{"FW_WRITE", 13, 1},
    CapabilityField{"PEBS_BASELINE", 14, 1},    CapabilityField{"PERF_METRICS", 15, 1},
    CapabilityField{"PEBS_OUTPUT_PT", 16, 1},   CapabilityField{"PEBS_TIMING", 17, 1},
    CapabilityField{"RDPMC_CLEAR", 19, 1},
};

/// A leaf's register whose value the record must know, and what of it.
struct LeafField {
  u32 leaf;
  u32 subleaf;
  unsigned which;  ///< EAX, EBX, ECX, EDX
  u32 mask;
  std::string_view what;
};
constexpr std::array kLeafFields = {
    LeafField{0x1, 0, 2, 1u << 15, "PDCM"},
    LeafField{0x1, 0, 2, 1u << 2 | 1u << 4, "DTES64 and DS-CPL"},
    LeafField{0x1, 0, 3, 1u << 21, "DS"},
    LeafField{0x7, 0, 3, 1u << 19, "architectural LBR"},
    LeafField{0xa, 0, 0, ~0u, "version, general counters, their width, events"},
    LeafField{0xa, 0, 1, ~0u, "events that are not there"},
    LeafField{0xa, 0, 2, ~0u, "fixed counters by bit"},
    LeafField{0xa, 0, 3, ~0u, "fixed counters, their width, AnyThread"},
    LeafField{0x1c, 0, 0, ~0u, "depths"},
    LeafField{0x1c, 0, 1, ~0u, "filters and call stack"},
    LeafField{0x1c, 0, 2, ~0u, "fields of records"},
};

class Checker {
 public:
  Checker(const MsrDump& dump, const cpu::Uarch& part, DumpReport& report)
      : dump_(dump), report_(report), model_(part), registers_(model_.msrs().list()) {}

  void run() {
    for (const DumpedCpuid& leaf : dump_.cpuid) check_leaf(leaf);
    set_depth();
    for (const DumpedMsr& m : dump_.msrs) check(m);
    note_missing();
    check_tail();
  }

 private:
  using Listed = MsrBus::Listed;

  [[nodiscard]] const cpu::Uarch& part() const { return model_.part(); }
  [[nodiscard]] const LbrParams& lbr() const { return part().lbr; }
  [[nodiscard]] bool architectural() const { return lbr().arch.depth_mask != 0; }
  [[nodiscard]] static bool within(u32 index, u32 base, u64 count) {
    return index >= base && index - base < count;
  }
  [[nodiscard]] unsigned depth() const { return model_.lbr().depth(); }

  void hold(DumpCheck check) { ++report_.held[static_cast<std::size_t>(check)]; }
  void find(const DumpedMsr& m, DumpCheck check, std::string words) {
    report_.findings.push_back({check, m.line, fmt::format("{} ({:#x})", m.name, m.index), std::move(words)});
  }
  /// Counts a check, or reports what it found.
  void expect(bool held, const DumpedMsr& m, DumpCheck check, const auto& words) {
    if (held) {
      hold(check);
    } else {
      find(m, check, words());
    }
  }

  [[nodiscard]] const DumpedMsr* dumped(u32 index) const {
    const auto found = std::ranges::find(dump_.msrs, index, &DumpedMsr::index);
    return found == dump_.msrs.end() ? nullptr : &*found;
  }

  /// How many architectural records there are decides which registers exist.
  void set_depth() {
    if (!architectural()) return;
    const DumpedMsr* m = dumped(lbr::arch::kDepth);
    if (m == nullptr || !m->value) return;
    expect(model_.msrs().write(lbr::arch::kDepth, *m->value) == MsrFault::kNone, *m, DumpCheck::kEncoding,
           [&] {
             return fmt::format("expected a depth of CPUID.1CH:EAX[7:0] = {:#x}, found {}",
                                lbr().arch.depth_mask, *m->value);
           });
  }

  void check_leaf(const DumpedCpuid& found) {
    const cpu::CpuidResult known = cpu::cpuid(part(), found.leaf, found.subleaf);
    const std::array<u32, 4> expected = {known.eax, known.ebx, known.ecx, known.edx};
    for (const LeafField& field : kLeafFields) {
      if (field.leaf != found.leaf || field.subleaf != found.subleaf) continue;
      // Leaves beyond a part's highest say something else.
      if (field.leaf > part().max_leaf) continue;
      const u32 want = expected[field.which] & field.mask;
      const u32 have = found.registers[field.which] & field.mask;
      if (want == have) {
        hold(DumpCheck::kCapability);
        continue;
      }
      constexpr std::array<std::string_view, 4> kNames = {"EAX", "EBX", "ECX", "EDX"};
      report_.findings.push_back({DumpCheck::kCapability, found.line,
                                  fmt::format("CPUID.{:02X}H:{}", found.leaf, kNames[field.which]),
                                  fmt::format("{}: expected {:#x}, found {:#x}", field.what, want, have)});
    }
  }

  void check(const DumpedMsr& m) {
    const auto known = std::ranges::find(registers_, m.index, &Listed::index);
    if (known == registers_.end()) {
      expect(!m.value, m, DumpCheck::kExists,
             [&] { return fmt::format("expected none on {}, found {:#x}", part().name, *m.value); });
      return;
    }
    expect(m.name == known->name, m, DumpCheck::kName,
           [&] { return fmt::format("expected the name {}", known->name); });
    const bool readable = model_.msrs().read(m.index).ok();
    expect(readable == m.value.has_value(), m, DumpCheck::kExists, [&] {
      return readable ? fmt::format("expected a value, found that it cannot be read ({})", m.why)
                      : fmt::format("expected that it cannot be read, found {:#x}", *m.value);
    });
    if (m.value && readable) check_value(m, *known, *m.value);
  }

  void check_value(const DumpedMsr& m, const Listed& known, u64 value) {
    if (check_record(m, value) || check_counter(m, value) || check_state(m, value)) return;
    // Where records are architectural, IA32_DEBUGCTL's bit may be written but reads 0.
    const u64 reads_zero = m.index == kDebugctl && architectural() ? debugctl::kLbr : 0;
    reserved(m, value, known.writable & ~reads_zero);
    if (known.writable == 0 || (value & ~known.writable) != 0) return;
    const MsrFault fault = model_.msrs().write(m.index, value);
    expect(fault == MsrFault::kNone, m, DumpCheck::kEncoding, [&] {
      return fmt::format("expected a value that the register takes, found {:#x}: {}", value, describe(fault));
    });
  }

  void reserved(const DumpedMsr& m, u64 value, u64 bits) {
    expect((value & ~bits) == 0, m, DumpCheck::kReserved, [&] {
      return fmt::format("expected bits within {:#x}, found {:#x}: reserved {:#x}", bits, value,
                         value & ~bits);
    });
  }

  /// Registers of last-branch records. True when `m` is one.
  bool check_record(const DumpedMsr& m, u64 value) {
    const LbrParams& p = lbr();
    if (architectural()) return check_architectural(m, value);
    const bool quirk = p.quirks.fmt1_with_mispred && p.format == LbrFormat::kLinear;
    const LbrFormat format = quirk ? LbrFormat::kFlags : p.format;
    Entry e;
    if (within(m.index, p.from_base, p.depth)) {
      // Of captures: parts without TSX record zeros where they want a sign extension to be written.
      const MsrFault fault = lbr::decode_from(format, value, p.va_bits, e, false);
      encoded(m, value, fault, lbr::encode_from(format, e));
    } else if (lbr::has_to(format) && within(m.index, p.to_base, p.depth)) {
      const MsrFault fault = lbr::decode_to(format, value, p.va_bits, e);
      encoded(m, value, fault, lbr::encode_to(format, e));
    } else if (lbr::has_info(format) && within(m.index, p.info_base, p.depth)) {
      const MsrFault fault = lbr::decode_info(format, value, e);
      encoded(m, value, fault, lbr::encode_info(format, e));
    } else if (p.depth != 1 && m.index == p.tos) {
      expect(value < p.depth, m, DumpCheck::kTos,
             [&] { return fmt::format("expected less than the depth, {}, found {:#x}", p.depth, value); });
    } else if (p.ler_from != 0 && within(m.index, p.ler_from, 2)) {
      canonical(m, value);
    } else {
      return false;
    }
    return true;
  }

  bool check_architectural(const DumpedMsr& m, u64 value) {
    using namespace lbr::arch;
    if (within(m.index, kFrom, depth()) || within(m.index, kTo, depth()) || m.index == kLerFrom ||
        m.index == kLerTo) {
      canonical(m, value);
    } else if (within(m.index, kInfo, depth()) || m.index == kLerInfo) {
      check_info(m, value);
    } else {
      return m.index == kDepth;
    }
    return true;
  }

  /// Bits 31:16 and 55:48 are undefined: whatever they are, nothing is wrong.
  void check_info(const DumpedMsr& m, u64 value) {
    constexpr u64 kUndefined = u64{0xffff} << 16 | u64{0xff} << 48;
    constexpr u64 kType = u64{15} << 56;
    constexpr u64 kCounts = u64{0xffff} << 32;
    const ArchLbrParams& p = lbr().arch;
    const u64 counts = counted_bits(p.event_log_counters);
    u64 bits = kUndefined | u64{3} << 61;  // in a transaction, aborted
    if (p.timed) bits |= 0xffff | u64{1} << 60;
    if (p.mispredicted) bits |= u64{1} << 63;
    if (p.branch_type) bits |= kType;
    bits |= counts & kCounts;
    const u64 type = (value & kType) >> 56;
    const bool defined_type = type < 6 || type >= 8;
    expect((value & ~bits) == 0 && defined_type, m, DumpCheck::kEncoding, [&] {
      return defined_type ? fmt::format("expected bits within {:#x}, found {:#x}", bits, value)
                          : fmt::format("expected BR_TYPE 0 to 5 or 8 to 15, found {}", type);
    });
  }

  /// Two bits of INFO for each counter.
  [[nodiscard]] static u64 counted_bits(u32 counters) {
    u64 bits = 0;
    for (unsigned n = 0; n < 8; ++n) {
      if (((counters >> n) & 1) != 0) bits |= u64{3} << (32 + 2 * n);
    }
    return bits;
  }

  void encoded(const DumpedMsr& m, u64 value, MsrFault fault, u64 back) {
    expect(fault == MsrFault::kNone && back == value, m, DumpCheck::kEncoding, [&] {
      const auto format = static_cast<unsigned>(lbr().format);
      return fault != MsrFault::kNone
                 ? fmt::format("expected a value of format {}, found {:#x}: {}", format, value,
                               describe(fault))
                 : fmt::format("expected what format {} can hold, {:#x}, found {:#x}", format, back, value);
    });
  }

  void canonical(const DumpedMsr& m, u64 value) {
    expect(is_canonical(value, lbr().va_bits), m, DumpCheck::kEncoding, [&] {
      return fmt::format("expected an address of {} bits, sign-extended, found {:#x}", lbr().va_bits, value);
    });
  }

  bool check_counter(const DumpedMsr& m, u64 value) {
    const PmuParams& p = part().pmu;
    unsigned width = p.gp_width;
    if (within(m.index, kFixed, 16) && m.name.starts_with("IA32_FIXED_CTR")) {
      width = p.fixed_width;
    } else if (!(within(m.index, kCounter, 16) || within(m.index, kFullWidth, 16))) {
      return false;
    }
    expect((value & ~low_bits(width)) == 0, m, DumpCheck::kWidth,
           [&] { return fmt::format("expected a counter of {} bits, found {:#x}", width, value); });
    return true;
  }

  /// Registers that software does not write, or not all of. True when `m` is one.
  bool check_state(const DumpedMsr& m, u64 value) {
    switch (m.index) {
      case kCapabilities:
        check_capabilities(m, value);
        return true;
      case kStatus: {
        const auto reset = std::ranges::find(registers_, kStatusReset, &Listed::index);
        reserved(m, value, reset == registers_.end() ? 0 : reset->writable);
        return true;
      }
      case kInUse:
        reserved(m, value, in_use_bits());
        return true;
      case kMiscEnable:
        check_misc_enable(m, value);
        return true;
      default:
        return false;
    }
  }

  /// Each selected counter, and bit 63: a PMI is configured.
  [[nodiscard]] u64 in_use_bits() const {
    const PmuParams& p = part().pmu;
    const u64 general = p.gp_bitmap != 0 ? p.gp_bitmap : low_bits(p.gp_counters);
    const u64 fixed = p.fixed_bitmap != 0 ? p.fixed_bitmap : low_bits(p.fixed_counters);
    return general | fixed << 32 | u64{1} << 63;
  }

  void check_capabilities(const DumpedMsr& m, u64 value) {
    const u64 expected = part().pmu.perf_capabilities;
    u64 known = 0;
    for (const CapabilityField& field : kCapabilityFields) {
      const u64 mask = low_bits(field.width) << field.first;
      known |= mask;
      expect((value & mask) == (expected & mask), m, DumpCheck::kCapability, [&] {
        return fmt::format("{}: expected {}, found {}", field.name, (expected & mask) >> field.first,
                           (value & mask) >> field.first);
      });
    }
    expect((value & ~known) == (expected & ~known), m, DumpCheck::kCapability, [&] {
      return fmt::format("other bits: expected {:#x}, found {:#x}", expected & ~known, value & ~known);
    });
  }

  /// Most of it is no matter of monitoring; these say what there is.
  void check_misc_enable(const DumpedMsr& m, u64 value) {
    constexpr u64 kMonitoring = 1u << 7 | 1u << 11 | 1u << 12;
    const u64 expected = model_.msrs().read(kMiscEnable).value & kMonitoring;
    expect((value & kMonitoring) == expected, m, DumpCheck::kCapability, [&] {
      return fmt::format("monitoring, no BTS, no PEBS (bits 7, 11, 12): expected {:#x}, found {:#x}",
                         expected, value & kMonitoring);
    });
  }

  void note_missing() {
    u64 missing = 0;
    std::string first;
    for (const Listed& known : registers_) {
      if (dumped(known.index) != nullptr) continue;
      if (missing++ == 0) first = known.name;
    }
    if (missing != 0) {
      report_.notes.push_back(
          fmt::format("{} registers of {} are not in the dump, {} the first", missing, part().name, first));
    }
  }

  /// Empty records are the oldest, as the ring fills without gaps.
  void check_tail() {
    const DumpedMsr* tos = dumped(lbr().tos);
    if (!architectural() && (tos == nullptr || !tos->value)) return;
    bool empty = false;
    for (unsigned age = 0; age < depth(); ++age) {
      const u32 index = architectural() ? lbr::arch::kFrom + age
                                        : lbr().from_base + static_cast<u32>((*tos->value - age) % depth());
      const DumpedMsr* m = dumped(index);
      if (m == nullptr || !m->value) return;
      if (empty && *m->value != 0) {
        report_.notes.push_back(
            fmt::format("{} is newer than an empty record: software has written them, or they were read "
                        "while they changed",
                        m->name));
        return;
      }
      empty = empty || *m->value == 0;
    }
  }

  const MsrDump& dump_;
  DumpReport& report_;
  MsrModel model_;
  std::vector<Listed> registers_;
};

/// "GenuineIntel,6,85,4" of leaf 1, where the header has none.
std::string signature(const MsrDump& dump) {
  if (const auto said = dump.of("cpuid-signature"); !said.empty()) return std::string(said);
  const auto leaf = std::ranges::find(dump.cpuid, 1u, &DumpedCpuid::leaf);
  if (leaf == dump.cpuid.end()) return {};
  return cpuid_signature(leaf->registers[0]);
}

}  // namespace

std::string cpuid_signature(u32 eax) {
  const u32 family = (eax >> 8) & 15;
  const u32 model = (eax >> 4) & 15;
  const bool extended = family == 6 || family == 15;
  return fmt::format("GenuineIntel,{},{},{}", family == 15 ? family + ((eax >> 20) & 0xff) : family,
                     extended ? model | ((eax >> 16) & 15) << 4 : model, eax & 15);
}

DumpReport check_msr_dump(const MsrDump& dump, std::string_view uarch) {
  DumpReport report{.path = dump.path};
  const std::string cpuid = signature(dump);
  const cpu::Uarch* part = uarch.empty() ? part_of_cpuid(cpuid) : &cpu::uarch(uarch);
  if (part == nullptr) {
    throw Error(
        "{}: expected the CPUID of a part that is known (see 'lastbranch list uarchs'), or --uarch, found {}",
        dump.path, cpuid.empty() ? "none" : fmt::format("'{}'", cpuid));
  }
  if (dump.msrs.empty()) throw Error("{}: expected registers, found none", dump.path);
  report.processor = part->name;
  report.chosen_by = uarch.empty() ? "CPUID " + cpuid : "--uarch";
  Checker(dump, *part, report).run();
  return report;
}

DumpReport check_msr_dump(const std::string& path, std::string_view uarch) {
  return check_msr_dump(read_msr_dump(path), uarch);
}

}  // namespace lastbranch::replay
