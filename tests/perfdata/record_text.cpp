#include "tests/perfdata/record_text.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

namespace lastbranch::perfdata::test {
namespace {

std::string text(const SampleId& id) {
  return fmt::format("[{} {} {} {} {} {}]", id.pid, id.tid, id.time, id.id, id.stream_id, id.cpu);
}

struct Texts {
  std::string operator()(const OtherRecord&) const { return {}; }
  std::string operator()(const SampleRecord& s) const {
    std::string line = fmt::format("sample {} x{} {} {:x} {}/{} {} {} {} {} cpu {} {} read {} {}", s.event,
                                   s.repeat, s.identifier, s.ip, s.pid, s.tid, s.time, s.addr, s.id,
                                   s.stream_id, s.cpu, s.period, s.read_time_enabled, s.read_time_running);
    for (const ReadValue& v : s.read) line += fmt::format(" {},{},{}", v.value, v.id, v.lost);
    line += fmt::format(" chain {:x} raw {} index {} lbr", fmt::join(s.callchain, " "), s.raw, s.hw_index);
    for (const BranchEntry& b : s.branches) line += fmt::format(" {:x}/{:x}/{:x}", b.from, b.to, b.flags);
    return line + fmt::format(" counters {} user {} {} {} {} {} {} {} intr {} {} {} {} {} {} aux {}",
                              s.branch_counters, s.user_abi, s.user_regs, s.user_stack,
                              s.user_stack_dynamic_size, s.weight, s.data_src, s.transaction, s.intr_abi,
                              s.intr_regs, s.phys_addr, s.cgroup, s.data_page_size, s.code_page_size, s.aux);
  }
  std::string operator()(const CommRecord& c) const {
    return fmt::format("comm {} {} {} {} {}", c.pid, c.tid, c.name, c.exec, text(c.sample_id));
  }
  std::string operator()(const MmapRecord& m) const {
    return fmt::format("mmap {} {} {:x} {:x} {:x} {} {} {} {} {} {} {} {} {}", m.pid, m.tid, m.addr, m.len,
                       m.pgoff, m.prot, m.flags, m.filename, m.build_id ? m.build_id->hex() : "-", m.major,
                       m.minor, m.inode, m.generation, text(m.sample_id));
  }
  std::string operator()(const TaskRecord& t) const {
    return fmt::format("task {} {} {} {} {} {} {}", t.exit, t.pid, t.parent_pid, t.tid, t.parent_tid, t.time,
                       text(t.sample_id));
  }
  std::string operator()(const LostRecord& l) const {
    return fmt::format("lost {} {} {}", l.id, l.lost, text(l.sample_id));
  }
  std::string operator()(const EdgeRecord& e) const {
    return fmt::format("edge {:x} {:x} {} {}", e.from, e.to, e.count, e.mispredicted);
  }
  std::string operator()(const RangeRecord& r) const {
    return fmt::format("range {:x} {:x} {} {}", r.start, r.end, r.count, r.external);
  }
};

}  // namespace

std::string record_text(const Record& record) {
  const std::string line = std::visit(Texts{}, record.body);
  return line.empty() ? line : fmt::format("{} {} {}", record.header.type, record.header.misc, line);
}

std::vector<std::string> record_lines(RecordSource& source) {
  std::vector<std::string> lines;
  while (const Record* record = source.next()) {
    std::string line = record_text(*record);
    if (!line.empty()) lines.push_back(std::move(line));
  }
  return lines;
}

std::vector<std::string> record_lines(const std::string& path, OpenOptions options) {
  return record_lines(*open_source(path, options));
}

std::vector<std::string> event_lines(const RecordSource& source) {
  std::vector<std::string> lines;
  for (const EventInfo& event : source.events()) {
    const Attr& a = event.attr;
    lines.push_back(fmt::format("{} {} {} {:x} {} {:x} {:x} {:x} {:x} {:x} {:x} {} {}", event.name, a.type,
                                a.size, a.config, a.sample_period, a.sample_type, a.read_format, a.flags,
                                a.config1, a.config2, a.branch_sample_type, a.sample_max_stack, event.ids));
  }
  return lines;
}

std::vector<std::string> feature_lines(const Features& f) {
  std::vector<std::string> lines = {f.hostname, f.os_release, f.version, f.arch, f.cpu_desc, f.cpu_id};
  lines.push_back(fmt::format("{} {} {} {} {}", f.nr_cpus_available, f.nr_cpus_online, f.mem_kb, f.cmdline,
                              f.event_names));
  lines.push_back(f.sample_time ? fmt::format("{} {}", f.sample_time->first, f.sample_time->second) : "-");
  for (const auto& [name, value] : f.pmu_caps) lines.push_back(name + "=" + value);
  for (const BuildIdEntry& b : f.build_ids) {
    lines.push_back(fmt::format("{} {} {}", b.pid, b.build_id.hex(), b.filename));
  }
  return lines;
}

}  // namespace lastbranch::perfdata::test
