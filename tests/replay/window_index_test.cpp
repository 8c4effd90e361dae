// Windows in a stream against a plain search.
#include "sim/replay/window_index.h"

#include <algorithm>

#include <gtest/gtest.h>

#include "sim/base/rng.h"

namespace lastbranch::replay {
namespace {

TEST(WindowIndex, finds_what_a_plain_search_finds) {
  Rng rng(7);
  for (int round = 0; round < 200; ++round) {
    const u64 letters = 1 + rng.below(4);
    std::vector<u32> stream(1 + rng.below(300));
    for (u32& symbol : stream) symbol = static_cast<u32>(rng.below(letters + 1));  // 0: of no window
    WindowIndex index;
    std::vector<std::vector<u32>> windows;
    std::vector<u32> numbers;
    for (int k = 0; k < 40; ++k) {
      std::vector<u32> window(1 + rng.below(9));
      for (u32& symbol : window) symbol = static_cast<u32>(1 + rng.below(letters));
      windows.push_back(window);
      numbers.push_back(index.add(window));
    }
    index.build();
    for (const u32 symbol : stream) index.step(symbol);
    for (std::size_t k = 0; k < windows.size(); ++k) {
      const bool there = !std::ranges::search(stream, windows[k]).empty();
      EXPECT_EQ(index.found(numbers[k]), there) << "round " << round << " window " << k;
    }
  }
}

TEST(WindowIndex, the_same_window_is_one_and_a_cut_is_no_place_for_any) {
  WindowIndex index;
  const std::vector<u32> window = {1, 2, 3};
  const u32 number = index.add(window);
  EXPECT_EQ(index.add(window), number);
  EXPECT_EQ(index.size(), 1u);
  EXPECT_EQ(index.nodes(), 4u);
  index.build();
  index.step(1);
  index.step(2);
  index.cut();
  index.step(3);
  EXPECT_FALSE(index.found(number));
  for (const u32 symbol : {1u, 1u, 2u, 3u}) index.step(symbol);
  EXPECT_TRUE(index.found(number));
}

}  // namespace
}  // namespace lastbranch::replay
