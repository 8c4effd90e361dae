#pragma once
// The layouts of PEBS records, written down from the documents once more: where each field is and what it
// must hold for a given sample. Shares nothing with the encoder.
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "tests/pmu/pebs_fakes.h"

namespace lastbranch::pmu::test {

/// A word of a record.
struct Word {
  std::size_t offset;
  std::string name;
  u64 value;
};
using Words = std::vector<Word>;

/// Each 8 bytes of the record must be exactly what `words` says, which must name all of them.
inline void expect_words(std::span<const u8> record, const Words& words, std::size_t size) {
  ASSERT_EQ(record.size(), size);
  ASSERT_EQ(words.size() * 8, size) << "the table leaves bytes out";
  for (std::size_t i = 0; i < words.size(); ++i) {
    const Word& word = words[i];
    ASSERT_EQ(word.offset, 8 * i) << word.name << ": the table has a gap";
    EXPECT_EQ(word_at(record, word.offset), word.value) << word.name << " at " << std::hex << word.offset;
  }
}

/// RFLAGS to R15 of formats 0-3.
inline Words fixed_registers(const PebsSample& s) {
  return {{0x00, "RFLAGS", s.rflags}, {0x08, "RIP", s.rip},     {0x10, "RAX", s.gpr[0]},
          {0x18, "RBX", s.gpr[3]},    {0x20, "RCX", s.gpr[1]},  {0x28, "RDX", s.gpr[2]},
          {0x30, "RSI", s.gpr[6]},    {0x38, "RDI", s.gpr[7]},  {0x40, "RBP", s.gpr[5]},
          {0x48, "RSP", s.gpr[4]},    {0x50, "R8", s.gpr[8]},   {0x58, "R9", s.gpr[9]},
          {0x60, "R10", s.gpr[10]},   {0x68, "R11", s.gpr[11]}, {0x70, "R12", s.gpr[12]},
          {0x78, "R13", s.gpr[13]},   {0x80, "R14", s.gpr[14]}, {0x88, "R15", s.gpr[15]}};
}

/// The general-register group of adaptive and architectural records, `at` its offset.
inline Words gpr_words(std::size_t at, const PebsSample& s) {
  return {{at + 0x00, "RFLAGS", s.rflags}, {at + 0x08, "RIP", s.rip},     {at + 0x10, "RAX", s.gpr[0]},
          {at + 0x18, "RCX", s.gpr[1]},    {at + 0x20, "RDX", s.gpr[2]},  {at + 0x28, "RBX", s.gpr[3]},
          {at + 0x30, "RSP", s.gpr[4]},    {at + 0x38, "RBP", s.gpr[5]},  {at + 0x40, "RSI", s.gpr[6]},
          {at + 0x48, "RDI", s.gpr[7]},    {at + 0x50, "R8", s.gpr[8]},   {at + 0x58, "R9", s.gpr[9]},
          {at + 0x60, "R10", s.gpr[10]},   {at + 0x68, "R11", s.gpr[11]}, {at + 0x70, "R12", s.gpr[12]},
          {at + 0x78, "R13", s.gpr[13]},   {at + 0x80, "R14", s.gpr[14]}, {at + 0x88, "R15", s.gpr[15]}};
}

inline Words xmm_words(std::size_t at, const PebsSample& s) {
  Words words;
  for (unsigned i = 0; i < 16; ++i) {
    const std::string name = "XMM" + std::to_string(i);
    words.push_back({at + 16 * i, name + " low", s.xmm[i][0]});
    words.push_back({at + 16 * i + 8, name + " high", s.xmm[i][1]});
  }
  return words;
}

/// `count` entries; those beyond `lbrs` are 0.
inline Words lbr_words(std::size_t at, std::size_t count, std::span<const LbrRecord> lbrs) {
  Words words;
  for (std::size_t i = 0; i < count; ++i) {
    const LbrRecord lbr = i < lbrs.size() ? lbrs[i] : LbrRecord{};
    const std::string name = "LBR " + std::to_string(i);
    words.push_back({at + 0x18 * i, name + " FROM", lbr.from});
    words.push_back({at + 0x18 * i + 8, name + " TO", lbr.to});
    words.push_back({at + 0x18 * i + 16, name + " INFO", lbr.info});
  }
  return words;
}

inline Words operator+(Words a, const Words& b) {
  a.insert(a.end(), b.begin(), b.end());
  return a;
}

}  // namespace lastbranch::pmu::test
