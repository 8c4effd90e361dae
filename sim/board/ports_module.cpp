#include "sim/board/ports_module.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <utility>

#include "sim/board/layout.h"

namespace lastbranch::board {
namespace {

u32 value_of(const tlm::tlm_generic_payload& payload) {
  u32 value = 0;
  std::memcpy(&value, payload.get_data_ptr(), std::min<std::size_t>(sizeof value, payload.get_data_length()));
  return value;
}

}  // namespace

ExitPort::ExitPort(const sc_core::sc_module_name& name) : sc_module(name), in("in") {
  in.register_b_transport(this, &ExitPort::b_transport);
}

void ExitPort::b_transport(tlm::tlm_generic_payload& payload, sc_core::sc_time& /*delay*/) {
  if (payload.is_write()) {
    if (!written_) written_ = value_of(payload);
  } else {
    std::memset(payload.get_data_ptr(), 0, payload.get_data_length());
  }
  payload.set_response_status(tlm::TLM_OK_RESPONSE);
}

OutputPort::OutputPort(const sc_core::sc_module_name& name, Sink sink)
    : sc_module(name), in("in"), sink_(std::move(sink)) {
  in.register_b_transport(this, &OutputPort::b_transport);
}

void OutputPort::b_transport(tlm::tlm_generic_payload& payload, sc_core::sc_time& /*delay*/) {
  constexpr std::size_t kMost = 4096;
  if (payload.is_write()) {
    const char byte = static_cast<char>(value_of(payload));
    held_ += byte;
    if (byte == '\n' || held_.size() == kMost) flush();
  } else {
    *payload.get_data_ptr() = static_cast<u8>(kOutputPort);
  }
  payload.set_response_status(tlm::TLM_OK_RESPONSE);
}

void OutputPort::flush() {
  if (!held_.empty() && sink_) sink_(held_);
  held_.clear();
}

u32 BusPorts::in(u16 port, unsigned size) {
  std::array<u8, 4> bytes{};
  u32 value = 0;
  if (!bus_.read(kPortSpace + port, {bytes.data(), size})) {
    ++unknown_[port];
    bytes.fill(0xff);
  }
  std::memcpy(&value, bytes.data(), size);
  return value;
}

void BusPorts::out(u16 port, unsigned size, u32 value) {
  std::array<u8, 4> bytes{};
  std::memcpy(bytes.data(), &value, sizeof value);
  if (!bus_.write(kPortSpace + port, {bytes.data(), size})) ++unknown_[port];
}

}  // namespace lastbranch::board
