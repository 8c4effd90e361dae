#include "tests/cpu/host_oracle.h"

#include <memory>

#include <fmt/format.h>
#include <gtest/gtest.h>

namespace lastbranch::host {
namespace {

constexpr unsigned kFailuresShown = 3;

/// Outcomes are large: one pair serves all checks of a process.
struct Pair {
  Outcome native;
  Outcome simulated;
};
Pair& outcomes() {
  static const std::unique_ptr<Pair> kPair = std::make_unique<Pair>();
  return *kPair;
}

/// Seeds follow from the name alone, so that a failure repeats whatever other tests run.
u64 seed_of(std::string_view name) {
  u64 h = 14695981039346656037u;
  for (const char c : name) h = (h ^ static_cast<u8>(c)) * 1099511628211u;
  return h;
}

std::string initial_state(const Regs& r) {
  constexpr const char* kNames[16] = {"rax", "rcx", "rdx", "rbx", "rsp", "rbp", "rsi", "rdi",
                                      "r8",  "r9",  "r10", "r11", "r12", "r13", "r14", "r15"};
  std::string s = "before:";
  for (unsigned i = 0; i < 16; ++i)
    s += fmt::format("{}{}={:#x}", i % 8 == 0 ? "\n  " : " ", kNames[i], r.gpr[i]);
  return s + fmt::format("\n  rflags={:#x} mxcsr={:#x} fcw={:#x} fsw={:#x} valid={:#x} gs_base={:#x}\n",
                         r.rflags, r.mxcsr, r.fcw, r.fsw, r.valid, r.gs_base);
}

}  // namespace

SimCpu& simulated() {
  static SimCpu cpu;
  return cpu;
}

SimCpu& simulated_observed() {
  static SimCpu cpu(true);
  return cpu;
}

std::string compare(const Instance& instance, const Ignore& ignore) {
  Pair& o = outcomes();
  NativeCpu::instance().run(instance.before, o.native);
  simulated().run(instance.before, o.simulated);
  const std::string fast = differences(o.native, o.simulated, ignore);
  if (!fast.empty()) return fast;
  simulated_observed().run(instance.before, o.simulated);
  const std::string observed = differences(o.native, o.simulated, ignore);
  return observed.empty() ? "" : "  only in the observed variant:\n" + observed;
}

bool check(const Instance& instance, const Ignore& ignore, std::string_view what) {
  const std::string text = compare(instance, ignore);
  if (text.empty()) return true;
  ADD_FAILURE() << what << "\n"
                << disassemble(instance.code, kEntry) << text << initial_state(instance.before.regs);
  return false;
}

void check_rows(std::span<const Row> rows, unsigned count) {
  const auto instance = std::make_unique<Instance>();
  for (const Row& row : rows) {
    Generator generator(seed_of(row.mnemonic) ^ seed_of(row.forms));
    unsigned failures = 0;
    unsigned instances = 0;
    for (const Form& form : expand(row.forms)) {
      for (unsigned i = 0; i < count * row.options.weight && failures < kFailuresShown; ++i) {
        generator.make(row, form, *instance);
        ++instances;
        if (!check(*instance, row.options.ignore, row.mnemonic)) ++failures;
      }
    }
    EXPECT_GT(instances, 0u) << row.mnemonic << ": no form was tested";
  }
}

void check_bytes(std::span<const BytesRow> rows, unsigned count) {
  const auto instance = std::make_unique<Instance>();
  for (const BytesRow& row : rows) {
    Generator generator(seed_of(row.name));
    instance->code = row.code;
    unsigned failures = 0;
    for (unsigned i = 0; i < count * row.options.weight && failures < kFailuresShown; ++i) {
      generator.randomize(instance->before, row.options);
      if (row.options.prepare != nullptr) row.options.prepare(instance->before, generator.rng);
      instance->before.put_code(row.code.data(), row.code.size());
      if (!check(*instance, row.options.ignore, row.name)) ++failures;
    }
  }
}

std::set<std::string> names(std::span<const Row> rows) {
  std::set<std::string> out;
  for (const Row& row : rows) out.emplace(row.mnemonic);
  return out;
}

std::set<std::string> names(std::span<const BytesRow> rows) {
  std::set<std::string> out;
  for (const BytesRow& row : rows) out.insert(row.name.substr(0, row.name.find(' ')));
  return out;
}

void expect_covered(std::span<const cpu::OpRow> rows, const std::set<std::string>& tested) {
  for (const cpu::OpRow& row : rows) {
    EXPECT_TRUE(tested.contains(row.mnemonic))
        << row.mnemonic << ": a row of the operation tables without a test";
  }
}

}  // namespace lastbranch::host
