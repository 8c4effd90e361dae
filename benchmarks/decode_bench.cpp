// Decoding: bytes to compact instructions, and further to blocks that are bound, looked up and chained. Items
// are guest instructions.
#include <array>
#include <vector>

#include <benchmark/benchmark.h>

#include "benchmarks/bare_hart.h"
#include "benchmarks/guest_loops.h"
#include "models/cpu/decode.h"

namespace lastbranch::bench {
namespace {

/// All loops one after another.
std::span<const u8> mixed_code() {
  const auto loops = guest_loops();
  return {loops.front().code.begin(), loops.back().code.end()};
}

void BM_Decode(benchmark::State& state) {
  const std::span<const u8> code = mixed_code();
  const cpu::Decoder decoder(cpu::op_table<FastPolicies>());
  cpu::Decoded decoded;
  i64 instructions = 0;
  for (auto _ : state) {
    for (std::size_t at = 0; at < code.size(); at += decoded.insn.length) {
      if (decoder.decode(code.subspan(at), BareHart::kCode + at, decoded) != cpu::DecodeStatus::kOk) {
        state.SkipWithError("not an instruction");
        return;
      }
      benchmark::DoNotOptimize(decoded);
      ++instructions;
    }
  }
  state.SetItemsProcessed(instructions);
}
BENCHMARK(BM_Decode);

/// Straight code in blocks of as many instructions as the argument says, each executed once after the cache
/// was emptied: what a program pays where it comes for the first time.
void BM_BuildBlocks(benchmark::State& state) {
  constexpr std::size_t kBlocks = 256;
  const auto length = static_cast<std::size_t>(state.range(0));
  constexpr std::array<u8, 5> kLea = {0x48, 0x8d, 0x5c, 0x43, 0x03};  // lea 3(%rbx,%rax,2), %rbx
  constexpr std::array<u8, 2> kJmp = {0xeb, 0x00};                    // jmp to the next instruction
  std::vector<u8> code;
  for (std::size_t b = 0; b < kBlocks; ++b) {
    for (std::size_t i = 1; i < length; ++i) code.insert(code.end(), kLea.begin(), kLea.end());
    code.insert(code.end(), kJmp.begin(), kJmp.end());
  }
  const u64 instructions = kBlocks * length;
  BareHart hart(code, true);
  cpu::Cpu& c = hart.core().cpu();
  for (auto _ : state) {
    c.blocks->clear(c);
    c.rip = BareHart::kCode;
    benchmark::DoNotOptimize(hart.core().run(instructions));
  }
  state.SetItemsProcessed(state.iterations() * static_cast<i64>(instructions));
}
BENCHMARK(BM_BuildBlocks)->ArgName("length")->Arg(2)->Arg(5)->Arg(20);

}  // namespace
}  // namespace lastbranch::bench
