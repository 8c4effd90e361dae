#pragma once
/// What a recording says of itself: the events, and the machine it ran on. All of it is passed in, so that
/// the same run gives the same bytes on any host.
#include <string>
#include <utility>
#include <vector>

#include "sim/base/units.h"
#include "sim/perfdata/format.h"

namespace lastbranch::perfdata {

/// One sampled event.
struct EventAttr {
  std::string name;  ///< as perf shows it, with its modifier: "cycles:u"
  u32 type = 0;      ///< perf_type_id: 0 hardware, 4 raw
  u64 config = 0;
  u64 config1 = 0;
  u64 config2 = 0;
  u64 period = 1;  ///< events between samples, or samples per second when `freq`
  bool freq = false;
  bool exclude_user = false;
  bool exclude_kernel = true;
  bool exclude_hv = true;
  u8 precise_ip = 0;           ///< 0..3
  u64 branch_sample_type = 0;  ///< BranchSampleBit; 0: no branch stacks
  /// Samples have callchains of at most that many addresses; 0: they have none.
  u16 max_stack = 0;
};

struct WriterConfig {
  /// A file; a fifo, or "-" for standard output, is written in pipe mode.
  std::string path;
  int stream_fd = -1;             ///< open descriptor that is written in pipe mode instead; `path` names it
  std::vector<EventAttr> events;  ///< at least one
  /// Bytes of an attribute in the file: 64, or a multiple of 8 up to 144; what does not fit must be 0.
  u32 attr_size = kAttrSizeWritten;
  int compress = 0;        ///< level of zstd, 1..22; 0: not compressed
  bool one_group = false;  ///< the events form one group, led by the first

  // Empty strings and zeros leave their feature section out.
  std::string hostname;
  std::string os_release;
  std::string version;  ///< of the program that recorded
  std::string arch = "x86_64";
  std::string cpu_desc;
  std::string cpu_id;  ///< "GenuineIntel,6,85,7": lets perf map event names
  u32 nr_cpus = 1;
  u64 mem_kb = 0;
  std::vector<std::string> cmdline;  ///< also the place for a hash of the configuration
  std::vector<std::pair<std::string, std::string>>
      pmu_caps;  ///< {"branches", "32"}: the depth, for LBR tools
};

/// The attribute that perf would have opened for `event`; `identifier`: several events, told apart by id.
/// Throws Error when the event asks for what is not written, or needs more than `attr_size` bytes.
[[nodiscard]] Attr make_attr(const EventAttr& event, bool identifier, u32 attr_size = kAttrSizeWritten);

}  // namespace lastbranch::perfdata
