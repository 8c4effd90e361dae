#pragma once
/// The raw last-branch and performance-monitoring registers of a real processor as text, and their check
/// against the models' encodings. lastbranch-msr-dump writes it; docs/cross-validation.md documents it.
///
/// Checked: that the registers there are, and no others, exist in the part's record; that no bit is set that
/// the record calls reserved; that records hold what their format can (addresses canonical, flags where the
/// format has them), TOS is within the ring, counters within their width; that CPUID's monitoring leaves and
/// IA32_PERF_CAPABILITIES say what the record says. Not: what the values mean - a dump is of one moment.
/// Sources: the models' own register rows; SDM vol. 4.
#include <array>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "sim/base/units.h"

namespace lastbranch::replay {

/// One CPUID leaf: EAX, EBX, ECX, EDX.
struct DumpedCpuid {
  u32 leaf = 0;
  u32 subleaf = 0;
  std::array<u32, 4> registers{};
  std::size_t line = 0;  ///< of the file
};

struct DumpedMsr {
  u32 index = 0;
  std::string name = {};          ///< the manual's
  std::optional<u64> value = {};  ///< none: RDMSR failed
  std::string why = {};           ///< it failed: "EIO"
  std::size_t line = 0;
};

struct MsrDump {
  std::string path;
  /// source, program, cpu, cpu-name, cpuid-signature, microcode, kernel, command.
  std::map<std::string, std::string, std::less<>> header;
  std::vector<DumpedCpuid> cpuid;
  std::vector<DumpedMsr> msrs;

  /// A header's text; empty: not there.
  [[nodiscard]] std::string_view of(std::string_view key) const;
};

/// What a file begins with.
inline constexpr std::string_view kMsrDumpMagic = "lastbranch-msr-dump 1";

/// Whether the file of that name begins as a dump does; false also when it cannot be read.
[[nodiscard]] bool is_msr_dump(const std::string& path);
/// Throws Error: FILE:LINE:COLUMN, what was expected and found.
[[nodiscard]] MsrDump read_msr_dump(const std::string& path);
/// The same of text; `path` is for messages.
[[nodiscard]] MsrDump parse_msr_dump(std::string_view text, const std::string& path);
/// The text that parse_msr_dump() reads.
[[nodiscard]] std::string msr_dump_text(const MsrDump& dump);

/// What a register or leaf was found to do.
enum class DumpCheck : u8 {
  kExists,      ///< the register is readable where the record has it, and nowhere else
  kName,        ///< it goes by the record's name
  kReserved,    ///< only bits that exist are set
  kEncoding,    ///< a last-branch record is as its format has it
  kTos,         ///< within the ring
  kWidth,       ///< a counter within its width
  kCapability,  ///< IA32_PERF_CAPABILITIES and CPUID say what the record says
  kCount
};
[[nodiscard]] std::string_view name_of(DumpCheck check);

struct DumpFinding {
  DumpCheck check = DumpCheck::kExists;
  std::size_t line = 0;  ///< of the file
  std::string where;     ///< "MSR_LASTBRANCH_TOS (0x1c9)"
  std::string words;     ///< what was expected and found
};

struct DumpReport {
  std::string path;
  std::string processor = {};  ///< the record's name
  std::string chosen_by = {};  ///< "CPUID GenuineIntel,6,85,4"
  std::array<u64, static_cast<std::size_t>(DumpCheck::kCount)> held{};
  std::vector<DumpFinding> findings = {};
  std::vector<std::string> notes = {};

  [[nodiscard]] bool agrees() const { return findings.empty(); }
};

/// Checks a dump. `uarch`: the record's name; empty: from the dump's CPUID. Throws Error when no record is
/// known for it, which names the option, and when the dump has no registers.
[[nodiscard]] DumpReport check_msr_dump(const MsrDump& dump, std::string_view uarch = {});
[[nodiscard]] DumpReport check_msr_dump(const std::string& path, std::string_view uarch = {});

/// For people.
[[nodiscard]] std::string dump_report_text(const DumpReport& report);
/// Of the report's JSON; grows when a field changes its meaning or goes.
inline constexpr int kDumpReportVersion = 1;
/// One JSON object, with its schema ("lastbranch-msr-dump") and version.
[[nodiscard]] std::string dump_report_json(const DumpReport& report);

/// "GenuineIntel,6,85,4" of CPUID.01H:EAX, as perf writes it.
[[nodiscard]] std::string cpuid_signature(u32 eax);

/// The leaves that a dump has: identity, monitoring, architectural last-branch records.
struct CpuidPlace {
  u32 leaf;
  u32 subleaf;
};
[[nodiscard]] std::vector<CpuidPlace> dumped_leaves();

}  // namespace lastbranch::replay
