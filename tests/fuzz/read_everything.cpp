#include "tests/fuzz/read_everything.h"

#include <cstdio>
#include <cstdlib>

#include <sys/mman.h>
#include <unistd.h>

#include "sim/base/error.h"
#include "sim/perfdata/script.h"
#include "sim/perfdata/time_order.h"

namespace lastbranch::perfdata::fuzz {
namespace {

void require(bool holds, const char* what) {
  if (holds) return;
  std::fprintf(stderr, "broken promise: %s\n", what);
  std::abort();
}

/// A file in memory, used again for each input.
class MemoryFile {
 public:
  MemoryFile() : fd_(memfd_create("input", MFD_CLOEXEC)), path_("/proc/self/fd/" + std::to_string(fd_)) {
    require(fd_ >= 0, "a file in memory");
  }
  void fill(std::span<const std::byte> bytes) const {
    require(ftruncate(fd_, 0) == 0, "an empty file");
    require(pwrite(fd_, bytes.data(), bytes.size(), 0) == static_cast<ssize_t>(bytes.size()), "a full file");
  }
  [[nodiscard]] const std::string& path() const { return path_; }

 private:
  int fd_;
  std::string path_;
};

struct Outcome {
  u64 records = 0;
  std::string error;
};

Outcome read(const MemoryFile& file, const Open& open, bool keep_going) {
  Outcome outcome;
  std::string text;
  try {
    const auto source = in_time_order(open(file.path(), {.keep_going = keep_going}));
    while (const Record* record = source->next()) {
      ++outcome.records;
      const auto* sample = std::get_if<SampleRecord>(&record->body);
      if (sample == nullptr) continue;
      require(sample->event < source->events().size(), "a sample's event");
      text.clear();
      for (const BranchEntry& entry : sample->branches) append_brstack_entry(entry, text);
    }
    require(keep_going || source->damage().empty(), "damage is an exception");
    require(source->next() == nullptr, "the end stays the end");
    static_cast<void>(source->notes());
  } catch (const Error& error) {
    outcome.error = error.what();
    require(outcome.error.find(file.path()) != std::string::npos, "an error names the file");
  }
  return outcome;
}

}  // namespace

void read_everything(std::span<const std::byte> bytes, const Open& open) {
  static const MemoryFile file;
  file.fill(bytes);
  const Outcome strict = read(file, open, false);
  const Outcome lenient = read(file, open, true);
  require(lenient.records >= strict.records, "keep_going gives what came before the damage");
  require(!strict.error.empty() || lenient.records == strict.records, "what is whole reads the same");
}

}  // namespace lastbranch::perfdata::fuzz
