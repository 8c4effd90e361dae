// The event table against Intel's own lists.
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <map>
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

/// What a list says of an event, as the table writes it.
struct Published {
  Code code = 0;
  bool precise = false;
  bool fixed = false;
};

bool flag(const boost::json::object& e, std::string_view key) {
  const boost::json::value* v = e.if_contains(key);
  return v != nullptr && number(*v) != 0;
}

std::map<std::string, Published> published(const std::filesystem::path& file) {
  std::ifstream in(file, std::ios::binary);
  boost::iostreams::filtering_istream gz;
  gz.push(boost::iostreams::gzip_decompressor());
  gz.push(in);
  std::ostringstream text;
  boost::iostreams::copy(gz, text);
  std::map<std::string, Published> events;
  const boost::json::value json = boost::json::parse(text.str());
  for (const auto& item : json.at("Events").as_array()) {
    const auto& e = item.as_object();
    // Off-core response events: "0xB7,0xBB" names two codes of one event. The table has none of them.
    if (std::string_view(e.at("EventCode").as_string()).find(',') != std::string_view::npos) continue;
    if (flag(e, "Offcore")) continue;
    Published p;
    p.code = number(e.at("EventCode")) | number(e.at("UMask")) << 8 | number(e.at("CounterMask")) << 24;
    if (flag(e, "Invert")) p.code |= 1u << 23;
    if (flag(e, "EdgeDetect")) p.code |= 1u << 18;
    if (flag(e, "AnyThread")) p.code |= 1u << 21;
    p.precise = flag(e, "PEBS") || flag(e, "Precise");
    p.fixed = lower(std::string(e.at("Counter").as_string())).starts_with("fixed");
    events[lower(std::string(e.at("EventName").as_string()))] = p;
  }
  return events;
}

TEST(Perfmon, every_published_event_is_in_the_table_and_no_other) {
  const struct {
    EventList list;
    std::string_view file;
  } rows[] = {{EventList::kBonnell, "bonnell"},
              {EventList::kNehalem, "NehalemEP"},
              {EventList::kWestmere, "WestmereEP-DP"},
              {EventList::kSandyBridge, "sandybridge"},
              {EventList::kIvyBridge, "ivybridge"},
              {EventList::kSilvermont, "Silvermont"},
              {EventList::kHaswell, "haswell"},
              {EventList::kBroadwell, "broadwell"},
              {EventList::kSkylake, "skylake"},
              {EventList::kSkylakeX, "skylakex"},
              {EventList::kGoldmont, "goldmont"},
              {EventList::kGoldmontPlus, "goldmontplus"},
              {EventList::kCascadeLakeX, "cascadelakex"},
              {EventList::kIceLake, "icelake"},
              {EventList::kIceLakeX, "icelakex"},
              {EventList::kGoldenCove, "alderlake_goldencove"},
              {EventList::kGracemont, "alderlake_gracemont"},
              {EventList::kSapphireRapids, "sapphirerapids"}};
  for (const auto& row : rows) {
    const auto file = perfmon_folder() / (std::string(row.file) + "_core.json.gz");
    if (!std::filesystem::exists(file)) GTEST_SKIP() << "no perfmon lists at " << perfmon_folder();
    const auto list = published(file);
    ASSERT_GT(list.size(), 70u) << file;
    std::size_t found = 0;
    for (const Event& e : events()) {
      if (!e.exists(row.list)) continue;
      ++found;
      const auto p = list.find(std::string(e.name));
      ASSERT_NE(p, list.end()) << e.name << " in " << row.file;
      // Older lists give fixed counters no code; the table has pseudo codes for them.
      const Code mask = p->second.fixed ? 0xffff'0000 : 0xffff'ffff;
      EXPECT_EQ(e.select & mask, p->second.code & mask) << e.name << " in " << row.file;
      EXPECT_EQ((e.select & 0xff) == 0, p->second.fixed) << e.name << " in " << row.file;
      EXPECT_EQ(e.is_precise(row.list), p->second.precise) << e.name << " in " << row.file;
    }
    EXPECT_EQ(found, list.size()) << row.file;
  }
}

}  // namespace
}  // namespace lastbranch::pmu
