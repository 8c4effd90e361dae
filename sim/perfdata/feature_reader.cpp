#include "sim/perfdata/feature_reader.h"

#include <algorithm>
#include <array>

#include "sim/perfdata/byte_cursor.h"

namespace lastbranch::perfdata {
namespace {

void take_build_ids(ByteCursor& in, Features& out) {
  constexpr u16 kFixed = 36;
  while (in.left() != 0) {
    const auto header = in.take<RecordHeader>("record header");
    if (header.size < kFixed)
      in.fail("record size", fmt::format("at least {}", kFixed), fmt::to_string(header.size));
    BuildIdEntry entry{.pid = in.take<i32>("pid"), .misc = header.misc, .build_id = {}, .filename = {}};
    entry.build_id.bytes = in.take<std::array<u8, 20>>("build-id");
    const auto size = in.take<std::array<u8, 4>>("build-id size")[0];
    // Files of perf before 5.12 leave the size out; all ids had 20 bytes.
    entry.build_id.size = (header.misc & kMiscBuildIdSize) != 0 ? size : u8{20};
    if (entry.build_id.size > 20) in.fail("build-id size", "at most 20", fmt::to_string(size));
    entry.filename = in.take_name(header.size - kFixed, "filename");
    out.build_ids.push_back(std::move(entry));
  }
}

void take_event_names(ByteCursor& in, Features& out) {
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
  const auto count = in.take<u32>("number of strings");
  for (u32 i = 0; i < count; ++i) out.cmdline.push_back(in.take_string("string"));
}

void take_caps(ByteCursor& in, Features& out) {
  const auto count = in.take<u32>("number of capabilities");
  for (u32 i = 0; i < count; ++i) {
    auto name = in.take_string("name");
    out.pmu_caps.emplace_back(std::move(name), in.take_string("value"));
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
    FeatureRow{Feature::kCpuPmuCaps, "feature CPU_PMU_CAPS", take_caps},
};

void read_section(const InputFile& file, u32 bit, Section section, Features& out) {
  const auto row = std::ranges::find(kFeatures, static_cast<Feature>(bit), &FeatureRow::feature);
  if (row == kFeatures.end()) return;
  std::vector<std::byte> bytes(section.size);
  file.read(section.offset, bytes);
  ByteCursor in(file.path(), section.offset, bytes, row->name);
  row->take(in, out);
}

}  // namespace

Features read_features(const InputFile& file, const FileHeader& header) {
  Features out;
  for (std::size_t bit = 0; bit < kFeatureBits; ++bit) {
    out.present.set(bit, (header.features[bit / 64] >> bit % 64 & 1) != 0);
  }
  const u64 table = header.data.offset + header.data.size;
  file.check_range(table, out.present.count() * sizeof(Section), offsetof(FileHeader, features),
                   "header: table of feature sections");
  u64 at = table;
  for (u32 bit = 0; bit < kFeatureBits; ++bit) {
    if (!out.present.test(bit)) continue;
    Section section;
    file.read(at, std::as_writable_bytes(std::span(&section, 1)));
    file.check_range(section.offset, section.size, at, fmt::format("section of feature {}", bit));
    read_section(file, bit, section, out);
    at += sizeof section;
  }
  return out;
}

}  // namespace lastbranch::perfdata
