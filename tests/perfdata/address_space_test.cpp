// Maps of captures: what covers what, in which process, and when.
#include "sim/perfdata/address_space.h"

#include <gtest/gtest.h>

namespace lastbranch::perfdata::test {
namespace {

template <typename Body>
Record record_of(Body body) {
  Record record;
  record.header.misc = static_cast<u16>(CpuMode::kUser);
  record.body = std::move(body);
  return record;
}

Record map_record(u32 pid, u64 start, u64 length, u64 pgoff, const std::string& name, u64 time = 0,
                  u32 prot = 5) {
  MmapRecord map;
  map.pid = map.tid = pid;
  map.addr = start;
  map.len = length;
  map.pgoff = pgoff;
  map.prot = prot;
  map.filename = name;
  map.sample_id.time = time;
  Record record = record_of(map);
  record.header.type = static_cast<u32>(RecordType::kMmap2);
  return record;
}
Record fork_record(u32 pid, u32 parent, u64 time, u16 misc = 0) {
  TaskRecord task;
  task.pid = task.tid = pid;
  task.parent_pid = task.parent_tid = parent;
  task.time = time;
  Record record = record_of(task);
  record.header.misc = misc;
  return record;
}
Record exec_record(u32 pid, u64 time, bool exec = true) {
  CommRecord comm;
  comm.pid = comm.tid = pid;
  comm.exec = exec;
  comm.sample_id.time = time;
  return record_of(comm);
}

/// "name+offset" of what is there, "" for nothing.
std::string at(const AddressSpace& maps, u32 pid, u64 address, u64 time = 0) {
  const Mapping* m = maps.find(pid, address, time);
  return m == nullptr ? "" : m->file->name + "+" + std::to_string(m->file_offset(address));
}

TEST(AddressSpace, later_mapping_covers_what_it_overlaps) {
  AddressSpace maps;
  EXPECT_TRUE(maps.empty());
  maps.record(map_record(1, 0x1000, 0x4000, 0, "a"));
  EXPECT_FALSE(maps.empty());
  maps.record(map_record(1, 0x2000, 0x1000, 0x7000, "b"));  // into the middle
  EXPECT_EQ(at(maps, 1, 0xfff), "");
  EXPECT_EQ(at(maps, 1, 0x1000), "a+0");
  EXPECT_EQ(at(maps, 1, 0x1fff), "a+4095");
  EXPECT_EQ(at(maps, 1, 0x2000), "b+28672");
  EXPECT_EQ(at(maps, 1, 0x3000), "a+8192");
  EXPECT_EQ(at(maps, 1, 0x4fff), "a+16383");
  EXPECT_EQ(at(maps, 1, 0x5000), "");
  maps.record(map_record(1, 0x800, 0x1000, 0, "c"));  // over the beginning
  EXPECT_EQ(at(maps, 1, 0x17ff), "c+4095");
  EXPECT_EQ(at(maps, 1, 0x1800), "a+2048");
  maps.record(map_record(1, 0x4800, 0x1000, 0, "d"));  // over the end
  EXPECT_EQ(at(maps, 1, 0x47ff), "a+14335");
  EXPECT_EQ(at(maps, 1, 0x4800), "d+0");
  maps.record(map_record(1, 0, 0x10000, 0, "e"));  // over all
  for (const u64 address : {0x0, 0x1000, 0x2000, 0x4800, 0xffff})
    EXPECT_EQ(at(maps, 1, address), "e+" + std::to_string(address));
}

TEST(AddressSpace, processes_do_not_see_each_other) {
  AddressSpace maps;
  maps.record(map_record(1, 0x1000, 0x1000, 0, "a"));
  maps.record(map_record(2, 0x1000, 0x1000, 0x1000, "b"));
  EXPECT_EQ(at(maps, 1, 0x1000), "a+0");
  EXPECT_EQ(at(maps, 2, 0x1000), "b+4096");
  EXPECT_EQ(at(maps, 3, 0x1000), "");
  EXPECT_EQ(at(maps, 0, 0x1000), "a+0") << "a capture that names no processes";
  ASSERT_EQ(maps.files().size(), 2u);
  EXPECT_EQ(maps.files()[1].number, 1u);
}

TEST(AddressSpace, exec_forgets_and_fork_copies) {
  AddressSpace maps;
  maps.record(map_record(1, 0x1000, 0x1000, 0, "a", 10));
  maps.record(fork_record(2, 1, 20));
  EXPECT_EQ(at(maps, 2, 0x1000, 25), "a+0");
  maps.record(map_record(1, 0x3000, 0x1000, 0, "later", 30));
  EXPECT_EQ(at(maps, 2, 0x3000, 35), "") << "mapped by the parent after the fork";
  maps.record(exec_record(2, 40));
  maps.record(map_record(2, 0x1000, 0x1000, 0x2000, "b", 41));
  EXPECT_EQ(at(maps, 2, 0x1000, 45), "b+8192");
  EXPECT_EQ(at(maps, 2, 0x1000, 25), "a+0") << "a sample that comes late";
  EXPECT_EQ(at(maps, 1, 0x1000, 45), "a+0");
  maps.record(exec_record(1, 50, false));
  EXPECT_EQ(at(maps, 1, 0x1000, 55), "a+0") << "a new name only";
  maps.record(fork_record(1, 1, 60));
  EXPECT_EQ(at(maps, 1, 0x1000, 65), "a+0") << "a thread";
  maps.record(fork_record(3, 1, 70, 1 << 13));
  EXPECT_EQ(at(maps, 3, 0x1000, 75), "") << "made up by perf record for a process that was there";
}

TEST(AddressSpace, records_that_come_late_count_from_when_they_happened) {
  AddressSpace maps;
  maps.record(map_record(1, 0x1000, 0x3000, 0, "new", 20));
  maps.record(map_record(1, 0x0000, 0x5000, 0, "old", 10));  // of another processor's buffer
  EXPECT_EQ(at(maps, 1, 0x1000, 25), "new+0");
  EXPECT_EQ(at(maps, 1, 0x1000, 15), "old+4096");
  EXPECT_EQ(at(maps, 1, 0x1000, 5), "");
  EXPECT_EQ(at(maps, 1, 0x0800, 25), "old+2048");
  EXPECT_EQ(at(maps, 1, 0x4000, 25), "old+16384");
  EXPECT_EQ(at(maps, 1, 0x1000), "new+0");
}

TEST(AddressSpace, knows_what_is_no_file) {
  AddressSpace maps;
  const struct {
    const char* name;
    MappingKind kind;
  } rows[] = {{"/usr/bin/x", MappingKind::kFile},
              {"[vdso]", MappingKind::kVdso},
              {"[heap]", MappingKind::kAnonymous},
              {"//anon", MappingKind::kAnonymous},
              {"/memfd:jit (deleted)", MappingKind::kAnonymous},
              {"", MappingKind::kAnonymous},
              {"a b.so", MappingKind::kFile}};
  u64 address = 0x10000;
  for (const auto& row : rows) {
    maps.record(map_record(1, address, 0x1000, 0, row.name));
    const Mapping* m = maps.find(1, address);
    ASSERT_NE(m, nullptr) << row.name;
    EXPECT_EQ(m->file->kind, row.kind) << row.name;
    address += 0x1000;
  }
  EXPECT_EQ(maps.files()[0].base_name(), "x");
  EXPECT_EQ(maps.files()[6].base_name(), "a b.so");
}

TEST(AddressSpace, kernel_is_the_same_in_all_processes) {
  AddressSpace maps;
  maps.record(map_record(~u32{0}, 0xffffffff80000000, 0x1000000, 0, "[kernel.kallsyms]_text"));
  EXPECT_TRUE(maps.empty()) << "no program's mapping";
  ASSERT_NE(maps.find(7, 0xffffffff80000123), nullptr);
  EXPECT_EQ(maps.find(7, 0xffffffff80000123)->file->kind, MappingKind::kKernel);
  EXPECT_EQ(maps.find(7, 0xffffffffa0000000), nullptr);
}

TEST(AddressSpace, tells_data_from_code) {
  AddressSpace maps;
  maps.record(map_record(1, 0x1000, 0x1000, 0, "a", 0, 1));
  maps.record(map_record(1, 0x2000, 0x1000, 0x1000, "a", 0, 5));
  Record old = map_record(1, 0x3000, 0x1000, 0x2000, "a", 0, 0);
  old.header.type = static_cast<u32>(RecordType::kMmap);
  maps.record(old);
  old.header.misc |= kMiscMmapData;
  std::get<MmapRecord>(old.body).addr = 0x4000;
  maps.record(old);
  EXPECT_FALSE(maps.find(1, 0x1000)->executable);
  EXPECT_TRUE(maps.find(1, 0x2000)->executable);
  EXPECT_TRUE(maps.find(1, 0x3000)->executable);
  EXPECT_FALSE(maps.find(1, 0x4000)->executable);
}

TEST(AddressSpace, bad_lengths_map_nothing) {
  AddressSpace maps;
  maps.record(map_record(1, 0x1000, 0, 0, "a"));
  maps.record(map_record(1, ~u64{0} - 10, 100, 0, "a"));
  EXPECT_TRUE(maps.empty());
}

TEST(AddressSpace, children_share_what_their_parent_had) {
  AddressSpace maps;
  constexpr u32 kMaps = 5000, kForks = 6000;
  for (u32 i = 0; i < kMaps; ++i) maps.record(map_record(1, 0x10000 + 0x1000ull * i, 0x1000, 0, "a", 1));
  for (u32 i = 0; i < kForks; ++i) maps.record(fork_record(10 + i, 1, 100 + i));
  EXPECT_EQ(maps.forks_without_maps(), 0U);  // 30 million mappings, were they copied
  // A child's children share as well, and what one changes is its own.
  maps.record(map_record(10, 0x10000, 0x1000, 0, "b", 7000));
  maps.record(fork_record(9000, 10, 8000));
  EXPECT_EQ(at(maps, 9000, 0x10000), "b+0");
  EXPECT_EQ(at(maps, 9000, 0x11001), "a+1");
  EXPECT_EQ(at(maps, 9000, 0x11001, 7999), "");
  EXPECT_EQ(at(maps, 10, 0x10000, 6999), "a+0");
  EXPECT_EQ(at(maps, 10, 0x10000, 99), "");
  EXPECT_EQ(at(maps, 11, 0x10000), "a+0");
  EXPECT_EQ(at(maps, 1, 0x10000), "a+0");
  // What the parent maps after the fork is not the child's, nor does an exec of the child touch the parent.
  maps.record(map_record(1, 0x10000, 0x1000, 0, "c", 9000));
  maps.record(exec_record(12, 9500));
  EXPECT_EQ(at(maps, 11, 0x10000), "a+0");
  EXPECT_EQ(at(maps, 12, 0x10000), "");
  EXPECT_EQ(at(maps, 12, 0x10000, 9499), "a+0");
  EXPECT_EQ(at(maps, 1, 0x10000), "c+0");
}

TEST(AddressSpace, copies_of_a_parent_that_changes_are_limited_and_counted) {
  AddressSpace maps;
  constexpr u32 kMaps = 5000, kForks = 450;
  for (u32 i = 0; i < kMaps; ++i) maps.record(map_record(1, 0x10000 + 0x1000ull * i, 0x1000, 0, "a"));
  for (u32 i = 0; i < kForks; ++i) {
    maps.record(map_record(1, 0x10000, 0x1000, i, "b"));
    maps.record(fork_record(10 + i, 1, 0));
  }
  EXPECT_EQ(maps.forks_without_maps(), kForks - AddressSpace::kSharedMax / kMaps);
  EXPECT_EQ(at(maps, 12, 0x10000), "b+2");
  EXPECT_EQ(at(maps, 9 + kForks, 0x10000), "");
}

}  // namespace
}  // namespace lastbranch::perfdata::test
