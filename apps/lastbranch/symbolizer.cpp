#include "apps/lastbranch/symbolizer.h"

#include <fmt/format.h>

#include "sim/base/base_name.h"
#include "sim/base/error.h"
#include "sim/load/file_reader.h"

namespace lastbranch::cli {

const Symbolizer::File& Symbolizer::file(const std::string& path) {
  const auto [at, is_new] = files_.try_emplace(path);
  if (is_new) {
    try {
      const load::FileReader reader(path);
      at->second.segments = load::read_elf(reader).segments;
      at->second.symbols = load::SymbolTable(reader);
    } catch (const Error&) {
      // Without symbols: "//anon", JIT code, or a file that has gone since.
    }
  }
  return at->second;
}

std::string Symbolizer::describe(const std::string& path, u64 offset) {
  const std::string_view name = base_name(path);
  const File& known = file(path);
  for (const load::Segment& s : known.segments) {
    if (offset - s.offset >= s.file_bytes) continue;
    const u64 linked = offset - s.offset + s.address;
    if (const auto hit = known.symbols.find(linked))
      return fmt::format("{}+{:#x} ({})", hit->name, hit->offset, name);
    return fmt::format("{:#x} ({})", linked, name);
  }
  return fmt::format("{:#x} ({})", offset, name);
}

}  // namespace lastbranch::cli
