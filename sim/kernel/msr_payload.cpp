#include "sim/kernel/msr_payload.h"

#include <cstring>
#include <limits>

#include "sim/base/error.h"

namespace lastbranch::kernel {
namespace {

tlm::tlm_response_status response(MsrFault fault) {
  switch (fault) {
    case MsrFault::kNone:
      return tlm::TLM_OK_RESPONSE;
    case MsrFault::kUnknown:
      return tlm::TLM_ADDRESS_ERROR_RESPONSE;
    case MsrFault::kReadOnly:
    case MsrFault::kWriteOnly:
      return tlm::TLM_COMMAND_ERROR_RESPONSE;
    default:
      return tlm::TLM_GENERIC_ERROR_RESPONSE;
  }
}

MsrFault access(MsrBus& bus, tlm::tlm_generic_payload& payload) {
  const u64 address = payload.get_address();
  if (address > std::numeric_limits<u32>::max()) return MsrFault::kUnknown;
  const u32 index = static_cast<u32>(address);
  u64 value = 0;
  if (payload.is_write()) {
    std::memcpy(&value, payload.get_data_ptr(), sizeof value);
    return bus.write(index, value);
  }
  const MsrValue read = bus.read(index);
  if (read.ok()) std::memcpy(payload.get_data_ptr(), &read.value, sizeof read.value);
  return read.fault;
}

}  // namespace

void serve_msr(MsrBus& bus, tlm::tlm_generic_payload& payload) {
  if (payload.get_byte_enable_ptr() != nullptr) {
    payload.set_response_status(tlm::TLM_BYTE_ENABLE_ERROR_RESPONSE);
  } else if (payload.get_data_length() != sizeof(u64) || payload.get_streaming_width() < sizeof(u64)) {
    payload.set_response_status(tlm::TLM_BURST_ERROR_RESPONSE);
  } else if (!payload.is_read() && !payload.is_write()) {
    payload.set_response_status(tlm::TLM_OK_RESPONSE);  // TLM_IGNORE_COMMAND
  } else {
    payload.set_response_status(response(access(bus, payload)));
  }
}

unsigned serve_msr_debug(MsrBus& bus, tlm::tlm_generic_payload& payload) {
  if (payload.get_data_length() != sizeof(u64) || (!payload.is_read() && !payload.is_write())) return 0;
  return access(bus, payload) == MsrFault::kNone ? unsigned{sizeof(u64)} : 0;
}

void make_msr_access(tlm::tlm_generic_payload& payload, tlm::tlm_command command, u32 index, u64& value) {
  payload.set_command(command);
  payload.set_address(index);
  payload.set_data_ptr(reinterpret_cast<unsigned char*>(&value));
  payload.set_data_length(sizeof value);
  payload.set_streaming_width(sizeof value);
  payload.set_response_status(tlm::TLM_INCOMPLETE_RESPONSE);
}

MsrFault msr_fault(const tlm::tlm_generic_payload& payload) {
  switch (payload.get_response_status()) {
    case tlm::TLM_OK_RESPONSE:
      return MsrFault::kNone;
    case tlm::TLM_ADDRESS_ERROR_RESPONSE:
      return MsrFault::kUnknown;
    case tlm::TLM_COMMAND_ERROR_RESPONSE:
      return payload.is_write() ? MsrFault::kReadOnly : MsrFault::kWriteOnly;
    case tlm::TLM_GENERIC_ERROR_RESPONSE:
      return MsrFault::kValue;
    default:
      throw Error("MSR {:#x}: expected a response that means a value or #GP, found {}", payload.get_address(),
                  payload.get_response_string());
  }
}

}  // namespace lastbranch::kernel
