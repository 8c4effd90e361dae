#include "sim/user/start.h"

#include <cerrno>
#include <cstring>
#include <sstream>

#include <fcntl.h>
#include <linux/binfmts.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "sim/base/base_name.h"
#include "sim/base/error.h"
#include "sim/load/script.h"
#include "sim/user/vdso.h"

namespace lastbranch::user {
namespace {

constexpr int kMostInterpreters = 5;
constexpr std::size_t kNameBytes = 15;
constexpr const char* kDefaultPath = "/usr/local/bin:/usr/bin:/bin";

/// An open program file and what the guest calls it.
struct Candidate {
  HostFd fd;
  std::string name;  ///< as given: AT_EXECFN
  std::string path;  ///< absolute, links resolved
};

std::string absolute(const Kernel& k, const std::string& name) {
  return PathSpace::join(k.paths.current().value_or("/"), name);
}

bool executable(int fd) {
  return ::syscall(SYS_faccessat2, fd, "", X_OK, AT_EMPTY_PATH | AT_EACCESS) == 0;
}

Candidate open_program(const Kernel& k, const std::string& name, const char* what) {
  Candidate c{k.paths.open(absolute(k, name), O_RDONLY), name, {}};
  if (!c.fd.ok()) throw Error("{}: cannot open the {}: {}", name, what, std::strerror(-c.fd.get()));
  struct stat st {};
  ::fstat(c.fd.get(), &st);
  if (S_ISDIR(st.st_mode)) throw Error("{}: expected a program, found a directory", name);
  if (!S_ISREG(st.st_mode)) throw Error("{}: expected a program, found a special file", name);
  if (!executable(c.fd.get())) {
    throw Error("{}: not executable: expected permission to execute, found mode {:04o}", name,
                st.st_mode & 07777);
  }
  c.path = k.paths.guest_path(c.fd.get()).value_or(name);
  return c;
}

std::string variable(const std::vector<std::string>& environment, const std::string& name) {
  for (const std::string& entry : environment) {
    if (entry.starts_with(name + "=")) return entry.substr(name.size() + 1);
  }
  return {};
}

/// As a shell finds a command.
std::string find_in_path(const Kernel& k, const std::string& name) {
  std::string list = variable(k.config.environment, "PATH");
  if (list.empty()) list = kDefaultPath;
  std::istringstream folders(list);
  for (std::string folder; std::getline(folders, folder, ':');) {
    const std::string path = PathSpace::join(folder.empty() ? "." : folder, name);
    const HostFd fd = k.paths.find(absolute(k, path), true);
    struct stat st {};
    if (fd.ok() && ::fstat(fd.get(), &st) == 0 && S_ISREG(st.st_mode) && executable(fd.get())) return path;
  }
  throw Error("{}: expected a program in PATH ({}), found none", name, list);
}

Candidate first_candidate(const Kernel& k) {
  std::string name = k.config.program;
  if (name.empty() && !k.config.arguments.empty()) name = k.config.arguments.front();
  if (name.empty()) throw Error("command: expected a program to run, found nothing");
  if (name.find('/') == std::string::npos) name = find_in_path(k, name);
  return open_program(k, name, "program");
}

/// Replaces scripts by their interpreters, putting them in front of the arguments.
Candidate follow_scripts(Kernel& k, Candidate c) {
  for (int depth = 0;; ++depth) {
    const load::FileReader file(c.fd.get(), c.name);
    const std::optional<load::ScriptLine> line = load::read_script_line(file);
    if (!line) return c;
    if (depth == kMostInterpreters) {
      throw Error("{}: expected at most {} interpreters in a row, found more", c.name, kMostInterpreters);
    }
    std::vector<std::string> before{line->interpreter};
    if (!line->argument.empty()) before.push_back(line->argument);
    before.push_back(c.name);
    if (!k.arguments.empty()) k.arguments.erase(k.arguments.begin());
    k.arguments.insert(k.arguments.begin(), before.begin(), before.end());
    const std::string script = c.name;
    try {
      c = open_program(k, line->interpreter, "interpreter");
    } catch (const Error& e) {
      throw Error("{}: script: {}", script, e.what());
    }
  }
}

ProgramFile read_program(const Candidate& c) {
  ProgramFile program{load::read_elf(load::FileReader(c.fd.get(), c.name)),
                      MappedFile::open(c.fd.get(), c.path)};
  if (!program.file) throw Error("{}: cannot keep it open: {}", c.name, std::strerror(errno));
  return program;
}

ProgramFile read_loader(const Kernel& k, const std::string& name, const std::string& interpreter) {
  const HostFd probe = k.paths.find(absolute(k, interpreter), true);
  if (probe.get() == -ENOENT) {
    throw Error("{}: missing loader: expected {} {}, found no such file", name, interpreter,
                k.config.root.empty() ? std::string("on this system") : "below " + k.config.root);
  }
  try {
    return read_program(open_program(k, interpreter, "loader"));
  } catch (const Error& e) {
    throw Error("{}: loader: {}", name, e.what());
  }
}

void map_vdso(AddressSpace& space) {
  MapRequest request{kVdsoBase, vdso_image().size(), u32{PROT_READ | PROT_EXEC},
                     MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE};
  request.role = Role::kVdso;
  if (const i64 r = space.map(request); r < 0) {
    throw Error("vDSO: cannot map it at {:#x}: {}", kVdsoBase, std::strerror(static_cast<int>(-r)));
  }
}

}  // namespace

void start_program(Kernel& k) {
  k.arguments = k.config.arguments;
  Candidate first = first_candidate(k);
  const std::string given = first.name;
  const Candidate c = follow_scripts(k, std::move(first));
  k.executable = c.path;
  const ProgramFile program = read_program(c);
  std::optional<ProgramFile> loader;
  if (!program.image.interpreter.empty()) loader = read_loader(k, c.name, program.image.interpreter);
  k.program = load_program(k.memory, program, loader ? &*loader : nullptr);
  map_vdso(k.memory);

  StackContents contents;
  contents.arguments = k.arguments;
  contents.environment = k.config.environment;
  contents.executable = given;
  k.randomize(contents.random.data(), contents.random.size());
  contents.hwcap = k.config.processor.hwcap;
  contents.hwcap2 = k.config.processor.hwcap2;
  contents.vdso = kVdsoBase;
  contents.minimum_signal_stack = kMinimumSignalStack;
  contents.uid = k.uid, contents.euid = k.euid, contents.gid = k.gid, contents.egid = k.egid;
  k.stack = build_stack(k.memory, k.program, contents, k.limits[RLIMIT_STACK].rlim_cur);
  k.name = base_name(given).substr(0, kNameBytes);
}

}  // namespace lastbranch::user
