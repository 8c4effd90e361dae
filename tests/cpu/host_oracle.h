#pragma once
// The strongest oracle there is: the same code run by the host's processor and by ours must end in the same
// state.
//
//   const Row kRows[] = {{"paddb", "x,xm128"}, {"addps", "x,xm128", {.fill = Fill::kF32}}};
//   TEST(SseHost, agrees_with_the_host) { check_rows(kRows); }
//   TEST(SseHost, covers_every_row) { expect_covered(cpu::sse_int_rows<cpu::Fast>(), names(kRows)); }
#include <set>
#include <span>
#include <string>
#include <vector>

#include "models/cpu/shape.h"
#include "tests/cpu/generator.h"
#include "tests/cpu/machine_state.h"
#include "tests/cpu/native_cpu.h"
#include "tests/cpu/sim_cpu.h"

namespace lastbranch::host {

/// Runs `instance` natively and in both variants of the simulated core; the differences, empty when there are
/// none.
[[nodiscard]] std::string compare(const Instance& instance, const Ignore& ignore = {});

/// As compare(), and adds a test failure with disassembly, initial registers and the differences when there
/// are any. Returns whether both agree.
bool check(const Instance& instance, const Ignore& ignore = {}, std::string_view what = "");

/// Every form of every row, `count` instances each; at most three failures are printed per row.
void check_rows(std::span<const Row> rows, unsigned count = 64);

/// Instructions given as bytes, for what the encoder does not make: implicit memory operands, odd prefixes,
/// branches, short sequences. RowOptions::prepare puts the random state in order.
struct BytesRow {
  std::string name;  ///< begins with the mnemonic; what follows a blank is only for the reader
  std::vector<u8> code;
  RowOptions options{};
};
/// Each row from `count` random states; at most three failures are printed per row.
void check_bytes(std::span<const BytesRow> rows, unsigned count = 64);

/// The mnemonics of a table of rows.
[[nodiscard]] std::set<std::string> names(std::span<const Row> rows);
[[nodiscard]] std::set<std::string> names(std::span<const BytesRow> rows);
/// Fails for each mnemonic of `rows` that is not in `tested`.
void expect_covered(std::span<const cpu::OpRow> rows, const std::set<std::string>& tested);

/// The simulated processors that the tests of a process share.
[[nodiscard]] SimCpu& simulated();
[[nodiscard]] SimCpu& simulated_observed();

}  // namespace lastbranch::host
