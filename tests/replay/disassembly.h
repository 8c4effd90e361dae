#pragma once
// objdump's view of a program: the independent disassembler of these tests.
#include <array>
#include <cstdio>
#include <memory>
#include <sstream>
#include <string>
#include <vector>

#include "sim/replay/code.h"

namespace lastbranch::replay::testing {

struct Line {
  FlowInsn insn;
  std::string mnemonic;
};

inline FlowKind kind_of(const std::string& mnemonic, bool indirect) {
  const auto is = [&](const char* prefix) { return mnemonic.rfind(prefix, 0) == 0; };
  if (is("ret") && mnemonic != "retf") return FlowKind::kReturn;
  if (is("call")) return indirect ? FlowKind::kIndirectCall : FlowKind::kCall;
  if (is("jmp")) return indirect ? FlowKind::kIndirectJump : FlowKind::kJump;
  if (is("j") || is("loop")) return FlowKind::kCond;
  if (is("syscall") || is("int")) return FlowKind::kFar;
  if (is("iret") || is("sysret") || is("sysexit") || is("lret") || is("retf")) return FlowKind::kFarBack;
  return FlowKind::kOther;
}

/// All instructions of the executable sections of `path`, in order.
inline std::vector<Line> disassemble(const std::string& path) {
  std::vector<Line> lines;
  const std::unique_ptr<FILE, int (*)(FILE*)> pipe(
      popen(("objdump -d -w --insn-width=16 --no-show-raw-insn -M intel " + path).c_str(), "r"), pclose);
  std::array<char, 4096> buffer{};
  bool contiguous = false;
  while (pipe && std::fgets(buffer.data(), buffer.size(), pipe.get()) != nullptr) {
    std::string text(buffer.data());
    const auto colon = text.find(":\t");
    // Between sections, and where zeros are left out, there is a gap.
    if (text.rfind("Disassembly", 0) == 0 || text == "\t...\n") contiguous = false;
    if (text.empty() || text[0] != ' ' || colon == std::string::npos) continue;
    Line line;
    line.insn.address = std::stoull(text.substr(0, colon), nullptr, 16);
    std::istringstream words(text.substr(colon + 2));
    std::string word;
    while (words >> word) {
      line.mnemonic = word;
      if (word != "bnd" && word != "notrack" && word != "repz" && word != "cs" && word != "data16" &&
          word != "addr32" && word != "ds" && word != "lock" && word != "rep" && word != "repnz" &&
          word.rfind("rex", 0) != 0)
        break;
    }
    std::string operand;
    words >> operand;
    const bool direct = !operand.empty() &&
                        operand.find_first_not_of("0123456789abcdefx") == std::string::npos &&
                        operand != "ax" && operand != "eax";
    line.insn.kind = kind_of(line.mnemonic, !direct);
    if (is_direct(line.insn.kind)) line.insn.target = std::stoull(operand, nullptr, 16);
    // Lengths follow from the next line of the same run of code.
    if (contiguous) {
      const u64 length = line.insn.address - lines.back().insn.address;
      if (length <= 15) lines.back().insn.length = static_cast<u8>(length);
    }
    contiguous = true;
    lines.push_back(line);
  }
  return lines;
}

}  // namespace lastbranch::replay::testing
