#include "sim/kernel/bus_module.h"

#include <algorithm>
#include <cstring>

#include "sim/base/error.h"

namespace lastbranch::kernel {

BusModule::BusModule(const sc_core::sc_module_name& name) : sc_module(name), in("in"), out_("out") {
  in.register_b_transport(this, &BusModule::b_transport);
  in.register_get_direct_mem_ptr(this, &BusModule::get_direct_mem_ptr);
  in.register_transport_dbg(this, &BusModule::transport_dbg);
  out_.register_invalidate_direct_mem_ptr(this, &BusModule::invalidate_direct_mem_ptr);
}

void BusModule::add_range(const std::string& what, u64 base, u64 size) {
  if (size == 0 || base + (size - 1) < base) {
    throw Error("bus: {} at {:#x}: expected a range within 64 bits, found {:#x} bytes", what, base, size);
  }
  for (const Range& r : ranges_) {
    if (r.holds(base, 1) || (r.base >= base && r.base - base < size)) {
      throw Error("bus: {} at {:#x}: overlaps {} at {:#x}", what, base, r.what, r.base);
    }
  }
  ranges_.push_back({what, base, size});
}

int BusModule::route(u64 address, u64 length) const {
  const auto found = std::ranges::find_if(ranges_, [&](const Range& r) { return r.holds(address, length); });
  return found == ranges_.end() ? -1 : static_cast<int>(found - ranges_.begin());
}

void BusModule::b_transport(int /*initiator*/, tlm::tlm_generic_payload& payload, sc_core::sc_time& delay) {
  const u64 address = payload.get_address();
  const int target = route(address, payload.get_data_length());
  if (target < 0) {
    payload.set_response_status(tlm::TLM_ADDRESS_ERROR_RESPONSE);
    return;
  }
  payload.set_address(address - ranges_[static_cast<std::size_t>(target)].base);
  out_[target]->b_transport(payload, delay);
  payload.set_address(address);
}

bool BusModule::get_direct_mem_ptr(int /*initiator*/, tlm::tlm_generic_payload& payload, tlm::tlm_dmi& dmi) {
  const u64 address = payload.get_address();
  const int target = route(address, 1);
  if (target < 0) {
    dmi.allow_none();
    dmi.set_start_address(address);
    dmi.set_end_address(address);
    return false;
  }
  const Range& r = ranges_[static_cast<std::size_t>(target)];
  payload.set_address(address - r.base);
  const bool granted = out_[target]->get_direct_mem_ptr(payload, dmi);
  payload.set_address(address);
  // The target speaks of its own addresses, and may grant more than is mapped.
  dmi.set_end_address(r.base + std::min<u64>(dmi.get_end_address(), r.size - 1));
  dmi.set_start_address(r.base + std::min<u64>(dmi.get_start_address(), r.size - 1));
  return granted;
}

unsigned BusModule::transport_dbg(int /*initiator*/, tlm::tlm_generic_payload& payload) {
  const u64 address = payload.get_address();
  const int target = route(address, payload.get_data_length());
  if (target < 0) return 0;
  payload.set_address(address - ranges_[static_cast<std::size_t>(target)].base);
  const unsigned done = out_[target]->transport_dbg(payload);
  payload.set_address(address);
  return done;
}

void BusModule::invalidate_direct_mem_ptr(int target, sc_dt::uint64 start, sc_dt::uint64 end) {
  const Range& r = ranges_[static_cast<std::size_t>(target)];
  for (unsigned i = 0; i < in.size(); ++i) {
    in[static_cast<int>(i)]->invalidate_direct_mem_ptr(r.base + std::min<u64>(start, r.size - 1),
                                                       r.base + std::min<u64>(end, r.size - 1));
  }
}

RamModule::RamModule(const sc_core::sc_module_name& name, PhysMem& memory, const sc_core::sc_time& latency)
    : sc_module(name), in("in"), memory_(memory), latency_(latency) {
  in.register_b_transport(this, &RamModule::b_transport);
  in.register_get_direct_mem_ptr(this, &RamModule::get_direct_mem_ptr);
  in.register_transport_dbg(this, &RamModule::transport_dbg);
}

void RamModule::b_transport(tlm::tlm_generic_payload& payload, sc_core::sc_time& delay) {
  if (payload.get_byte_enable_ptr() != nullptr) {
    payload.set_response_status(tlm::TLM_BYTE_ENABLE_ERROR_RESPONSE);
    return;
  }
  if (payload.get_streaming_width() < payload.get_data_length()) {
    payload.set_response_status(tlm::TLM_BURST_ERROR_RESPONSE);
    return;
  }
  if (transport_dbg(payload) != payload.get_data_length()) {
    payload.set_response_status(tlm::TLM_ADDRESS_ERROR_RESPONSE);
    return;
  }
  delay += latency_;
  payload.set_dmi_allowed(true);
  payload.set_response_status(tlm::TLM_OK_RESPONSE);
}

bool RamModule::get_direct_mem_ptr(tlm::tlm_generic_payload& /*payload*/, tlm::tlm_dmi& dmi) {
  dmi.set_dmi_ptr(memory_.host(0));
  dmi.set_start_address(0);
  dmi.set_end_address(memory_.size() - 1);
  dmi.set_read_latency(latency_);
  dmi.set_write_latency(latency_);
  dmi.allow_read_write();
  return true;
}

unsigned RamModule::transport_dbg(tlm::tlm_generic_payload& payload) {
  const unsigned length = payload.get_data_length();
  if (!memory_.contains(payload.get_address(), length)) return 0;
  u8* host = memory_.host(payload.get_address());
  if (payload.is_read()) std::memcpy(payload.get_data_ptr(), host, length);
  if (payload.is_write()) std::memcpy(host, payload.get_data_ptr(), length);
  return length;
}

}  // namespace lastbranch::kernel
