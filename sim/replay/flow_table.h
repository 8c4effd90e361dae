#pragma once
/// A table of a binary's control flow, for captures whose binary is not at hand.
///
/// Text, a line each: first `#` lines with the facts of the file,
///   # elf-type EXEC            (or PIE: runtime addresses are mapped through the capture's maps)
///   # exec-segment file_offset=0x740 vaddr=0x1740 size=0x450
/// others are comments; then `vaddr,len,kind,target` and the instructions of the covered code, ascending,
/// with kinds OTHER COND JMP CALL IJMP ICALL RET FAR FARRET, the target 0x0 where there is none. Lines end
/// with \n or \r\n.
#include <vector>

#include "sim/replay/code.h"

namespace lastbranch::replay {

class FlowTable final : public Code {
 public:
  /// Throws Error naming the file, line and column, what was expected and what was found.
  explicit FlowTable(const std::string& path);

  [[nodiscard]] const std::string& path() const override { return path_; }
  [[nodiscard]] const std::optional<perfdata::BuildId>& build_id() const override { return build_id_; }
  [[nodiscard]] bool position_independent() const override { return position_independent_; }
  Coverage at(u64 address, FlowInsn& out) const override;
  [[nodiscard]] std::optional<bool> follows_call(u64 address) const override;
  [[nodiscard]] bool is_signal_return(u64) const override { return false; }
  [[nodiscard]] std::optional<u64> address_of(u64 offset) const override;
  [[nodiscard]] bool contains(u64 address) const override { return address - vaddr_ < size_; }
  [[nodiscard]] std::string describe(u64 address) const override;

  [[nodiscard]] u64 file_offset() const { return file_offset_; }  ///< of the executable segment
  [[nodiscard]] u64 size() const { return size_; }                ///< bytes of it
  [[nodiscard]] const std::vector<FlowInsn>& instructions() const { return insns_; }

 private:
  [[nodiscard]] const FlowInsn* before(u64 address) const;

  std::string path_;
  std::optional<perfdata::BuildId> build_id_;
  bool position_independent_ = false;
  u64 file_offset_ = 0;
  u64 vaddr_ = 0;
  u64 size_ = 0;
  std::vector<FlowInsn> insns_;  // ascending, not overlapping
};

}  // namespace lastbranch::replay
