#pragma once
/// Opens text as a source of records: what perf script and perf report -D print, llvm-profgen's aggregated
/// form of it, BOLT's pre-aggregated profiles; plain or compressed with gzip or zstd. docs/formats.md has the
/// forms.
#include <memory>
#include <string>

#include "sim/perfdata/input_file.h"
#include "sim/perfdata/record_source.h"

namespace lastbranch::perfdata {

/// Opens `path`; "-" is the standard input, pipes are fine. Reads as it goes: memory does not grow with the
/// text. Throws Error when it cannot be opened or when its first 64 KiB hold no line of a known form.
///
/// Addresses, flags and columns are as the lines show them, the rest is zero; events()[i].attr.sample_type
/// says what was there. An IP in the upper half of the address space makes the sample the kernel's.
[[nodiscard]] std::unique_ptr<RecordSource> open_text(const std::string& path,
                                                      const OpenOptions& options = {});

/// The same of an open file of which nothing was read.
[[nodiscard]] std::unique_ptr<RecordSource> open_text(std::unique_ptr<InputFile> file,
                                                      const OpenOptions& options = {});

}  // namespace lastbranch::perfdata
