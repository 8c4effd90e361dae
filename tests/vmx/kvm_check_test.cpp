/// Reference vectors: all match, and files that are not as they should be are refused by line and column.
#include <filesystem>
#include <fstream>
#include <set>

#include <gtest/gtest.h>

#include "models/vmx/kvm/check/check.h"
#include "sim/base/error.h"

namespace lastbranch::kvm {
namespace {

namespace fs = std::filesystem;

constexpr const char* kHeader =
    "state,vlbr_perf_cap,guest_pmu_version,in_kernel_apic,debugctl,debugctl_after,lvtpc_deliveries\n";

constexpr const char* kRdpmcHeader =
    "state,guest_pmu_version,guest_nr_gp,guest_nr_fixed,guest_gp_width,cpl,cr4_pce,cr0_pe,ecx,ret,value\n";
constexpr const char* kPassthroughHeader =
    "state,vlbr_enabled,lbr_nr,lbr_has_info,event_present,debugctl,event_state,in_use_before,"
    "passthrough_before,passthrough_after,intercept_updates,last_update_intercepts,warned,in_use_after,"
    "event_present_after_slice_cleanup\n";

class KvmCheckFile : public testing::Test {
 protected:
  std::string write(const std::string& text) {
    const fs::path path =
        fs::path(testing::TempDir()) /
        (std::string(testing::UnitTest::GetInstance()->current_test_info()->name()) + ".csv");
    std::ofstream(path, std::ios::binary) << text;
    return path;
  }
  std::string refusal(const std::string& text) {
    try {
      static_cast<void>(check_file(write(text)));
    } catch (const Error& error) {
      const std::string what = error.what();
      return what.substr(what.find(".csv") + 4);
    }
    return "taken";
  }
};

TEST(KvmCheck, every_reference_vector_matches) {
  std::set<std::string_view> sets;
  std::size_t rows = 0;
  for (const auto& entry : fs::directory_iterator(LASTBRANCH_SOURCE_DIR "/tests/data/kvm")) {
    const CheckResult result = check_file(entry.path());
    EXPECT_EQ(result.matched(), result.rows()) << entry.path();
    for (const Mismatch& m : result.first) ADD_FAILURE() << entry.path() << ":" << m.line << ": " << m.what;
    sets.insert(result.set);
    rows += result.rows();
  }
  EXPECT_EQ(sets.size(), 11u);
  EXPECT_EQ(rows, 44746u);
}

TEST_F(KvmCheckFile, a_row_that_differs_is_counted_and_shown) {
  const CheckResult result =
      check_file(write(std::string(kHeader) + "s0,1,2,1,0x801,0x800,1\ns8,1,2,1,0x801,0x801,2\n"));
  EXPECT_EQ(result.rows(), 2u);
  EXPECT_EQ(result.matched(), 1u);
  ASSERT_EQ(result.first.size(), 1u);
  EXPECT_EQ(result.first[0].line, 3u);
  EXPECT_EQ(result.first[0].kernel, Kernel::kS8);
  EXPECT_EQ(result.first[0].what,
            "debugctl_after: expected 0x801, found 0x800; lvtpc_deliveries: expected 2, found 1");
}

TEST_F(KvmCheckFile, columns_may_come_in_another_order) {
  const CheckResult result =
      check_file(write("# a "
                       "comment\nlvtpc_deliveries,state,vlbr_perf_cap,guest_pmu_version,in_kernel_apic,"
                       "debugctl,debugctl_after\n1,6.2,1,2,1,0x801,0x800\n"));
  EXPECT_EQ(result.matched(), 1u);
}

TEST_F(KvmCheckFile, bad_files_are_refused_with_line_and_column) {
  const std::string header = kHeader;
  const std::pair<std::string, std::string> kBad[] = {
      {"", ": expected reference vectors, found an empty file"},
      {"# only a comment\n", ": expected a column row, found the end of the file"},
      {header, ": expected rows after the columns, found none"},
      {header + "s0,1,2,1,0x801,0x800,1",
       ":2: column 23: expected the end of the line, found the end of the file (a torn line)"},
      {header + "s0,1,2,1\n", ":2: column 5 (debugctl): expected 7 columns, found 4 (a torn line)"},
      {header + "s0,1,2,1,0x801,0x800,1,9\n", ":2: column 8: expected 7 columns, found more"},
      {header + "\n", ":2: column 1 (state): kernel: expected one of"},
      {header + "s9,1,2,1,0x801,0x800,1\n", ":2: column 1 (state): kernel: expected one of v5-series:0 (s0)"},
      {header + "s0,2,2,1,0x801,0x800,1\n", ":2: column 2 (vlbr_perf_cap): expected 0 or 1, found '2'"},
      {header + "s0,1,x,1,0x801,0x800,1\n",
       ":2: column 3 (guest_pmu_version): expected a number, decimal or with 0x, found 'x'"},
      {header + "s0,1,2,1,0x10000000000000000,0x800,1\n", ":2: column 5 (debugctl): expected a number"},
      {header + "s0,1,2,1,0x801,,1\n",
       ":2: column 6 (debugctl_after): expected a number, decimal or with 0x, found ''"},
      {header + "s0,1,2,1,-1,0x800,1\n", ":2: column 5 (debugctl): expected a number"},
      {"state,vlbr_perf_cap,guest_pmu_version,debugctl,debugctl_after,lvtpc_deliveries\ns0,1,2,0,0,0\n",
       ":1: column 7: expected 'in_kernel_apic' of set \"pmi\", found no such column"},
      {"colour," + header + "red,s0,1,2,1,0,0,1\n",
       ":1: column 1: expected a column of set \"pmi\", found 'colour'"},
      {"state," + header + "s0,s0,1,2,1,0,0,1\n",
       ":1: column 2: expected each column once, found 'state' again"},
      {"# set \"rdpmc\"\n" + header + "s0,1,2,1,0,0,1\n",
       ":2: column 1: expected the columns of set \"rdpmc\", which a comment names"},
      {header + "s0,1,256,1,0,0,1\n",
       ":2: column 3 (guest_pmu_version): expected a number up to 0xff, found '256'"},
      {header + "s0,1,2,1,0 ,0,1\n",
       ":2: column 5 (debugctl): expected a number, decimal or with 0x, found '0 '"},
      {header + "s0,1,2,1,+1,0,1\n",
       ":2: column 5 (debugctl): expected a number, decimal or with 0x, found '+1'"},
      {header + "s0,1,2,1,0x,0,1\n",
       ":2: column 5 (debugctl): expected a number, decimal or with 0x, found '0x'"},
      {header + "s0,1,2,1,0,0,1\n\ns1,1,2,1,0,0,1\n", ":3: column 1 (state): kernel: expected one of"},
      {header + header + "s0,1,2,1,0,0,1\n", ":2: column 1 (state): kernel: expected one of"},
      {"\xef\xbb\xbf" + header + "s0,1,2,1,0,0,1\n",
       ":1: column 1: expected a column of set \"pmi\", found '"},
      {"state,lbr_nr\n", ":1: column 3: expected '"},
      {header + "s0,1,2,1,0x801,0x800,1\ns1,1,2,1,0x801,0x800,1,\n",
       ":3: column 8: expected 7 columns, found more"},
      {std::string(kRdpmcHeader) + "s0,2,8,3,48,4,0,1,0,1,0\n",
       ":2: column 6 (cpl): expected a number up to 0x3, found '4'"},
      {std::string(kRdpmcHeader) + "s0,2,8,3,48,3,0,1,0x100000000,1,0\n",
       ":2: column 9 (ecx): expected a number up to 0xffffffff, found '0x100000000'"},
      {std::string(kRdpmcHeader) + "s0,2,8,3,48,3,0,1,0,0x8000000000000000,0\n",
       ":2: column 10 (ret): expected a number that may be negative, found '0x8000000000000000'"},
      {std::string(kPassthroughHeader) + "s0,1,32,1,1,0,2,0,0,0,0,0,0,0,0\n",
       ":2: column 7 (event_state): expected a number from -2 to 1, found '2'"},
      {std::string(kPassthroughHeader) + "s0,1,32,1,1,0,-3,0,0,0,0,0,0,0,0\n",
       ":2: column 7 (event_state): expected a number from -2 to 1, found '-3'"},
      {"state,host_buslock,host_perf_cap,lbr_nr,pebs_ok,seq_id,ops,results\ns0,1,0x5,32,0,1,Rh=0x100000345, "
       "0:0x0\n",
       ":2: column 7 (ops): operation 'Rh=0x100000345': expected a register up to 0xffffffff"},
      {"state,host_buslock,host_perf_cap,lbr_nr,pebs_ok,seq_id,ops,results\ns0,1,0x5,32,0,1,C0 Q, 0:0x0\n",
       ":2: column 7 (ops): expected an operation"},
      {"state,host_buslock,host_perf_cap,lbr_nr,pebs_ok,seq_id,ops,results\ns0,1,0x5,32,0,1,Dh=zz, 0:0x0\n",
       ":2: column 7 (ops): operation 'Dh=zz': expected a number, found 'zz'"},
  };
  for (const auto& [text, message] : kBad) EXPECT_EQ(refusal(text).substr(0, message.size()), message);
}

TEST_F(KvmCheckFile, lines_may_end_as_on_another_system_and_comments_stand_anywhere) {
  const std::string row = "6.2,1,2,1,0x801,0x800,1";
  std::string text = std::string("# set \"pmi\"\r\n") + kHeader;
  text.insert(text.size() - 1, "\r");
  const CheckResult result = check_file(write(text + row + "\r\n# between\r\n" + row + "\r\n"));
  EXPECT_EQ(result.rows(), 2u);
  EXPECT_EQ(result.matched(), 2u);
}

TEST_F(KvmCheckFile, a_file_is_read_by_what_it_is_not_by_its_name) {
  std::ifstream whole(LASTBRANCH_SOURCE_DIR "/tests/data/kvm/dev-pmi.csv.gz", std::ios::binary);
  const std::string bytes{std::istreambuf_iterator<char>(whole), {}};
  EXPECT_EQ(check_file(write(bytes)).matched(), 1120u) << "gzip in a file called .csv";
  EXPECT_EQ(refusal(bytes + "behind it").substr(0, 35), ": expected a whole gzip file, found");
  EXPECT_EQ(refusal(bytes.substr(0, 5)).substr(0, 35), ": expected a whole gzip file, found");
}

TEST_F(KvmCheckFile, a_torn_gzip_file_is_refused) {
  std::ifstream whole(LASTBRANCH_SOURCE_DIR "/tests/data/kvm/dev-pmi.csv.gz", std::ios::binary);
  const std::string bytes{std::istreambuf_iterator<char>(whole), {}};
  EXPECT_EQ(refusal(bytes.substr(0, bytes.size() / 2)).substr(0, 51),
            ": expected a whole gzip file, found one that is tor");
  std::string damaged = bytes;
  damaged[bytes.size() / 2] ^= 0x40;
  EXPECT_NE(refusal(damaged), "taken");
}

TEST(KvmCheck, a_file_that_is_not_there_is_refused) {
  EXPECT_THROW(static_cast<void>(check_file("/nonexistent.csv")), Error);
}

}  // namespace
}  // namespace lastbranch::kvm
