// Tables of control flow: the shared ones, and bad ones, whose faults are named by line and column.
#include "sim/replay/flow_table.h"

#include <gtest/gtest.h>

#include "sim/base/error.h"
#include "tests/replay/fixture.h"

namespace lastbranch::replay {
namespace {

constexpr const char* kHead =
    "# any words\n"
    "# elf-type PIE\n"
    "# exec-segment file_offset=0x740 vaddr=0x1740 size=0x450\n"
    "vaddr,len,kind,target\n";

TEST(FlowTable, reads_instructions_and_the_segment) {
  const testing::Folder folder;
  const FlowTable table(folder.write("t.csv", std::string(kHead) + "0x1750,5,CALL,0x1900\r\n"
                                                                   "0x1755,2,COND,0x1750\n"
                                                                   "5975,6,IJMP,0x0\n"  // 0x1757
                                                                   "0x175d,1,RET,0x0\n"
                                                                   "0x1760,2,FAR,0x0\n"
                                                                   "0x1762,3,OTHER,0x0"));
  EXPECT_TRUE(table.position_independent());
  EXPECT_EQ(table.instructions().size(), 6u);
  FlowInsn insn;
  ASSERT_EQ(table.at(0x1755, insn), Coverage::kInsn);
  EXPECT_EQ(insn.kind, FlowKind::kCond);
  EXPECT_EQ(insn.target, 0x1750u);
  EXPECT_EQ(insn.end(), 0x1757u);
  ASSERT_EQ(table.at(0x1757, insn), Coverage::kInsn);
  EXPECT_EQ(insn.kind, FlowKind::kIndirectJump);
  EXPECT_EQ(table.at(0x1756, insn), Coverage::kMiddle);
  EXPECT_EQ(table.at(0x175e, insn), Coverage::kUnknown);
  EXPECT_EQ(table.at(0x1000, insn), Coverage::kUnknown);
  EXPECT_EQ(table.follows_call(0x1755), true);
  EXPECT_EQ(table.follows_call(0x1757), false);
  EXPECT_EQ(table.follows_call(0x1756), false);
  EXPECT_EQ(table.follows_call(0x1760), std::nullopt);
  EXPECT_EQ(table.follows_call(0x1750), std::nullopt);
  EXPECT_EQ(table.address_of(0x740), 0x1740u);
  EXPECT_EQ(table.address_of(0x8d0), 0x18d0u);
  EXPECT_EQ(table.address_of(0x739), std::nullopt);
  EXPECT_EQ(table.address_of(0xb90), std::nullopt);
  EXPECT_EQ(table.describe(0x1755), "0x1755: conditional branch to 0x1750");
  EXPECT_EQ(table.describe(0x1751), "0x1751: within the instruction at 0x1750");
  EXPECT_EQ(table.describe(0x1700), "0x1700: not in the table");
}

TEST(FlowTable, names_line_and_column_of_what_is_wrong) {
  const struct {
    std::string text;
    const char* message;
  } rows[] = {
      {"", ":1:1: expected the columns \"vaddr,len,kind,target\", found the end of the file"},
      {"vaddr,len,kind,target\n",
       ":1:1: expected a line \"# elf-type EXEC\" or \"# elf-type PIE\" before the columns, found "
       "\"vaddr,len,kind,target\""},
      {"# elf-type EXEC\nvaddr,len,kind,target\n",
       ":2:1: expected a line \"# exec-segment file_offset=N vaddr=N size=N\" before the columns, found "
       "\"vaddr,len,kind,target\""},
      {"# elf-type REL\n", ":1:12: expected \"EXEC\", found \"REL\""},
      {"# elf-type PIE\n# exec-segment vaddr=0\n", ":2:16: expected \"file_offset=\", found \"vaddr=0\""},
      {"# elf-type PIE\n# exec-segment file_offset=zz\n", ":2:28: expected an offset, found \"zz\""},
      {"# elf-type PIE\n# exec-segment file_offset=0 vaddr=16 size=0xfffffffffffffff0\n",
       ":2:44: expected a size, found \"0xfffffffffffffff0\""},
      {std::string(kHead) + "0x1750,5\n", ":5:9: expected \",\", found the end of the line"},
      {std::string(kHead) + "\n0x1750,0,OTHER,0x0\n",
       ":6:8: expected a length of 1 to 15 bytes, found \"0,OTHER,0x0\""},
      {std::string(kHead) + "0x1750,16,OTHER,0x0\n",
       ":5:8: expected a length of 1 to 15 bytes, found \"16,OTHER,0x0\""},
      {std::string(kHead) + "0x1750,5,JUMP,0x0\n",
       ":5:10: expected OTHER, COND, JMP, CALL, IJMP, ICALL, RET, FAR or FARRET, found \"JUMP,0x0\""},
      {std::string(kHead) + "0x1750,5,RET,0x10\n",
       ":5:14: expected 0x0, as return has no target, found \"0x10\""},
      {std::string(kHead) + "0x1750,5,JMP,0x10,\n", ":5:18: expected the end of the line, found \",\""},
      {std::string(kHead) + "0x1750,5,JMP,0x10\n0x1754,1,RET,0x0\n",
       ":6:1: expected an address from 0x1755 on, behind the instruction before, found \"0x1754,1,RET,0x0\""},
      {std::string(kHead) + "0xg,1,RET,0x0\n", ":5:1: expected an address, found \"0xg,1,RET,0x0\""},
      {std::string(kHead) + "\x01\xff\n", ":5:1: expected an address, found \"??\""},
      {std::string(kHead) + "0xfffffffffffffffe,5,OTHER,0x0\n",
       ":5:20: expected a length of 1 to 15 bytes, found \"5,OTHER,0x0\""},
  };
  const testing::Folder folder;
  for (const auto& row : rows) {
    const std::string path = folder.write("bad.csv", row.text);
    try {
      const FlowTable table(path);
      ADD_FAILURE() << "read without complaint:\n" << row.text;
    } catch (const Error& e) {
      EXPECT_EQ(std::string(e.what()), path + row.message) << row.text;
    }
  }
  EXPECT_THROW(FlowTable(folder / "absent.csv"), Error);
}

TEST(FlowTable, reads_the_shared_tables) {
  const auto folder = testing::captures();
  if (!folder) GTEST_SKIP() << "the shared captures are not there; LASTBRANCH_SHARED may say where";
  const struct {
    const char* name;
    bool position_independent;
    std::size_t instructions;
  } rows[] = {{"/propeller_sample_1.eb928881.cfg.csv", true, 47},
              {"/hierarchical_discriminator_test.cfg.csv", false, 45},
              {"/perfscript/cs-preinline-cost.cfg.csv", false, 74},
              {"/perfscript/inline-noprobe2.cfg.csv", false, 140}};
  for (const auto& row : rows) {
    const FlowTable table(*folder + row.name);
    EXPECT_EQ(table.position_independent(), row.position_independent) << row.name;
    EXPECT_EQ(table.instructions().size(), row.instructions) << row.name;
    for (const FlowInsn& insn : table.instructions()) EXPECT_TRUE(table.contains(insn.address)) << row.name;
  }
}

}  // namespace
}  // namespace lastbranch::replay
