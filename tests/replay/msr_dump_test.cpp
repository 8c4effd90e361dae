// Dumps made of the models' own registers must check clean on every part, and every bit that WRMSR of the
// model refuses must be found.
#include "sim/replay/msr_dump.h"

#include <algorithm>
#include <fstream>
#include <iterator>
#include <random>
#include <set>

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include "models/cpu/cpuid.h"
#include "models/lbr/arch_lbr.h"
#include "sim/base/error.h"
#include "sim/replay/msr_dump_model.h"

namespace lastbranch::replay {
namespace {

constexpr u32 kDebugctl = 0x1d9, kTos = 0x1c9, kCapabilities = 0x345;

/// Switches recording on and fills the ring, past its end, with branches of both privileges.
void run_branches(MsrModel& model, unsigned count) {
  std::mt19937_64 random(7);
  model.lbr().enable(true);
  for (unsigned i = 0; i < count; ++i) {
    const bool kernel = i % 5 == 0;
    const u64 base = kernel ? 0xffff'ffff'8100'0000 : 0x7fff'f7a0'0000;
    model.lbr().push({.from = base + random() % 0x10000,
                      .to = base + random() % 0x10000,
                      .time = 10 * i + random() % 10,
                      .kind = static_cast<BranchKind>(random() % 6),
                      .length = 2,
                      .cpl_from = static_cast<u8>(kernel ? 0 : 3),
                      .cpl_to = static_cast<u8>(kernel ? 0 : 3),
                      .mispredicted = random() % 4 == 0});
  }
}

/// Writes to every control register and counter all that it takes.
void set_everything(MsrModel& model) {
  for (const MsrBus::Listed& row : model.msrs().list()) {
    const bool counter = row.name.starts_with("IA32_PMC") || row.name.starts_with("IA32_FIXED_CTR");
    if (counter || row.name.starts_with("IA32_PERFEVTSEL")) {
      static_cast<void>(model.msrs().write(row.index, row.writable & ~(u64{1} << 22)));
    }
  }
}

MsrDump dump_of(MsrModel& model) {
  const cpu::Uarch& part = model.part();
  MsrDump dump{.path = "dump", .header = {}, .cpuid = {}, .msrs = {}};
  dump.header["cpuid-signature"] = part.cpuid_string();
  for (const CpuidPlace& place : dumped_leaves()) {
    const cpu::CpuidResult leaf = cpu::cpuid(part, place.leaf, place.subleaf);
    dump.cpuid.push_back({.leaf = place.leaf,
                          .subleaf = place.subleaf,
                          .registers = {leaf.eax, leaf.ebx, leaf.ecx, leaf.edx}});
  }
  for (const MsrBus::Listed& row : model.msrs().list()) {
    const MsrValue read = model.msrs().read(row.index);
    dump.msrs.push_back({.index = row.index,
                         .name = row.name,
                         .value = read.ok() ? std::optional(read.value) : std::nullopt,
                         .why = read.ok() ? "" : "EIO"});
  }
  return dump;
}

std::string first_finding(const DumpReport& report) {
  return report.agrees() ? "" : report.findings[0].where + ": " + report.findings[0].words;
}

DumpedMsr& msr(MsrDump& dump, u32 index) {
  const auto found = std::ranges::find(dump.msrs, index, &DumpedMsr::index);
  if (found == dump.msrs.end()) throw std::runtime_error(fmt::format("no register {:#x}", index));
  return *found;
}

TEST(MsrDump, what_the_models_write_is_clean_on_every_part) {
  for (const cpu::Uarch& part : cpu::uarchs()) {
    SCOPED_TRACE(part.name);
    for (const unsigned branches : {0u, 5u, 100u}) {
      MsrModel model(part);
      run_branches(model, branches);
      set_everything(model);
      const MsrDump dump = dump_of(model);
      const DumpReport report = check_msr_dump(dump, part.name);
      EXPECT_EQ(first_finding(report), "");
      EXPECT_GT(report.held[static_cast<std::size_t>(DumpCheck::kReserved)], 0u);
      EXPECT_GE(report.held[static_cast<std::size_t>(DumpCheck::kEncoding)], model.lbr().depth());
      EXPECT_TRUE(report.notes.empty()) << report.notes[0];
    }
  }
}

/// Registers whose WRMSR is no measure of what RDMSR may give.
bool has_own_rule(const MsrBus::Listed& row) {
  static const std::set<std::string, std::less<>> kNames = {"IA32_LBR_DEPTH",
                                                            "MSR_LASTBRANCH_TOS",
                                                            "IA32_MISC_ENABLE",
                                                            "IA32_PERF_GLOBAL_OVF_CTRL",
                                                            "IA32_PERF_GLOBAL_STATUS_RESET",
                                                            "IA32_PERF_GLOBAL_STATUS_SET"};
  return row.writable == 0 || kNames.contains(row.name) || row.name.starts_with("IA32_PMC");
}

TEST(MsrDump, each_bit_that_wrmsr_refuses_is_found_and_no_other) {
  for (const cpu::Uarch& part : cpu::uarchs()) {
    if (part.lbr.quirks.fmt4_tsx_disabled) continue;  // captured addresses cannot be written back there
    SCOPED_TRACE(part.name);
    MsrModel model(part);
    run_branches(model, 100);
    const MsrDump clean = dump_of(model);
    const auto rows = model.msrs().list();
    u64 refused_bits = 0;
    for (unsigned bit = 0; bit < 64; ++bit) {
      MsrDump flipped = clean;
      MsrModel oracle(part);
      std::set<std::string> refused;
      for (const MsrBus::Listed& row : rows) {
        DumpedMsr& m = msr(flipped, row.index);
        if (!m.value || has_own_rule(row)) continue;
        const bool info = part.lbr.arch.depth_mask != 0 && row.name.find("INFO") != std::string::npos;
        if (info) continue;
        *m.value ^= u64{1} << bit;
        const bool fault = oracle.msrs().write(row.index, *m.value) != MsrFault::kNone ||
                           oracle.msrs().read(row.index).value != *m.value;
        if (fault) refused.insert(fmt::format("{} ({:#x})", row.name, row.index));
      }
      std::set<std::string> found;
      for (const DumpFinding& f : check_msr_dump(flipped, part.name).findings) found.insert(f.where);
      std::vector<std::string> differ;
      std::ranges::set_symmetric_difference(found, refused, std::back_inserter(differ));
      EXPECT_EQ(differ, std::vector<std::string>{}) << "bit " << bit;
      refused_bits += refused.size();
    }
    EXPECT_GT(refused_bits, 500u);
  }
}

TEST(MsrDump, the_undefined_bits_of_an_info_register_may_be_anything) {
  MsrModel model(cpu::uarch("sierraforest"));
  run_branches(model, 40);
  MsrDump dump = dump_of(model);
  u64& info = *msr(dump, lbr::arch::kInfo).value;
  info |= u64{0xffff} << 16 | u64{0xff} << 48;
  EXPECT_EQ(first_finding(check_msr_dump(dump)), "");
  info = (info & ~(u64{15} << 56)) | u64{6} << 56;
  EXPECT_NE(first_finding(check_msr_dump(dump)).find("expected BR_TYPE 0 to 5 or 8 to 15, found 6"),
            std::string::npos);
  info = u64{1} << 40;  // counter 4: no part logs it
  EXPECT_NE(first_finding(check_msr_dump(dump)).find("found 0x10000000000"), std::string::npos);
}

/// One change and what must be said of it.
struct Control {
  std::string_view what;
  void (*change)(MsrDump&);
  DumpCheck check;
  std::string_view words;
};

TEST(MsrDump, each_control_is_found_and_nothing_else) {
  const Control controls[] = {
      {"TOS beyond the ring", [](MsrDump& d) { msr(d, kTos).value = 32; }, DumpCheck::kTos,
       "expected less than the depth, 32, found 0x20"},
      {"FROM not canonical", [](MsrDump& d) { msr(d, 0x681).value = 0x8000'0000'0000; }, DumpCheck::kEncoding,
       "address not canonical"},
      {"INFO with a reserved bit", [](MsrDump& d) { *msr(d, 0xdc3).value |= u64{1} << 20; },
       DumpCheck::kEncoding, "reserved bit set"},
      {"a counter of 49 bits", [](MsrDump& d) { msr(d, 0xc2).value = u64{1} << 48; }, DumpCheck::kWidth,
       "expected a counter of 48 bits"},
      {"a reserved bit of IA32_DEBUGCTL", [](MsrDump& d) { *msr(d, kDebugctl).value |= 1 << 3; },
       DumpCheck::kReserved, "reserved 0x8"},
      {"another format", [](MsrDump& d) { *msr(d, kCapabilities).value ^= 3; }, DumpCheck::kCapability,
       "LBR_FMT: expected 5, found 6"},
      {"status of a counter that is not there", [](MsrDump& d) { msr(d, 0x38e).value = 1 << 9; },
       DumpCheck::kReserved, "reserved 0x200"},
      {"a register of another part",
       [](MsrDump& d) { d.msrs.push_back({.index = 0x14ce, .name = "IA32_LBR_CTL", .value = 0}); },
       DumpCheck::kExists, "expected none on skylake, found 0x0"},
      {"a register that should be there",
       [](MsrDump& d) {
         msr(d, 0x6c0).value.reset();
         msr(d, 0x6c0).why = "EIO";
       },
       DumpCheck::kExists, "expected a value, found that it cannot be read (EIO)"},
      {"another name", [](MsrDump& d) { msr(d, 0x680).name = "MSR_LASTBRANCH_1_FROM_IP"; }, DumpCheck::kName,
       "expected the name MSR_LASTBRANCH_0_FROM_IP"},
      {"fewer counters in CPUID", [](MsrDump& d) { d.cpuid[3].registers[0] ^= 0x600; },
       DumpCheck::kCapability, "general counters"},
  };
  for (const Control& control : controls) {
    SCOPED_TRACE(control.what);
    MsrModel model(cpu::uarch("skylake"));
    run_branches(model, 100);
    MsrDump dump = dump_of(model);
    control.change(dump);
    const DumpReport report = check_msr_dump(dump);
    ASSERT_EQ(report.findings.size(), 1u);
    EXPECT_EQ(report.findings[0].check, control.check) << report.findings[0].words;
    EXPECT_NE(report.findings[0].words.find(control.words), std::string::npos) << report.findings[0].words;
    EXPECT_NE(dump_report_text(report).find(control.words), std::string::npos);
    EXPECT_NE(dump_report_json(report).find("\"agrees\":false"), std::string::npos);
  }
}

TEST(MsrDump, a_gap_in_the_ring_is_noted) {
  MsrModel model(cpu::uarch("skylake"));
  run_branches(model, 5);
  MsrDump dump = dump_of(model);
  msr(dump, 0x680 + static_cast<u32>(*msr(dump, kTos).value) - 1).value = 0;
  const DumpReport report = check_msr_dump(dump);
  EXPECT_TRUE(report.agrees());
  ASSERT_EQ(report.notes.size(), 1u);
  EXPECT_NE(report.notes[0].find("newer than an empty record"), std::string::npos);
}

TEST(MsrDump, text_is_read_as_it_was_written) {
  MsrModel model(cpu::uarch("lunarlake-p"));
  run_branches(model, 9);
  MsrDump dump = dump_of(model);
  dump.header["kernel"] = "Linux 6.1.0: x86_64";
  const MsrDump read = parse_msr_dump(msr_dump_text(dump), "dump");
  EXPECT_EQ(read.header, dump.header);
  ASSERT_EQ(read.msrs.size(), dump.msrs.size());
  for (std::size_t i = 0; i < read.msrs.size(); ++i) {
    EXPECT_EQ(read.msrs[i].index, dump.msrs[i].index);
    EXPECT_EQ(read.msrs[i].name, dump.msrs[i].name);
    EXPECT_EQ(read.msrs[i].value, dump.msrs[i].value);
    EXPECT_EQ(read.msrs[i].why, dump.msrs[i].why);
  }
  ASSERT_EQ(read.cpuid.size(), dump.cpuid.size());
  for (std::size_t i = 0; i < read.cpuid.size(); ++i) {
    EXPECT_EQ(read.cpuid[i].registers, dump.cpuid[i].registers);
  }
}

std::string error_of(std::string_view text) {
  try {
    static_cast<void>(check_msr_dump(parse_msr_dump(text, "file")));
  } catch (const Error& error) {
    return error.what();
  }
  return "";
}

TEST(MsrDump, bad_input_is_told_by_file_line_and_column) {
  const std::string start = std::string(kMsrDumpMagic) + "\n";
  const std::pair<std::string, std::string_view> cases[] = {
      {"", "file:1:1: expected 'lastbranch-msr-dump 1', found another line"},
      {"lastbranch-msr-dump 12\n", "file:1:1: expected 'lastbranch-msr-dump 1', found another line"},
      {start + "mrs 0x1 A 0x0\n", "file:2:1: expected cpuid, msr, or a name with a colon, found 'mrs'"},
      {start + "msr\n", "file:2:4: expected an index, found the end of the line"},
      {start + "# a comment\n\nmsr 1c9 A 0x0\n",
       "file:4:5: expected an index of at most 32 bits, hexadecimal with 0x, found '1c9'"},
      {start + "msr 0x100000000 A 0x0\n",
       "file:2:5: expected an index of at most 32 bits, hexadecimal with 0x, found '0x100000000'"},
      {start + "msr 0x1c9 TOS 0x12345678123456789\n",
       "file:2:15: expected a value of at most 64 bits, hexadecimal with 0x, found '0x12345678123456789'"},
      {start + "msr 0x1c9 TOS 0x\n",
       "file:2:15: expected a value of at most 64 bits, hexadecimal with 0x, found '0x'"},
      {start + "msr 0x1c9 TOS unreadable\n",
       "file:2:25: expected why it cannot be read, found the end of the line"},
      {start + "msr 0x1c9 TOS 0x0 x\n", "file:2:19: expected the end of the line, found 'x'"},
      {start + "msr 0x1c9 A 0x0\nmsr 0x1c9 B 0x0\n", "file:3:5: expected register 0x1c9 once"},
      {start + "cpuid 0x1 0x0 0x1 0x2 0x3\n", "file:2:26: expected EDX, found the end of the line"},
      {start,
       "file: expected the CPUID of a part that is known (see 'lastbranch list uarchs'), or --uarch, found "
       "none"},
      {start + "cpuid-signature: AuthenticAMD,25,17,0\n",
       "file: expected the CPUID of a part that is known (see 'lastbranch list uarchs'), or --uarch, found "
       "'AuthenticAMD,25,17,0'"},
  };
  for (const auto& [text, message] : cases) EXPECT_EQ(error_of(text), message);
}

TEST(MsrDump, a_dump_without_registers_does_not_agree) {
  MsrDump dump{.path = "dump", .header = {}, .cpuid = {}, .msrs = {}};
  dump.header["cpuid-signature"] = "GenuineIntel,6,85,4";
  EXPECT_THROW(static_cast<void>(check_msr_dump(dump)), Error);
  EXPECT_THROW(static_cast<void>(check_msr_dump(dump, "skx")), Error);
}

TEST(MsrDump, the_report_says_its_schema) {
  const std::string text = dump_report_json(DumpReport{.path = "dump"});
  EXPECT_TRUE(text.starts_with(R"({"schema":"lastbranch-msr-dump","version":1,)")) << text;
}

TEST(MsrDump, any_bytes_give_an_error_or_a_report) {
  MsrModel model(cpu::uarch("haswell"));
  run_branches(model, 40);
  const std::string text = msr_dump_text(dump_of(model));
  std::mt19937_64 random(3);
  for (unsigned i = 0; i < 300; ++i) {
    std::string damaged = text;
    for (unsigned k = 0; k < 5; ++k) damaged[random() % damaged.size()] = static_cast<char>(random());
    damaged.resize(random() % damaged.size());
    const std::string error = error_of(damaged);
    EXPECT_TRUE(error.empty() || error.starts_with("file:")) << error;
  }
}

TEST(MsrDump, a_file_is_known_by_its_first_line) {
  const std::string path = fmt::format("{}lastbranch-dump-{}", testing::TempDir(), getpid());
  EXPECT_FALSE(is_msr_dump(path));
  std::ofstream(path) << "PERFILE2";
  EXPECT_FALSE(is_msr_dump(path));
  MsrModel model(cpu::uarch("skylake"));
  std::ofstream(path) << msr_dump_text(dump_of(model));
  EXPECT_TRUE(is_msr_dump(path));
  EXPECT_EQ(first_finding(check_msr_dump(path)), "");
  EXPECT_EQ(check_msr_dump(path).chosen_by, "CPUID GenuineIntel,6,94,3");
  unlink(path.c_str());
}

TEST(MsrDump, signatures_have_the_display_family_and_model) {
  EXPECT_EQ(cpuid_signature(0x506e3), "GenuineIntel,6,94,3");
  EXPECT_EQ(cpuid_signature(0x50654), "GenuineIntel,6,85,4");
  EXPECT_EQ(cpuid_signature(0x00f41), "GenuineIntel,15,4,1");
}

TEST(MsrDump, names_of_any_bytes_make_printable_text_and_json) {
  DumpReport report{.path = "\x1b\xff\n"};
  report.findings.push_back({.where = "\x1b\xff", .words = "\x1b[2J"});
  report.notes.emplace_back("\xff");
  for (const std::string& text : {dump_report_text(report), dump_report_json(report)}) {
    EXPECT_EQ(text.find('\x1b'), std::string::npos) << text;
    EXPECT_EQ(text.find('\xff'), std::string::npos) << text;
    EXPECT_NE(text.find("x1b"), std::string::npos) << text;
  }
}

}  // namespace
}  // namespace lastbranch::replay
