#pragma once
// A block: a run of decoded instructions up to a branch, executed as a whole, and the cache of them.
//
// Keyed by physical address, linear address and mode, so that targets can be resolved when it is decoded.
// Blocks are chained to their successors; a chain is cut when the successor is invalidated, which happens
// when a store hits code of its page or when its linear range is mapped differently. Not modelled:
// instruction caches and their timing.
#include <array>
#include <cstddef>
#include <memory>
#include <unordered_map>
#include <vector>

#include "models/cpu/cpu.h"
#include "sim/base/ledger.h"

namespace lastbranch::cpu {

class Decoder;
class OpTable;

/// Mode bits of a block's key.
namespace mode {
inline constexpr u32 kUser = 1 << 0;    ///< decoded for CPL 3
inline constexpr u32 kSingle = 1 << 1;  ///< one instruction only, all its flags written
inline constexpr u32 kGuest = 1 << 2;   ///< VMX non-root operation
// Bits 3-6 are gate:: bits (cpu.h).
inline constexpr u32 kMiddle = 1 << 7;  ///< CPL 1 or 2: supervisor pages, yet counted as user
inline constexpr u32 kTagShift = 16;    ///< address-space tag above
}  // namespace mode

inline constexpr unsigned kMaxBlockInsns = 64;

struct Block {
  // Touched on every execution.
  i64 n = 0;                      ///< instructions
  u64 execs = 0;                  ///< complete executions not yet folded into the ledger
  u64 taken = 0;                  ///< of these, with the final conditional branch taken
  Block* next_touched = nullptr;  ///< list of blocks to fold
  std::array<Block*, 2> link{};   ///< successors: taken, not taken or fallen through

  u64 va = 0;               ///< linear address of the first instruction
  u64 paddr = 0;            ///< its physical address
  u64 paddr_last_page = 0;  ///< page of the last byte
  u32 bytes = 0;
  u32 mode = 0;
  bool stale = false;
  bool ends_in_cond = false;
  EvCounts counts;           ///< facts of one complete execution, without the outcome of the last branch
  InsnInfo* info = nullptr;  ///< n entries, parallel to code
  // Chains into this block: (from, slot), threaded through the predecessors' next_in.
  Block* first_in = nullptr;
  u8 first_in_slot = 0;
  std::array<Block*, 2> next_in{};
  std::array<u8, 2> next_in_slot{};

  [[nodiscard]] Insn* code() { return reinterpret_cast<Insn*>(this + 1); }
  [[nodiscard]] const Insn* code() const { return reinterpret_cast<const Insn*>(this + 1); }
  [[nodiscard]] Ctx context() const {
    return context_of((mode & (mode::kUser | mode::kMiddle)) != 0 ? 3 : 0, (mode & mode::kGuest) != 0);
  }
};
static_assert(alignof(Block) <= 16 && sizeof(Block) % alignof(Insn) == 0);

/// Adds what one instruction does to `counts`.
void count_facts(EvCounts& counts, u32 facts);

/// Facts of the first `n` instructions of `block`.
[[nodiscard]] EvCounts prefix_counts(const Block& block, std::size_t n);

class BlockCache {
 public:
  /// `ops` gives the functions of instructions and must outlive the cache.
  explicit BlockCache(const OpTable& ops);
  ~BlockCache();
  BlockCache(const BlockCache&) = delete;
  BlockCache& operator=(const BlockCache&) = delete;

  /// The block at Cpu::rip in the processor's mode, decoded if need be; nullptr when the fetch faults
  /// (Cpu::fault).
  Block* find(Cpu& c, bool single);

  /// Chains `from`'s link `slot` to `to`.
  static void link(Block& from, unsigned slot, Block& to);

  /// Drops blocks decoded from physical bytes [paddr, paddr + length).
  void invalidate_physical(Cpu& c, u64 paddr, u64 length);
  /// Drops blocks at linear addresses [va, va + length).
  void invalidate_linear(Cpu& c, u64 va, u64 length);

  /// Bytes of decoded code; above kCapacity the owner folds the ledger and calls clear().
  [[nodiscard]] std::size_t bytes() const { return arena_.size() * kChunk; }
  static constexpr std::size_t kCapacity = std::size_t{64} << 20;
  /// Drops everything.
  void clear(Cpu& c);

 private:
  struct Key {
    u64 va, paddr;
    u32 mode;
    bool operator==(const Key&) const = default;
  };
  struct KeyHash {
    std::size_t operator()(const Key& k) const {
      return (k.va * 0x9e3779b97f4a7c15ull) ^ (k.paddr * 0xc2b2ae3d27d4eb4full) ^ k.mode;
    }
  };
  static constexpr std::size_t kChunk = std::size_t{1} << 18;

  Block* build(Cpu& c, u64 paddr, u32 mode);
  void* allocate(std::size_t bytes);
  void kill(Cpu& c, Block& block);

  const OpTable* ops_;
  std::unique_ptr<Decoder> decoder_;
  std::vector<std::unique_ptr<std::byte[]>> arena_;
  std::size_t used_ = kChunk;  ///< of the newest chunk
  std::unordered_map<Key, Block*, KeyHash> blocks_;
  std::unordered_map<u64, std::vector<Block*>> by_paddr_, by_va_;  ///< page number -> blocks with bytes in it
};

}  // namespace lastbranch::cpu
