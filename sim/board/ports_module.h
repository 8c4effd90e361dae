#pragma once
// The bare board's two devices as SystemC modules, and the processor's way to them.
//
// Modelled: a port that ends the run with a status, a port that takes bytes of output. I/O ports are a range
// of the board's bus (kPortSpace). Accesses to ports that nobody has are counted: a run names them at its
// end. Source of the port numbers: the conventions of Bochs (E9H) and of QEMU's debug-exit device (F4H).
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <systemc>
#include <tlm>

#include <tlm_utils/simple_target_socket.h>

#include "models/cpu/system.h"
#include "sim/base/bus_access.h"
#include "sim/base/units.h"

namespace lastbranch::board {

/// A write ends the run; the first one counts. Reads as 0.
class ExitPort final : public sc_core::sc_module {
 public:
  static constexpr u64 kSize = 4;
  tlm_utils::simple_target_socket<ExitPort> in;

  explicit ExitPort(const sc_core::sc_module_name& name);
  /// What was written, once it was.
  [[nodiscard]] std::optional<u32> written() const { return written_; }

 private:
  void b_transport(tlm::tlm_generic_payload& payload, sc_core::sc_time& delay);
  std::optional<u32> written_;
};

/// Takes bytes of output. Reads as its own port number, by which programs find it.
class OutputPort final : public sc_core::sc_module {
 public:
  static constexpr u64 kSize = 1;
  using Sink = std::function<void(std::string_view)>;
  tlm_utils::simple_target_socket<OutputPort> in;

  /// `sink` takes the output in pieces; line by line at the latest.
  OutputPort(const sc_core::sc_module_name& name, Sink sink);
  /// Hands over what has not been yet.
  void flush();

 private:
  void b_transport(tlm::tlm_generic_payload& payload, sc_core::sc_time& delay);
  Sink sink_;
  std::string held_;
};

/// IN and OUT as accesses of the bus.
class BusPorts final : public cpu::PortIo {
 public:
  explicit BusPorts(BusAccess& bus) : bus_(bus) {}
  u32 in(u16 port, unsigned size) override;
  void out(u16 port, unsigned size, u32 value) override;
  /// Port -> accesses of ports without a device.
  [[nodiscard]] const std::map<u16, u64>& unknown() const { return unknown_; }

 private:
  BusAccess& bus_;
  std::map<u16, u64> unknown_;
};

}  // namespace lastbranch::board
