#pragma once
/// What a reader of text passed over or had to interpret, counted and named.
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "sim/base/units.h"
#include "sim/perfdata/text_entry.h"

namespace lastbranch::perfdata {

struct TextNotes {
  /// Something of one kind: how often, and the first.
  struct Seen {
    u64 count = 0;
    u64 line = 0;
    std::string text;

    void add(u64 number, std::string_view what);
  };

  Seen unknown_lines;  ///< neither a sample nor a record nor a part of one
  Seen comments;
  Seen foreign_comments;  ///< of those: not perf's, which begin with '#'
  Seen stray_text;        ///< behind the last entry of a line
  Seen more_columns;      ///< there, of perf
  Seen source_lines;      ///< before the entries
  Seen symbolic_entries;  ///< FROM and TO are symbols
  u64 symbolic_samples = 0;
  Seen call_stack_dumps;      ///< report -D's call stacks, which lack targets
  Seen instruction_stacks;    ///< stacks put together from brstackinsn
  u64 targets_not_shown = 0;  ///< in those: newest branches that perf printed without what follows
  Seen surplus_instructions;  ///< lines of brstackinsn beside a brstack column
  Seen dump_lines;            ///< hexadecimal dumps and other lines of report -D
  u64 other_objects = 0;      ///< pre-aggregated: addresses in other or unknown objects
  std::map<std::string, u64, std::less<>> records;  ///< PERF_RECORD lines passed over, by kind
  u64 more_records = 0;                             ///< of kinds past the first 256
  EntryCounts entries;

  /// A PERF_RECORD line passed over.
  void add_record(std::string_view name);
  [[nodiscard]] std::vector<std::string> lines() const;
  /// Those of them that tell a hand's work.
  [[nodiscard]] std::vector<std::string> edited() const;
};

}  // namespace lastbranch::perfdata
