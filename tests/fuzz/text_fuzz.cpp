// Text in every form that open_source() takes, plain or compressed.
#include <cstdint>

#include "sim/perfdata/text_reader.h"
#include "tests/fuzz/read_everything.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace lastbranch::perfdata;
  fuzz::read_everything(
      std::as_bytes(std::span(data, size)),
      [](const std::string& path, const OpenOptions& options) { return open_text(path, options); });
  return 0;
}
