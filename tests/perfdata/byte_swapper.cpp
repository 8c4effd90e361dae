#include "tests/perfdata/byte_swapper.h"

#include <algorithm>
#include <bit>
#include <cstring>
#include <initializer_list>
#include <stdexcept>

#include "sim/perfdata/branch_entry.h"
#include "sim/perfdata/format.h"

namespace lastbranch::perfdata::test {
namespace {

/// Turns the fields of a file around one after the other, and says what they were.
class Swapper {
 public:
  explicit Swapper(std::span<const std::byte> file) : bytes_(file.begin(), file.end()) {}

  u64 take(std::size_t size) {
    u64 value = 0;
    if (at_ + size > bytes_.size()) throw std::runtime_error("file too short to swap");
    std::memcpy(&value, &bytes_[at_], size);
    std::reverse(bytes_.begin() + static_cast<std::ptrdiff_t>(at_),
                 bytes_.begin() + static_cast<std::ptrdiff_t>(at_ + size));
    at_ += size;
    return value;
  }
  void fields(std::initializer_list<std::size_t> sizes) {
    for (const std::size_t size : sizes) take(size);
  }
  void words(u64 count) {
    for (; count != 0; --count) take(8);
  }
  void skip(std::size_t size) { at_ += size; }
  void string() { skip(take(4)); }

  /// A word of bitfields with these widths, from the lowest bit: the other machine fills it from the highest.
  void bitfields(std::initializer_list<unsigned> widths) {
    u64 word = 0;
    std::memcpy(&word, &bytes_[at_], sizeof word);
    u64 other = 0;
    unsigned low = 0;
    for (const unsigned width : widths) {
      const u64 field = word >> low & ((u64{1} << width) - 1);
      low += width;
      other |= field << (64 - low);
    }
    std::memcpy(&bytes_[at_], &other, sizeof other);
    take(sizeof other);
  }

  template <typename T>
  [[nodiscard]] T see() const {
    T value;
    std::memcpy(&value, &bytes_[at_], sizeof value);
    return value;
  }
  [[nodiscard]] std::size_t at() const { return at_; }
  void go(std::size_t at) { at_ = at; }
  [[nodiscard]] std::size_t size() const { return bytes_.size(); }
  [[nodiscard]] const std::vector<std::byte>& bytes() const { return bytes_; }

 private:
  std::vector<std::byte> bytes_;
  std::size_t at_ = 0;
};

/// Returns the attribute, extended with zeros.
Attr swap_attr(Swapper& file, std::size_t room) {
  const std::size_t start = file.at();
  Attr attr;
  for (std::size_t i = 0; i < std::min(room, sizeof attr); ++i) {
    reinterpret_cast<std::byte*>(&attr)[i] = file.bytes()[start + i];
  }
  file.fields({4, 4, 8, 8, 8, 8});
  file.bitfields({1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 2, 1, 1, 1, 1, 1,
                  1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1,
                  1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1});
  for (const unsigned size : {4u, 4u, 8u, 8u, 8u, 8u, 4u, 4u, 8u, 4u, 2u, 2u, 4u, 4u, 8u, 8u, 8u}) {
    if (file.at() + size <= start + room) file.take(size);
  }
  file.go(start + room);
  return attr;
}

void swap_branches(Swapper& file, const Attr& attr) {
  const u64 count = file.take(8);
  if ((attr.branch_sample_type & kBranchHwIndex) != 0) file.take(8);
  for (u64 i = 0; i < count; ++i) {
    file.fields({8, 8});
    file.bitfields({1, 1, 1, 1, 16, 4, 2, 4, 3, 31});
  }
  if ((attr.branch_sample_type & kBranchCounters) != 0) file.words(count);
}

void swap_read(Swapper& file, u64 format) {
  const u64 values = 1 + u64{(format & kReadId) != 0} + u64{(format & kReadLost) != 0};
  const u64 times = u64{(format & kReadTimeEnabled) != 0} + u64{(format & kReadTimeRunning) != 0};
  if ((format & kReadGroup) != 0) {
    const u64 count = file.take(8);
    file.words(times + count * values);
  } else {
    file.words(times + values);
  }
}

void swap_sample(Swapper& file, const Attr& attr) {
  const auto has = [&](u64 bit) { return (attr.sample_type & bit) != 0; };
  const auto word_if = [&](u64 bit) {
    if (has(bit)) file.take(8);
  };
  const auto regs = [&](u64 mask) {
    if (file.take(8) != 0) file.words(static_cast<u64>(std::popcount(mask)));
  };
  word_if(kSampleIdentifier);
  word_if(kSampleIp);
  if (has(kSampleTid)) file.fields({4, 4});
  for (const u64 bit : {kSampleTime, kSampleAddr, kSampleId, kSampleStreamId}) word_if(bit);
  if (has(kSampleCpu)) file.fields({4, 4});
  word_if(kSamplePeriod);
  if (has(kSampleRead)) swap_read(file, attr.read_format);
  if (has(kSampleCallchain)) file.words(file.take(8));
  if (has(kSampleRaw)) file.skip(align_up(file.take(4) + 4, 8) - 4);
  if (has(kSampleBranchStack)) swap_branches(file, attr);
  if (has(kSampleRegsUser)) regs(attr.sample_regs_user);
  if (has(kSampleStackUser)) {
    const u64 size = file.take(8);
    file.skip(size);
    if (size != 0) file.take(8);
  }
  word_if(kSampleWeight | kSampleWeightStruct);
  word_if(kSampleDataSrc);
  word_if(kSampleTransaction);
  if (has(kSampleRegsIntr)) regs(attr.sample_regs_intr);
  for (const u64 bit : {kSamplePhysAddr, kSampleCgroup, kSampleDataPageSize, kSampleCodePageSize}) {
    word_if(bit);
  }
  if (has(kSampleAux)) file.skip(file.take(8));
}

void swap_trailer(Swapper& file, const Attr& attr, std::size_t end) {
  if ((attr.flags & kAttrSampleIdAll) == 0) return;
  constexpr u64 kWords = kSampleTime | kSampleId | kSampleStreamId | kSampleIdentifier;
  const auto count = [&](u64 bits) {
    return static_cast<std::size_t>(std::popcount(attr.sample_type & bits));
  };
  file.go(end - 8 * count(kWords | kSampleTid | kSampleCpu));
  if (count(kSampleTid) != 0) file.fields({4, 4});
  file.words(count(kSampleTime | kSampleId | kSampleStreamId));
  if (count(kSampleCpu) != 0) file.fields({4, 4});
  file.words(count(kSampleIdentifier));
}

void swap_feature(Swapper& file, Feature feature, std::size_t end) {
  switch (feature) {
    case Feature::kBuildId:
      while (file.at() < end) {
        const std::size_t next = file.at() + file.see<RecordHeader>().size;
        file.fields({4, 2, 2, 4});
        file.go(next);
      }
      break;
    case Feature::kNrCpus:
      file.fields({4, 4});
      break;
    case Feature::kCompressed:
      file.fields({4, 4, 4, 4, 4});
      break;
    case Feature::kTotalMem:
    case Feature::kSampleTime:
      file.words((end - file.at()) / 8);
      break;
    case Feature::kCmdline:
      for (u64 n = file.take(4); n != 0; --n) file.string();
      break;
    case Feature::kCpuPmuCaps:
      for (u64 n = 2 * file.take(4); n != 0; --n) file.string();
      break;
    case Feature::kEventDesc: {
      u64 n = file.take(4);
      for (const u64 size = file.take(4); n != 0; --n) {
        static_cast<void>(swap_attr(file, size));
        const u64 ids = file.take(4);
        file.string();
        file.words(ids);
      }
      break;
    }
    case Feature::kBranchStack:
      break;
    default:
      if (end > file.at()) file.string();
  }
  file.go(end);
}

/// `attr`: that of all events; HEADER_ATTR records set it.
void swap_record(Swapper& file, Attr& attr) {
  const std::size_t start = file.at();
  const auto header = file.see<RecordHeader>();
  const std::size_t end = start + header.size;
  file.fields({4, 2, 2});
  const auto type = static_cast<RecordType>(header.type);
  switch (type) {
    case RecordType::kSample:
      swap_sample(file, attr);
      break;
    case RecordType::kMmap:
    case RecordType::kMmap2:
      file.fields({4, 4, 8, 8, 8});
      if (type == RecordType::kMmap2) {
        (header.misc & kMiscMmapBuildId) != 0 ? file.skip(24) : file.fields({4, 4, 8, 8});
        file.fields({4, 4});
      }
      break;
    case RecordType::kComm:
      file.fields({4, 4});
      break;
    case RecordType::kFork:
    case RecordType::kExit:
      file.fields({4, 4, 4, 4, 8});
      break;
    case RecordType::kLost:
      file.fields({8, 8});
      break;
    case RecordType::kLostSamples:
      file.take(8);
      break;
    case RecordType::kHeaderAttr: {
      attr = swap_attr(file, file.see<Attr>().size);
      file.words((end - file.at()) / 8);
      break;
    }
    case RecordType::kHeaderFeature: {
      const auto feature = static_cast<Feature>(file.take(8));
      if (file.at() < end) swap_feature(file, feature, end);
      break;
    }
    case RecordType::kEventUpdate:
      file.fields({8, 8});
      break;
    case RecordType::kBuildId:
      file.take(4);
      break;
    default:
      break;
  }
  if (header.type < kFirstToolRecord && type != RecordType::kSample) swap_trailer(file, attr, end);
  file.go(end);
}

void swap_file_mode(Swapper& file) {
  const auto header = file.see<FileHeader>();
  file.words(sizeof header / 8);
  Attr attr;
  for (u64 at = 0; at < header.attrs.size; at += header.attr_size) {
    file.go(header.attrs.offset + at);
    attr = swap_attr(file, header.attr_size - sizeof(Section));
    const auto ids = file.see<Section>();
    file.fields({8, 8});
    file.go(ids.offset);
    file.words(ids.size / 8);
  }
  file.go(header.data.offset);
  const u64 end = header.data.offset + header.data.size;
  while (file.at() < end) swap_record(file, attr);
  u64 table = end;
  for (u32 bit = 0; bit < kFeatureBits; ++bit) {
    if ((header.features[bit / 64] >> bit % 64 & 1) == 0) continue;
    file.go(table);
    const auto section = file.see<Section>();
    file.fields({8, 8});
    table = file.at();
    file.go(section.offset);
    swap_feature(file, static_cast<Feature>(bit), section.offset + section.size);
  }
}

}  // namespace

std::vector<std::byte> byte_swapped(std::span<const std::byte> file) {
  Swapper swapper(file);
  u64 size = 0;
  std::memcpy(&size, &file[8], sizeof size);
  if (size == kPipeHeaderSize) {
    swapper.fields({8, 8});
    Attr attr;
    while (swapper.at() < swapper.size()) swap_record(swapper, attr);
  } else {
    swap_file_mode(swapper);
  }
  return swapper.bytes();
}

}  // namespace lastbranch::perfdata::test
