// x87 against the host: every mnemonic in every shape, with masked, unmasked and pending exceptions, all
// precision and rounding controls, any occupancy of the stack.
#include <memory>

#include <gtest/gtest.h>

#include "models/cpu/exec/exec.h"
#include "models/cpu/exec/rows.h"
#include "tests/cpu/x87_rows.h"

namespace lastbranch::host {
namespace {

constexpr u16 kPending = 0x80;
constexpr u16 kCodes = 0x4700;
constexpr u64 kStatusFlags = 0x8d5;
constexpr unsigned kCount = 250;
constexpr unsigned kFailuresShown = 3;

using Prepare = void (*)(Image&, Rng&);

/// What follows the instruction: a waiting one, which finds what is pending.
constexpr u8 kFnop[] = {0xd9, 0xd0};

struct Runs {
  Instance instance;
  Outcome native, simulated;
  unsigned count = 0;
};

/// Runs both; true when they agree. With an exception pending FIP and FOP count as well, and FDP if `memory`.
bool agree(Runs& runs, Ignore ignore, bool compares, bool memory, bool area) {
  static SimCpu observed(true);
  SimCpu& sim = runs.count++ % 8 == 0 ? observed : simulated();
  NativeCpu::instance().run(runs.instance.before, runs.native);
  sim.run(runs.instance.before, runs.simulated);
  Regs& n = runs.native.after.regs;
  // Which byte of a large area CR2 names is the processor's business, its page is not.
  u64& address = runs.native.fault.address;
  if (area && (address ^ runs.simulated.fault.address) < kPageSize) address = runs.simulated.fault.address;
  if ((n.fsw & kPending) != 0 && (runs.instance.before.regs.fsw & kPending) == 0) {
    // With unmasked exceptions the manual leaves codes and flags alone; processors differ.
    if (compares) ignore.fsw |= kCodes, ignore.flags |= kStatusFlags;
    ignore.x87_pointers = false;
    if (!memory) n.fdp = runs.simulated.after.regs.fdp;
  }
  const std::string text = differences(runs.native, runs.simulated, ignore);
  if (text.empty()) return true;
  const Regs& b = runs.instance.before.regs;
  ADD_FAILURE() << disassemble(runs.instance.code, kEntry) << text << std::hex << "before: fcw " << b.fcw
                << " fsw " << b.fsw << " valid " << unsigned{b.valid};
  return false;
}

void check_x87(std::span<const Row> rows, Prepare prepare, bool compares = false) {
  const auto runs = std::make_unique<Runs>();
  for (Row row : rows) {
    SCOPED_TRACE(row.mnemonic);
    row.options.prepare = prepare;
    Generator generator(cpu::form_id(std::string(row.mnemonic).c_str()));
    unsigned failures = 0;
    for (const Form& form : expand(row.forms)) {
      const bool memory = !form.empty() && form[0].type == Wanted::Type::kMem;
      for (unsigned k = 0; k < kCount && failures < kFailuresShown; ++k) {
        generator.make(row, form, runs->instance);
        runs->instance.before.put_code(kFnop, sizeof kFnop, kEntry + runs->instance.code.size());
        if (!agree(*runs, row.options.ignore, compares, memory, false)) ++failures;
      }
    }
  }
}

void check_x87_bytes(Prepare prepare) {
  const auto runs = std::make_unique<Runs>();
  for (const BytesRow& row : x87_bytes()) {
    SCOPED_TRACE(row.name);
    Generator generator(cpu::form_id(row.name.c_str()));
    unsigned failures = 0;
    for (unsigned k = 0; k < kCount && failures < kFailuresShown; ++k) {
      Image& before = runs->instance.before;
      runs->instance.code = row.code;
      generator.randomize(before, row.options);
      prepare(before, generator.rng);
      if (row.options.prepare != nullptr) row.options.prepare(before, generator.rng);
      before.put_code(row.code.data(), row.code.size());
      before.put_code(kFnop, sizeof kFnop, kEntry + row.code.size());
      if (!agree(*runs, row.options.ignore, row.name.starts_with("fcom"), false, true)) ++failures;
    }
  }
}

TEST(X87Host, values_agree_when_exceptions_are_masked) {
  check_x87(x87_value_rows(), x87_masked);
}
TEST(X87Host, values_agree_when_exceptions_are_unmasked) {
  check_x87(x87_value_rows(), x87_unmasked);
}
TEST(X87Host, comparisons_agree_when_exceptions_are_masked) {
  check_x87(x87_compare_rows(), x87_masked, true);
}
TEST(X87Host, comparisons_agree_when_exceptions_are_unmasked) {
  check_x87(x87_compare_rows(), x87_unmasked, true);
}
TEST(X87Host, control_agrees_when_exceptions_are_masked) {
  check_x87(x87_control_rows(), x87_masked);
}
TEST(X87Host, control_agrees_when_exceptions_are_unmasked) {
  check_x87(x87_control_rows(), x87_unmasked);
}
TEST(X87Host, images_and_odd_encodings_agree_when_exceptions_are_masked) {
  check_x87_bytes(x87_masked);
}
TEST(X87Host, images_and_odd_encodings_agree_when_exceptions_are_unmasked) {
  check_x87_bytes(x87_unmasked);
}

TEST(X87Host, pending_exceptions_stop_what_waits_and_nothing_else) {
  for (const auto rows : {x87_value_rows(), x87_compare_rows(), x87_control_rows()})
    check_x87(rows, x87_pending);
  check_x87_bytes(x87_pending);
}

TEST(X87Host, every_row_of_the_tables_is_tested) {
  const std::set<std::string> tested = tested_x87_mnemonics();
  for (const auto rows :
       {cpu::x87_arith_rows<cpu::Fast>(), cpu::x87_compare_rows<cpu::Fast>(), cpu::x87_move_rows<cpu::Fast>(),
        cpu::x87_transcendental_rows<cpu::Fast>(), cpu::x87_control_rows<cpu::Fast>()}) {
    expect_covered(rows, tested);
  }
}

}  // namespace
}  // namespace lastbranch::host
