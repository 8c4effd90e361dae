#pragma once
/// What is mapped where in each process of a capture, over time.
///
/// Modelled: MMAP and MMAP2 (a later mapping covers what it overlaps), exec, fork with a copy of the parent's
/// mappings, exit, the kernel's own ranges (process -1); times, so that records that come late in the file
/// still count from when they happened. Not: munmap, of which captures say nothing; mremap. Of each process
/// the newest kPastKept covered mappings are remembered, and the newest kInheritedKept sets of mappings that
/// it got from a parent. Children share their parent's mappings; the copies that parents which change between
/// their forks need are limited to kSharedMax mappings in all.
/// Sources: perf_event_open(2), "MMAP layout"; perf-data.md, "Records".
#include <deque>
#include <list>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "sim/base/units.h"
#include "sim/perfdata/feature_reader.h"
#include "sim/perfdata/records.h"

namespace lastbranch::perfdata {

enum class MappingKind : u8 {
  kFile,
  kVdso,
  kAnonymous,  ///< no file that could be opened: heap, stack, code made at run time
  kKernel,
};

/// A file as captures name it; the same name with another build-id is another file.
struct MappedFile {
  u32 number = 0;    ///< index into AddressSpace::files()
  std::string name;  ///< path
  std::optional<BuildId> build_id;
  MappingKind kind = MappingKind::kFile;

  /// The part of the name behind the last '/', also of a file that was deleted since.
  [[nodiscard]] std::string_view base_name() const;
};

/// The build-id of `file`: its mapping's own, or what `features`, which may be null, lists for that name.
[[nodiscard]] std::optional<BuildId> build_id_of(const MappedFile& file, const Features* features);

struct Mapping {
  u64 start = 0;
  u64 end = 0;    ///< first address behind
  u64 pgoff = 0;  ///< offset in the file of `start`
  u64 since = 0;  ///< ns, of a child's perhaps before the fork; 0: the capture has no times
  bool executable = true;
  const MappedFile* file = nullptr;

  [[nodiscard]] bool has(u64 address) const { return address - start < end - start; }
  [[nodiscard]] u64 file_offset(u64 address) const { return address - start + pgoff; }
};

class AddressSpace {
 public:
  /// Covered mappings that are remembered of a process, for records that come late.
  static constexpr std::size_t kPastKept = 4096;
  static constexpr std::size_t kInheritedKept = 8;
  /// Mappings in all the copies that forks share: some 100 MB.
  static constexpr std::size_t kSharedMax = 2'000'000;

  /// Takes a record of any type; others than maps and processes change nothing.
  void record(const Record& record);

  /// What is mapped at `address` of process `pid`, 0 for a capture that does not name processes: then the
  /// first process that has something there. `time`: when, 0 for now. Null: nothing known. Addresses of the
  /// kernel are the same in all processes. Valid until the next record().
  [[nodiscard]] const Mapping* find(u32 pid, u64 address, u64 time = 0) const;

  /// Every file that was mapped, by number. They stay where they are.
  [[nodiscard]] const std::deque<MappedFile>& files() const { return files_; }
  /// No mapping has been seen, of whatever process but the kernel.
  [[nodiscard]] bool empty() const { return empty_; }
  /// What it could not follow, for the user.
  [[nodiscard]] std::vector<std::string> notes() const;
  /// Children that were left without their parent's mappings, past kSharedMax.
  [[nodiscard]] u64 forks_without_maps() const { return forks_without_maps_; }

 private:
  static constexpr u64 kNoEnd = ~u64{0};

  struct Past {
    Mapping mapping;
    u64 until = 0;
  };
  /// What a process had mapped when it forked.
  struct Snapshot {
    std::vector<Mapping> mappings;  ///< by start, not overlapping
    u64 newest = 0;                 ///< the latest of their times
  };
  /// A snapshot as a child has it, below the child's own mappings.
  struct Inherited {
    std::shared_ptr<const Snapshot> maps;
    u64 since = 0;
    u64 until = kNoEnd;

    [[nodiscard]] bool has(const Mapping& mapping) const { return since == 0 || mapping.since <= since; }
    [[nodiscard]] bool is_valid(u64 time) const;
    [[nodiscard]] const Mapping* find(u64 address) const;
  };
  struct Process {
    std::map<u64, Mapping> live;  ///< by start, not overlapping
    std::list<Past> past;
    std::vector<Inherited> inherited;               ///< oldest first
    std::shared_ptr<const Snapshot> last_snapshot;  ///< null: something has changed since

    void cover(const Mapping& mapping, u64 until);
    void insert(Mapping mapping);
    void forget(u64 time);
    void inherit(std::shared_ptr<const Snapshot> maps, u64 time);
    [[nodiscard]] const Mapping* find(u64 address, u64 time) const;
    [[nodiscard]] const Mapping* find_own(u64 address, u64 time) const;
    [[nodiscard]] const Inherited* now_inherited() const;
    /// An upper bound of the mappings that a snapshot would have.
    [[nodiscard]] std::size_t mapped() const;
    [[nodiscard]] Snapshot snapshot() const;
  };

  void map(const Record& record, const MmapRecord& map);
  void fork(const TaskRecord& task);
  /// What children of `parent` share from now on; null: past the limit.
  [[nodiscard]] std::shared_ptr<const Snapshot> shared(Process& parent);
  [[nodiscard]] const MappedFile& file(const MmapRecord& map, bool kernel);

  std::map<u32, Process> processes_;
  std::deque<MappedFile> files_;
  std::unordered_multimap<std::string, u32> numbers_;
  bool empty_ = true;
  std::size_t shared_mappings_ = 0;  // in all snapshots
  u64 forks_without_maps_ = 0;
};

}  // namespace lastbranch::perfdata
