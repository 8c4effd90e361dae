// What a program at CPL 0 sees: each test runs guest programs, which check for themselves and exit with the
// number of the check that failed.
#include <gtest/gtest.h>

#include "tests/bare/guests.h"

namespace lastbranch::test {
namespace {

using How = BareOutcome::How;

/// The program passes all its checks on this part.
void expect_pass(const std::string& program, const std::string& uarch = "skylake") {
  const GuestRun r = run_guest({.uarch = uarch, .image = guest(program + ".elf")});
  EXPECT_EQ(static_cast<int>(r.outcome.how), static_cast<int>(How::kExited)) << program << ": " << r.trouble;
  EXPECT_EQ(r.outcome.status, 0) << program << " on " << uarch << ": " << r.trouble;
}

// Rows: lbr-6-jcc, lbr-6-jmp, lbr-6-ind-jmp, lbr-6-call, lbr-6-ind-call, lbr-6-ret, lbr-6-not-taken
TEST(BareLbr, records_near_branches) {
  expect_pass("lbr_near");
}
// Rows: lbr-6-fault, lbr-6-sysret
TEST(BareLbr, records_faults_from_the_faulting_instruction) {
  expect_pass("lbr_fault");
}
// Rows: lbr-6-int-n
TEST(BareLbr, records_soft_interrupts_from_the_instruction_itself) {
  expect_pass("lbr_soft_int");
}
// Rows: lbr-6-interrupt
TEST(BareLbr, records_an_external_interrupt_from_the_next_instruction) {
  expect_pass("lbr_timer");
}
// Rows: lbr-6-interrupt-after-branch
TEST(BareLbr, records_a_branch_and_the_interrupt_behind_it) {
  expect_pass("lbr_interrupt_after_branch");
}
// The only trap that a branch can raise here is #DB, which is no record: the nearest is a fault right behind
// one. Rows: lbr-6-trap-after-branch
TEST(BareLbr, records_a_branch_and_the_fault_of_its_target) {
  expect_pass("lbr_fault_after_branch");
}
// Rows: lbr-6-interrupt
TEST(BareLbr, records_an_nmi_from_the_next_instruction) {
  expect_pass("lbr_nmi");
}
// Rows: lbr-6-syscall, lbr-6-sysret, lbr-6-int-n, lbr-6-fault
TEST(BareLbr, records_privilege_changes) {
  expect_pass("lbr_syscall");
}
// Rows: lbr-6-far
TEST(BareLbr, records_far_transfers) {
  expect_pass("lbr_far");
}
// Rows: lbr-6-db, lbr-8-lbr, lbr-8-tr
TEST(BareLbr, leaves_a_debug_exception_out_and_switches_itself_off) {
  expect_pass("lbr_debug_exception");
}
// Rows: lbr-4-cpl-eq-0, lbr-4-cpl-neq-0, lbr-4-cpl-destination
TEST(BareLbr, filters_by_the_privilege_of_the_destination) {
  expect_pass("lbr_select_cpl");
}
// Rows: lbr-6-rep, lbr-6-fault
TEST(BareLbr, records_a_string_instruction_once_when_it_is_left) {
  expect_pass("lbr_rep");
}
// Rows: lbr-6-serialising, lbr-6-not-taken
TEST(BareLbr, records_nothing_for_what_is_no_taken_branch) {
  expect_pass("lbr_nothing");
}
TEST(BareLbr, records_the_same_on_every_part_with_a_ring_of_that_shape) {
  struct Part {
    const char* name;
    const char* depth;
  };
  for (const Part& part :
       {Part{"nehalem", "_16"}, Part{"westmere", "_16"}, Part{"sandybridge", "_16"}, Part{"ivybridge", "_16"},
        Part{"haswell", "_16"}, Part{"broadwell", "_16"}, Part{"goldmont", ""}, Part{"goldmontplus", ""},
        Part{"tremont", ""}, Part{"skx", ""}, Part{"cascadelake", ""}, Part{"icelake", ""}, Part{"icx", ""},
        Part{"rocketlake", ""}}) {
    for (const char* program :
         {"lbr_near", "lbr_fault", "lbr_soft_int", "lbr_timer", "lbr_interrupt_after_branch",
          "lbr_fault_after_branch", "lbr_nmi", "lbr_syscall", "lbr_far", "lbr_debug_exception",
          "lbr_select_cpl", "lbr_rep", "lbr_nothing"}) {
      expect_pass(std::string(program) + part.depth, part.name);
    }
  }
}
// Rows: lbr-2-arch-ctl, lbr-2-arch-depth, lbr-2-arch-from, lbr-2-arch-to, lbr-2-arch-info, lbr-6-far-set
TEST(BareLbr, has_architectural_records_with_kinds) {
  expect_pass("arch_lbr", "sapphirerapids");
}
TEST(BareDebug, steps_over_single_instructions) {
  expect_pass("single_step");
}
// Rows: lbr-8-btf
TEST(BareDebug, steps_from_branch_to_branch) {
  expect_pass("btf");
}

// Rows: pmu-4-inst-retired
TEST(BarePmu, counts_between_two_writes_of_global_ctrl) {
  expect_pass("pmu_count");
}
// Rows: pmu-4-pmi-request, pmu-4-auto-mask, pmu-4-overflow, pmu-4-arming
TEST(BarePmu, interrupts_with_a_fixed_vector) {
  expect_pass("pmu_pmi_fixed");
}
// Rows: pmu-4-pmi-request, pmu-4-auto-mask
TEST(BarePmu, interrupts_with_an_nmi) {
  expect_pass("pmu_pmi_nmi");
}
// Rows: lbr-8-freeze-lbr-legacy, lbr-8-freeze-perfmon, pmu-4-freeze-legacy, pmu-4-freeze
TEST(BarePmu, freezes_by_clearing_enables_before_version_4) {
  expect_pass("freeze_legacy", "haswell");
}
// Rows: lbr-8-freeze-lbr-streamlined, lbr-8-freeze-perfmon, pmu-4-freeze
TEST(BarePmu, freezes_by_status_bits_since_version_4) {
  expect_pass("freeze_streamlined");
}
// Rows: pmu-3-access, pmu-3-ecx, pmu-3-result
TEST(BarePmu, reads_counters_by_rdpmc_where_allowed) {
  expect_pass("rdpmc");
}
// Rows: pmu-4-inst-retired
TEST(BarePmu, counts_what_retires) {
  expect_pass("pmu_inst_retired");
}
TEST(BarePmu, refuses_bad_accesses_of_its_registers) {
  expect_pass("msr_faults");
}
// Rows: lbr-8-bts, lbr-8-btint, lbr-8-bts-record, pebs-5-pointers, pebs-5-bts-record
TEST(BareDs, stores_branches_until_the_threshold) {
  expect_pass("bts");
}
// Rows: lbr-8-btint, pebs-5-bts-circular
TEST(BareDs, stores_branches_into_a_ring) {
  expect_pass("bts_circular");
}
// Rows: lbr-8-bts-off, lbr-8-bts-record
TEST(BareDs, stores_branches_by_privilege) {
  expect_pass("bts_cpl");
}
// Rows: pebs-6.1-arm, pebs-6.1-next-occurrence, pebs-6.1-clears-status, pebs-6.1-reloads,
// pebs-6.1-bumps-index, pebs-6.1-threshold Rows: pebs-6.1-trap-like, pebs-6.1-eventing-ip,
// pebs-5-reset-slots, pebs-6.2-fmt3
TEST(BareDs, writes_pebs_records) {
  expect_pass("pebs");
}
// Rows: lbr-8-freeze-triggers, lbr-8-freeze-lbr-streamlined
TEST(BareDs, freezes_when_the_branch_buffer_is_full) {
  expect_pass("freeze_bts");
}
// Rows: lbr-8-pebs-bts-order, lbr-8-freeze-triggers
TEST(BareDs, fills_both_buffers_before_the_interrupt) {
  expect_pass("pebs_bts");
}

// Rows: pmu-4-cycles
TEST(BareApic, wakes_a_halted_processor_by_its_timer) {
  expect_pass("hlt_timer");
}
TEST(BareApic, fires_at_a_tsc_deadline) {
  expect_pass("tsc_deadline");
}
TEST(BareApic, delivers_by_priority) {
  expect_pass("apic_priority");
}
TEST(BareApic, is_reached_through_its_page) {
  expect_pass("xapic");
}

TEST(BareMachine, starts_an_image_as_documented) {
  for (const char* image : {"hello.elf", "hello.bin"}) {
    const GuestRun r = run_guest({.image = guest(image)});
    EXPECT_EQ(r.outcome.how, How::kExited) << image << ": " << r.trouble;
    EXPECT_EQ(r.outcome.exit_code(), 42) << image << ": " << r.trouble;
    EXPECT_EQ(r.output, "hello, bare world\n") << image;
  }
}

TEST(BareMachine, ends_with_a_triple_fault) {
  const GuestRun r = run_guest({.image = guest("triple_fault.elf")});
  EXPECT_EQ(r.outcome.how, How::kShutdown);
  EXPECT_EQ(r.outcome.exit_code(), 125);
  EXPECT_NE(r.trouble.find("#UD"), std::string::npos) << r.trouble;
}

TEST(BareMachine, ends_when_halted_for_ever) {
  const GuestRun r = run_guest({.image = guest("halt_forever.elf")});
  EXPECT_EQ(r.outcome.how, How::kHalted);
  EXPECT_EQ(r.outcome.exit_code(), 124);
}

TEST(BareMachine, stops_at_exactly_the_limit_and_goes_on) {
  BareMachine machine({.image = guest("endless.elf"), .quantum = 1000});
  for (const u64 n : {u64{1}, u64{17}, u64{999}, u64{123'456}}) {
    const u64 before = machine.instructions();
    EXPECT_EQ(machine.run(n).how, How::kLimit);
    EXPECT_EQ(machine.instructions() - before, n);
  }
}

TEST(BareMachine, gives_the_same_run_with_any_quantum) {
  for (const char* image : {"lbr_timer.elf", "hlt_timer.elf", "apic_priority.elf", "xapic.elf", "bts.elf"}) {
    std::vector<std::pair<u64, u64>> ends;
    for (const u64 quantum : {u64{1}, u64{7}, u64{1000}, u64{1'000'000}}) {
      BareMachine machine({.image = guest(image), .quantum = quantum});
      EXPECT_EQ(machine.run(kGuestLimit).exit_code(), 0) << image;
      ends.emplace_back(machine.instructions(), machine.cycles());
    }
    for (const auto& end : ends) EXPECT_EQ(end, ends[0]) << image;
  }
}

TEST(BareMachine, names_what_nobody_has) {
  BareMachine machine({.image = guest("unmodelled.elf")});
  EXPECT_EQ(machine.run(kGuestLimit).exit_code(), 3);
  std::string all;
  for (const std::string& line : machine.unmodelled()) all += line + "\n";
  EXPECT_NE(all.find("port 0x80, 2 accesses"), std::string::npos) << all;
  EXPECT_NE(all.find("MSR 0x12345, 1 access"), std::string::npos) << all;
  EXPECT_NE(all.find("event select 0xeeee"), std::string::npos) << all;
}

}  // namespace
}  // namespace lastbranch::test
