#pragma once
// A bus that routes by address, and RAM behind it.
//
// Modelled: address decoding, DMI, debug transport, any number of initiators and targets. Not: arbitration,
// contention. Source: IEEE 1666-2011, clauses 11-16 (TLM-2.0).
#include <string>
#include <systemc>
#include <tlm>
#include <vector>

#include <tlm_utils/multi_passthrough_initiator_socket.h>
#include <tlm_utils/multi_passthrough_target_socket.h>
#include <tlm_utils/simple_target_socket.h>

#include "sim/base/phys_mem.h"
#include "sim/base/units.h"

namespace lastbranch::kernel {

/// Router: initiators bind `in`, targets are mapped to address ranges and see addresses from the start of
/// theirs.
class BusModule final : public sc_core::sc_module {
 public:
  tlm_utils::multi_passthrough_target_socket<BusModule> in;

  explicit BusModule(const sc_core::sc_module_name& name);

  /// Maps `size` bytes at `base` to a target's socket. Throws Error when the range is empty, wraps around or
  /// overlaps another.
  template <class Socket>
  void map(const std::string& what, u64 base, u64 size, Socket& socket) {
    add_range(what, base, size);
    out_.bind(socket);
  }

 private:
  struct Range {
    std::string what;
    u64 base;
    u64 size;
    [[nodiscard]] bool holds(u64 address, u64 length) const {
      return address >= base && address - base < size && length <= size - (address - base);
    }
  };

  void add_range(const std::string& what, u64 base, u64 size);
  /// Number of the target that holds all of the access, or -1.
  [[nodiscard]] int route(u64 address, u64 length) const;

  void b_transport(int initiator, tlm::tlm_generic_payload& payload, sc_core::sc_time& delay);
  bool get_direct_mem_ptr(int initiator, tlm::tlm_generic_payload& payload, tlm::tlm_dmi& dmi);
  unsigned transport_dbg(int initiator, tlm::tlm_generic_payload& payload);
  void invalidate_direct_mem_ptr(int target, sc_dt::uint64 start, sc_dt::uint64 end);

  tlm_utils::multi_passthrough_initiator_socket<BusModule> out_;
  std::vector<Range> ranges_;  ///< by number of the target
};

/// A PhysMem as a TLM target; grants DMI for all of it.
class RamModule final : public sc_core::sc_module {
 public:
  tlm_utils::simple_target_socket<RamModule> in;

  /// `memory` must outlive the module; an access takes `latency`.
  RamModule(const sc_core::sc_module_name& name, PhysMem& memory,
            const sc_core::sc_time& latency = sc_core::SC_ZERO_TIME);

 private:
  void b_transport(tlm::tlm_generic_payload& payload, sc_core::sc_time& delay);
  bool get_direct_mem_ptr(tlm::tlm_generic_payload& payload, tlm::tlm_dmi& dmi);
  unsigned transport_dbg(tlm::tlm_generic_payload& payload);

  PhysMem& memory_;
  sc_core::sc_time latency_;
};

}  // namespace lastbranch::kernel
