#include "apps/msrdump/msr_source.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <utility>

#include <cpuid.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <sched.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "sim/base/error.h"

namespace lastbranch::msrdump {
namespace {

using replay::DumpedCpuid;

int open_read(const std::string& path) {
  return open(path.c_str(), O_RDONLY | O_CLOEXEC);
}

bool is_table(int fd) {
  struct stat status {};
  return fstat(fd, &status) == 0 && S_ISREG(status.st_mode);
}

/// The row of a table for which `fits`.
template <typename Row, typename Fits>
std::optional<Row> find_row(int fd, const Fits& fits) {
  Row row{};
  for (off_t at = 0; pread(fd, &row, sizeof row, at) == static_cast<ssize_t>(sizeof row); at += sizeof row) {
    if (fits(row)) return row;
  }
  return std::nullopt;
}

struct MsrRow {
  u64 index;
  u64 value;
};
struct CpuidRow {
  u32 leaf;
  u32 subleaf;
  std::array<u32, 4> registers;
};

std::string errno_name(int error) {
  const char* name = strerrorname_np(error);
  return name != nullptr ? name : std::to_string(error);
}

/// Executes CPUID on processor `cpu`.
DumpedCpuid execute_cpuid(unsigned cpu, u32 leaf, u32 subleaf) {
  cpu_set_t before;
  cpu_set_t there;
  CPU_ZERO(&there);
  CPU_SET(cpu, &there);
  if (sched_getaffinity(0, sizeof before, &before) != 0 || sched_setaffinity(0, sizeof there, &there) != 0) {
    throw Error("processor {}: expected one that can be run on, found none: {}", cpu, std::strerror(errno));
  }
  DumpedCpuid found{.leaf = leaf, .subleaf = subleaf};
  auto& [a, b, c, d] = found.registers;
  __cpuid_count(leaf, subleaf, a, b, c, d);
  sched_setaffinity(0, sizeof before, &before);
  return found;
}

}  // namespace

MsrSource::MsrSource(std::string root, unsigned cpu)
    : root_(std::move(root)), cpu_(cpu), msr_path_(fmt::format("{}/dev/cpu/{}/msr", root_, cpu)) {
  msr_ = open_read(msr_path_);
  if (msr_ < 0) {
    throw Error("{}: cannot be opened: {}; it needs 'modprobe msr' and root (CAP_SYS_RAWIO)", msr_path_,
                std::strerror(errno));
  }
  msr_table_ = is_table(msr_);
  const std::string cpuid_path = fmt::format("{}/dev/cpu/{}/cpuid", root_, cpu);
  cpuid_ = open_read(cpuid_path);
  if (cpuid_ >= 0) {
    cpuid_table_ = is_table(cpuid_);
  } else if (!root_.empty()) {
    const int error = errno;
    close(msr_);
    throw Error("{}: cannot be opened: {}", cpuid_path, std::strerror(error));
  }
}

MsrSource::~MsrSource() {
  close(msr_);
  if (cpuid_ >= 0) close(cpuid_);
}

MsrRead MsrSource::read(u32 index) const {
  if (msr_table_) {
    const auto row = find_row<MsrRow>(msr_, [&](const MsrRow& r) { return r.index == index; });
    return row ? MsrRead{row->value, {}} : MsrRead{std::nullopt, "EIO"};
  }
  u64 value = 0;
  const ssize_t n = pread(msr_, &value, sizeof value, static_cast<off_t>(index));
  if (n == static_cast<ssize_t>(sizeof value)) return {value, {}};
  return {std::nullopt, n < 0 ? errno_name(errno) : "short"};
}

DumpedCpuid MsrSource::cpuid(u32 leaf, u32 subleaf) const {
  if (cpuid_ < 0) return execute_cpuid(cpu_, leaf, subleaf);
  if (cpuid_table_) {
    const auto row =
        find_row<CpuidRow>(cpuid_, [&](const CpuidRow& r) { return r.leaf == leaf && r.subleaf == subleaf; });
    // A processor answers every leaf.
    return {.leaf = leaf, .subleaf = subleaf, .registers = row ? row->registers : std::array<u32, 4>{}};
  }
  DumpedCpuid found{.leaf = leaf, .subleaf = subleaf};
  const auto place = static_cast<off_t>(u64{subleaf} << 32 | leaf);
  const ssize_t n = pread(cpuid_, found.registers.data(), sizeof found.registers, place);
  if (n != static_cast<ssize_t>(sizeof found.registers)) {
    throw Error("{}/dev/cpu/{}/cpuid: expected leaf {:#x}, found none: {}", root_, cpu_, leaf,
                n < 0 ? std::strerror(errno) : "end of file");
  }
  return found;
}

std::string MsrSource::cpuinfo(std::string_view key) const {
  std::ifstream in(root_ + "/proc/cpuinfo");
  const std::string here = fmt::format("processor\t: {}", cpu_);
  bool mine = false;
  for (std::string line; std::getline(in, line);) {
    if (line.starts_with("processor")) mine = line == here;
    const std::size_t colon = line.find(": ");
    if (!mine || !line.starts_with(key) || colon == line.npos) continue;
    return line.substr(colon + 2);
  }
  return {};
}

std::string MsrSource::kernel() const {
  if (!root_.empty()) {
    std::ifstream in(root_ + "/proc/sys/kernel/osrelease");
    std::string release;
    std::getline(in, release);
    return "Linux " + release;
  }
  utsname name{};
  if (uname(&name) != 0) return {};
  return fmt::format("{} {} {}", name.sysname, name.release, name.machine);
}

}  // namespace lastbranch::msrdump
