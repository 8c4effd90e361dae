#include "sim/replay/processor.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <vector>

#include <fmt/format.h>

#include "sim/replay/processor_names.h"

namespace lastbranch::replay {
namespace {

/// Models of family 6 by the record that stands for them; with `stepping`, those from it on.
struct ModelRow {
  unsigned model;
  std::string_view uarch;
  unsigned stepping = 0;
};
// Where one model has several rows, the highest stepping comes first.
constexpr auto kModels = std::to_array<ModelRow>({
    {0x0f, "merom"},         {0x16, "merom"},          {0x17, "core2"},
    {0x1d, "core2"},         {0x1c, "bonnell"},        {0x26, "bonnell"},
    {0x27, "saltwell"},      {0x35, "saltwell"},       {0x36, "saltwell"},
    {0x1a, "nehalem"},       {0x1e, "nehalem"},        {0x1f, "nehalem"},
    {0x2e, "nehalem"},       {0x25, "westmere"},       {0x2c, "westmere"},
    {0x2f, "westmere"},      {0x2a, "sandybridge"},    {0x2d, "sandybridge"},
    {0x3a, "ivybridge"},     {0x3e, "ivybridge"},      {0x3c, "haswell"},
    {0x3f, "haswell"},       {0x45, "haswell"},        {0x46, "haswell"},
    {0x3d, "broadwell"},     {0x47, "broadwell"},      {0x4f, "bdx"},
    {0x56, "bdx"},           {0x37, "silvermont"},     {0x4a, "silvermont"},
    {0x4d, "silvermont"},    {0x5a, "silvermont"},     {0x5d, "silvermont"},
    {0x4c, "airmont"},       {0x75, "airmont"},        {0x5c, "goldmont"},
    {0x5f, "goldmont"},      {0x7a, "goldmontplus"},   {0x86, "tremont"},
    {0x96, "tremont"},       {0x9c, "tremont"},        {0x57, "knightslanding"},
    {0x85, "knightsmill"},   {0x4e, "skylake"},        {0x5e, "skylake"},
    {0x8e, "skylake"},       {0x9e, "skylake"},        {0xa5, "skylake"},
    {0xa6, "skylake"},       {0x55, "cooperlake", 10}, {0x55, "cascadelake", 5},
    {0x55, "skx"},           {0x66, "cannonlake"},     {0x7d, "icelake"},
    {0x7e, "icelake"},       {0x9d, "icelake"},        {0x6a, "icx"},
    {0x6c, "icx"},           {0x8c, "tigerlake"},      {0x8d, "tigerlake"},
    {0xa7, "rocketlake"},    {0x8a, "lakefield"},      {0x97, "alderlake-p"},
    {0x9a, "alderlake-p"},   {0xbe, "gracemont"},      {0xb7, "raptorlake-p"},
    {0xba, "raptorlake-p"},  {0xbf, "raptorlake-p"},   {0x8f, "sapphirerapids"},
    {0xcf, "emeraldrapids"}, {0xad, "graniterapids"},  {0xae, "graniterapids"},
    {0xaa, "meteorlake-p"},  {0xac, "meteorlake-p"},   {0xb5, "meteorlake-p"},
    {0xaf, "sierraforest"},  {0xb6, "sierraforest"},   {0xbd, "lunarlake-p"},
    {0xc5, "lunarlake-p"},   {0xc6, "lunarlake-p"},    {0xcc, "pantherlake-p"},
});

constexpr std::string_view kIntel = "GenuineIntel";

struct Cpuid {
  bool intel = false;
  unsigned family = 0;
  unsigned model = 0;
  unsigned stepping = 0;
};

/// "GenuineIntel,6,85,4"; newer perf writes "GenuineIntel-6-55-4" into maps of events, which is hexadecimal.
std::optional<Cpuid> parse_cpuid(std::string_view text) {
  Cpuid id;
  const std::size_t comma = text.find_first_of(",-");
  if (comma == std::string_view::npos) return std::nullopt;
  id.intel = text.substr(0, comma) == kIntel;
  const char separator = text[comma];
  const int base = separator == ',' ? 10 : 16;
  std::size_t at = comma + 1;
  for (unsigned* field : {&id.family, &id.model, &id.stepping}) {
    const std::size_t end = std::min(text.find(separator, at), text.size());
    if (at > end || std::from_chars(text.data() + at, text.data() + end, *field, base).ec != std::errc{}) {
      return field == &id.stepping ? std::optional(id) : std::nullopt;
    }
    at = end + 1;
  }
  return id;
}

const cpu::Uarch* part_of(const Cpuid& id) {
  if (!id.intel || id.family != 6) return nullptr;
  for (const ModelRow& row : kModels) {
    if (row.model == id.model && id.stepping >= row.stepping) return &cpu::uarch(row.uarch);
  }
  return nullptr;
}

/// What `uname -m` says on processors that are x86's.
bool is_x86(std::string_view machine) {
  return machine == "x86_64" || (machine.size() == 4 && machine.starts_with("i") && machine.ends_with("86"));
}

std::string words_of(const RecordShape& shape) {
  if (shape.stacks == 0) return "no stacks";
  std::vector<std::string_view> fields;
  if (shape.prediction) fields.emplace_back("predictions");
  if (shape.cycles) fields.emplace_back("cycles");
  if (shape.transactions) fields.emplace_back("transactions");
  if (shape.counters) fields.emplace_back("counters");
  if (shape.call_stack) fields.emplace_back("call stacks");
  return fmt::format("at most {} entries with {}", shape.deepest,
                     fields.empty() ? "addresses only" : fmt::to_string(fmt::join(fields, ", ")));
}

/// Of another maker, and which; empty: may be Intel's.
std::string foreign(const perfdata::Features& features, const RecordShape& shape) {
  if (!features.cpu_id.empty()) {
    const bool intel = features.cpu_id.starts_with(kIntel);
    return intel ? "" : fmt::format("CPUID {}", features.cpu_id);
  }
  if (!features.arch.empty() && !is_x86(features.arch)) return fmt::format("machine {}", features.arch);
  for (const std::string_view maker : {"AMD", "Hygon", "VIA", "Zhaoxin"}) {
    if (features.cpu_desc.find(maker) != std::string::npos) {
      return fmt::format("CPUDESC {}", features.cpu_desc);
    }
  }
  if (shape.speculation) return "outcomes of speculation in the records, which no Intel processor writes";
  return "";
}

}  // namespace

void RecordShape::add(const perfdata::SampleRecord& sample, const perfdata::Attr& attr) {
  if (sample.branches.empty()) return;
  ++stacks;
  deepest = std::max(deepest, sample.branches.size());
  counters = counters || !sample.branch_counters.empty();
  call_stack = call_stack || (attr.branch_sample_type & perfdata::kBranchCallStack) != 0;
  for (const perfdata::BranchEntry& entry : sample.branches) {
    const auto flags = perfdata::BranchFlags::unpack(entry.flags);
    cycles = cycles || flags.cycles != 0;
    prediction = prediction || flags.predicted || flags.mispredicted;
    transactions = transactions || flags.in_tx || flags.abort;
    speculation = speculation || flags.spec != 0;
  }
}

const cpu::Uarch* part_of_cpuid(std::string_view cpuid) {
  const auto id = parse_cpuid(cpuid);
  return id ? part_of(*id) : nullptr;
}

const cpu::Uarch* part_of_name(std::string_view cpu_desc) {
  const std::string_view name = uarch_of_name(cpu_desc);
  return name.empty() ? nullptr : &cpu::uarch(name);
}

const cpu::Uarch& part_of_shape(const RecordShape& shape) {
  if (shape.stacks == 0) return cpu::uarch(cpu::kDefaultUarch);
  if (shape.counters) return cpu::uarch("lunarlake-p");
  if (shape.cycles || shape.deepest > 16) return cpu::uarch("skylake");
  if (shape.call_stack || shape.transactions) return cpu::uarch("haswell");
  // No flags at all: parts before Nehalem, or a mode in which the flags are not asked for.
  if (!shape.prediction && shape.deepest <= 4) return cpu::uarch("core2");
  if (!shape.prediction && shape.deepest <= 8) return cpu::uarch("bonnell");
  return cpu::uarch("broadwell");
}

bool may_duplicate_top(const cpu::Uarch& part) {
  // Kaby, Coffee and Comet Lake have Skylake's record.
  constexpr std::array<std::string_view, 4> kParts = {"skylake", "skx", "cascadelake", "cooperlake"};
  return std::ranges::find(kParts, part.name) != kParts.end();
}

bool known_by_features(const perfdata::Features& features) {
  const RecordShape nothing;
  return !foreign(features, nothing).empty() || part_of_cpuid(features.cpu_id) != nullptr ||
         (features.cpu_id.empty() && part_of_name(features.cpu_desc) != nullptr);
}

ProcessorChoice choose_processor(std::string_view uarch, const perfdata::Features& features,
                                 const RecordShape& shape) {
  if (!uarch.empty()) return {&cpu::uarch(uarch), "--uarch"};
  if (std::string other = foreign(features, shape); !other.empty()) return {nullptr, std::move(other)};
  if (const cpu::Uarch* part = part_of_cpuid(features.cpu_id)) {
    return {part, fmt::format("CPUID {}", features.cpu_id)};
  }
  if (features.cpu_id.empty()) {
    if (const cpu::Uarch* part = part_of_name(features.cpu_desc)) {
      return {part, fmt::format("CPUDESC {}", features.cpu_desc)};
    }
  }
  const std::string unknown =
      !features.cpu_id.empty() ? fmt::format("CPUID {} is no model known here; nearest by ", features.cpu_id)
      : !features.cpu_desc.empty() ? fmt::format("CPUDESC '{}' tells no model; ", features.cpu_desc)
                                   : std::string("the capture names no processor; ");
  return {&part_of_shape(shape), unknown + "records: " + words_of(shape)};
}

}  // namespace lastbranch::replay
