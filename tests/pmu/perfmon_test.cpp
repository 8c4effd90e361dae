// The event table against Intel's own lists.
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <map>
#include <set>
#include <sstream>

#include <gtest/gtest.h>

#include <boost/iostreams/copy.hpp>
#include <boost/iostreams/filter/gzip.hpp>
#include <boost/iostreams/filtering_stream.hpp>
#include <boost/json.hpp>

#include "models/pmu/events.h"

namespace lastbranch::pmu {
namespace {

std::filesystem::path perfmon_folder() {
  const char* shared = std::getenv("LASTBRANCH_SHARED");
  const std::filesystem::path root = shared != nullptr
                                         ? std::filesystem::path(shared)
                                         : std::filesystem::path(LASTBRANCH_SOURCE_DIR) / ".." / "shared";
  return root / "perfmon";
}

std::string lower(std::string_view text) {
  std::string out(text);
  for (char& c : out) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return out;
}

u32 number(const boost::json::value& v) {
  if (v.is_int64()) return static_cast<u32>(v.as_int64());
  const std::string text(v.as_string());
  return static_cast<u32>(std::stoul(text, nullptr, 0));
}

/// Name -> code, as the table writes codes.
std::map<std::string, Code> codes_of(const std::filesystem::path& file) {
  std::ifstream in(file, std::ios::binary);
  boost::iostreams::filtering_istream gz;
  gz.push(boost::iostreams::gzip_decompressor());
  gz.push(in);
  std::ostringstream text;
  boost::iostreams::copy(gz, text);
  std::map<std::string, Code> codes;
  const boost::json::value json = boost::json::parse(text.str());
  for (const auto& item : json.at("Events").as_array()) {
    const auto& e = item.as_object();
    // "0xB7,0xBB" names two codes of one event; the table has no such event.
    if (std::string_view(e.at("EventCode").as_string()).find(',') != std::string_view::npos) continue;
    Code code = number(e.at("EventCode")) | number(e.at("UMask")) << 8;
    code |=
        number(e.at("CounterMask")) << 24 | number(e.at("Invert")) << 23 | number(e.at("EdgeDetect")) << 18;
    codes[lower(std::string(e.at("EventName").as_string()))] = code;
  }
  return codes;
}

TEST(Perfmon, every_row_has_the_published_code) {
  const struct {
    EventList list;
    std::string_view file;
  } rows[] = {{EventList::kNehalem, "NehalemEP"},       {EventList::kNehalem, "WestmereEP-DP"},
              {EventList::kSandyBridge, "sandybridge"}, {EventList::kSandyBridge, "ivybridge"},
              {EventList::kHaswell, "haswell"},         {EventList::kHaswell, "broadwell"},
              {EventList::kSkylake, "skylake"},         {EventList::kSkylake, "skylakex"}};
  // What older lists publish otherwise: they give fixed counters no code; mispredictions are the
  // architectural event.
  const std::set<std::pair<std::string_view, std::string_view>> exceptions = {
      {"NehalemEP", "inst_retired.any"},
      {"WestmereEP-DP", "inst_retired.any"},
      {"NehalemEP", "cpu_clk_unhalted.thread"},
      {"WestmereEP-DP", "cpu_clk_unhalted.thread"},
      {"NehalemEP", "cpu_clk_unhalted.ref"},
      {"WestmereEP-DP", "cpu_clk_unhalted.ref"},
      {"NehalemEP", "br_misp_retired.all_branches"},
      {"WestmereEP-DP", "br_misp_retired.all_branches"}};
  for (const auto& row : rows) {
    const auto file = perfmon_folder() / (std::string(row.file) + "_core.json.gz");
    if (!std::filesystem::exists(file)) GTEST_SKIP() << "no perfmon lists at " << perfmon_folder();
    const auto codes = codes_of(file);
    ASSERT_GT(codes.size(), 100u) << file;
    for (const Event& e : events()) {
      if (!e.exists(row.list) || exceptions.contains({row.file, e.name})) continue;
      const auto published = codes.find(std::string(e.name));
      EXPECT_NE(published, codes.end()) << e.name << " in " << row.file;
      if (published == codes.end()) continue;
      EXPECT_EQ(e.code(row.list), published->second) << e.name << " in " << row.file;
    }
  }
}

}  // namespace
}  // namespace lastbranch::pmu
