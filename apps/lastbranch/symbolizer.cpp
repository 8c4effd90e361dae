#include "apps/lastbranch/symbolizer.h"

#include <fmt/format.h>

#include "sim/base/base_name.h"
#include "sim/base/error.h"

namespace lastbranch::cli {

std::string describe_place(const load::SymbolFile* file, std::string_view path, u64 offset) {
  const auto linked = file != nullptr ? file->address_of(offset) : std::nullopt;
  if (const auto hit = linked ? file->symbols().find(*linked) : std::nullopt) {
    return fmt::format("{}+{:#x} ({})", hit->name, hit->offset, base_name(path));
  }
  return fmt::format("{:#x} ({})", linked.value_or(offset), base_name(path));
}

std::string Symbolizer::describe(const std::string& path, u64 offset) {
  const auto [at, is_new] = files_.try_emplace(path);
  if (is_new) {
    try {
      at->second.emplace(path);
    } catch (const Error&) {
      // "//anon", JIT code, or a file that has gone since.
    }
  }
  return describe_place(at->second ? &*at->second : nullptr, path, offset);
}

}  // namespace lastbranch::cli
