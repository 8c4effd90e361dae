#pragma once
/// Encodes feature sections: for files the table of sections and their bodies, for pipes body by body.
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
struct IdentifiedFile {
  std::string filename;
  BuildId build_id;
};

/// How records are compressed.
struct CompressionInfo {
  u32 level = 0;      ///< zstd's
  u32 ratio = 0;      ///< bytes in per byte out; 0: not known
  u32 piece_max = 0;  ///< at least the bytes that one record gives
};

/// What the sections are made of besides the configuration.
struct FeatureInput {
  const WriterConfig& config;
  std::span<const Attr> attrs;
  std::span<const u64> ids;                             ///< one per attribute
  std::span<const IdentifiedFile> files;                ///< each once
  std::optional<std::pair<u64, u64>> sample_time = {};  ///< first and last, ns
  std::optional<CompressionInfo> compression = {};
};

struct FeatureBody {
  Feature feature;
  std::vector<std::byte> bytes;
};

/// The sections there is something to say in, by ascending number.
[[nodiscard]] std::vector<FeatureBody> encode_feature_bodies(const FeatureInput& input);
/// The BUILD_ID records alone, as pipes hold them among the others.
[[nodiscard]] std::vector<std::byte> encode_build_ids(const FeatureInput& input);

struct EncodedFeatures {
  std::array<u64, kFeatureBits / 64> bits{};
  std::vector<std::byte> bytes;  ///< table and bodies
};

/// The sections as they follow the data that ends at `offset`.
[[nodiscard]] EncodedFeatures encode_features(const FeatureInput& input, u64 offset);

}  // namespace lastbranch::perfdata
