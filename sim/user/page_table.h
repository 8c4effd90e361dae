#pragma once
// Which physical page backs each touched page of a process, in a radix tree of the hardware's shape: a TLB
// miss of the core is four loads, or one in the 2 MiB where the last miss was.
//
// Not the guest's page tables: those of a kernel that is modelled by its effects only.
#include <array>
#include <memory>

#include "sim/base/units.h"

namespace lastbranch::user {

/// Physical page | flags; 0 when the page has not been touched.
using Pte = u64;
namespace pte {
inline constexpr Pte kMapped = 1;  ///< a page is there, whatever may be done with it
inline constexpr Pte kRead = 2;
inline constexpr Pte kWrite = 4;
inline constexpr Pte kExec = 8;
inline constexpr Pte kShared = 16;  ///< the page belongs to SharedPages
inline constexpr Pte kRights = kRead | kWrite | kExec;
}  // namespace pte

class PageTable {
 public:
  static constexpr u64 kLeafBytes = u64{1} << 21;

  /// The entry of the page at `address` (below 2^47), or nullptr when no page near it was ever touched.
  [[nodiscard]] Pte* find(u64 address) {
    if ((address >> 21) == last_) [[likely]]
      return &last_leaf_->entries[index(address, 0)];
    return find_slow(address);
  }
  /// The same, making the entry.
  [[nodiscard]] Pte& make(u64 address);

  /// Calls `visit(address, Pte&)` for each mapped page of [begin, end), ascending.
  template <class Visit>
  void for_each(u64 begin, u64 end, Visit visit) {
    for (u64 at = begin; at < end;) {
      const Span span = find_leaf(at);
      const u64 span_end = (at & ~(span.bytes - 1)) + span.bytes;
      if (span.leaf == nullptr) {
        at = span_end;
        continue;
      }
      for (; at < end && at < span_end; at += kPageSize) {
        Pte& entry = span.leaf->entries[index(at, 0)];
        if (entry != 0) visit(at, entry);
      }
    }
  }

 private:
  struct Leaf {
    std::array<Pte, 512> entries{};
  };
  struct Middle {
    std::array<std::unique_ptr<Leaf>, 512> leaves;
  };
  struct Upper {
    std::array<std::unique_ptr<Middle>, 512> middles;
  };

  [[nodiscard]] static constexpr u64 index(u64 address, unsigned level) {
    return (address >> (kPageShift + 9 * level)) & 511;
  }
  /// A leaf, or the size of the aligned hole where there is none.
  struct Span {
    Leaf* leaf;
    u64 bytes;
  };
  [[nodiscard]] Span find_leaf(u64 address) const;
  [[nodiscard]] Pte* find_slow(u64 address);

  std::array<std::unique_ptr<Upper>, 512> top_;
  u64 last_ = ~u64{0};
  Leaf* last_leaf_ = nullptr;
};

}  // namespace lastbranch::user
