#include "sim/kernel/bus_module.h"

#include <array>
#include <memory>

#include <gtest/gtest.h>
#include <tlm_utils/simple_initiator_socket.h>

#include "sim/base/error.h"
#include "sim/kernel/sim_context.h"

namespace lastbranch::kernel {
namespace {

using sc_core::SC_NS;
using sc_core::sc_time;

/// Remembers the last access; reads give the address.
class Device : public sc_core::sc_module {
 public:
  tlm_utils::simple_target_socket<Device> in{"in"};
  u64 last_address = 0;
  u64 last_value = 0;
  int accesses = 0;

  explicit Device(const sc_core::sc_module_name& name) : sc_module(name) {
    in.register_b_transport(this, &Device::b_transport);
  }

 private:
  void b_transport(tlm::tlm_generic_payload& p, sc_time& delay) {
    last_address = p.get_address();
    ++accesses;
    if (p.is_read()) std::memcpy(p.get_data_ptr(), &last_address, p.get_data_length());
    if (p.is_write()) std::memcpy(&last_value, p.get_data_ptr(), p.get_data_length());
    delay += sc_time(7, SC_NS);
    p.set_response_status(tlm::TLM_OK_RESPONSE);
  }
};

struct Initiator : sc_core::sc_module {
  tlm_utils::simple_initiator_socket<Initiator> out{"out"};
  explicit Initiator(const sc_core::sc_module_name& name) : sc_module(name) {}
};

constexpr u64 kRamSize = 0x10000;
constexpr u64 kDeviceBase = 0xfee00000;
constexpr u64 kDeviceSize = 0x1000;
constexpr u64 kRamBase = 0x100000;

class BusTest : public testing::Test {
 protected:
  BusTest() {
    {
      const SimContext::Scope scope(context);
      bus = std::make_unique<BusModule>("bus");
      ram = std::make_unique<RamModule>("ram", memory, sc_time(2, SC_NS));
      device = std::make_unique<Device>("device");
      initiator = std::make_unique<Initiator>("initiator");
      initiator->out.bind(bus->in);
      bus->map("ram", kRamBase, kRamSize, ram->in);
      bus->map("device", kDeviceBase, kDeviceSize, device->in);
    }
    context.run(sc_core::SC_ZERO_TIME);
  }
  ~BusTest() override {
    const SimContext::Scope scope(context);
    initiator.reset();
    device.reset();
    ram.reset();
    bus.reset();
  }

  tlm::tlm_response_status access(tlm::tlm_command command, u64 address, u64& value, unsigned size,
                                  sc_time& delay) {
    const SimContext::Scope scope(context);
    tlm::tlm_generic_payload p;
    p.set_command(command);
    p.set_address(address);
    p.set_data_ptr(reinterpret_cast<u8*>(&value));
    p.set_data_length(size);
    p.set_streaming_width(size);
    initiator->out->b_transport(p, delay);
    EXPECT_EQ(p.get_address(), address) << "the router must restore it";
    return p.get_response_status();
  }

  SimContext context;
  PhysMem memory{kRamSize};
  std::unique_ptr<BusModule> bus;
  std::unique_ptr<RamModule> ram;
  std::unique_ptr<Device> device;
  std::unique_ptr<Initiator> initiator;
};

TEST_F(BusTest, routes_by_address_and_adds_the_targets_latency) {
  sc_time delay(1, SC_NS);
  u64 value = 0x1122334455667788;
  EXPECT_EQ(access(tlm::TLM_WRITE_COMMAND, kRamBase + 0x10, value, 8, delay), tlm::TLM_OK_RESPONSE);
  EXPECT_EQ(delay, sc_time(3, SC_NS));
  EXPECT_EQ(memory.host(0x10)[0], 0x88);

  value = 0;
  EXPECT_EQ(access(tlm::TLM_READ_COMMAND, kRamBase + 0x14, value, 4, delay), tlm::TLM_OK_RESPONSE);
  EXPECT_EQ(value, 0x11223344u);

  EXPECT_EQ(access(tlm::TLM_READ_COMMAND, kDeviceBase + 0x20, value, 4, delay), tlm::TLM_OK_RESPONSE);
  EXPECT_EQ(device->last_address, 0x20u);
  EXPECT_EQ(delay, sc_time(12, SC_NS));
}

TEST_F(BusTest, answers_an_address_error_where_nothing_is) {
  u64 value = 0;
  sc_time delay;
  for (const u64 address : {u64{0}, kRamBase - 1, kRamBase + kRamSize, kRamBase + kRamSize - 7, kRamBase - 4,
                            kDeviceBase + kDeviceSize, ~u64{0}}) {
    EXPECT_EQ(access(tlm::TLM_READ_COMMAND, address, value, 8, delay), tlm::TLM_ADDRESS_ERROR_RESPONSE)
        << address;
  }
  EXPECT_EQ(device->accesses, 0);
  EXPECT_EQ(delay, sc_core::SC_ZERO_TIME);
}

TEST_F(BusTest, grants_direct_memory_for_ram_only) {
  const SimContext::Scope scope(context);
  tlm::tlm_generic_payload p;
  p.set_command(tlm::TLM_READ_COMMAND);
  tlm::tlm_dmi dmi;
  p.set_address(kRamBase + 0x1234);
  ASSERT_TRUE(initiator->out->get_direct_mem_ptr(p, dmi));
  EXPECT_EQ(dmi.get_start_address(), kRamBase);
  EXPECT_EQ(dmi.get_end_address(), kRamBase + kRamSize - 1);
  EXPECT_EQ(dmi.get_dmi_ptr(), memory.host(0));
  EXPECT_TRUE(dmi.is_read_write_allowed());
  EXPECT_EQ(p.get_address(), kRamBase + 0x1234);

  p.set_address(0x10);
  EXPECT_FALSE(initiator->out->get_direct_mem_ptr(p, dmi));
  p.set_address(kDeviceBase);
  EXPECT_FALSE(initiator->out->get_direct_mem_ptr(p, dmi));
}

TEST_F(BusTest, debug_accesses_take_no_time_and_reach_ram) {
  const SimContext::Scope scope(context);
  std::array<u8, 4> bytes = {1, 2, 3, 4};
  tlm::tlm_generic_payload p;
  p.set_command(tlm::TLM_WRITE_COMMAND);
  p.set_address(kRamBase + 8);
  p.set_data_ptr(bytes.data());
  p.set_data_length(4);
  EXPECT_EQ(initiator->out->transport_dbg(p), 4u);
  EXPECT_EQ(memory.host(8)[3], 4);
  p.set_address(0);
  EXPECT_EQ(initiator->out->transport_dbg(p), 0u);
}

TEST(Bus, refuses_empty_wrapping_and_overlapping_ranges) {
  SimContext context;
  const SimContext::Scope scope(context);
  PhysMem memory(0x1000);
  BusModule bus("bus");
  RamModule a("a", memory);
  bus.map("a", 0x1000, 0x1000, a.in);
  RamModule b("b", memory);
  EXPECT_THROW(bus.map("b", 0, 0, b.in), Error);
  EXPECT_THROW(bus.map("b", ~u64{0} - 5, 100, b.in), Error);
  EXPECT_THROW(bus.map("b", 0x1fff, 1, b.in), Error);
  EXPECT_THROW(bus.map("b", 0xfff, 2, b.in), Error);
  EXPECT_THROW(bus.map("b", 0, 0x10000, b.in), Error);
  EXPECT_NO_THROW(bus.map("b", 0x2000, 0x1000, b.in));
}

}  // namespace
}  // namespace lastbranch::kernel
