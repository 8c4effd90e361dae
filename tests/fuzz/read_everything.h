#pragma once
// What a fuzz target does with its input: reads it as a file, to the end, strictly and with keep_going.
#include <functional>
#include <memory>
#include <span>
#include <string>

#include "sim/perfdata/record_source.h"

namespace lastbranch::perfdata::fuzz {

using Open =
    std::function<std::unique_ptr<RecordSource>(const std::string& path, const OpenOptions& options)>;

/// Reads `bytes` through `open`, from a file in memory. Aborts when what is read breaks what RecordSource
/// promises: a sample of no event, damage that is both thrown and told, an error without the file's name,
/// more records with damage passed over than before it.
void read_everything(std::span<const std::byte> bytes, const Open& open);

}  // namespace lastbranch::perfdata::fuzz
