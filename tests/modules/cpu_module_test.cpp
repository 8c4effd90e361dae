// CpuModule on a platform of the test's: memory by DMI and transactions, ports, interrupts, batches.
#include "models/cpu/cpu_module.h"

#include <cstring>

#include <gtest/gtest.h>
#include <tlm_utils/simple_target_socket.h>

#include "sim/base/error.h"
#include "tests/modules/probe.h"

namespace lastbranch::cpu {
namespace {

constexpr u64 kBase = 0x40'0000, kSize = 0x1'0000;
constexpr u64 kDevice = 0x9000'0000;

/// RAM at kBase, and one register of 8 bytes at kDevice whose accesses take 50 ns.
class Memory final : public sc_core::sc_module {
 public:
  tlm_utils::simple_target_socket<Memory> in{"in"};
  std::vector<u8> bytes = std::vector<u8>(kSize);
  std::vector<u8> other = std::vector<u8>(kSize);
  std::vector<u8>* granted = &bytes;
  bool grants = true;
  unsigned asked = 0;
  u64 device = 0;
  bool swap_at_device_write = false;

  explicit Memory(const sc_core::sc_module_name& name) : sc_module(name) {
    in.register_b_transport(this, &Memory::transport);
    in.register_get_direct_mem_ptr(this, &Memory::direct);
  }
  void put(u64 address, std::initializer_list<int> code) {
    for (const int byte : code) bytes[address++ - kBase] = static_cast<u8>(byte);
  }

 private:
  void transport(tlm::tlm_generic_payload& p, sc_core::sc_time& delay) {
    if (p.get_address() != kDevice || p.get_data_length() > 8) {
      p.set_response_status(tlm::TLM_ADDRESS_ERROR_RESPONSE);
      return;
    }
    delay += sc_core::sc_time(50, sc_core::SC_NS);
    if (p.is_write()) std::memcpy(&device, p.get_data_ptr(), p.get_data_length());
    if (p.is_read()) std::memcpy(p.get_data_ptr(), &device, p.get_data_length());
    if (p.is_write() && swap_at_device_write) {
      granted = &other;
      in->invalidate_direct_mem_ptr(kBase, kBase + kSize - 1);
    }
    p.set_response_status(tlm::TLM_OK_RESPONSE);
  }
  bool direct(tlm::tlm_generic_payload&, tlm::tlm_dmi& dmi) {
    ++asked;
    dmi.set_start_address(kBase);
    dmi.set_end_address(kBase + kSize - 1);
    dmi.set_dmi_ptr(granted->data());
    dmi.allow_read_write();
    return grants;
  }
};

/// Takes whatever is written and gives the address back.
class Ports final : public sc_core::sc_module {
 public:
  tlm_utils::simple_target_socket<Ports> in{"in"};
  std::vector<std::pair<u64, u32>> written;
  explicit Ports(const sc_core::sc_module_name& name) : sc_module(name) {
    in.register_b_transport(this, &Ports::transport);
  }

 private:
  void transport(tlm::tlm_generic_payload& p, sc_core::sc_time&) {
    u32 value = static_cast<u32>(p.get_address());
    if (p.is_read()) std::memcpy(p.get_data_ptr(), &value, p.get_data_length());
    if (p.is_write()) {
      value = 0;
      std::memcpy(&value, p.get_data_ptr(), p.get_data_length());
      written.emplace_back(p.get_address(), value);
    }
    p.set_response_status(tlm::TLM_OK_RESPONSE);
  }
};

/// Keeps every batch.
class Sink final : public sc_core::sc_module {
 public:
  tlm_utils::simple_target_socket<Sink> branches_in{"branches_in"}, counts_in{"counts_in"};
  std::vector<RetiredBranch> branches;
  Ledger ledger;
  std::vector<u64> singles;
  explicit Sink(const sc_core::sc_module_name& name) : sc_module(name) {
    branches_in.register_b_transport(this, &Sink::take_branches);
    counts_in.register_b_transport(this, &Sink::take_counts);
  }

 private:
  void take_branches(tlm::tlm_generic_payload& p, sc_core::sc_time&) {
    kernel::serve_batch<RetiredBranch>(p, [this](const RetiredBranch& b) { branches.push_back(b); });
  }
  void take_counts(tlm::tlm_generic_payload& p, sc_core::sc_time&) {
    kernel::serve_batch<kernel::FactCount>(p, [this](const kernel::FactCount& f) {
      ledger.enter(f.context);
      ledger.add(f.fact, f.count);
    });
    if (p.get_address() != 0) singles.push_back(p.get_address());
  }
};

/// Raises a line at a time.
class Pulse final : public sc_core::sc_module {
 public:
  sc_core::sc_port<kernel::InterruptTarget> line{"line"};
  SC_HAS_PROCESS(Pulse);
  Pulse(const sc_core::sc_module_name& name, const sc_core::sc_time& at) : sc_module(name), at_(at) {
    SC_THREAD(run);
  }

 private:
  void run() {
    wait(at_);
    line->set(true);
  }
  sc_core::sc_time at_;
};

struct Modules {
  Memory memory{"memory"};
  CpuModule cpu{"cpu"};
  Ports ports{"ports"};
  Sink sink{"sink"};
  Pulse pulse{"pulse", sc_core::sc_time(5, sc_core::SC_US)};
  Modules() {
    cpu.memory.bind(memory.in);
    cpu.ports.bind(ports.in);
    cpu.branches.bind(sink.branches_in);
    cpu.counts.bind(sink.counts_in);
    pulse.line.bind(cpu.lint0);
    cpu.cpu().rip = kBase;
    cpu.cpu().r[kRsp] = kBase + kSize;
    cpu.cpu().selector = {16, 8, 16, 16, 0, 0};
  }
};

TEST(CpuModule, runs_from_granted_memory_and_tells_what_retired) {
  test::Platform<Modules> p;
  // mov ecx, 1000; 1: dec ecx; jnz 1b; hlt
  p->memory.put(kBase, {0xb9, 0xe8, 0x03, 0, 0, 0xff, 0xc9, 0x75, 0xfc, 0xf4});
  p.context.run();

  EXPECT_TRUE(p->cpu.halted());
  EXPECT_EQ(p->memory.asked, 1u);
  ASSERT_EQ(p->sink.branches.size(), 999u) << "batches are of any length";
  EXPECT_EQ(p->sink.branches[0].from, kBase + 7);
  EXPECT_EQ(p->sink.branches[0].to, kBase + 5);
  EXPECT_EQ(p->sink.branches[998].time - p->sink.branches[0].time, 998u * 2);
  EXPECT_EQ(p->sink.ledger.total(Ev::kInstructions, Ctx::kHostKernel), 2002u);
  EXPECT_EQ(p->sink.ledger.total(Ev::kTakenBranches), 999u);
  EXPECT_EQ(p->sink.ledger.total(Ev::kCycles), 2002u);
}

TEST(CpuModule, other_addresses_are_transactions_and_cost_their_latency) {
  test::Platform<Modules> p;
  // mov rdx, kDevice; mov rax, [rdx]; inc rax; mov [rdx], rax; out 0x42, eax; in al, 0x17; hlt
  p->memory.device = 41;
  p->memory.put(kBase, {0x48, 0xba, 0,    0,    0,    0x90, 0,    0,    0,    0,    0x48, 0x8b,
                        0x02, 0x48, 0xff, 0xc0, 0x48, 0x89, 0x02, 0xe7, 0x42, 0xe4, 0x17, 0xf4});
  p.context.run();

  EXPECT_EQ(p->memory.device, 42u);
  ASSERT_EQ(p->ports.written.size(), 1u);
  EXPECT_EQ(p->ports.written[0], (std::pair<u64, u32>{0x42, 42}));
  EXPECT_EQ(p->cpu.cpu().r[kRax], 0x17u);
  const u64 cycles_of_100_ns = uarch(kDefaultUarch).frequency_hz / 10'000'000;
  EXPECT_GE(p->cpu.cycles(), 7 + cycles_of_100_ns);
}

TEST(CpuModule, an_interrupt_wakes_a_halted_processor_at_its_time) {
  test::Platform<Modules> p;
  // x2APIC: enable, LINT0 fixed with vector 40H; sti; hlt; then the handler: mov ebx, 7; rdtsc; hlt
  p->memory.put(kBase, {0xb9, 0x1b, 0, 0, 0, 0x0f, 0x32, 0x0d, 0,    0x0c, 0,    0,    0x0f, 0x30,    // 1BH
                        0xb9, 0x0f, 8, 0, 0, 0x31, 0xd2, 0xb8, 0xff, 1,    0,    0,    0x0f, 0x30,    // 80FH
                        0xb9, 0x35, 8, 0, 0, 0xb8, 0x40, 0,    0,    0,    0x0f, 0x30, 0xfb, 0xf4});  // 835H
  p->memory.put(kBase + 0x100, {0xbb, 7, 0, 0, 0, 0x0f, 0x31, 0xf4});
  const u64 gdt[] = {0, 0x00af'9b00'0000'ffff, 0x00cf'9300'0000'ffff};
  std::memcpy(&p->memory.bytes[0x2000], gdt, sizeof gdt);
  const u64 gate = 0x0040'8e00'0008'0100;
  std::memcpy(&p->memory.bytes[0x3000 + 16 * 0x40], &gate, sizeof gate);
  p->cpu.cpu().gdtr = {kBase + 0x2000, 23};
  p->cpu.cpu().idtr = {kBase + 0x3000, 0xfff};
  p.context.run();

  EXPECT_EQ(p->cpu.cpu().r[kRbx], 7u);
  const u64 cycles_of_5_us = uarch(kDefaultUarch).frequency_hz / 200'000;
  EXPECT_NEAR(static_cast<double>(p->cpu.cpu().r[kRax]), static_cast<double>(cycles_of_5_us), 5.0);
  ASSERT_EQ(p->sink.branches.size(), 1u);
  EXPECT_EQ(p->sink.branches[0].kind, BranchKind::kInterrupt);
  EXPECT_EQ(p->sink.branches[0].to, kBase + 0x100);
}

TEST(CpuModule, withdrawn_memory_is_asked_for_again_and_code_read_anew) {
  test::Platform<Modules> p;
  // mov rdx, kDevice; mov [rdx], rax; mov bl, 1; hlt - in the other memory: mov bl, 2
  const std::initializer_list<int> code = {0x48, 0xba, 0,    0,    0,    0x90, 0, 0,
                                           0,    0,    0x48, 0x89, 0x02, 0xb3, 1, 0xf4};
  p->memory.put(kBase, code);
  p->memory.other = p->memory.bytes;
  p->memory.other[14] = 2;
  p->memory.swap_at_device_write = true;
  p.context.run();

  EXPECT_EQ(p->memory.asked, 2u);
  EXPECT_EQ(p->cpu.cpu().r[kRbx], 2u);
}

TEST(CpuModule, a_register_that_nobody_has_is_a_general_protection_fault) {
  test::Platform<Modules> p;
  p->memory.put(kBase, {0xb9, 0x86, 1, 0, 0, 0x0f, 0x30, 0xf4});  // wrmsr of 186H, without an IDT
  p.context.run();

  EXPECT_TRUE(p->cpu.shut_down());
  EXPECT_EQ(p->cpu.cpu().rip, kBase + 5);
}

TEST(CpuModule, memory_without_direct_access_is_refused_with_a_reason) {
  test::Platform<Modules> p;
  p->memory.grants = false;
  try {
    p.context.run();
    FAIL() << "no error";
  } catch (const sc_core::sc_report& report) {
    EXPECT_NE(std::string(report.what()).find("expected direct memory access"), std::string::npos)
        << report.what();
  }
}

TEST(CpuModule, bad_configuration_is_refused) {
  kernel::SimContext context;
  const kernel::SimContext::Scope scope(context);
  EXPECT_THROW(CpuModule("cpu", {.quantum = 0}), Error);
}

}  // namespace
}  // namespace lastbranch::cpu
