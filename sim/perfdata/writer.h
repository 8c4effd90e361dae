#pragma once
/// Writes perf.data, little-endian: by default file mode, uncompressed, attributes of 112 bytes, build-ids
/// both in their feature section and in the MMAP2 records, which perf 6.1, llvm-profgen, perf2bolt and
/// create_llvm_prof read. On request pipe mode (which only perf reads), compressed records (not
/// create_llvm_prof), HW_INDEX (not create_llvm_prof), callchains, branch counters (perf 6.8 and newer show
/// them). Sources: as format.h; the choice of variant from trying the four tools.
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "sim/base/units.h"
#include "sim/perfdata/branch_entry.h"
#include "sim/perfdata/build_id.h"
#include "sim/perfdata/compressor.h"
#include "sim/perfdata/container.h"
#include "sim/perfdata/encoder.h"
#include "sim/perfdata/format.h"
#include "sim/perfdata/writer_config.h"

namespace lastbranch::perfdata {

/// A mapping of the recorded process; one for each executable segment of every object makes samples
/// attributable.
struct Mmap {
  u32 pid = 0;
  u32 tid = 0;
  u64 addr = 0;   ///< of the first page
  u64 len = 0;    ///< whole pages, bytes
  u64 pgoff = 0;  ///< offset of the first page in the file, bytes
  u32 prot = 0;   ///< PROT_*
  u32 flags = 0;  ///< MAP_*
  std::string_view filename;
  std::optional<BuildId> build_id;  ///< when present, stands in the place of the next four
  u32 major = 0;
  u32 minor = 0;
  u64 inode = 0;
  u64 generation = 0;
};

struct Sample {
  std::size_t event = 0;  ///< index into WriterConfig::events
  u64 ip = 0;
  u32 pid = 0;
  u32 tid = 0;
  u64 time = 0;  ///< ns
  u32 cpu = 0;
  u64 period = 1;
  CpuMode cpu_mode = CpuMode::kUser;
  std::span<const BranchEntry> branches = {};  ///< newest first; written only for events with branch stacks
  u64 hw_index = 0;                            ///< written only for events with kBranchHwIndex
  /// One per branch, 2 bits for each event of the group from the low end; only for events with
  /// kBranchCounters.
  std::span<const u64> branch_counters = {};
  std::span<const u64> callchain = {};  ///< with context markers; only for events with max_stack
};

/// Records come in the order of their times (ns). Every call may throw Error: a time that goes back, a record
/// over 64 KiB, or a file that cannot be written (disk full, over the size limit where SIGXFSZ is ignored, a
/// pipe whose reader has gone). After a write failed, later records only count as lost; finish() then keeps
/// the records that fit, as a valid file. Without finish() no file appears.
class Writer {
 public:
  /// Creates the temporary file beside `config.path`, or opens the pipe. Throws Error.
  explicit Writer(WriterConfig config);

  void comm(u32 pid, u32 tid, std::string_view name, bool exec, u64 time);
  void mmap2(const Mmap& mapping, u64 time);
  void fork(u32 pid, u32 tid, u32 parent_pid, u32 parent_tid, u64 time);
  void exit(u32 pid, u32 tid, u32 parent_pid, u32 parent_tid, u64 time);
  void sample(const Sample& sample);

  /// Completes the file and gives it its name; also the way to end early. Throws Error when records were
  /// lost, after the valid smaller file has its name, or when there is no file at all: the message says
  /// which.
  void finish();

  [[nodiscard]] const WriteSummary& summary() const { return summary_; }

 private:
  void begin_record(RecordType type, u16 misc, u64 time);
  void put_sample_id(u32 pid, u32 tid, u64 time);
  void put_branches(const Sample& sample, u64 branch_sample_type);
  void check(const Sample& sample) const;
  void end_record();
  void task(RecordType type, u32 pid, u32 tid, u32 parent_pid, u32 parent_tid, u64 time);
  [[nodiscard]] int flush();
  void note_file(std::string_view filename, const BuildId& build_id);

  Contents contents_;
  bool identifier_;
  std::unique_ptr<Compressor> compressor_;  // null: not compressed
  std::unique_ptr<Container> container_;
  Encoder buffer_;  // whole records, and the one that is being put together
  std::size_t record_start_ = 0;
  std::size_t flush_size_;
  Mark now_;
  u64 last_time_ = 0;
  unsigned records_in_round_ = 0;
  int failure_ = 0;  // errno of the first failed write
  bool finished_ = false;
  WriteSummary summary_;
};

}  // namespace lastbranch::perfdata
