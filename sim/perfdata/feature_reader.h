#pragma once
/// Decodes the feature sections that lastbranch uses; others are noted by their bit and passed over.
#include <bitset>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "sim/base/units.h"
#include "sim/perfdata/build_id.h"
#include "sim/perfdata/byte_cursor.h"
#include "sim/perfdata/format.h"
#include "sim/perfdata/input_file.h"

namespace lastbranch::perfdata {

/// A file that samples may lie in; pid -1: of any process.
struct BuildIdEntry {
  i32 pid = -1;
  u16 misc = 0;
  BuildId build_id;
  std::string filename;
};

/// How the COMPRESSED records were made.
struct CompressionFeature {
  u32 type = 0;  ///< 1: zstd
  u32 level = 0;
  u32 ratio = 0;     ///< of the whole file, rounded
  u32 mmap_len = 0;  ///< no record holds more than this, bytes
};

struct Features {
  std::bitset<kFeatureBits> present;
  std::vector<BuildIdEntry> build_ids;
  std::string hostname;
  std::string os_release;
  std::string version;
  std::string arch;
  std::string cpu_desc;
  std::string cpu_id;
  u32 nr_cpus_available = 0;
  u32 nr_cpus_online = 0;
  u64 mem_kb = 0;
  std::vector<std::string> cmdline;
  std::vector<std::string> event_names;                       ///< in the order of the attributes
  std::optional<std::pair<u64, u64>> sample_time;             ///< first and last, ns
  std::vector<std::pair<std::string, std::string>> pmu_caps;  ///< of the processor's first PMU
  std::optional<CompressionFeature> compression;
  std::vector<std::pair<std::string, std::string>> meta_info;  ///< simpleperf's: names and values

  [[nodiscard]] bool has(Feature feature) const { return present.test(static_cast<std::size_t>(feature)); }
};

/// Decodes the section of one feature out of `bytes`, into `out`; nothing for those that are not used. Throws
/// Error.
void decode_feature(u32 bit, Origin origin, std::span<const std::byte> bytes, Features& out);

/// What follows the header of a BUILD_ID record. Throws Error.
[[nodiscard]] BuildIdEntry take_build_id(ByteCursor& in, u16 misc);

/// Reads the table that follows the data, and the bodies, into `out`. `header.data` must have been checked.
/// Throws Error; what was read before stays in `out`.
void read_features(const InputFile& file, const FileHeader& header, bool swapped, Features& out);

/// What is to be said of the sections in `features`: those that no perf is known to write.
[[nodiscard]] std::vector<std::string> feature_notes(const Features& features);

}  // namespace lastbranch::perfdata
