#pragma once
/// The bytes of a text that may be compressed (gzip, zstd; several members or frames) and may come from a
/// pipe.
#include <cstddef>
#include <memory>
#include <string>

#include "sim/base/units.h"

namespace lastbranch::perfdata {

class TextInput {
 public:
  /// Opens `path`; "-" is the standard input. Throws Error.
  explicit TextInput(const std::string& path);
  /// Reads the open file `fd`, which is called `name` and of which `head` was read already.
  TextInput(int fd, std::string name, std::string head);
  ~TextInput();
  TextInput(const TextInput&) = delete;
  TextInput& operator=(const TextInput&) = delete;

  /// Up to `size` bytes of the text into `out`; 0 only at its end. Throws Error: a file that cannot be read,
  /// or compressed data that is damaged or cut.
  [[nodiscard]] std::size_t read(char* out, std::size_t size);

  [[nodiscard]] const std::string& name() const { return name_; }

  /// Undoes one compression.
  class Decoder;

 private:
  /// What is left of head_, then the file.
  [[nodiscard]] std::size_t read_raw(char* out, std::size_t size);
  [[nodiscard]] std::size_t read_raw_file(char* out, std::size_t size);
  void sniff();

  std::string name_;
  int fd_ = -1;
  bool owned_ = false;
  std::string head_;
  std::size_t head_at_ = 0;
  std::unique_ptr<Decoder> decoder_;  // null: plain
};

}  // namespace lastbranch::perfdata
