#include "tests/cpu/system_machine.h"

#include <ostream>

namespace lastbranch::cpu {
namespace {

constexpr u64 kLong = u64{1} << 53, kDefault32 = u64{1} << 54, kPresent = u64{1} << 47;

constexpr u64 segment(unsigned type, unsigned dpl, u64 flags = 0, u64 base = 0, u64 limit = 0xfffff) {
  return (limit & 0xffff) | (base & 0xffffff) << 16 | u64{type} << 40 | u64{1} << 44 | u64{dpl} << 45 |
         (limit >> 16 & 0xf) << 48 | u64{1} << 55 | (base >> 24 & 0xff) << 56 | flags;
}
constexpr u64 system_segment(unsigned type, u64 base, u64 limit, u64 flags) {
  return (limit & 0xffff) | (base & 0xffffff) << 16 | u64{type} << 40 | (limit >> 16 & 0xf) << 48 |
         (base >> 24 & 0xff) << 56 | flags;
}

}  // namespace

SupervisorMachine::SupervisorMachine()
    : system(c, log, {.ports = &ports, .debug = &debug, .events = &debug}) {
  c.msrs = &msrs;
  msrs.attach(system_msrs(), &c);
  constexpr unsigned kCodeType = 10, kDataType = 2;
  set_descriptor(kKernelCode, segment(kCodeType, 0, kPresent | kLong));
  set_descriptor(kKernelData, segment(kDataType, 0, kPresent));
  set_descriptor(kUserData, segment(kDataType, 3, kPresent));
  set_descriptor(kUserCode, segment(kCodeType, 3, kPresent | kLong));
  set_descriptor(kTss, system_segment(9, kTssAt, kTssLimit, kPresent));
  set_descriptor(kAbsentCode, segment(kCodeType, 0, kLong));
  set_descriptor(kConformingCode, segment(14, 0, kPresent | kLong));
  set_descriptor(kAbsentData, segment(kDataType, 0));
  set_descriptor(kCode32, segment(kCodeType, 0, kPresent | kDefault32));
  set_descriptor(kLdt, system_segment(2, kLdtAt, 15, kPresent));
  set_descriptor(kCallGateSelector, u64{12} << 40 | kPresent | u64{kKernelCode} << 16);
  set_descriptor(kBasedData, segment(kDataType, 3, kPresent, kDataBase));
  set_descriptor(kExecuteOnly, segment(8, 0, kPresent | kLong));
  set_descriptor(kAbsentTss, system_segment(9, kTssAt, kTssLimit, 0));
  set_descriptor(kReadOnlyData, segment(0, 0, kPresent));
  poke<u64>(kLdtAt + 8, segment(kDataType, 0, kPresent, kDataBase));  // selector 0x0c
  c.gdtr = {kGdtAt, 0xff};

  for (unsigned v = 0; v < 256; ++v) {
    set_gate(v, kKernelCode, handler(v));
    poke<u8>(handler(v), 0xf4);
  }
  c.idtr = {kIdtAt, 0xfff};

  poke<u64>(kTssAt + 4, kRsp0);
  poke<u64>(kTssAt + 36, kIst1);
  poke<u16>(kTssAt + 102, 0x68);
  for (unsigned k = 0; k < 33; ++k) poke<u8>(kTssAt + 0x68 + k, 0xff);
  c.tr = {kTss, kTssAt, kTssLimit};

  c.selector[kCs] = kKernelCode;
  c.selector[kSs] = kKernelData;
  c.r[kRsp] = kKernelStack;
}

void SupervisorMachine::load(const std::vector<u8>& bytes, u64 at) {
  std::memcpy(memory.host(at), bytes.data(), bytes.size());
  forget_code(c, at, bytes.size());
  c.rip = at;
}

System::Next SupervisorMachine::step() {
  return system.serve(core.run(1).why);
}

System::Next SupervisorMachine::run(unsigned most) {
  System::Next next = system.state();
  for (unsigned n = 0; n < most && next == System::Next::kRun; ++n) next = system.serve(core.run(100).why);
  return next;
}

void SupervisorMachine::enter_user() {
  core.fold();
  set_cpl(c, 3);
  c.selector[kCs] = kUserCode;
  c.selector[kSs] = kUserData;
  c.segment_dpl[kSs] = 3;
  c.r[kRsp] = kUserStack;
  c.rip = kUserCodeAt;
}

void SupervisorMachine::set_descriptor(u16 selector, u64 low) {
  poke<u64>(kGdtAt + (selector & ~7u), low);
}

void SupervisorMachine::set_gate(unsigned vector, u16 selector, u64 offset, unsigned type, unsigned dpl,
                                 unsigned ist, bool present) {
  const u64 at = kIdtAt + 16 * u64{vector};
  poke<u64>(at, (offset & 0xffff) | u64{selector} << 16 | u64{ist} << 32 | u64{type} << 40 | u64{dpl} << 45 |
                    u64{present} << 47 | (offset >> 16 & 0xffff) << 48);
  poke<u64>(at + 8, offset >> 32);
}

std::ostream& operator<<(std::ostream& out, const Raised& r) {
  if (r.vector < 0) return out << "completed";
  return out << "vector " << r.vector << ", error " << r.error;
}

Raised step_and_tell(SupervisorMachine& m) {
  const u64 before = m.c.retired();
  m.step();
  const u64 rip = m.c.rip;
  if (m.c.retired() != before || rip < handler(0) || rip >= handler(256)) return {};
  const int vector = static_cast<int>((rip - handler(0)) / 16);
  const bool has_error = vector == 8 || (vector >= 10 && vector <= 14) || vector == 17;
  return {vector, has_error ? m.frame(0) : 0};
}

}  // namespace lastbranch::cpu
