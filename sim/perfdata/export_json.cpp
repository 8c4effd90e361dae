// One JSON document whose records stand on a line each, so that it can be read as a stream, too.
#include <array>
#include <iterator>
#include <utility>

#include <fmt/format.h>

#include "sim/base/utf8.h"
#include "sim/perfdata/export_sink.h"
#include "sim/perfdata/script.h"
#include "sim/perfdata/text_entry.h"

namespace lastbranch::perfdata {
namespace {

constexpr int kVersion = 1;

constexpr std::array<std::string_view, 5> kKinds = {"perf.data", "perf.data pipe", "perf script",
                                                    "aggregated", "pre-aggregated"};

/// In quotes; what is not UTF-8 becomes U+FFFD.
void put_string(std::string_view value, std::string& text) {
  text += '"';
  while (!value.empty()) {
    const char c = value[0];
    const std::size_t size = utf8_length(value);
    if (size == 0) {
      text += "\\ufffd";
    } else if (c == '"' || c == '\\') {
      text += '\\';
      text += c;
    } else if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) {
      fmt::format_to(std::back_inserter(text), "\\u{:04x}", static_cast<unsigned>(c));
    } else {
      text += value.substr(0, size);
    }
    value.remove_prefix(size == 0 ? 1 : size);
  }
  text += '"';
}

void put_addresses(std::string_view key, const std::vector<u64>& values, std::string& text) {
  fmt::format_to(std::back_inserter(text), ",\"{}\":[", key);
  for (std::size_t i = 0; i < values.size(); ++i) {
    fmt::format_to(std::back_inserter(text), "{}\"{:#x}\"", i == 0 ? "" : ",", values[i]);
  }
  text += ']';
}

void put_branch(const BranchEntry& entry, std::string& text) {
  const BranchFlags flags = BranchFlags::unpack(entry.flags);
  fmt::format_to(std::back_inserter(text), "{{\"from\":\"{:#x}\",\"to\":\"{:#x}\"", entry.from, entry.to);
  if (flags.predicted || flags.mispredicted) {
    text += flags.predicted ? ",\"mispredicted\":false" : ",\"mispredicted\":true";
  }
  if (flags.in_tx) text += ",\"in_tx\":true";
  if (flags.abort) text += ",\"abort\":true";
  if ((entry.flags & kBranchNotTaken) != 0) text += ",\"taken\":false";
  if (flags.cycles != 0) fmt::format_to(std::back_inserter(text), ",\"cycles\":{}", flags.cycles);
  const std::string_view type = branch_type_name(flags);
  if (!type.empty()) fmt::format_to(std::back_inserter(text), ",\"kind\":\"{}\"", type);
  if (flags.spec != 0)
    fmt::format_to(std::back_inserter(text), ",\"spec\":\"{}\"", branch_spec_name(flags.spec));
  if (flags.priv != 0) fmt::format_to(std::back_inserter(text), ",\"privilege\":{}", flags.priv);
  text += '}';
}

class JsonExporter final : public Exporter {
 public:
  explicit JsonExporter(const RecordSource& source) : source_(source) {}

  void record(const Record& record, std::string& text) override {
    if (std::holds_alternative<OtherRecord>(record.body)) return;
    begin(text);
    text += first_ ? "\n" : ",\n";
    first_ = false;
    put_body(record, text);
  }

  void finish(std::string& text) override {
    begin(text);
    text += "\n],\n\"events\":[";
    const char* separator = "\n";
    for (const EventInfo& event : source_.events()) {
      text += separator;
      text += "{\"name\":";
      put_string(event.name, text);
      fmt::format_to(std::back_inserter(text),
                     ",\"type\":{},\"config\":\"{:#x}\",\"period\":{},\"freq\":{},\"sample_type\":\"{:#x}\","
                     "\"branch_sample_type\":\"{:#x}\"}}",
                     event.attr.type, event.attr.config, event.attr.sample_period,
                     (event.attr.flags & kAttrFreq) != 0, event.attr.sample_type,
                     event.attr.branch_sample_type);
      separator = ",\n";
    }
    text += "\n],\n\"features\":{";
    put_features(text);
    text += "},\n\"notes\":[";
    separator = "\n";
    for (const std::string& note : source_.notes()) {
      text += separator;
      put_string(note, text);
      separator = ",\n";
    }
    text += "],\n\"damage\":";
    put_string(source_.damage(), text);
    text += "\n}\n";
  }

 private:
  void begin(std::string& text) {
    if (begun_) return;
    begun_ = true;
    fmt::format_to(std::back_inserter(text),
                   "{{\"schema\":\"lastbranch.capture\",\"version\":{},\"source\":", kVersion);
    put_string(source_.path(), text);
    fmt::format_to(std::back_inserter(text), ",\"kind\":\"{}\",\"records\":[",
                   kKinds.at(static_cast<std::size_t>(source_.kind())));
  }

  void put_body(const Record& record, std::string& text) const {
    const auto out = std::back_inserter(text);
    if (const auto* sample = std::get_if<SampleRecord>(&record.body)) {
      put_sample(record, *sample, text);
    } else if (const auto* map = std::get_if<MmapRecord>(&record.body)) {
      fmt::format_to(out,
                     "{{\"type\":\"mmap\",\"pid\":{},\"tid\":{},\"address\":\"{:#x}\",\"length\":\"{:#x}\","
                     "\"offset\":\"{:#x}\",\"prot\":{},\"file\":",
                     static_cast<i32>(map->pid), static_cast<i32>(map->tid), map->addr, map->len, map->pgoff,
                     map->prot);
      put_string(map->filename, text);
      if (map->build_id) fmt::format_to(out, ",\"build_id\":\"{}\"", map->build_id->hex());
      text += '}';
    } else if (const auto* comm = std::get_if<CommRecord>(&record.body)) {
      fmt::format_to(out, "{{\"type\":\"comm\",\"pid\":{},\"tid\":{},\"exec\":{},\"time\":{},\"name\":",
                     static_cast<i32>(comm->pid), static_cast<i32>(comm->tid), comm->exec,
                     comm->sample_id.time);
      put_string(comm->name, text);
      text += '}';
    } else if (const auto* task = std::get_if<TaskRecord>(&record.body)) {
      fmt::format_to(
          out, "{{\"type\":\"{}\",\"pid\":{},\"tid\":{},\"parent_pid\":{},\"parent_tid\":{},\"time\":{}}}",
          task->exit ? "exit" : "fork", static_cast<i32>(task->pid), static_cast<i32>(task->tid),
          static_cast<i32>(task->parent_pid), static_cast<i32>(task->parent_tid), task->time);
    } else if (const auto* lost = std::get_if<LostRecord>(&record.body)) {
      fmt::format_to(out, "{{\"type\":\"lost\",\"lost\":{}}}", lost->lost);
    } else if (const auto* edge = std::get_if<EdgeRecord>(&record.body)) {
      fmt::format_to(
          out, "{{\"type\":\"edge\",\"from\":\"{:#x}\",\"to\":\"{:#x}\",\"count\":{},\"mispredicted\":{}}}",
          edge->from, edge->to, edge->count, edge->mispredicted);
    } else if (const auto* range = std::get_if<RangeRecord>(&record.body)) {
      fmt::format_to(
          out, "{{\"type\":\"range\",\"start\":\"{:#x}\",\"end\":\"{:#x}\",\"count\":{},\"external\":{}}}",
          range->start, range->end, range->count, range->external);
    }
  }

  void put_sample(const Record& record, const SampleRecord& sample, std::string& text) const {
    constexpr std::array<std::string_view, 6> kModes = {"unknown",    "kernel",       "user",
                                                        "hypervisor", "guest kernel", "guest user"};
    const auto mode = static_cast<std::size_t>(record.cpu_mode());
    const auto out = std::back_inserter(text);
    const u64 bits =
        sample.event < source_.events().size() ? source_.events()[sample.event].attr.sample_type : 0;
    fmt::format_to(out, "{{\"type\":\"sample\",\"event\":{}", sample.event);
    if (sample.repeat != 1) fmt::format_to(out, ",\"count\":{}", sample.repeat);
    if ((bits & kSampleIp) != 0) fmt::format_to(out, ",\"ip\":\"{:#x}\"", sample.ip);
    if ((bits & kSampleTid) != 0) {
      fmt::format_to(out, ",\"pid\":{},\"tid\":{}", static_cast<i32>(sample.pid),
                     static_cast<i32>(sample.tid));
    }
    if ((bits & kSampleTime) != 0) fmt::format_to(out, ",\"time\":{}", sample.time);
    if ((bits & kSampleCpu) != 0) fmt::format_to(out, ",\"cpu\":{}", sample.cpu);
    if ((bits & kSamplePeriod) != 0) fmt::format_to(out, ",\"period\":{}", sample.period);
    fmt::format_to(out, ",\"mode\":\"{}\"", kModes[mode < kModes.size() ? mode : 0]);
    if ((bits & kSampleCallchain) != 0) put_addresses("callchain", sample.callchain, text);
    if ((bits & kSampleBranchStack) != 0) {
      text += ",\"branches\":[";
      for (std::size_t i = 0; i < sample.branches.size(); ++i) {
        if (i != 0) text += ',';
        put_branch(sample.branches[i], text);
      }
      text += ']';
    }
    if (!sample.branch_counters.empty()) put_addresses("branch_counters", sample.branch_counters, text);
    text += '}';
  }

  void put_features(std::string& text) const {
    const Features& features = source_.features();
    const char* separator = "";
    const auto put = [&](std::string_view key, std::string_view value) {
      if (value.empty()) return;
      fmt::format_to(std::back_inserter(text), "{}\"{}\":", separator, key);
      put_string(value, text);
      separator = ",";
    };
    put("hostname", features.hostname);
    put("os_release", features.os_release);
    put("perf_version", features.version);
    put("arch", features.arch);
    put("cpu_desc", features.cpu_desc);
    put("cpu_id", features.cpu_id);
    std::string cmdline;
    for (const std::string& word : features.cmdline) cmdline += (cmdline.empty() ? "" : " ") + word;
    put("cmdline", cmdline);
    for (const auto& [key, value] : features.pmu_caps) {
      if (key == "branches") put("branches", value);
    }
  }

  const RecordSource& source_;
  bool begun_ = false;
  bool first_ = true;
};

}  // namespace

std::unique_ptr<Exporter> make_json_exporter(const RecordSource& source) {
  return std::make_unique<JsonExporter>(source);
}

}  // namespace lastbranch::perfdata
