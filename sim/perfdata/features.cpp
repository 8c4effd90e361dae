#include "sim/perfdata/features.h"

#include <algorithm>
#include <cstddef>

namespace lastbranch::perfdata {
namespace {

bool put_build_ids(Encoder& out, const FeatureInput& input) {
  constexpr std::size_t kFixed = 36;  // header, pid, id in 24 bytes: as in perf's own files no multiple of 8
  for (const IdentifiedFile& file : input.files) {
    const std::size_t name = align_up(file.filename.size() + 1, kStringAlign);
    out.put(RecordHeader{.type = static_cast<u32>(RecordType::kBuildId),
                         .misc = static_cast<u16>(static_cast<u16>(CpuMode::kUser) | kMiscBuildIdSize),
                         .size = static_cast<u16>(kFixed + name)});
    out.put(i32{-1});
    out.put(file.build_id.bytes);
    out.put(std::array<u8, 4>{file.build_id.size});
    out.put_name(file.filename, kStringAlign);
  }
  return !input.files.empty();
}

template <std::string WriterConfig::*kMember>
bool put_text(Encoder& out, const FeatureInput& input) {
  const std::string& text = input.config.*kMember;
  if (!text.empty()) out.put_string(text);
  return !text.empty();
}

bool put_nr_cpus(Encoder& out, const FeatureInput& input) {
  out.put(input.config.nr_cpus);  // available, then online
  out.put(input.config.nr_cpus);
  return input.config.nr_cpus != 0;
}

bool put_total_mem(Encoder& out, const FeatureInput& input) {
  out.put(input.config.mem_kb);
  return input.config.mem_kb != 0;
}

bool put_cmdline(Encoder& out, const FeatureInput& input) {
  out.put(static_cast<u32>(input.config.cmdline.size()));
  for (const std::string& word : input.config.cmdline) out.put_string(word);
  return !input.config.cmdline.empty();
}

bool put_event_desc(Encoder& out, const FeatureInput& input) {
  out.put(static_cast<u32>(input.attrs.size()));
  out.put(input.config.attr_size);
  for (std::size_t i = 0; i < input.attrs.size(); ++i) {
    out.put_all(std::as_bytes(std::span(&input.attrs[i], 1)).first(input.config.attr_size));
    out.put(u32{1});
    out.put_string(input.config.events[i].name);
    out.put(input.ids[i]);
  }
  return true;
}

/// Events that count together: "{leader,...}" in perf's words.
bool put_groups(Encoder& out, const FeatureInput& input) {
  if (!input.config.one_group || input.attrs.size() < 2) return false;
  out.put(u32{1});
  out.put_string("{anon_group}");
  out.put(u32{0});  // the leader's number
  out.put(static_cast<u32>(input.attrs.size()));
  return true;
}

bool put_compression(Encoder& out, const FeatureInput& input) {
  if (!input.compression) return false;
  constexpr u32 kVersion = 1, kZstd = 1;
  for (const u32 field :
       {kVersion, kZstd, input.compression->level, input.compression->ratio, input.compression->piece_max}) {
    out.put(field);
  }
  return true;
}

/// Empty: its presence makes `perf report` show branches by default, so recordings whose branches only stand
/// for callchains do without.
bool put_branch_stack(Encoder&, const FeatureInput& input) {
  return std::ranges::any_of(input.attrs, [](const Attr& a) {
    const bool chain =
        (a.sample_type & kSampleCallchain) != 0 && (a.branch_sample_type & kBranchCallStack) != 0;
    return (a.sample_type & kSampleBranchStack) != 0 && !chain;
  });
}

bool put_sample_time(Encoder& out, const FeatureInput& input) {
  if (!input.sample_time) return false;
  out.put(input.sample_time->first);
  out.put(input.sample_time->second);
  return true;
}

bool put_pmu_caps(Encoder& out, const FeatureInput& input) {
  out.put(static_cast<u32>(input.config.pmu_caps.size()));
  for (const auto& [name, value] : input.config.pmu_caps) {
    out.put_string(name);
    out.put_string(value);
  }
  return !input.config.pmu_caps.empty();
}

/// One section: its bit, and how its body is made; false where there is nothing to say.
struct FeatureRow {
  Feature feature;
  bool (*put)(Encoder&, const FeatureInput&);
};

constexpr std::array kFeatures = {
    FeatureRow{Feature::kBuildId, put_build_ids},
    FeatureRow{Feature::kHostname, put_text<&WriterConfig::hostname>},
    FeatureRow{Feature::kOsRelease, put_text<&WriterConfig::os_release>},
    FeatureRow{Feature::kVersion, put_text<&WriterConfig::version>},
    FeatureRow{Feature::kArch, put_text<&WriterConfig::arch>},
    FeatureRow{Feature::kNrCpus, put_nr_cpus},
    FeatureRow{Feature::kCpuDesc, put_text<&WriterConfig::cpu_desc>},
    FeatureRow{Feature::kCpuId, put_text<&WriterConfig::cpu_id>},
    FeatureRow{Feature::kTotalMem, put_total_mem},
    FeatureRow{Feature::kCmdline, put_cmdline},
    FeatureRow{Feature::kEventDesc, put_event_desc},
    FeatureRow{Feature::kBranchStack, put_branch_stack},
    FeatureRow{Feature::kGroupDesc, put_groups},
    FeatureRow{Feature::kSampleTime, put_sample_time},
    FeatureRow{Feature::kCompressed, put_compression},
    FeatureRow{Feature::kCpuPmuCaps, put_pmu_caps},
};
// The table of sections has them in ascending order of their bits.
static_assert(std::ranges::is_sorted(kFeatures, {}, &FeatureRow::feature));

}  // namespace

std::vector<FeatureBody> encode_feature_bodies(const FeatureInput& input) {
  std::vector<FeatureBody> bodies;
  for (const FeatureRow& row : kFeatures) {
    Encoder body;
    if (!row.put(body, input)) continue;
    bodies.push_back({row.feature, {body.bytes().begin(), body.bytes().end()}});
  }
  return bodies;
}

std::vector<std::byte> encode_build_ids(const FeatureInput& input) {
  Encoder records;
  put_build_ids(records, input);
  return {records.bytes().begin(), records.bytes().end()};
}

EncodedFeatures encode_features(const FeatureInput& input, u64 offset) {
  const std::vector<FeatureBody> bodies = encode_feature_bodies(input);
  EncodedFeatures result;
  Encoder table;
  Encoder tail;
  const u64 bodies_offset = offset + bodies.size() * sizeof(Section);
  for (const FeatureBody& body : bodies) {
    const auto bit = static_cast<u32>(body.feature);
    result.bits[bit / 64] |= u64{1} << bit % 64;
    table.put(Section{.offset = bodies_offset + tail.size(), .size = body.bytes.size()});
    tail.put_all(std::span<const std::byte>(body.bytes));
    tail.pad_to(8);
  }
  table.put_all(tail.bytes());
  result.bytes.assign(table.bytes().begin(), table.bytes().end());
  return result;
}

}  // namespace lastbranch::perfdata
