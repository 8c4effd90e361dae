#include "sim/load/script.h"

#include "sim/base/error.h"

namespace lastbranch::load {
namespace {

constexpr u64 kLongestLine = 255;
constexpr const char* kBlanks = " \t";

std::string trimmed(const std::string& s) {
  const std::size_t first = s.find_first_not_of(kBlanks);
  if (first == std::string::npos) return {};
  return s.substr(first, s.find_last_not_of(kBlanks) - first + 1);
}

}  // namespace

std::optional<ScriptLine> read_script_line(const FileReader& file) {
  const std::vector<u8> head = file.read_some(0, kLongestLine);
  std::string line(head.begin(), head.end());
  if (!line.starts_with("#!")) return std::nullopt;
  line = trimmed(line.substr(2, line.find_first_of(std::string("\n\0", 2)) - 2));
  if (line.empty()) throw Error("{}: script: expected an interpreter after \"#!\", found none", file.name());
  const std::size_t end = line.find_first_of(kBlanks);
  if (end == std::string::npos) return ScriptLine{line, {}};
  return ScriptLine{line.substr(0, end), trimmed(line.substr(end))};
}

}  // namespace lastbranch::load
