// The example platform, as its reader runs it.
#include <cstdio>
#include <string>
#include <vector>

#include <gtest/gtest.h>
#include <sys/wait.h>

namespace {

/// What the program in the example must leave behind, told by hand: ten rounds of CALL, RET and, but for the
/// last, JNZ; an IRET back to the target of each 8th of these; newest first.
std::string expected_output() {
  struct Branch {
    unsigned from, to;
    int cycles;
  };
  constexpr Branch kCall{0x1071, 0x108e, 1}, kRet{0x1091, 0x1076, 2}, kJnz{0x1078, 0x1071, 2};
  std::vector<Branch> taken;
  for (int round = 0, n = 0; round < 10; ++round) {
    for (const Branch& b : {kCall, kRet, kJnz}) {
      if (b.from == kJnz.from && round == 9) break;
      taken.push_back(b);
      if (++n % 8 == 0) taken.push_back({0x113f, b.to, 0});
    }
  }
  std::string text;
  for (std::size_t k = taken.size(); k-- > 0;) {
    const bool first_after_enabling = k == 0 || taken[k].from == 0x113f;
    // Counting begins with the first record after recording was switched on.
    char line[80];
    std::snprintf(line, sizeof line, "%#x -> %#x, %d cycles\n", taken[k].from, taken[k].to,
                  first_after_enabling ? 0 : taken[k].cycles);
    text += line;
  }
  return text + "taken branches to go: 3\ninstructions: 127\nsum: 55, interrupts: 3\n";
}

TEST(TlmPlatform, example_prints_records_and_counts) {
  std::FILE* pipe = ::popen(LASTBRANCH_EXAMPLE, "r");
  ASSERT_NE(pipe, nullptr);
  std::string output;
  for (int c = std::fgetc(pipe); c != EOF; c = std::fgetc(pipe)) output += static_cast<char>(c);
  const int status = ::pclose(pipe);

  EXPECT_EQ(WEXITSTATUS(status), 0);
  EXPECT_EQ(output, expected_output());
}

}  // namespace
