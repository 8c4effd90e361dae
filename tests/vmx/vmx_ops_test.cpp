// How VMX instructions fail in VMX root operation: a case of every rule, and one that comes near.
#include <gtest/gtest.h>

#include "models/vmx/op_rules.h"
#include "tests/vmx/vmx_cases.h"
#include "tests/vmx/vmx_world.h"

namespace lastbranch::vmx::test {
namespace {

using How = VmxOutcome::How;
using Op = VmxOp;
using Setup = void (*)(World&);

constexpr u64 kOther = 0x5000;  // a page without a revision
constexpr u64 kBeyond = u64{1} << 39;

void nothing(World&) {}
void off(World& w) {
  w.vmx.execute(Op::kVmxoff, 0, 0);
}
void no_current(World& w) {
  w.vmx.execute(Op::kVmclear, kVmcsAt, 0);
}
void blocked(World& w) {
  w.processor.now.blocking = vmx_block::kMovSs;
}
void launched(World& w) {
  w.vmcs().set_launched(true);
}

struct OpCase {
  std::string_view rule;
  Op op;
  u64 operand;
  How how;
  u64 error;  ///< in the current VMCS; 0: none
  Setup setup = nothing;
  u64 near_operand = 0;
  Setup near_setup = nothing;
};

const OpCase kCases[] = {
    {"VMXON is not for VMX operation", Op::kVmxon, kVmxonAt, How::kFailValid, 15, nothing, kVmxonAt, off},
    {"VMXON needs the bits of CR0 and CR4 that VMX operation fixes", Op::kVmxon, kVmxonAt, How::kFault, 0,
     [](World& w) {
       off(w);
       w.processor.now.cr4 &= ~u64{0x2000};
     },
     kVmxonAt, off},
    {"VMXON needs IA32_FEATURE_CONTROL locked with VMX enabled", Op::kVmxon, kVmxonAt, How::kFault, 0,
     nothing, kVmxonAt, off},
    {"the VMXON region is a page of physical memory", Op::kVmxon, kVmxonAt + 8, How::kFailInvalid, 0, off,
     kVmxonAt, off},
    {"the VMXON region has this processor's revision", Op::kVmxon, kOther, How::kFailInvalid, 0, off,
     kVmxonAt, off},
    {"VMCLEAR's region is a page of physical memory", Op::kVmclear, kBeyond, How::kFailValid, 2, nothing,
     kOther},
    {"VMCLEAR is not for the VMXON region", Op::kVmclear, kVmxonAt, How::kFailValid, 3, nothing, kVmcsAt},
    {"VMPTRLD's region is a page of physical memory", Op::kVmptrld, kVmcsAt + 1, How::kFailValid, 9, nothing,
     kVmcsAt},
    {"VMPTRLD is not for the VMXON region", Op::kVmptrld, kVmxonAt, How::kFailValid, 10, nothing, kVmcsAt},
    {"VMPTRLD's region has this processor's revision", Op::kVmptrld, kOther, How::kFailValid, 11, nothing,
     kVmcsAt},
    {"VMREAD needs a current VMCS", Op::kVmread, 0x6800, How::kFailInvalid, 0, no_current, 0x6800},
    {"VMREAD's field is one that this part has", Op::kVmread, 0x6801, How::kFailValid, 12, nothing, 0x2803},
    {"VMWRITE needs a current VMCS", Op::kVmwrite, 0x6800, How::kFailInvalid, 0, no_current, 0x6800},
    {"VMWRITE's field is one that this part has", Op::kVmwrite, 0x100006800, How::kFailValid, 12, nothing,
     0x6800},
    {"VMWRITE is not for exit information", Op::kVmwrite, 0x4402, How::kFailValid, 13, nothing, 0x4002},
    {"VMLAUNCH needs a current VMCS", Op::kVmlaunch, 0, How::kFailInvalid, 0, no_current},
    {"VMLAUNCH is blocked behind MOV SS", Op::kVmlaunch, 0, How::kFailValid, 26, blocked},
    {"VMLAUNCH needs a clear VMCS", Op::kVmlaunch, 0, How::kFailValid, 4, launched},
    {"VMRESUME needs a current VMCS", Op::kVmresume, 0, How::kFailInvalid, 0, no_current, 0, launched},
    {"VMRESUME is blocked behind MOV SS", Op::kVmresume, 0, How::kFailValid, 26,
     [](World& w) {
       launched(w);
       blocked(w);
     },
     0, launched},
    {"VMRESUME needs a launched VMCS", Op::kVmresume, 0, How::kFailValid, 5, nothing, 0, launched},
};
constexpr std::string_view kFeatureRule = "VMXON needs IA32_FEATURE_CONTROL locked with VMX enabled";
constexpr std::string_view kVmcallRule = "VMCALL calls nobody in VMX root operation";

bool failed(const VmxOutcome& outcome) {
  return outcome.how != How::kSucceed && outcome.how != How::kMoved;
}

void fails(const OpCase& c) {
  World world;
  c.setup(world);
  const VmxOutcome outcome = world.vmx.execute(c.op, c.operand, 0);
  EXPECT_EQ(outcome.how, c.how);
  if (c.error != 0) {
    EXPECT_EQ(world.get(Field::kInstructionError), c.error);
  }
  EXPECT_EQ(world.vmx.decided_by(), c.rule);
}

/// A processor on which software has not enabled VMX.
void fails_without_feature_control() {
  PhysMem memory{kMemory};
  FakeMsrs fake;
  MsrBus msrs;
  FakeProcessor processor;
  msrs.attach(fake.rows, &fake);
  Vmx vmx(processor, memory, msrs, {.cr4 = 0x7ff});
  EXPECT_EQ(vmx.execute(Op::kVmxon, kVmxonAt, 0).how, How::kFault);
  EXPECT_EQ(vmx.decided_by(), kFeatureRule);
  EXPECT_FALSE(vmx.on());
}

}  // namespace

std::vector<RuleCase> op_cases() {
  std::vector<RuleCase> all;
  for (const OpCase& c : kCases) {
    all.push_back(
        {table::kOps, c.rule,
         c.rule == kFeatureRule ? std::function<void()>(fails_without_feature_control) : [&c] { fails(c); },
         [&c] {
           World world;
           c.near_setup(world);
           EXPECT_FALSE(failed(world.vmx.execute(c.op, c.near_operand, 0))) << world.vmx.decided_by();
         }});
  }
  all.push_back({table::kOps, kVmcallRule,
                 [] {
                   World world;
                   EXPECT_EQ(world.vmx.execute(Op::kVmcall, 0, 0).how, How::kFailValid);
                   EXPECT_EQ(world.get(Field::kInstructionError), 1u);
                 },
                 [] {
                   World world;
                   world.launch();
                   EXPECT_TRUE(world.vmx.instruction({.what = VmxSensitive::kVmx, .length = 3}).exited);
                   EXPECT_EQ(world.get(Field::kExitReason), 18u) << "in a guest it calls the hypervisor";
                 }});
  return all;
}

namespace {

TEST(VmxOps, fail_by_their_rule_and_nothing_near_does) {
  for (const RuleCase& c : op_cases()) {
    SCOPED_TRACE(std::string(c.rule));
    c.decides();
    c.does_not();
  }
}

TEST(VmxOps, fail_without_a_vmcs_to_hold_the_error) {
  World world;
  no_current(world);
  EXPECT_EQ(world.vmx.execute(Op::kVmptrld, kOther, 0).how, How::kFailInvalid);
  EXPECT_EQ(world.vmx.current(), kNoVmcs);
}

TEST(VmxOps, that_this_processor_has_not_are_undefined) {
  World world;
  for (const Op op : {Op::kInvept, Op::kInvvpid}) {
    const VmxOutcome outcome = world.vmx.execute(op, 0, 0);
    EXPECT_EQ(outcome.how, How::kFault);
    EXPECT_EQ(outcome.fault.vector, Vector::kUD);
  }
}

}  // namespace
}  // namespace lastbranch::vmx::test
