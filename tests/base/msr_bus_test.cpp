#include "sim/base/msr_bus.h"

#include <array>

#include <gtest/gtest.h>

#include "sim/base/error.h"

namespace lastbranch {
namespace {

/// Four registers of all sorts.
struct Device {
  u64 control = 0x8;
  std::array<u64, 3> bank{};
  u64 sticky = 0;

  static Device& of(void* self) { return *static_cast<Device*>(self); }
  static const Device& of(const void* self) { return *static_cast<const Device*>(self); }
};

constexpr u32 kControl = 0x100;
constexpr u32 kBank = 0x200;
constexpr u32 kFixed = 0x300;
constexpr u32 kSticky = 0x301;

constexpr std::array<MsrDef, 4> kRows = {{
    {.index = kControl,
     .name = "DEV_CONTROL",
     .writable = 0xff0f,
     .reset = 0x8,
     .read = [](const void* self, u32) { return Device::of(self).control; },
     .write =
         [](void* self, u32, u64 value) {
           if (value == 0xf) return MsrFault::kValue;
           Device::of(self).control = value;
           return MsrFault::kNone;
         }},
    {.index = kBank,
     .count = 3,
     .name = "DEV_BANK_#_VALUE",
     .writable = ~u64{0},
     .read = [](const void* self, u32 i) { return Device::of(self).bank.at(i); },
     .write =
         [](void* self, u32 i, u64 value) {
           Device::of(self).bank.at(i) = value;
           return MsrFault::kNone;
         }},
    {.index = kFixed, .name = "DEV_FIXED", .read = [](const void*, u32) { return u64{42}; }},
    {.index = kSticky,
     .name = "DEV_STICKY",
     .writable = 0xf0,
     .ignore_others = true,
     .read = [](const void* self, u32) { return Device::of(self).sticky; },
     .write =
         [](void* self, u32, u64 value) {
           Device::of(self).sticky = value;
           return MsrFault::kNone;
         }},
}};

class MsrBusTest : public testing::Test {
 protected:
  MsrBusTest() { bus.attach(kRows, &device); }
  Device device;
  MsrBus bus;
};

TEST_F(MsrBusTest, takes_exactly_the_writable_bits) {
  for (unsigned bit = 0; bit < 64; ++bit) {
    const u64 value = u64{1} << bit;
    const MsrFault expected = (0xff0f & value) != 0 ? MsrFault::kNone : MsrFault::kReserved;
    device.control = 0;
    EXPECT_EQ(bus.write(kControl, value), expected) << "bit " << bit;
    EXPECT_EQ(bus.read(kControl).value, expected == MsrFault::kNone ? value : 0) << "bit " << bit;
  }
}

TEST_F(MsrBusTest, drops_other_bits_where_the_row_says_so) {
  for (unsigned bit = 0; bit < 64; ++bit) {
    EXPECT_EQ(bus.write(kSticky, u64{1} << bit), MsrFault::kNone);
    EXPECT_EQ(bus.read(kSticky).value, (u64{1} << bit) & 0xf0);
  }
}

TEST_F(MsrBusTest, refuses_writes_to_a_read_only_register) {
  for (const u64 value : {u64{0}, u64{42}, ~u64{0}}) EXPECT_EQ(bus.write(kFixed, value), MsrFault::kReadOnly);
  EXPECT_EQ(bus.read(kFixed).value, 42u);
}

TEST_F(MsrBusTest, changes_nothing_when_the_owner_refuses) {
  EXPECT_EQ(bus.write(kControl, 0xf), MsrFault::kValue);
  EXPECT_EQ(bus.read(kControl).value, 8u);
}

TEST_F(MsrBusTest, reaches_each_register_of_a_bank_and_none_beside_it) {
  for (u32 i = 0; i < 3; ++i) EXPECT_EQ(bus.write(kBank + i, 1000 + i), MsrFault::kNone);
  for (u32 i = 0; i < 3; ++i) EXPECT_EQ(bus.read(kBank + i).value, 1000 + i);
  for (const u32 index :
       {0u, kControl - 1, kControl + 1, kBank - 1, kBank + 3, kFixed - 1, kSticky + 1, ~0u}) {
    EXPECT_EQ(bus.read(index).fault, MsrFault::kUnknown) << index;
    EXPECT_EQ(bus.write(index, 0), MsrFault::kUnknown) << index;
    EXPECT_EQ(bus.unknown().at(index), 2u) << "both accesses are counted";
  }
  EXPECT_EQ(bus.unknown().size(), 8u);
}

TEST_F(MsrBusTest, knows_registers_by_name) {
  EXPECT_EQ(bus.find("DEV_BANK_2_VALUE"), kBank + 2);
  EXPECT_EQ(bus.find("dev_control"), kControl);
  EXPECT_EQ(bus.find("DEV_BANK_3_VALUE"), std::nullopt);

  bus.write("DEV_BANK_1_VALUE", 7);
  EXPECT_EQ(bus.read("dev_bank_1_value"), 7u);
  EXPECT_THROW((void)bus.read("DEV_NONE"), Error);
  EXPECT_THROW(bus.write("DEV_FIXED", 1), Error);
}

TEST_F(MsrBusTest, lists_every_register_by_index) {
  const auto list = bus.list();
  ASSERT_EQ(list.size(), 6u);
  EXPECT_EQ(list[0].name, "DEV_CONTROL");
  EXPECT_EQ(list[0].reset, 8u);
  EXPECT_EQ(list[2].name, "DEV_BANK_1_VALUE");
  for (std::size_t i = 1; i < list.size(); ++i) EXPECT_LT(list[i - 1].index, list[i].index);
}

TEST_F(MsrBusTest, refuses_overlapping_rows) {
  const auto read = [](const void*, u32) { return u64{0}; };
  for (const auto& [index, count, overlaps] :
       {std::tuple{kBank - 1, 1u, false}, std::tuple{kBank - 1, 2u, true}, std::tuple{kBank + 1, 1u, true},
        std::tuple{kBank + 2, 5u, true}, std::tuple{kBank + 3, 5u, false},
        std::tuple{kControl - 5, 600u, true}}) {
    MsrBus fresh;
    fresh.attach(kRows, &device);
    const std::array<MsrDef, 1> row = {{{.index = index, .count = count, .name = "OTHER_#", .read = read}}};
    if (overlaps) {
      EXPECT_THROW(fresh.attach(row, nullptr), Error) << index << '+' << count;
    } else {
      EXPECT_NO_THROW(fresh.attach(row, nullptr)) << index << '+' << count;
    }
  }
}

TEST_F(MsrBusTest, refuses_bad_rows_and_taken_names) {
  const auto read = [](const void*, u32) { return u64{0}; };
  const auto attach = [&](MsrDef def) {
    const std::array<MsrDef, 1> row = {{def}};
    bus.attach(row, nullptr);
  };
  EXPECT_THROW(attach({.index = 1, .name = "DEV_FIXED", .read = read}), Error);
  EXPECT_THROW(attach({.index = 1, .name = "A"}), Error) << "no read function";
  EXPECT_THROW(attach({.index = 1, .name = "A", .writable = 1, .read = read}), Error) << "no write function";
  EXPECT_THROW(attach({.index = 1, .count = 0, .name = "A", .read = read}), Error);
}

}  // namespace
}  // namespace lastbranch
