#pragma once
// All the rows of a core's execution functions, by mnemonic: what the decoder looks an instruction's function
// up in.
#include <map>
#include <span>
#include <string_view>
#include <vector>

#include "models/cpu/exec/condition.h"
#include "models/cpu/shape.h"

namespace lastbranch::cpu {

/// Chooses the function that does a CMP (or TEST) of this shape and the conditional branch behind it at once.
using Fuse = Op (*)(bool test, const Shape&, Cond);

class OpTable {
 public:
  /// Functions that no mnemonic names.
  struct Special {
    Op fall_through;  ///< end of a block without a branch; Insn::imm is the next address
    Op undefined;     ///< raises #UD
    Op no_device;     ///< raises #NM
    Op fetch_fault;   ///< raises the fault that fetching met: Insn::imm address, Insn::disp error code, r2
                      ///< vector
    Fuse fuse;
  };

  OpTable(const Special& special, std::initializer_list<std::span<const OpRow>> tables);

  /// Binders of a mnemonic, in the order of the tables; empty when nothing executes it.
  [[nodiscard]] std::span<const Bind> find(std::string_view mnemonic) const;
  [[nodiscard]] const Special& special() const { return special_; }
  /// All mnemonics, sorted: what this core executes.
  [[nodiscard]] std::vector<std::string_view> mnemonics() const;

 private:
  Special special_;
  std::map<std::string_view, std::vector<Bind>, std::less<>> rows_;
};

}  // namespace lastbranch::cpu
