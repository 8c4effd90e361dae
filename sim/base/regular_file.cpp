#include "sim/base/regular_file.h"

#include <cerrno>
#include <cstring>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "sim/base/error.h"

namespace lastbranch {

int open_regular_file(const std::string& path) {
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
  if (fd < 0) throw Error("{}: cannot open: {}", path, std::strerror(errno));
  struct stat st {};
  const bool known = ::fstat(fd, &st) == 0;
  if (known && S_ISREG(st.st_mode)) return fd;
  ::close(fd);
  throw Error("{}: expected a regular file, found {}", path,
              known && S_ISDIR(st.st_mode) ? "a directory" : "a special file");
}

}  // namespace lastbranch
