#pragma once
/// The records of perf.data, decoded.
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "sim/base/units.h"
#include "sim/perfdata/branch_entry.h"
#include "sim/perfdata/build_id.h"
#include "sim/perfdata/format.h"

namespace lastbranch::perfdata {

/// The trailer of records that are not samples; absent fields are zero.
struct SampleId {
  u32 pid = 0;
  u32 tid = 0;
  u64 time = 0;
  u64 id = 0;
  u64 stream_id = 0;
  u32 cpu = 0;
};

struct CommRecord {
  u32 pid = 0;
  u32 tid = 0;
  std::string name;
  bool exec = false;
  SampleId sample_id;
};

/// MMAP and MMAP2; of the first kind only the first fields are known.
struct MmapRecord {
  u32 pid = 0;
  u32 tid = 0;
  u64 addr = 0;
  u64 len = 0;
  u64 pgoff = 0;
  u32 prot = 0;
  u32 flags = 0;
  std::string filename;
  std::optional<BuildId> build_id;
  u32 major = 0;
  u32 minor = 0;
  u64 inode = 0;
  u64 generation = 0;
  SampleId sample_id;
};

/// FORK and EXIT.
struct TaskRecord {
  bool exit = false;
  u32 pid = 0;
  u32 parent_pid = 0;
  u32 tid = 0;
  u32 parent_tid = 0;
  u64 time = 0;
  SampleId sample_id;
};

/// LOST and LOST_SAMPLES; the latter has no id.
struct LostRecord {
  u64 id = 0;
  u64 lost = 0;
  SampleId sample_id;
};

/// One value of a counter, in a sample's READ field.
struct ReadValue {
  u64 value = 0;
  u64 id = 0;
  u64 lost = 0;
};

/// A sample; fields that its event does not have are zero or empty.
struct SampleRecord {
  std::size_t event = 0;  ///< index into RecordSource::events()
  u64 repeat = 1;         ///< how often this sample was seen: over 1 only in aggregated text
  u64 identifier = 0;
  u64 ip = 0;
  u32 pid = 0;
  u32 tid = 0;
  u64 time = 0;  ///< ns
  u64 addr = 0;
  u64 id = 0;
  u64 stream_id = 0;
  u32 cpu = 0;
  u64 period = 0;
  u64 read_time_enabled = 0;
  u64 read_time_running = 0;
  std::vector<ReadValue> read;
  std::vector<u64> callchain;
  std::vector<u8> raw;
  u64 hw_index = 0;
  std::vector<BranchEntry> branches;  ///< newest first
  std::vector<u64> branch_counters;
  u64 user_abi = 0;
  std::vector<u64> user_regs;
  std::vector<u8> user_stack;
  u64 user_stack_dynamic_size = 0;
  u64 weight = 0;  ///< WEIGHT, or WEIGHT_STRUCT: u32, u16, u16 from the low end
  u64 data_src = 0;
  u64 transaction = 0;
  u64 intr_abi = 0;
  std::vector<u64> intr_regs;
  u64 phys_addr = 0;
  u64 cgroup = 0;
  u64 data_page_size = 0;
  u64 code_page_size = 0;
  std::vector<u8> aux;

  /// Sets all to zero or empty, but keeps the memory.
  void clear();
};

/// How often a branch was taken: pre-aggregated text only.
struct EdgeRecord {
  u64 from = 0;
  u64 to = 0;
  u64 count = 0;
  u64 mispredicted = 0;
};

/// How often the straight line of code from the instruction at `start` to the one at `end` ran:
/// pre-aggregated text only.
struct RangeRecord {
  u64 start = 0;
  u64 end = 0;
  u64 count = 0;
  bool external = false;  ///< it began with a branch from outside the binary
};

/// A record that is passed over.
struct OtherRecord {};

struct Record {
  u64 offset = 0;  ///< in the file
  RecordHeader header;
  std::variant<OtherRecord, SampleRecord, CommRecord, MmapRecord, TaskRecord, LostRecord, EdgeRecord,
               RangeRecord>
      body;

  /// ns; 0: none.
  [[nodiscard]] u64 time() const {
    return std::visit(
        [](const auto& what) -> u64 {
          if constexpr (requires { what.sample_id; }) {
            return what.sample_id.time;
          } else if constexpr (requires { what.time; }) {
            return what.time;
          } else {
            return 0;
          }
        },
        body);
  }
  [[nodiscard]] CpuMode cpu_mode() const { return static_cast<CpuMode>(header.misc & kMiscCpuModeMask); }
};

}  // namespace lastbranch::perfdata
