#pragma once
// MSR accesses as TLM transactions: address = number of the register, 8 bytes, little-endian, read or write.
//
// Responses: OK, and these, each of which is a #GP(0) of the guest's:
//   TLM_ADDRESS_ERROR_RESPONSE   no such register
//   TLM_COMMAND_ERROR_RESPONSE   read-only register written, or write-only register read
//   TLM_GENERIC_ERROR_RESPONSE   value refused: reserved bit, address not canonical
// An initiator's mistake is none: TLM_BURST_ERROR_RESPONSE for another length or streaming width,
// TLM_BYTE_ENABLE_ERROR_RESPONSE for byte enables. An access takes no time. Debug transport does the same and
// returns 8, or 0 for a fault.
#include <tlm>

#include "sim/base/msr_bus.h"

namespace lastbranch::kernel {

/// The target's side.
void serve_msr(MsrBus& bus, tlm::tlm_generic_payload& payload);
[[nodiscard]] unsigned serve_msr_debug(MsrBus& bus, tlm::tlm_generic_payload& payload);

/// The initiator's side: makes `payload` an access of register `index` to or from `value`.
void make_msr_access(tlm::tlm_generic_payload& payload, tlm::tlm_command command, u32 index, u64& value);
/// What the response means to the processor. Throws Error for responses that name a mistake.
[[nodiscard]] MsrFault msr_fault(const tlm::tlm_generic_payload& payload);

}  // namespace lastbranch::kernel
