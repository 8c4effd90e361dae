#include "tests/user/native_compare.h"

#include <cstdlib>

#include <fcntl.h>
#include <sys/personality.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/user/temp_dir.h"

namespace lastbranch::user::testing {

Outcome run_command(const std::vector<std::string>& command, const std::string& folder,
                    const std::string& input) {
  const TempDir streams;
  const std::string in = streams.write("in", input), out = streams.write("out", ""),
                    err = streams.write("err", "");
  std::vector<char*> argv;
  for (const std::string& a : command) argv.push_back(const_cast<char*>(a.c_str()));
  argv.push_back(nullptr);
  const pid_t child = ::fork();
  if (child == 0) {
    ::personality(ADDR_NO_RANDOMIZE);
    ::dup2(::open(in.c_str(), O_RDONLY), 0);
    ::dup2(::open(out.c_str(), O_WRONLY | O_APPEND), 1);
    ::dup2(::open(err.c_str(), O_WRONLY | O_APPEND), 2);
    for (int fd = 3; fd < 64; ++fd) ::close(fd);
    if (::chdir(folder.c_str()) != 0) ::_exit(126);
    ::execv(argv[0], argv.data());
    ::_exit(127);
  }
  int status = 0;
  ::waitpid(child, &status, 0);
  return {streams.read("out"), streams.read("err"),
          WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status)};
}

std::vector<std::string> on_board(const std::vector<std::string>& command,
                                  const std::vector<std::string>& options) {
  std::vector<std::string> all{LASTBRANCH_RUN_GUEST};
  all.insert(all.end(), options.begin(), options.end());
  all.insert(all.end(), command.begin(), command.end());
  return all;
}

}  // namespace lastbranch::user::testing
