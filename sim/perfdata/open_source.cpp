#include <algorithm>
#include <array>
#include <cstring>
#include <filesystem>
#include <utility>

#include <fmt/format.h>

#include "sim/base/error.h"
#include "sim/perfdata/input_file.h"
#include "sim/perfdata/reader.h"
#include "sim/perfdata/record_source.h"
#include "sim/perfdata/text_reader.h"

namespace lastbranch::perfdata {
namespace {

bool is_perf_data(std::span<const std::byte> head) {
  constexpr std::array kMagics = {kMagic, kMagicSwapped, kMagicVersion1, kMagicVersion1Swapped};
  u64 magic = 0;
  if (head.size() < sizeof magic) return false;
  std::memcpy(&magic, head.data(), sizeof magic);
  return std::ranges::find(kMagics, magic) != kMagics.end();
}

bool is_compressed_text(std::span<const std::byte> head) {
  const auto begins = [&](std::initializer_list<unsigned> bytes) {
    return head.size() >= bytes.size() &&
           std::ranges::equal(bytes, head.first(bytes.size()), {}, {},
                              [](std::byte b) { return std::to_integer<unsigned>(b); });
  };
  return begins({0x1f, 0x8b}) || begins({0x28, 0xb5, 0x2f, 0xfd});
}

/// Bytes that text does not have.
bool is_binary(std::span<const std::byte> head) {
  return std::ranges::any_of(head, [](std::byte b) {
    const auto c = std::to_integer<unsigned char>(b);
    return c < 0x20 && c != '\t' && c != '\n' && c != '\r' && c != '\f' && c != 0x1b;
  });
}

}  // namespace

std::unique_ptr<RecordSource> open_source(const std::string& path, const OpenOptions& options) {
  std::error_code ignored;
  if (std::filesystem::is_directory(path, ignored)) return std::make_unique<Reader>(path, options);
  auto file = std::make_unique<InputFile>(path);
  const auto head = file->head();
  if (is_perf_data(head)) return std::make_unique<Reader>(std::move(file), options);
  if (!is_compressed_text(head) && is_binary(head)) {
    std::string found;
    for (const std::byte b : head) found += fmt::format("{:02x} ", std::to_integer<unsigned>(b));
    throw Error("{}: offset 0x0: expected perf.data (PERFILE2) or text of perf script, found bytes {}",
                file->path(), found.substr(0, found.size() - 1));
  }
  return open_text(std::move(file), options);
}

}  // namespace lastbranch::perfdata
