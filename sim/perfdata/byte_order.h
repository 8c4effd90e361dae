#pragma once
/// Turns values of a file from a machine with the other byte order into this one's. Integers are reversed
/// byte by byte; words of bitfields are not that simple, because such machines also fill them from the other
/// end. Source: the bitfields of struct perf_branch_entry and perf_event_attr in Linux UAPI
/// linux/perf_event.h, under the System V rule that a big-endian ABI allocates them from the highest bit.
#include <array>
#include <concepts>
#include <cstddef>

#include "sim/base/units.h"
#include "sim/perfdata/branch_entry.h"
#include "sim/perfdata/format.h"

namespace lastbranch::perfdata {

template <std::integral T>
constexpr void swap_bytes(T& value) {
  if constexpr (sizeof(T) == 2) {
    value = static_cast<T>(__builtin_bswap16(static_cast<u16>(value)));
  } else if constexpr (sizeof(T) == 4) {
    value = static_cast<T>(__builtin_bswap32(static_cast<u32>(value)));
  } else if constexpr (sizeof(T) == 8) {
    value = static_cast<T>(__builtin_bswap64(static_cast<u64>(value)));
  } else {
    static_assert(sizeof(T) == 1);
  }
}

/// Bytes have no order.
template <std::size_t kSize>
constexpr void swap_bytes(std::array<u8, kSize>& /*bytes*/) {}

/// Fields of these widths, from the lowest bit of the result, out of a word whose first field is at the top.
template <std::size_t kCount>
[[nodiscard]] constexpr u64 fields_from_top(u64 word, const std::array<unsigned, kCount>& widths) {
  u64 result = 0;
  unsigned low = 0;
  for (const unsigned width : widths) {
    const u64 mask = (u64{1} << width) - 1;
    result |= (word >> (64 - low - width) & mask) << low;
    low += width;
  }
  return result;
}

/// `word`: after swap_bytes().
[[nodiscard]] constexpr u64 branch_flags_of_other_order(u64 word) {
  // mispredicted, predicted, in_tx, abort, cycles, type, spec, new_type, priv, reserved
  constexpr std::array<unsigned, 10> kWidths = {1, 1, 1, 1, 16, 4, 2, 4, 3, 31};
  return fields_from_top(word, kWidths);
}

/// `word`: after swap_bytes().
[[nodiscard]] constexpr u64 attr_flags_of_other_order(u64 word) {
  // Single bits but for precise_ip, which is 2 wide at 15.
  constexpr std::array<unsigned, 18> kWidths = {1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 2, 1, 1};
  constexpr unsigned kDone = 19;
  u64 result = fields_from_top(word, kWidths);
  for (unsigned bit = kDone; bit < 64; ++bit) result |= (word >> (63 - bit) & 1) << bit;
  return result;
}

constexpr void swap_bytes(BranchEntry& entry) {
  swap_bytes(entry.from);
  swap_bytes(entry.to);
  swap_bytes(entry.flags);
  entry.flags = branch_flags_of_other_order(entry.flags);
}

constexpr void swap_bytes(RecordHeader& header) {
  swap_bytes(header.type);
  swap_bytes(header.misc);
  swap_bytes(header.size);
}

constexpr void swap_bytes(Section& section) {
  swap_bytes(section.offset);
  swap_bytes(section.size);
}

constexpr void swap_bytes(FileHeader& header) {
  swap_bytes(header.magic);
  swap_bytes(header.size);
  swap_bytes(header.attr_size);
  swap_bytes(header.attrs);
  swap_bytes(header.data);
  swap_bytes(header.event_types);
  for (u64& word : header.features) swap_bytes(word);
}

constexpr void swap_bytes(Attr& attr) {
  swap_bytes(attr.type);
  swap_bytes(attr.size);
  swap_bytes(attr.config);
  swap_bytes(attr.sample_period);
  swap_bytes(attr.sample_type);
  swap_bytes(attr.read_format);
  swap_bytes(attr.flags);
  attr.flags = attr_flags_of_other_order(attr.flags);
  swap_bytes(attr.wakeup_events);
  swap_bytes(attr.bp_type);
  swap_bytes(attr.config1);
  swap_bytes(attr.config2);
  swap_bytes(attr.branch_sample_type);
  swap_bytes(attr.sample_regs_user);
  swap_bytes(attr.sample_stack_user);
  swap_bytes(attr.clockid);
  swap_bytes(attr.sample_regs_intr);
  swap_bytes(attr.aux_watermark);
  swap_bytes(attr.sample_max_stack);
  swap_bytes(attr.reserved_2);
  swap_bytes(attr.aux_sample_size);
  swap_bytes(attr.reserved_3);
  swap_bytes(attr.sig_data);
  swap_bytes(attr.config3);
  swap_bytes(attr.config4);
}

}  // namespace lastbranch::perfdata
