// Fields, controls and capability MSRs.
#include <algorithm>
#include <set>

#include <gtest/gtest.h>

#include "tests/vmx/vmx_world.h"

namespace lastbranch::vmx::test {
namespace {

using How = VmxOutcome::How;

/// The table says what exists; every other encoding of 32 bits does not, as far as 17 of them show it.
TEST(VmxFields, are_found_by_their_encodings_and_no_others) {
  for (u32 encoding = 0; encoding < 1u << 17; ++encoding) {
    int expected = -1;
    for (const FieldDef& f : fields()) {
      const bool high = encoding == f.encoding + 1 && f.has_high();
      if (encoding == f.encoding || high) expected = static_cast<int>(&f - fields().data());
    }
    ASSERT_EQ(find_field(encoding), expected) << std::hex << encoding;
  }
  EXPECT_EQ(find_field(0x80000800), -1);
}

TEST(VmxFields, are_written_and_read_by_encoding) {
  World world;
  for (const FieldDef& f : fields()) {
    if (f.kind() == FieldKind::kReadOnly) continue;
    constexpr u64 kValue = 0x1122334455667788;
    EXPECT_EQ(world.vmx.execute(VmxOp::kVmwrite, f.encoding, kValue).how, How::kSucceed) << f.name;
    EXPECT_EQ(world.vmx.execute(VmxOp::kVmread, f.encoding, 0).value, kValue & f.mask()) << f.name;
    if (!f.has_high()) {
      EXPECT_EQ(world.vmx.execute(VmxOp::kVmread, f.encoding + 1, 0).how, How::kFailValid) << f.name;
      continue;
    }
    world.vmx.execute(VmxOp::kVmwrite, f.encoding + 1, 0xabcd);
    EXPECT_EQ(world.vmx.execute(VmxOp::kVmread, f.encoding, 0).value, 0xabcd55667788) << f.name;
    EXPECT_EQ(world.vmx.execute(VmxOp::kVmread, f.encoding + 1, 0).value, 0xabcd) << f.name;
  }
}

TEST(VmxFields, are_each_at_a_place_of_their_own) {
  World world;
  u64 n = 0;
  for (const FieldDef& f : fields()) world.set(static_cast<Field>(f.encoding), ++n);
  n = 0;
  for (const FieldDef& f : fields()) EXPECT_EQ(world.get(static_cast<Field>(f.encoding)), ++n) << f.name;
  EXPECT_EQ(world.vmcs().revision(), kRevision);
}

TEST(VmxFields, of_exit_information_cannot_be_written) {
  World world;
  for (const FieldDef& f : fields()) {
    if (f.kind() != FieldKind::kReadOnly) continue;
    EXPECT_EQ(world.vmx.execute(VmxOp::kVmwrite, f.encoding, 1).how, How::kFailValid) << f.name;
    EXPECT_EQ(world.get(Field::kInstructionError), 13u) << f.name;
    EXPECT_EQ(world.vmx.execute(VmxOp::kVmread, f.encoding, 0).how, How::kSucceed) << f.name;
  }
}

TEST(VmxFields, that_do_not_exist_fail_with_error_12) {
  World world;
  for (const u64 encoding : {u64{0x810}, u64{0x2012}, u64{0x482e}, u64{0x6fff}, u64{0x100000800}}) {
    EXPECT_EQ(world.vmx.execute(VmxOp::kVmread, encoding, 0).how, How::kFailValid) << encoding;
    EXPECT_EQ(world.get(Field::kInstructionError), 12u);
    EXPECT_EQ(world.vmx.execute(VmxOp::kVmwrite, encoding, 0).how, How::kFailValid) << encoding;
  }
}

/// Encodings of the manual's appendix that this processor has, in steps of two.
TEST(VmxFields, are_those_of_the_manual_and_no_others) {
  constexpr struct {
    u32 first, last;
  } kBanks[] = {{0x800, 0x80e},   {0xc00, 0xc0c},   {0x2000, 0x200a}, {0x2800, 0x2808}, {0x2816, 0x2816},
                {0x2c00, 0x2c04}, {0x4000, 0x401a}, {0x4400, 0x440e}, {0x4800, 0x482a}, {0x4c00, 0x4c00},
                {0x6000, 0x600e}, {0x6400, 0x6400}, {0x640a, 0x640a}, {0x6800, 0x6826}, {0x6c00, 0x6c16}};
  World world;
  for (u32 encoding = 0; encoding < 0x10000; encoding += 2) {
    const bool known = std::ranges::any_of(
        kBanks, [&](const auto& bank) { return encoding >= bank.first && encoding <= bank.last; });
    EXPECT_EQ(world.vmx.execute(VmxOp::kVmread, encoding, 0).how, known ? How::kSucceed : How::kFailValid)
        << std::hex << encoding;
  }
}

TEST(VmxFields, have_names_and_the_width_of_their_encoding) {
  std::set<std::string_view> names;
  for (const FieldDef& f : fields()) {
    EXPECT_TRUE(names.insert(f.name).second) << f.name;
    EXPECT_EQ(f.encoding & 1, 0u) << f.name;
    EXPECT_EQ(f.encoding & ~0x6fffu, 0u) << f.name;
  }
}

TEST(VmxControls, are_reported_by_the_capability_registers) {
  World world;
  const auto msr = [&](u32 index) { return world.msrs.read(index).value; };
  EXPECT_EQ(msr(0x480) & 0x7fffffff, kRevision);
  EXPECT_EQ(msr(0x480) >> 32 & 0x1fff, 4096u);
  EXPECT_EQ(msr(0x480) >> 50 & 0xf, 6u) << "write-back";
  EXPECT_EQ(msr(0x480) >> 55 & 1, 1u) << "TRUE controls";
  EXPECT_EQ(msr(0x486), 0x80000021u);
  EXPECT_EQ(msr(0x488), 0x2000u);
  EXPECT_EQ(msr(0x489), 0x27ffu);
  EXPECT_EQ(msr(0x48a) >> 1, largest_index());
  // By the old registers the default-1 class is 1; by the new ones some of it may be 0.
  const struct {
    u32 old_index, true_index;
    u32 old_ones, true_ones;
  } rows[] = {{0x481, 0x48d, 0x16, 0x16},
              {0x482, 0x48e, 0x0401e172, 0x04006172},
              {0x483, 0x48f, 0x00036fff, 0x00036ffb},
              {0x484, 0x490, 0x000013ff, 0x000013fb}};
  for (const auto& row : rows) {
    EXPECT_EQ(static_cast<u32>(msr(row.old_index)), row.old_ones) << row.old_index;
    EXPECT_EQ(static_cast<u32>(msr(row.true_index)), row.true_ones) << row.true_index;
    EXPECT_EQ(msr(row.old_index) >> 32, msr(row.true_index) >> 32) << row.old_index;
  }
  for (const u32 absent : {0x48bu, 0x48cu, 0x491u}) EXPECT_FALSE(world.msrs.read(absent).ok()) << absent;
  EXPECT_EQ(world.msrs.write(0x480, 0), MsrFault::kReadOnly);
}

/// Bit by bit from the manual's lists of controls: what may be 1 of them.
TEST(VmxControls, are_those_of_the_manual_and_no_others) {
  World world;
  const struct {
    u32 index, may;
  } rows[] = {{0x48d, 0x3f}, {0x48e, 0x17d9fbf6}, {0x48f, 0x43fffff}, {0x490, 0x20f3ff}};
  for (const auto& row : rows)
    EXPECT_EQ(world.msrs.read(row.index).value >> 32, row.may) << std::hex << row.index;
}

TEST(VmxControls, are_reported_by_these_registers_and_no_others) {
  World world;
  for (u32 index = 0x480; index <= 0x493; ++index) {
    const bool absent = index == 0x48b || index == 0x48c || index > 0x490;
    EXPECT_EQ(world.msrs.read(index).ok(), !absent) << std::hex << index;
  }
  EXPECT_EQ(Vmx::capabilities().size(), 16u) << "and IA32_FEATURE_CONTROL";
  EXPECT_EQ(world.msrs.read(0x485).value, 0x40040u) << "HLT, four CR3 targets";
  EXPECT_EQ(world.msrs.read(0x487).value, 0xffffffffu);
}

TEST(VmxControls, are_accepted_exactly_as_reported) {
  const Features features{.perf_global_ctrl = true, .arch_lbr = true};
  const struct {
    Word word;
    Field field;
  } words[] = {{Word::kPin, Field::kPinControls},
               {Word::kProc, Field::kProcControls},
               {Word::kExit, Field::kExitControls},
               {Word::kEntry, Field::kEntryControls}};
  for (const auto& w : words) {
    const Allowed a = allowed(w.word, features);
    for (unsigned bit = 0; bit < 32; ++bit) {
      const u32 one = u32{1} << bit;
      EXPECT_EQ(a.accepts(a.ones | one), (a.may & one) != 0) << bit;
      EXPECT_EQ(a.accepts(a.ones & ~one), (a.ones & one) == 0) << bit;
    }
  }
}

TEST(VmxControls, come_with_what_the_part_has) {
  const auto may = [](Word word, const Features& f) { return allowed(word, f).may; };
  const Features none{.perf_global_ctrl = false, .arch_lbr = false};
  const Features all{.perf_global_ctrl = true, .arch_lbr = true};
  EXPECT_EQ(may(Word::kExit, all) & ~may(Word::kExit, none),
            exit_ctl::kLoadPerfGlobalCtrl | exit_ctl::kClearLbrCtl);
  EXPECT_EQ(may(Word::kEntry, all) & ~may(Word::kEntry, none),
            entry_ctl::kLoadPerfGlobalCtrl | entry_ctl::kLoadLbrCtl);
}

TEST(VmxControls, are_locked_by_feature_control) {
  World world;
  EXPECT_EQ(world.msrs.write(0x3a, 5), MsrFault::kValue);
  EXPECT_EQ(world.msrs.read(0x3a).value, 5u);
}

}  // namespace
}  // namespace lastbranch::vmx::test
