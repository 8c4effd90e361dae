#include "sim/perfdata/feature_reader.h"

#include <algorithm>
#include <array>

#include <fmt/format.h>
#include <fmt/ranges.h>

namespace lastbranch::perfdata {
namespace {

/// A section that is decoded may be so long; the longest real ones are lists of build-ids, of some 100 KiB.
constexpr u64 kSectionMax = u64{1} << 24;

void take_build_ids(ByteCursor& in, Features& out) {
  constexpr u16 kFixed = 36;
  out.build_ids.clear();
  while (in.left() != 0) {
    const auto header = in.take<RecordHeader>("record header");
    if (header.size < kFixed)
      in.fail("record size", fmt::format("at least {}", kFixed), fmt::to_string(header.size));
    ByteCursor entry = in.split_head(header.size - sizeof header, "record");
    out.build_ids.push_back(take_build_id(entry, header.misc));
  }
}

void take_event_names(ByteCursor& in, Features& out) {
  out.event_names.clear();
  const auto count = in.take<u32>("number of events");
  const auto attr_size = in.take<u32>("attribute size");
  for (u32 i = 0; i < count; ++i) {
    in.skip(attr_size, "attribute");
    const auto ids = in.take<u32>("number of ids");
    out.event_names.push_back(in.take_string("name"));
    in.skip(u64{ids} * sizeof(u64), "ids");
  }
}

void take_nr_cpus(ByteCursor& in, Features& out) {
  out.nr_cpus_available = in.take<u32>("available");
  out.nr_cpus_online = in.take<u32>("online");
}

void take_total_mem(ByteCursor& in, Features& out) {
  out.mem_kb = in.take<u64>("kB");
}

void take_sample_time(ByteCursor& in, Features& out) {
  const auto first = in.take<u64>("first");
  out.sample_time = {first, in.take<u64>("last")};
}

void take_cmdline(ByteCursor& in, Features& out) {
  out.cmdline.clear();
  const auto count = in.take<u32>("number of strings");
  for (u32 i = 0; i < count; ++i) out.cmdline.push_back(in.take_string("string"));
}

using Capabilities = std::vector<std::pair<std::string, std::string>>;

Capabilities take_capabilities(ByteCursor& in) {
  Capabilities result;
  const auto count = in.take<u32>("number of capabilities");
  for (u32 i = 0; i < count; ++i) {
    auto name = in.take_string("name");
    result.emplace_back(std::move(name), in.take_string("value"));
  }
  return result;
}

void take_caps(ByteCursor& in, Features& out) {
  out.pmu_caps = take_capabilities(in);
}

/// Where there are several PMUs; those with branch stacks come first.
void take_pmu_caps(ByteCursor& in, Features& out) {
  const auto count = in.take<u32>("number of PMUs");
  for (u32 i = 0; i < count; ++i) {
    Capabilities capabilities = take_capabilities(in);
    static_cast<void>(in.take_string("PMU"));
    if (out.pmu_caps.empty()) out.pmu_caps = std::move(capabilities);
  }
}

void take_compression(ByteCursor& in, Features& out) {
  in.skip(sizeof(u32), "version");
  CompressionFeature info;
  info.type = in.take<u32>("type");
  info.level = in.take<u32>("level");
  info.ratio = in.take<u32>("ratio");
  info.mmap_len = in.take<u32>("mmap length");
  constexpr u32 kZstd = 1;
  if (info.type != kZstd) in.fail("type", "1 (zstd)", fmt::to_string(info.type));
  out.compression = info;
}

void take_meta_info(ByteCursor& in, Features& out) {
  out.meta_info.clear();
  while (in.left() != 0) {
    auto name = in.take_text("name");
    out.meta_info.emplace_back(std::move(name), in.take_text("value"));
  }
}

template <std::string Features::*kMember>
void take_text(ByteCursor& in, Features& out) {
  out.*kMember = in.take_string("text");
}

struct FeatureRow {
  Feature feature;
  std::string_view name;
  void (*take)(ByteCursor&, Features&);
};

constexpr std::array kFeatures = {
    FeatureRow{Feature::kBuildId, "feature BUILD_ID", take_build_ids},
    FeatureRow{Feature::kHostname, "feature HOSTNAME", take_text<&Features::hostname>},
    FeatureRow{Feature::kOsRelease, "feature OSRELEASE", take_text<&Features::os_release>},
    FeatureRow{Feature::kVersion, "feature VERSION", take_text<&Features::version>},
    FeatureRow{Feature::kArch, "feature ARCH", take_text<&Features::arch>},
    FeatureRow{Feature::kNrCpus, "feature NRCPUS", take_nr_cpus},
    FeatureRow{Feature::kCpuDesc, "feature CPUDESC", take_text<&Features::cpu_desc>},
    FeatureRow{Feature::kCpuId, "feature CPUID", take_text<&Features::cpu_id>},
    FeatureRow{Feature::kTotalMem, "feature TOTAL_MEM", take_total_mem},
    FeatureRow{Feature::kCmdline, "feature CMDLINE", take_cmdline},
    FeatureRow{Feature::kEventDesc, "feature EVENT_DESC", take_event_names},
    FeatureRow{Feature::kSampleTime, "feature SAMPLE_TIME", take_sample_time},
    FeatureRow{Feature::kCompressed, "feature COMPRESSED", take_compression},
    FeatureRow{Feature::kCpuPmuCaps, "feature CPU_PMU_CAPS", take_caps},
    FeatureRow{Feature::kPmuCaps, "feature PMU_CAPS", take_pmu_caps},
    FeatureRow{Feature::kSimpleperfMetaInfo, "feature META_INFO", take_meta_info},
};

const FeatureRow* find_row(u32 bit) {
  const auto* const row = std::ranges::find(kFeatures, static_cast<Feature>(bit), &FeatureRow::feature);
  return row == kFeatures.end() ? nullptr : row;
}

/// Machines with the other byte order write the bitmap as words of their own size, 64 or 32 bits; each file
/// of a known writer has HOSTNAME. `words` were swapped as 64 bits.
void set_present(std::array<u64, kFeatureBits / 64> words, bool swapped, Features& out) {
  constexpr u64 kHostnameBit = u64{1} << static_cast<unsigned>(Feature::kHostname);
  if (swapped && (words[0] & kHostnameBit) == 0 && (words[0] >> 32 & kHostnameBit) != 0) {
    for (u64& word : words) word = word >> 32 | word << 32;
  }
  for (std::size_t bit = 0; bit < kFeatureBits; ++bit) {
    out.present.set(bit, (words[bit / 64] >> bit % 64 & 1) != 0);
  }
}

}  // namespace

BuildIdEntry take_build_id(ByteCursor& in, u16 misc) {
  BuildIdEntry entry{.pid = in.take<i32>("pid"), .misc = misc, .build_id = {}, .filename = {}};
  entry.build_id.bytes = in.take<std::array<u8, 20>>("build-id");
  const auto size = in.take<std::array<u8, 4>>("build-id size")[0];
  // Files of perf before 5.12 leave the size out; all ids had 20 bytes.
  entry.build_id.size = (misc & kMiscBuildIdSize) != 0 ? size : u8{20};
  if (entry.build_id.size > 20) in.fail("build-id size", "at most 20", fmt::to_string(size));
  entry.filename = in.take_name(in.left(), "filename");
  return entry;
}

void decode_feature(u32 bit, Origin origin, std::span<const std::byte> bytes, Features& out) {
  const FeatureRow* const row = find_row(bit);
  if (row == nullptr) return;
  ByteCursor in(origin, bytes, row->name);
  row->take(in, out);
}

void read_features(const InputFile& file, const FileHeader& header, bool swapped, Features& out) {
  set_present(header.features, swapped, out);
  const u64 table = header.data.offset + header.data.size;
  file.check_range(table, out.present.count() * sizeof(Section), offsetof(FileHeader, features),
                   "header: table of feature sections");
  u64 at = table;
  std::vector<std::byte> bytes;
  for (u32 bit = 0; bit < kFeatureBits; ++bit) {
    if (!out.present.test(bit)) continue;
    Section section;
    file.read(at, std::as_writable_bytes(std::span(&section, 1)));
    if (swapped) swap_bytes(section);
    const std::string what = fmt::format("section of feature {}", bit);
    file.check_range(section.offset, section.size, at, what);
    if (find_row(bit) != nullptr) {
      if (section.size > kSectionMax) {
        damaged(file.path(), at, what, fmt::format("at most {} bytes", kSectionMax),
                fmt::to_string(section.size));
      }
      bytes.resize(section.size);
      file.read(section.offset, bytes);
      decode_feature(bit, {.file = file.path(), .offset = section.offset, .swapped = swapped}, bytes, out);
    }
    at += sizeof section;
  }
}

std::vector<std::string> feature_notes(const Features& features) {
  std::vector<u32> unknown;
  for (u32 bit = kFirstUnknownFeature; bit < kFeatureBits; ++bit) {
    if (features.present.test(bit) && find_row(bit) == nullptr) unknown.push_back(bit);
  }
  if (unknown.empty()) return {};
  return {fmt::format("{} section{} of features that are not known passed over: {}", unknown.size(),
                      unknown.size() == 1 ? "" : "s", fmt::join(unknown, ", "))};
}

}  // namespace lastbranch::perfdata
