// A platform of one's own: memory, and lastbranch's processor, last-branch records and counters. Its program
// sums 1 to 10 by calls; every 8th taken branch raises a PMI, whose handler counts it. See docs/tlm.md.
#include <array>
#include <cstdio>
#include <cstring>
#include <vector>

#include <tlm_utils/simple_target_socket.h>

#include "models/cpu/cpu_module.h"
#include "models/lbr/lbr_module.h"
#include "models/pmu/pmu_module.h"

using lastbranch::u64;
using lastbranch::u8;

/// 1 MiB from address 0; grants DMI.
struct Memory : sc_core::sc_module {
  tlm_utils::simple_target_socket<Memory> in{"in"};
  std::vector<u8> bytes = std::vector<u8>(1 << 20);

  explicit Memory(const sc_core::sc_module_name& name) : sc_module(name) {
    in.register_b_transport(this, &Memory::transport);
    in.register_get_direct_mem_ptr(this, &Memory::direct);
  }
  void transport(tlm::tlm_generic_payload& p, sc_core::sc_time&) {
    p.set_response_status(tlm::TLM_ADDRESS_ERROR_RESPONSE);  // nothing is beside the memory
  }
  bool direct(tlm::tlm_generic_payload&, tlm::tlm_dmi& dmi) {
    dmi.set_dmi_ptr(bytes.data());
    dmi.set_end_address(bytes.size() - 1);
    dmi.allow_read_write();
    return true;
  }
};

// At 1000H: switches the counters and the records on, works, and halts; at 1100H the handler of vector 40H.
constexpr u8 kProgram[] = {
    0xb9, 0x1b, 0x00, 0x00, 0x00, 0x0f, 0x32, 0x0d, 0x00, 0x0c, 0x00, 0x00, 0x0f, 0x30, 0xb9, 0x0f, 0x08,
    0x00, 0x00, 0x31, 0xd2, 0xb8, 0xff, 0x01, 0x00, 0x00, 0x0f, 0x30, 0xb9, 0x34, 0x08, 0x00, 0x00, 0xb8,
    0x40, 0x00, 0x00, 0x00, 0x0f, 0x30, 0xb9, 0xc1, 0x00, 0x00, 0x00, 0xb8, 0xf8, 0xff, 0xff, 0xff, 0x0f,
    0x30, 0xb9, 0x86, 0x01, 0x00, 0x00, 0xb8, 0xc4, 0x20, 0x52, 0x00, 0x0f, 0x30, 0xb9, 0x8d, 0x03, 0x00,
    0x00, 0xb8, 0x01, 0x00, 0x00, 0x00, 0x0f, 0x30, 0xb9, 0xd9, 0x01, 0x00, 0x00, 0xb8, 0x01, 0x08, 0x00,
    0x00, 0x0f, 0x30, 0xb9, 0x8f, 0x03, 0x00, 0x00, 0xb8, 0x01, 0x00, 0x00, 0x00, 0xba, 0x01, 0x00, 0x00,
    0x00, 0x0f, 0x30, 0xfb, 0x31, 0xdb, 0xbe, 0x0a, 0x00, 0x00, 0x00, 0xe8, 0x18, 0x00, 0x00, 0x00, 0xff,
    0xce, 0x75, 0xf7, 0xfa, 0xb9, 0x8f, 0x03, 0x00, 0x00, 0x31, 0xc0, 0x31, 0xd2, 0x0f, 0x30, 0xb9, 0xd9,
    0x01, 0x00, 0x00, 0x0f, 0x30, 0xf4, 0x48, 0x01, 0xf3, 0xc3};
constexpr u8 kHandler[] = {0x50, 0x51, 0x52, 0x49, 0xff, 0xc7, 0x31, 0xd2, 0xb9, 0xc1, 0x00, 0x00, 0x00,
                           0xb8, 0xf8, 0xff, 0xff, 0xff, 0x0f, 0x30, 0xb9, 0x90, 0x03, 0x00, 0x00, 0xb8,
                           0x01, 0x00, 0x00, 0x00, 0xba, 0x00, 0x00, 0x00, 0x0c, 0x0f, 0x30, 0x31, 0xd2,
                           0xb9, 0x34, 0x08, 0x00, 0x00, 0xb8, 0x40, 0x00, 0x00, 0x00, 0x0f, 0x30, 0xb9,
                           0x0b, 0x08, 0x00, 0x00, 0x31, 0xc0, 0x0f, 0x30, 0x5a, 0x59, 0x58, 0x48, 0xcf};

int sc_main(int, char*[]) {
  const lastbranch::cpu::Uarch& part = lastbranch::cpu::uarch("skylake");
  Memory memory("memory");
  lastbranch::cpu::CpuModule cpu("cpu", {.part = part});
  lastbranch::lbr::LbrModule lbr("lbr", part.lbr);
  lastbranch::pmu::PmuModule pmu("pmu", part.pmu);

  cpu.memory.bind(memory.in);
  cpu.msr.bind(lbr.msr);  // RDMSR and WRMSR
  cpu.msr.bind(pmu.msr);
  cpu.branches.bind(lbr.branches);  // what retires
  cpu.counts.bind(pmu.counts);
  cpu.counters.bind(pmu.counters);  // how far to run
  cpu.debug.bind(lbr.debug);
  pmu.debug.bind(lbr.debug);  // freezing
  pmu.pmi.bind(cpu.pmi);      // to the local APIC

  // Code, a stack, a GDT with a 64-bit code segment at selector 8, and an IDT entry.
  const auto put = [&](u64 address, const auto& data) {
    std::memcpy(&memory.bytes[address], &data, sizeof data);
  };
  put(0x1000, kProgram);
  put(0x1100, kHandler);
  put(0x2008, std::array<u64, 2>{0x00af'9b00'0000'ffff, 0x00cf'9300'0000'ffff});
  put(0x3000 + 16 * 0x40, u64{0x0000'8e00'0008'1100});
  lastbranch::cpu::Cpu& c = cpu.cpu();
  c.gdtr = {0x2000, 23};
  c.idtr = {0x3000, 0xfff};
  c.selector = {16, 8, 16, 16, 0, 0};
  c.rip = 0x1000;
  c.r[lastbranch::cpu::kRsp] = 0x8000;

  sc_core::sc_start();  // returns when the program halts and nothing is left to happen

  for (const auto& e : lbr.lbr().entries())
    std::printf("%#llx -> %#llx, %u cycles\n", 0ull + e.from, 0ull + e.to, unsigned{e.cycles});
  std::printf("taken branches to go: %llu\n", (1ull << 48) - pmu.msrs().read("IA32_PMC0"));
  std::printf("instructions: %llu\n", 0ull + pmu.msrs().read("IA32_FIXED_CTR0"));
  std::printf("sum: %llu, interrupts: %llu\n", 0ull + c.r[lastbranch::cpu::kRbx],
              0ull + c.r[lastbranch::cpu::kR15]);
  return cpu.halted() ? 0 : 1;
}
