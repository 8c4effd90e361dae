#pragma once
// What a core retired, as TLM transactions: a write whose data are an array of records as they lie in memory,
// of any length. Records of one transaction are in the order of retirement.
//
//   branches  RetiredBranch records; the address is ignored
//   counts    FactCount records of one stretch of execution; the address is that of its instruction if it was
//             a single one, else 0. The counters are looked at once, after all of them.
// Responses: OK; TLM_COMMAND_ERROR_RESPONSE for anything but a write, TLM_BURST_ERROR_RESPONSE for a length
// that is no whole number of records, TLM_BYTE_ENABLE_ERROR_RESPONSE, TLM_GENERIC_ERROR_RESPONSE for a field
// out of range; then nothing was taken. A batch takes no time.
#include <cstring>
#include <span>
#include <tlm>

#include "sim/base/ledger.h"
#include "sim/base/retire.h"

namespace lastbranch::kernel {

/// A fact that occurred `count` times in a context.
struct FactCount {
  Ev fact = Ev::kInstructions;
  Ctx context = Ctx::kHostKernel;
  u64 count = 0;
};

[[nodiscard]] constexpr bool is_valid(const RetiredBranch& b) {
  return b.kind < BranchKind::kCount && b.cpl_from < 4 && b.cpl_to < 4;
}
[[nodiscard]] constexpr bool is_valid(const FactCount& f) {
  return f.fact < Ev::kCount && f.context < Ctx::kCount;
}

/// The initiator's side.
template <class Record>
void make_batch(tlm::tlm_generic_payload& payload, std::span<const Record> records, u64 address = 0) {
  payload.set_command(tlm::TLM_WRITE_COMMAND);
  payload.set_address(address);
  // The payload has one pointer for both directions; a write command does not write through it.
  payload.set_data_ptr(reinterpret_cast<unsigned char*>(const_cast<Record*>(records.data())));
  payload.set_data_length(static_cast<unsigned>(records.size_bytes()));
  payload.set_streaming_width(static_cast<unsigned>(records.size_bytes()));
  payload.set_response_status(tlm::TLM_INCOMPLETE_RESPONSE);
}

/// The target's side: calls `take` for each record, or for none, and sets the response.
template <class Record, class Take>
void serve_batch(tlm::tlm_generic_payload& payload, Take take) {
  const unsigned bytes = payload.get_data_length();
  if (!payload.is_write()) return payload.set_response_status(tlm::TLM_COMMAND_ERROR_RESPONSE);
  if (payload.get_byte_enable_ptr() != nullptr) {
    return payload.set_response_status(tlm::TLM_BYTE_ENABLE_ERROR_RESPONSE);
  }
  if (bytes % sizeof(Record) != 0 || payload.get_streaming_width() < bytes) {
    return payload.set_response_status(tlm::TLM_BURST_ERROR_RESPONSE);
  }
  const auto record = [&](unsigned at) {
    Record r;
    std::memcpy(&r, payload.get_data_ptr() + at, sizeof r);
    return r;
  };
  for (unsigned at = 0; at < bytes; at += sizeof(Record)) {
    if (!is_valid(record(at))) return payload.set_response_status(tlm::TLM_GENERIC_ERROR_RESPONSE);
  }
  for (unsigned at = 0; at < bytes; at += sizeof(Record)) take(record(at));
  payload.set_response_status(tlm::TLM_OK_RESPONSE);
}

}  // namespace lastbranch::kernel
