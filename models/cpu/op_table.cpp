#include "models/cpu/op_table.h"

namespace lastbranch::cpu {

OpTable::OpTable(const Special& special, std::initializer_list<std::span<const OpRow>> tables)
    : special_(special) {
  for (const auto& table : tables) {
    for (const OpRow& row : table) rows_[row.mnemonic].push_back(row.bind);
  }
}

std::span<const Bind> OpTable::find(std::string_view mnemonic) const {
  const auto it = rows_.find(mnemonic);
  return it == rows_.end() ? std::span<const Bind>{} : std::span<const Bind>{it->second};
}

std::vector<std::string_view> OpTable::mnemonics() const {
  std::vector<std::string_view> names;
  for (const auto& [name, binds] : rows_) names.push_back(name);
  return names;
}

}  // namespace lastbranch::cpu
