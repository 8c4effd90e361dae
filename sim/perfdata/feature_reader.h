#pragma once
/// Decodes the feature sections that lastbranch uses; others are noted by their bit and passed over.
#include <bitset>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "sim/base/units.h"
#include "sim/perfdata/build_id.h"
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
  std::vector<std::string> event_names;            ///< in the order of the attributes
  std::optional<std::pair<u64, u64>> sample_time;  ///< first and last, ns
  std::vector<std::pair<std::string, std::string>> pmu_caps;

  [[nodiscard]] bool has(Feature feature) const { return present.test(static_cast<std::size_t>(feature)); }
};

/// Reads the table that follows the data, and the bodies. `header.data` must have been checked. Throws Error.
[[nodiscard]] Features read_features(const InputFile& file, const FileHeader& header);

}  // namespace lastbranch::perfdata
