#pragma once
// Guest memory as the execution functions reach it: the TLB's fast path inline, everything else out of line.
//
// The fast path must leave execution functions without a stack frame, so a miss is not a call that comes
// back: it is noted in Cpu, the function returns trap(c, i), and resolve() fills the TLB and executes the
// instruction again. An access that no TLB entry can serve (page-crossing, MMIO, a page that holds code) is
// served by a temporary entry for that one execution. Hence the rule: no state changes before all of an
// instruction's accesses have succeeded, and at most one fast load and one fast store per instruction (others
// use the slow functions, which never miss).
#include <cstring>

#include "models/cpu/cpu.h"

namespace lastbranch::cpu {

/// Copies `size` bytes (1..64) at `va` into Cpu::scratch; nullptr when that faults (the fault is pending
/// then) or must be done alone.
const u8* slow_load(Cpu& c, u64 va, u32 size);
/// Writes `size` bytes (1..64) of Cpu::scratch to `va`, all or nothing; false when it faults or must be done
/// alone.
bool slow_store(Cpu& c, u64 va, u32 size);
/// Makes sure that slow_store of these bytes will not fault; false when it would (the fault is pending then).
bool probe_store(Cpu& c, u64 va, u32 size);
/// Makes `fault` pending; the caller then returns trap().
void raise(Cpu& c, const Fault& fault);

/// What trap() does with an instruction that could not complete: a TLB miss is resolved and the instruction
/// done again, anything else leaves the interpreter.
const Insn* resolve(Cpu& c, const Insn* i);

template <class T>
[[gnu::always_inline]] inline T get(const u8* p) {
  T v;
  std::memcpy(&v, p, sizeof v);
  return v;
}

template <class T>
[[gnu::always_inline]] inline void put(u8* p, T v) {
  std::memcpy(p, &v, sizeof v);
}

[[gnu::always_inline]] inline u8* missed(Cpu& c, u64 va, u32 size, Miss miss) {
  c.miss_address = va;
  c.miss_size = size;
  c.miss = miss;
  return nullptr;
}

/// Host address of `sizeof(T)` readable bytes at `va`, or nullptr: then return trap(c, i) without having
/// changed state, which resolves the miss and executes the instruction again.
template <class T>
[[gnu::always_inline]] inline const u8* load_ptr(Cpu& c, u64 va) {
  const TlbEntry& e = c.tlb->read[TlbBank::slot(va)];
  const u64 offset = va - e.page;
  if (offset <= kPageSize - sizeof(T)) [[likely]]
    return e.host + offset;
  return missed(c, va, sizeof(T), Miss::kLoad);
}

/// Host address of a read-modify-write operand, or nullptr as for load_ptr.
template <class T>
[[gnu::always_inline]] inline u8* modify_ptr(Cpu& c, u64 va) {
  const TlbEntry& e = c.tlb->write[TlbBank::slot(va)];
  const u64 offset = va - e.page;
  if (offset <= kPageSize - sizeof(T)) [[likely]]
    return e.host + offset;
  return missed(c, va, sizeof(T), Miss::kStore);
}

/// Stores `v` at `va`; false as for load_ptr.
template <class T>
[[gnu::always_inline]] inline bool store(Cpu& c, u64 va, T v) {
  u8* p = modify_ptr<T>(c, va);
  if (p == nullptr) [[unlikely]]
    return false;
  put<T>(p, v);
  return true;
}

/// Finishes a read-modify-write that modify_ptr began.
template <class T>
[[gnu::always_inline]] inline void modify_put(Cpu&, u64, u8* p, T v) {
  put<T>(p, v);
}

}  // namespace lastbranch::cpu
