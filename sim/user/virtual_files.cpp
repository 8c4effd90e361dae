#include "sim/user/virtual_files.h"

#include <array>
#include <cerrno>
#include <charconv>
#include <filesystem>
#include <fstream>
#include <sstream>

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/mman.h>
#include <unistd.h>

namespace lastbranch::user {
namespace {

using Kind = VirtualFile::Kind;

std::string joined(const std::vector<std::string>& strings) {
  std::string text;
  for (const std::string& s : strings) text.append(s).push_back('\0');
  return text;
}

u64 mapped_bytes(const Kernel& k) {
  u64 total = 0;
  for (const auto& [start, v] : k.memory.vmas().all()) total += v.size();
  return total;
}

u64 ticks(u64 ns) {
  return ns / (GuestClock::kSecond / 100);
}

std::string stat_text(const Kernel& k) {
  return fmt::format(
      "{} ({}) R {} {} {} 0 -1 4194304 0 0 0 0 {} 0 0 0 20 0 1 0 {} {} {} 18446744073709551615 1 1 {} 0 0 0 "
      "0 0 0 0 0 0 17 "
      "0 0 0 0 0 0 0 0 0 {} {} 0 0 0\n",
      kPid, k.name, kParentPid, kPid, kPid, ticks(k.clock.busy()), kUptimeSeconds * 100, mapped_bytes(k),
      k.memory.resident_pages(), kStackTop, k.stack.arguments, k.stack.arguments_end);
}

std::string status_text(const Kernel& k) {
  return fmt::format(
      "Name:\t{}\nUmask:\t{:04o}\nState:\tR "
      "(running)\nTgid:\t{}\nNgid:\t0\nPid:\t{}\nPPid:\t{}\nTracerPid:\t0\n"
      "Uid:\t{}\t{}\t{}\t{}\nGid:\t{}\t{}\t{}\t{}\nFDSize:\t64\nVmSize:\t{:8} kB\nVmRSS:\t{:8} "
      "kB\nThreads:\t1\n"
      "Cpus_allowed:\t1\nCpus_allowed_list:\t0\n",
      k.name, k.file_mask, kPid, kPid, kParentPid, k.uid, k.euid, k.euid, k.euid, k.gid, k.egid, k.egid,
      k.egid, mapped_bytes(k) >> 10, k.memory.resident_pages() * (kPageSize >> 10));
}

std::string cpuinfo_text(const Kernel& k) {
  const ProcessorIdentity& p = k.config.processor;
  return fmt::format(
      "processor\t: 0\nvendor_id\t: {}\ncpu family\t: {}\nmodel\t\t: {}\nmodel name\t: {}\nstepping\t: {}\n"
      "cpu MHz\t\t: {}.000\nphysical id\t: 0\nsiblings\t: 1\ncore id\t\t: 0\ncpu cores\t: 1\nfpu\t\t: yes\n"
      "wp\t\t: yes\nflags\t\t: {}\nclflush size\t: 64\ncache_alignment\t: 64\n"
      "address sizes\t: 46 bits physical, 48 bits virtual\n\n",
      p.vendor, p.family, p.model, p.model_name, p.stepping, p.mhz, p.flags);
}

std::string meminfo_text(const Kernel& k) {
  const u64 total = k.config.memory_bytes >> 10;
  const u64 free = total - std::min(total, k.memory.resident_pages() * (kPageSize >> 10));
  return fmt::format(
      "MemTotal:       {:8} kB\nMemFree:        {:8} kB\nMemAvailable:   {:8} kB\nBuffers:               0 "
      "kB\n"
      "Cached:                0 kB\nSwapTotal:             0 kB\nSwapFree:              0 kB\n",
      total, free, free);
}

std::string uptime_text(const Kernel& k) {
  return fmt::format("{}.{:02} 0.00\n", k.clock.monotonic() / GuestClock::kSecond,
                     ticks(k.clock.monotonic()) % 100);
}

std::string cpu_stat_text(const Kernel& k) {
  const u64 busy = ticks(k.clock.busy());
  return fmt::format("cpu  {0} 0 0 0 0 0 0 0 0 0\ncpu0 {0} 0 0 0 0 0 0 0 0 0\nbtime {1}\nprocesses 1\n", busy,
                     kEpochSeconds - kUptimeSeconds);
}

std::string limits_text(const Kernel& k) {
  const auto value = [](rlim_t v) {
    return v == RLIM_INFINITY ? std::string("unlimited") : std::to_string(v);
  };
  const auto row = [&](const char* name, int which, const char* unit) {
    const rlimit& l = k.limits[static_cast<std::size_t>(which)];
    return fmt::format("{:<25} {:<20} {:<20} {:<10}\n", name, value(l.rlim_cur), value(l.rlim_max), unit);
  };
  return fmt::format("{:<25} {:<20} {:<20} {:<10}\n", "Limit", "Soft Limit", "Hard Limit", "Units") +
         row("Max stack size", RLIMIT_STACK, "bytes") + row("Max open files", RLIMIT_NOFILE, "files");
}

/// The simulator's mounts are the guest's, unless it lives in a folder of them.
template <const char* kName>
std::string mounts_text(const Kernel& k) {
  if (!k.config.root.empty()) return {};
  std::ostringstream text;
  text << std::ifstream(std::string("/proc/self/") + kName).rdbuf();
  return text.str();
}
constexpr char kMounts[] = "mounts", kMountInfo[] = "mountinfo";

std::string auxv_text(const Kernel& k) {
  return {k.stack.auxv.begin(), k.stack.auxv.end()};
}

struct TextRow {
  const char* path;
  std::string (*text)(const Kernel&);
};
/// Of the process's folder.
constexpr std::array kProcessFiles = {
    TextRow{"maps", [](const Kernel& k) { return k.memory.maps_text(); }},
    TextRow{"auxv", auxv_text},
    TextRow{"cmdline", [](const Kernel& k) { return joined(k.arguments); }},
    TextRow{"environ", [](const Kernel& k) { return joined(k.config.environment); }},
    TextRow{"comm", [](const Kernel& k) { return k.name + "\n"; }},
    TextRow{"stat", stat_text},
    TextRow{"statm",
            [](const Kernel& k) {
              return fmt::format("{} {} 0 0 0 0 0\n", mapped_bytes(k) >> kPageShift,
                                 k.memory.resident_pages());
            }},
    TextRow{"status", status_text},
    TextRow{"limits", limits_text},
    TextRow{kMounts, mounts_text<kMounts>},
    TextRow{kMountInfo, mounts_text<kMountInfo>},
};
constexpr std::array kMachineFiles = {
    TextRow{"/proc/cpuinfo", cpuinfo_text},
    TextRow{"/proc/meminfo", meminfo_text},
    TextRow{"/proc/mounts", mounts_text<kMounts>},
    TextRow{"/proc/stat", cpu_stat_text},
    TextRow{"/proc/uptime", uptime_text},
    TextRow{"/proc/loadavg", [](const Kernel&) { return fmt::format("0.00 0.00 0.00 1/1 {}\n", kPid); }},
    TextRow{"/sys/devices/system/cpu/online", [](const Kernel&) { return std::string("0\n"); }},
    TextRow{"/sys/devices/system/cpu/possible", [](const Kernel&) { return std::string("0\n"); }},
    TextRow{"/sys/devices/system/cpu/present", [](const Kernel&) { return std::string("0\n"); }},
};

std::optional<VirtualFile> descriptor(const Kernel& k, const std::string& digits) {
  u64 fd = 0;
  const char* end = digits.data() + digits.size();
  const auto parsed = std::from_chars(digits.data(), end, fd);
  const bool good = parsed.ec == std::errc() && parsed.ptr == end && k.fds.get(fd) != nullptr;
  return good ? VirtualFile{Kind::kDescriptor, {}, fd} : VirtualFile{};
}

VirtualFile process_file(const Kernel& k, const std::string& name) {
  if (name.empty() || name == "fd" || name == "task") return {Kind::kFolder, {}};
  if (name == "exe") return {Kind::kLink, k.executable};
  if (name == "root") return {Kind::kLink, "/"};
  if (name == "cwd") {
    const std::optional<std::string> folder = k.paths.current();
    return folder ? VirtualFile{Kind::kLink, *folder} : VirtualFile{};
  }
  if (name.starts_with("fd/")) return *descriptor(k, name.substr(3));
  for (const TextRow& row : kProcessFiles) {
    if (name == row.path) return {Kind::kText, row.text(k)};
  }
  return {};
}

/// Without ".", ".." and doubled slashes, links not looked at: only to recognise names.
std::string normal(const std::string& path) {
  return std::filesystem::path(path).lexically_normal().string();
}

}  // namespace

std::optional<VirtualFile> find_virtual(Kernel& k, const std::string& path) {
  // All of them begin with /dev/, /proc/ or /sys/: the common case costs a glance.
  if (path.find("dev") == std::string::npos && path.find("proc") == std::string::npos &&
      path.find("sys") == std::string::npos) {
    return std::nullopt;
  }
  const std::string name = normal(path);
  for (const std::string& folder :
       {std::string("/proc/self/"), std::string("/proc/thread-self/"), fmt::format("/proc/{}/", kPid),
        fmt::format("/proc/self/task/{}/", kPid)}) {
    if (!name.starts_with(folder) || name.starts_with(folder + "task/")) continue;
    return process_file(k, name.substr(folder.size()));
  }
  if (name == fmt::format("/proc/{}", kPid)) return VirtualFile{Kind::kFolder, {}};
  if (name == "/proc/self") return VirtualFile{Kind::kLink, std::to_string(kPid)};
  for (const TextRow& row : kMachineFiles) {
    if (name == row.path) return VirtualFile{Kind::kText, row.text(k)};
  }
  if (name == "/dev/urandom" || name == "/dev/random") return VirtualFile{Kind::kRandom, name};
  if (name == "/dev/stdin") return descriptor(k, "0");
  if (name == "/dev/stdout") return descriptor(k, "1");
  if (name == "/dev/stderr") return descriptor(k, "2");
  if (name.starts_with("/dev/fd/")) return descriptor(k, name.substr(8));
  return std::nullopt;
}

HostFd make_text_file(const std::string& text) {
  const HostFd writer(::memfd_create("lastbranch", MFD_CLOEXEC));
  if (!writer.ok()) return HostFd(-errno);
  u64 done = 0;
  while (done < text.size()) {
    const ssize_t n = ::write(writer.get(), text.data() + done, text.size() - done);
    if (n <= 0) return HostFd(-EIO);
    done += static_cast<u64>(n);
  }
  const int fd = ::open(fmt::format("/proc/self/fd/{}", writer.get()).c_str(), O_RDONLY | O_CLOEXEC);
  return HostFd(fd < 0 ? -errno : fd);
}

}  // namespace lastbranch::user
