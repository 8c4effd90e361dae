#pragma once
// Records as lines of text, so that two files can be compared field by field.
#include <string>
#include <vector>

#include "sim/perfdata/record_source.h"

namespace lastbranch::perfdata::test {

/// Every field of a record but where it lies in the file; empty for records that are passed over.
[[nodiscard]] std::string record_text(const Record& record);

/// The lines of all records that `source` still has, without the empty ones. Throws Error.
[[nodiscard]] std::vector<std::string> record_lines(RecordSource& source);
/// The same of the file at `path`.
[[nodiscard]] std::vector<std::string> record_lines(const std::string& path, OpenOptions options = {});

/// What a file says of its events, by name, attribute and ids.
[[nodiscard]] std::vector<std::string> event_lines(const RecordSource& source);
/// What is decoded of a file's features, except build-ids' padding and the bits themselves.
[[nodiscard]] std::vector<std::string> feature_lines(const Features& features);

}  // namespace lastbranch::perfdata::test
