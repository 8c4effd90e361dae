#pragma once
// The first line of a script, as Linux reads it when it starts one.
// Source: execve(2), "Interpreter scripts"; at most 255 bytes of the line count, and all arguments are one.
#include <optional>
#include <string>

#include "sim/load/file_reader.h"

namespace lastbranch::load {

struct ScriptLine {
  std::string interpreter;  ///< path as written
  std::string argument;     ///< the rest of the line without outer blanks; empty when there is none
};

/// The "#!" line of `file`; nothing when it does not start so. Throws Error when it names no interpreter.
[[nodiscard]] std::optional<ScriptLine> read_script_line(const FileReader& file);

}  // namespace lastbranch::load
