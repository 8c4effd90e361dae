#include "sim/user/program.h"

#include <algorithm>
#include <cstring>
#include <vector>

#include <sys/mman.h>

#include "sim/base/error.h"

namespace lastbranch::user {
namespace {

constexpr u32 kPrivate = MAP_PRIVATE | MAP_FIXED_NOREPLACE;

void require_mapped(i64 result, const ProgramFile& program, u64 address) {
  if (result < 0) {
    throw Error("{}: cannot map its segment at {:#x}: {}", program.file->guest_path(), address,
                std::strerror(static_cast<int>(-result)));
  }
}

/// The part of a segment that comes from the file, then its zeroes.
void map_segment(AddressSpace& space, const ProgramFile& program, const load::Segment& s, u64 bias) {
  const u64 start = page_of(s.address + bias);
  const u64 file_end = s.address + bias + s.file_bytes;
  const u64 end = page_ceil(s.address + bias + s.memory_bytes);
  const u64 file_pages_end = s.file_bytes != 0 ? page_ceil(file_end) : start;
  if (file_pages_end > start) {
    MapRequest request{start, file_pages_end - start, s.prot, kPrivate, program.file, page_of(s.offset)};
    require_mapped(space.map(request), program, start);
  }
  if (s.memory_bytes > s.file_bytes && file_pages_end > file_end && (s.prot & PROT_WRITE) != 0) {
    // What follows in the file's last page is not part of the segment.
    const std::vector<u8> zeroes(file_pages_end - file_end);
    if (!space.copy_out(file_end, zeroes.data(), zeroes.size())) {
      throw Error("{}: cannot clear {:#x}: the segment lies beyond the end of the file",
                  program.file->guest_path(), file_end);
    }
  }
  if (end > file_pages_end) {
    MapRequest request{file_pages_end, end - file_pages_end, s.prot, kPrivate | MAP_ANONYMOUS};
    require_mapped(space.map(request), program, file_pages_end);
  }
}

/// Load bias of a position-independent file: the program's place is fixed, a loader goes where mmap() would
/// put it.
u64 bias_of(AddressSpace& space, const load::ElfImage& image, bool is_loader, const std::string& name) {
  if (!image.position_independent) return 0;
  if (!is_loader) return (kPieBase & ~(image.alignment - 1)) - image.low();
  const u64 span = image.high() - image.low();
  const std::optional<u64> gap =
      space.vmas().highest_gap(span + image.alignment - kPageSize, kLowestMapping, kMmapTop);
  if (!gap) throw Error("{}: no room for {:#x} bytes", name, span);
  const u64 highest = *gap + image.alignment - kPageSize;
  return (highest & ~(image.alignment - 1)) - image.low();
}

u64 map_image(AddressSpace& space, const ProgramFile& program, bool is_loader) {
  const u64 bias = bias_of(space, program.image, is_loader, program.file->guest_path());
  for (const load::Segment& s : program.image.segments) map_segment(space, program, s, bias);
  return bias;
}

}  // namespace

Program load_program(AddressSpace& space, const ProgramFile& program, const ProgramFile* loader) {
  Program result;
  const u64 bias = map_image(space, program, false);
  result.program_entry = result.entry = program.image.entry + bias;
  result.headers = program.image.header_address != 0 ? program.image.header_address + bias : 0;
  result.header_count = program.image.header_count;
  result.end = program.image.high() + bias;
  result.executable_stack = program.image.executable_stack;
  if (loader != nullptr) {
    const u64 loader_bias = map_image(space, *loader, true);
    result.entry = loader->image.entry + loader_bias;
    result.loader_base = loader->image.low() + loader_bias;
  }
  space.set_heap_start(result.end);
  return result;
}

}  // namespace lastbranch::user
