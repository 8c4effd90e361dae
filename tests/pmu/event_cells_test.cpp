// The event table against the data sheet's, cell by cell.
#include <charconv>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "models/pmu/event_spec.h"
#include "models/pmu/events.h"

namespace lastbranch::pmu {
namespace {

struct Part {
  std::string_view column;
  EventList list;
  unsigned first_fixed;  ///< number of the first fixed counter in the published list
};
constexpr Part kParts[] = {{"NHM", EventList::kNehalem, 1},       {"SNB", EventList::kSandyBridge, 0},
                           {"HSW", EventList::kHaswell, 0},       {"SKL", EventList::kSkylake, 0},
                           {"CLX", EventList::kCascadeLakeX, 0},  {"ICL", EventList::kIceLake, 0},
                           {"SPR", EventList::kSapphireRapids, 0}};

struct Line {
  std::string group, priority, name;
  std::vector<std::string> cells;
};

std::vector<std::string> split(const std::string& text, char at) {
  std::vector<std::string> words;
  std::istringstream in(text);
  for (std::string word; std::getline(in, word, at);) words.push_back(word);
  return words;
}

std::vector<Line> read_cells() {
  std::ifstream in(std::filesystem::path(LASTBRANCH_SOURCE_DIR) / "tests/data/event_cells.csv");
  std::vector<Line> lines;
  std::string text;
  std::getline(in, text);
  EXPECT_EQ(text, "group,priority,event,NHM,SNB,HSW,SKL,CLX,ICL,SPR");
  while (std::getline(in, text)) {
    std::vector<std::string> words = split(text, ',');
    words.resize(3 + std::size(kParts));
    for (char& c : words[2]) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
    lines.push_back({words[0], words[1], words[2], {words.begin() + 3, words.end()}});
  }
  return lines;
}

u32 hex(std::string_view text) {
  u32 value = 0;
  std::from_chars(text.data(), text.data() + text.size(), value, 16);
  return value;
}

/// What a cell says, in the table's terms.
struct Cell {
  Code select = 0;
  bool precise = false, deprecated = false;
  u32 msr = 0, msr_value = 0;
};

Cell parse_cell(const std::string& text, const Part& part) {
  Cell cell;
  for (const std::string& word : split(text, ' ')) {
    if (const std::size_t slash = word.find('/'); slash != std::string::npos) {
      cell.select = hex(word.substr(0, slash)) | hex(word.substr(slash + 1)) << 8;
    } else if (word[0] == 'c') {
      cell.select |= static_cast<u32>(std::stoul(word.substr(1))) << 24;
    } else if (word[0] == 'F') {
      cell.select = (cell.select & ~0xffffu) | (hex(word.substr(1)) - part.first_fixed + 1) << 8;
    } else if (word.starts_with("msr")) {
      cell.msr = static_cast<u32>(std::stoul(word.substr(3), nullptr, 0));
      cell.msr_value = static_cast<u32>(std::stoul(word.substr(word.find('=') + 1), nullptr, 0));
    } else if (word == "i") {
      cell.select |= 1u << 23;
    } else if (word == "e") {
      cell.select |= 1u << 18;
    } else if (word == "any") {
      cell.select |= 1u << 21;
    } else if (word == "p") {
      cell.precise = true;
    } else if (word == "dep") {
      cell.deprecated = true;
    } else {
      ADD_FAILURE() << "a cell says '" << word << "'";
    }
  }
  return cell;
}

const Event* on_list(EventList list, std::string_view name) {
  const Event* event = find(list, name);
  return event != nullptr && event->exists(list) ? event : nullptr;
}

// Rows: pmu-8.1-cells, pmu-8.2-cmask-decimal, pmu-8.2-c4-01, pmu-8.2-c4-00, pmu-8.2-later-names
// Rows: pmu-8.2-recovery-select, pmu-8.2-moved-selects, pmu-8.2-fixed-numbers, pmu-8.2-frontend-width
TEST(EventCells, all_parts_have_the_events_codes_and_flags_of_the_data_sheet) {
  const std::vector<Line> lines = read_cells();
  ASSERT_EQ(lines.size(), 786u);
  std::size_t cells = 0;
  for (const Line& line : lines) {
    for (std::size_t p = 0; p < std::size(kParts); ++p) {
      const Part& part = kParts[p];
      SCOPED_TRACE(line.name + " on " + std::string(part.column) + ": '" + line.cells[p] + "'");
      const Event* event = on_list(part.list, line.name);
      EXPECT_EQ(event != nullptr, !line.cells[p].empty());
      if (event == nullptr || line.cells[p].empty()) continue;
      const Cell cell = parse_cell(line.cells[p], part);
      ++cells;
      EXPECT_EQ(event->select, cell.select) << std::hex << event->select;
      EXPECT_EQ(event->is_precise(part.list), cell.precise);
      EXPECT_EQ((event->deprecated & only(part.list)) != 0, cell.deprecated);
      if (cell.msr != 0) {
        EXPECT_EQ(event->msr, cell.msr);
        EXPECT_EQ(event->msr_value, cell.msr_value);
      }
    }
  }
  EXPECT_GT(cells, 1800u);
}

TEST(EventCells, the_first_groups_and_branches_and_front_end_have_formulas) {
  // What stays without one: transactions, which no part here has.
  const auto excepted = [](std::string_view name) {
    return name.starts_with("hle_") || name.starts_with("rtm_") || name.starts_with("tx_");
  };
  for (const Line& line : read_cells()) {
    const bool wanted = line.priority == "P1" || line.group.starts_with("Branch executed") ||
                        line.group.starts_with("IDQ") || line.group.starts_with("LBR inserts");
    if (!wanted || excepted(line.name)) continue;
    for (std::size_t p = 0; p < std::size(kParts); ++p) {
      if (line.cells[p].empty()) continue;
      const Event* event = on_list(kParts[p].list, line.name);
      ASSERT_NE(event, nullptr) << line.name;
      EXPECT_FALSE(event->formula.empty()) << line.name << " on " << kParts[p].column;
    }
  }
}

}  // namespace
}  // namespace lastbranch::pmu
