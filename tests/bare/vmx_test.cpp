// VMX as a hypervisor at CPL 0 meets it: each test runs a program that checks for itself, see
// guest/vmx_common.inc.
#include <gtest/gtest.h>

#include "tests/bare/guests.h"

namespace lastbranch::test {
namespace {

using How = BareOutcome::How;

void expect_pass(const std::string& program, const std::string& uarch = "skylake") {
  BareConfig config{.uarch = uarch, .image = guest(program + ".elf")};
  config.vmx = true;
  const GuestRun r = run_guest(std::move(config));
  EXPECT_EQ(static_cast<int>(r.outcome.how), static_cast<int>(How::kExited)) << program << ": " << r.trouble;
  EXPECT_EQ(r.outcome.status, 0) << program << " on " << uarch << ": " << r.trouble;
}

// Rows: lbr-6-vm-exit, lbr-9-q20
TEST(BareVmx, gives_a_guest_records_of_its_own) {
  expect_pass("vmx_lbr");
}
// Rows: lbr-6-vm-exit
TEST(BareVmx, lets_a_guest_reach_its_records_by_msr_bitmap) {
  expect_pass("vmx_msr_bitmap");
}
TEST(BareVmx, loads_and_stores_msr_lists) {
  expect_pass("vmx_msr_lists");
}
// Rows: lbr-6-vm-entry
TEST(BareVmx, records_an_injected_event_even_a_debug_exception) {
  expect_pass("vmx_injection");
}
// Rows: pmu-4-vm
TEST(BareVmx, changes_global_ctrl_with_the_world) {
  expect_pass("vmx_perf_global_ctrl");
}
// Rows: lbr-2-vmx
TEST(BareVmx, loads_and_clears_the_control_of_architectural_records) {
  expect_pass("vmx_lbr_ctl", "sapphirerapids");
}
TEST(BareVmx, leaves_the_guest_by_exception_bitmap) {
  expect_pass("vmx_exceptions");
}
TEST(BareVmx, leaves_the_guest_for_interrupts_and_windows) {
  expect_pass("vmx_interrupts");
}
// Rows: pmu-3-vmx
TEST(BareVmx, leaves_the_guest_for_registers_and_ports) {
  expect_pass("vmx_registers");
}
TEST(BareVmx, refuses_what_the_manual_refuses) {
  expect_pass("vmx_failures");
}

TEST(BareVmx, does_the_same_on_every_part_with_a_ring_of_that_shape) {
  for (const char* part : {"goldmont", "skx", "cascadelake", "icelake", "icx"}) {
    for (const char* program :
         {"vmx_lbr", "vmx_msr_bitmap", "vmx_msr_lists", "vmx_injection", "vmx_perf_global_ctrl",
          "vmx_exceptions", "vmx_interrupts", "vmx_registers", "vmx_failures"}) {
      expect_pass(program, part);
    }
  }
}

/// What a guest executes counts as a guest's: 20 NOPs before the CPUID that exits, 20 behind it.
TEST(BareVmx, counts_the_guest_apart_from_the_host) {
  BareConfig config{.image = guest("vmx_perf_global_ctrl.elf")};
  config.vmx = true;
  BareMachine machine(std::move(config));
  ASSERT_EQ(machine.run(kGuestLimit).exit_code(), 0);
  const Ledger& ledger = machine.processor().ledger;
  EXPECT_EQ(ledger.total(Ev::kInstructions, Ctx::kGuestKernel), 40u);
  EXPECT_EQ(ledger.total(Ev::kInstructions, Ctx::kGuestUser), 0u);
  EXPECT_EQ(ledger.total(Ev::kInstructions), machine.instructions());
  EXPECT_GT(ledger.total(Ev::kInstructions, Ctx::kHostKernel), 100u);
}

/// Where a part would record VM entries and exits; the manual does not say that any does.
TEST(BareVmx, records_entries_and_exits_if_told_to) {
  for (const bool records : {false, true}) {
    BareConfig config{.image = guest("vmx_lbr.elf")};
    config.vmx = true;
    config.vmx_options.record_exit = records;
    BareMachine machine(std::move(config));
    // Its check 11 is that the newest record is the guest's last branch.
    EXPECT_EQ(machine.run(kGuestLimit).status, records ? 11 : 0);
  }
}

TEST(BareVmx, is_there_only_where_the_machine_has_it) {
  const GuestRun r = run_guest({.image = guest("vmx_failures.elf")});
  EXPECT_EQ(r.outcome.how, How::kExited);
  EXPECT_EQ(r.outcome.status, 1) << "CPUID.1:ECX[5]: " << r.trouble;
}

}  // namespace
}  // namespace lastbranch::test
