#pragma once
/// Encodes the feature sections of a file: the table of sections and their bodies.
#include <array>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "sim/perfdata/build_id.h"
#include "sim/perfdata/encoder.h"
#include "sim/perfdata/format.h"
#include "sim/perfdata/writer_config.h"

namespace lastbranch::perfdata {

/// A file that was mapped, and its build-id.
struct MappedFile {
  std::string filename;
  BuildId build_id;
};

/// What the sections are made of besides the configuration.
struct FeatureInput {
  const WriterConfig& config;
  std::span<const Attr> attrs;
  std::span<const u64> ids;                             ///< one per attribute
  std::span<const MappedFile> files;                    ///< each once
  std::optional<std::pair<u64, u64>> sample_time = {};  ///< first and last, ns
};

struct EncodedFeatures {
  std::array<u64, kFeatureBits / 64> bits{};
  std::vector<std::byte> bytes;  ///< table and bodies
};

/// The sections as they follow the data that ends at `offset`.
[[nodiscard]] EncodedFeatures encode_features(const FeatureInput& input, u64 offset);

}  // namespace lastbranch::perfdata
