#pragma once
/// The bytes of a text that may be compressed (gzip, zstd; several members or frames) and may come from a
/// pipe.
#include <cstddef>
#include <memory>
#include <string>

#include "sim/base/units.h"
#include "sim/perfdata/input_file.h"

namespace lastbranch::perfdata {

class TextInput {
 public:
  /// Opens `path`; "-" is the standard input. Throws Error.
  explicit TextInput(const std::string& path);
  /// Reads `file` from its first byte on.
  explicit TextInput(std::unique_ptr<InputFile> file);
  ~TextInput();
  TextInput(const TextInput&) = delete;
  TextInput& operator=(const TextInput&) = delete;

  /// Up to `size` bytes of the text into `out`; 0 only at its end. Throws Error: a file that cannot be read,
  /// or compressed data that is damaged or cut.
  [[nodiscard]] std::size_t read(char* out, std::size_t size);

  [[nodiscard]] const std::string& name() const { return file_->path(); }

  /// Undoes one compression.
  class Decoder;

 private:
  [[nodiscard]] std::size_t read_raw(char* out, std::size_t size);

  std::unique_ptr<InputFile> file_;
  u64 at_ = 0;                        // in a file that is seekable
  std::unique_ptr<Decoder> decoder_;  // null: plain
};

}  // namespace lastbranch::perfdata
