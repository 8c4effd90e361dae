#include <fmt/format.h>

#include <boost/json.hpp>

#include "sim/replay/msr_dump.h"
#include "sim/replay/report_text.h"

namespace lastbranch::replay {

std::string_view name_of(DumpCheck check) {
  constexpr std::array<std::string_view, static_cast<std::size_t>(DumpCheck::kCount)> kNames = {
      "exists", "name", "reserved bits", "encoding of a record", "TOS", "width of a counter", "capabilities"};
  return kNames[static_cast<std::size_t>(check)];
}

std::string dump_report_text(const DumpReport& report) {
  std::string text =
      fmt::format("dump       {}\nprocessor  {} (by {})\n", report.path, report.processor, report.chosen_by);
  for (std::size_t i = 0; i < report.held.size(); ++i) {
    u64 not_held = 0;
    for (const DumpFinding& f : report.findings) not_held += f.check == static_cast<DumpCheck>(i) ? 1u : 0u;
    text += fmt::format("{:<22} {:>6} held {:>6} not\n", name_of(static_cast<DumpCheck>(i)), report.held[i],
                        not_held);
  }
  for (const DumpFinding& f : report.findings) {
    text += fmt::format("{}:{}: {}: {}: {}\n", report.path, f.line, name_of(f.check), f.where, f.words);
  }
  for (const std::string& note : report.notes) text += fmt::format("note: {}\n", note);
  text += report.agrees() ? "the registers are as the model has them\n"
                          : "the registers are not as the model has them\n";
  return printable(text);
}

std::string dump_report_json(const DumpReport& report) {
  boost::json::object checks;
  for (std::size_t i = 0; i < report.held.size(); ++i) {
    checks[name_of(static_cast<DumpCheck>(i))] = report.held[i];
  }
  boost::json::array findings;
  for (const DumpFinding& f : report.findings) {
    findings.push_back(boost::json::object{{"check", name_of(f.check)},
                                           {"line", f.line},
                                           {"where", printable(f.where)},
                                           {"words", printable(f.words)}});
  }
  boost::json::array notes;
  for (const std::string& note : report.notes) notes.push_back(boost::json::string(printable(note)));
  return boost::json::serialize(boost::json::object{{"schema", "lastbranch-msr-dump"},
                                                    {"version", kDumpReportVersion},
                                                    {"dump", printable(report.path)},
                                                    {"processor", report.processor},
                                                    {"chosen_by", report.chosen_by},
                                                    {"agrees", report.agrees()},
                                                    {"held", checks},
                                                    {"findings", findings},
                                                    {"notes", notes}}) +
         "\n";
}

}  // namespace lastbranch::replay
