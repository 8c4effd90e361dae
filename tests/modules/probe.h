#pragma once
/// A platform's initiator: speaks to sockets of modules from a test.
#include <memory>
#include <systemc>
#include <tlm>
#include <vector>

#include <gtest/gtest.h>
#include <tlm_utils/simple_initiator_socket.h>

#include "sim/kernel/batch.h"
#include "sim/kernel/irq.h"
#include "sim/kernel/msr_payload.h"
#include "sim/kernel/sim_context.h"

namespace lastbranch::test {

/// Counts rises.
class CountingLine final : public kernel::InterruptTarget {
 public:
  void set(bool level) override {
    if (level && !level_) ++rises;
    level_ = level;
  }
  unsigned rises = 0;

 private:
  bool level_ = false;
};

class Probe final : public sc_core::sc_module {
 public:
  tlm_utils::simple_initiator_socket<Probe> socket{"socket"};
  explicit Probe(const sc_core::sc_module_name& name) : sc_module(name) {}

  tlm::tlm_response_status send(tlm::tlm_generic_payload& payload) {
    sc_core::sc_time delay;
    socket->b_transport(payload, delay);
    EXPECT_EQ(delay, sc_core::SC_ZERO_TIME);
    return payload.get_response_status();
  }
  tlm::tlm_response_status write_msr(u32 index, u64 value) {
    tlm::tlm_generic_payload payload;
    kernel::make_msr_access(payload, tlm::TLM_WRITE_COMMAND, index, value);
    return send(payload);
  }
  tlm::tlm_response_status read_msr(u32 index, u64& value) {
    tlm::tlm_generic_payload payload;
    kernel::make_msr_access(payload, tlm::TLM_READ_COMMAND, index, value);
    return send(payload);
  }
  u64 msr(u32 index) {
    u64 value = 0;
    EXPECT_EQ(read_msr(index, value), tlm::TLM_OK_RESPONSE) << std::hex << index;
    return value;
  }
  template <class Record>
  tlm::tlm_response_status batch(const std::vector<Record>& records, u64 address = 0) {
    tlm::tlm_generic_payload payload;
    kernel::make_batch(payload, std::span<const Record>(records), address);
    return send(payload);
  }
};

/// Modules that a test builds in a context of their own. `Modules` is constructed and destroyed in it.
template <class Modules>
class Platform {
 public:
  Platform() {
    const kernel::SimContext::Scope scope(context);
    modules_ = std::make_unique<Modules>();
  }
  ~Platform() {
    const kernel::SimContext::Scope scope(context);
    modules_.reset();
  }
  Platform(const Platform&) = delete;
  Platform& operator=(const Platform&) = delete;

  /// Binds the sockets for good.
  void elaborate() { context.run(sc_core::SC_ZERO_TIME); }
  Modules* operator->() { return modules_.get(); }

  kernel::SimContext context;

 private:
  std::unique_ptr<Modules> modules_;
};

}  // namespace lastbranch::test
