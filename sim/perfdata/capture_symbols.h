#pragma once
/// The functions of the files that a capture has mapped.
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "sim/load/symbol_file.h"
#include "sim/perfdata/address_space.h"

namespace lastbranch::perfdata {

class CaptureSymbols {
 public:
  /// `features`: the capture's, which must outlive this object.
  explicit CaptureSymbols(const Features& features) : features_(features) {}

  /// This host's file of that name, read when it is first asked for. Null: it cannot be read, or it is
  /// another build than the one that was recorded.
  [[nodiscard]] const load::SymbolFile* of(const MappedFile& file);

  /// The files that are other builds, for the user.
  [[nodiscard]] std::vector<std::string> notes() const;

 private:
  [[nodiscard]] std::optional<load::SymbolFile> read(const MappedFile& file);

  const Features& features_;
  std::map<u32, std::optional<load::SymbolFile>> files_;  // by MappedFile::number
  std::vector<std::string> replaced_;
};

}  // namespace lastbranch::perfdata
