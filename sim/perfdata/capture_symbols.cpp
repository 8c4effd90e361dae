#include "sim/perfdata/capture_symbols.h"

#include <fmt/format.h>

#include "sim/base/error.h"
#include "sim/perfdata/build_id.h"

namespace lastbranch::perfdata {

std::optional<load::SymbolFile> CaptureSymbols::read(const MappedFile& file) {
  if (file.kind != MappingKind::kFile) return std::nullopt;
  const auto recorded = build_id_of(file, &features_);
  const auto here = recorded ? read_build_id(file.name) : std::nullopt;
  if (here && *here != *recorded) {
    replaced_.push_back(
        fmt::format("{}: expected build-id {}, as recorded, found {}: its places get no names", file.name,
                    recorded->hex(), here->hex()));
    return std::nullopt;
  }
  try {
    return load::SymbolFile(file.name);
  } catch (const Error&) {
    return std::nullopt;  // a file that has gone since, or that is no program
  }
}

const load::SymbolFile* CaptureSymbols::of(const MappedFile& file) {
  const auto [at, is_new] = files_.try_emplace(file.number);
  if (is_new) at->second = read(file);
  return at->second ? &*at->second : nullptr;
}

std::vector<std::string> CaptureSymbols::notes() const {
  return replaced_;
}

}  // namespace lastbranch::perfdata
