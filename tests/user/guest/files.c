// File calls in an empty current folder: results and errors, nothing that depends on inode numbers or times.
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/select.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#define SHOW(call) show(#call, (long)(call))
static void show(const char* what, long result) {
  if (result < 0) {
    printf("%s: %s\n", what, strerrorname_np(errno));
  } else {
    printf("%s: %ld\n", what, result);
  }
}
static int compare(const void* a, const void* b) {
  return strcmp(*(char* const*)a, *(char* const*)b);
}
static void list(const char* folder) {
  DIR* d = opendir(folder);
  char* names[100];
  int n = 0;
  if (d == NULL) {
    printf("%s: %s\n", folder, strerrorname_np(errno));
    return;
  }
  for (struct dirent* e; (e = readdir(d)) != NULL && n < 100;) {
    char text[300];
    snprintf(text, sizeof text, "%s/%d", e->d_name, e->d_type);
    names[n++] = strdup(text);
  }
  closedir(d);
  qsort(names, (size_t)n, sizeof *names, compare);
  printf("%s:", folder);
  for (int i = 0; i < n; ++i) printf(" %s", names[i]);
  printf("\n");
}
static void facts(const char* name) {
  struct stat st;
  if (lstat(name, &st) != 0) {
    printf("%s: %s\n", name, strerrorname_np(errno));
    return;
  }
  printf("%s: mode %o size %ld links %lu uid %u mtime %s\n", name, st.st_mode,
         (long)(S_ISDIR(st.st_mode) ? 0 : st.st_size), (unsigned long)(S_ISDIR(st.st_mode) ? 0 : st.st_nlink),
         st.st_uid, st.st_mtim.tv_sec == 1234567 ? "set" : "other");
}

static void names(void) {
  umask(027);
  SHOW(umask(027));
  SHOW(mkdir("d", 0777));
  SHOW(mkdir("d", 0777));
  SHOW(mkdir("d/e/f", 0777));
  SHOW(mkdir("slash/", 0755));
  SHOW(mkdir("d/..", 0755));
  SHOW(creat("d/file", 0666));
  SHOW(symlink("file", "d/link"));
  SHOW(symlink("loop", "loop"));
  SHOW(open("loop", O_RDONLY));
  SHOW(open("d/link", O_RDONLY | O_NOFOLLOW));
  SHOW(open("d/link", O_RDONLY | O_CREAT | O_EXCL, 0600));
  SHOW(open("d", O_WRONLY));
  SHOW(open("d/file", O_RDONLY | O_DIRECTORY));
  SHOW(open("d/file/x", O_RDONLY));
  SHOW(open("", O_RDONLY));
  SHOW(link("d/file", "hard"));
  SHOW(link("d", "harddir"));
  char text[64];
  SHOW(readlink("d/link", text, sizeof text));
  SHOW(readlink("d/link", text, 2));
  SHOW(readlink("d/file", text, sizeof text));
  SHOW(readlink("absent", text, sizeof text));
  SHOW(rename("d/link", "moved"));
  SHOW(rename("absent", "x"));
  SHOW(rename("d", "d/inside"));
  SHOW(syscall(SYS_renameat2, AT_FDCWD, "moved", AT_FDCWD, "hard", 1));
  SHOW(rmdir("d"));
  SHOW(rmdir("hard"));
  SHOW(unlink("d"));
  SHOW(unlink("absent"));
  SHOW(unlink("hard/"));
  SHOW(rmdir("slash/"));
  SHOW(rmdir("."));
  SHOW(chmod("d/file", 0640));
  SHOW(chmod("absent", 0640));
  SHOW(fchmodat(AT_FDCWD, "d", 0711, 0));
  SHOW(access("d/file", R_OK | W_OK));
  SHOW(access("d/file", 64));
  SHOW(access("absent", F_OK));
  SHOW(faccessat(AT_FDCWD, "d", X_OK, AT_EACCESS));
  struct timespec times[2] = {{1234567, 0}, {1234567, 0}};
  SHOW(utimensat(AT_FDCWD, "d/file", times, 0));
  facts("d/file");
  facts("moved");
  facts("d");
  facts("absent");
  list(".");
  list("d");
  list("d/file");
  SHOW(chdir("d/file"));
  SHOW(chdir("d"));
  char here[PATH_MAX];
  printf("cwd %s\n", strrchr(getcwd(here, sizeof here), '/'));
  SHOW(open("../moved", O_PATH | O_NOFOLLOW));
  SHOW(open("../d/file", O_RDONLY));
  int d = open(".", O_RDONLY | O_DIRECTORY);
  SHOW(chdir(".."));
  SHOW(openat(d, "file", O_RDONLY));
  SHOW(openat(d, "../hard", O_RDONLY));
  SHOW(openat(999, "file", O_RDONLY));
  SHOW(unlinkat(d, "file", AT_REMOVEDIR));
  SHOW(unlinkat(d, "file", 0));
  SHOW(fchdir(d));
  SHOW(rmdir("../d"));
  SHOW(getcwd(here, sizeof here) == NULL ? -1 : 0);
  SHOW(chdir("/"));
  char longest[5000];
  memset(longest, 'x', sizeof longest);
  longest[4999] = 0;
  SHOW(open(longest, O_RDONLY));
  longest[300] = 0;
  SHOW(open(longest, O_RDONLY));
}

static void contents(void) {
  int fd = open("data", O_RDWR | O_CREAT | O_TRUNC, 0644);
  char text[100] = {0};
  SHOW(write(fd, "0123456789", 10));
  SHOW(lseek(fd, 3, SEEK_SET));
  SHOW(read(fd, text, 4));
  puts(text);
  SHOW(pread(fd, text, 100, 8));
  SHOW(pwrite(fd, "abc", 3, 20));
  SHOW(lseek(fd, 0, SEEK_CUR));
  SHOW(lseek(fd, -100, SEEK_CUR));
  SHOW(lseek(fd, 0, SEEK_END));
  struct iovec v[3] = {{"one ", 4}, {"", 0}, {"two", 3}};
  SHOW(writev(fd, v, 3));
  SHOW(writev(fd, v, 2000));
  char a[5] = {0}, b[50] = {0};
  struct iovec r[2] = {{a, 4}, {b, 40}};
  SHOW(preadv(fd, r, 2, 23));
  printf("%s|%s\n", a, b);
  SHOW(ftruncate(fd, 5));
  SHOW(ftruncate(fd, -1));
  SHOW(truncate("data", 7));
  SHOW(truncate("absent", 7));
  SHOW(pread(fd, text, 100, 0));
  printf("%.5s %d %d\n", text, text[5], text[6]);
  SHOW(pread(fd, text, 100, -1));
  int copy = dup(fd);
  SHOW(lseek(fd, 2, SEEK_SET));
  SHOW(lseek(copy, 0, SEEK_CUR));
  SHOW(dup2(fd, 10));
  SHOW(dup2(fd, fd));
  SHOW(dup2(99, 10));
  SHOW(dup3(fd, fd, 0));
  SHOW(dup3(fd, 11, O_CLOEXEC));
  SHOW(fcntl(11, F_GETFD));
  SHOW(fcntl(10, F_GETFD));
  SHOW(fcntl(fd, F_DUPFD, 20));
  SHOW(fcntl(fd, F_DUPFD_CLOEXEC, 20));
  SHOW(fcntl(fd, F_GETFL) & O_ACCMODE);
  SHOW(fcntl(fd, F_SETFL, O_APPEND));
  SHOW(write(fd, "end", 3));
  SHOW(lseek(fd, 0, SEEK_CUR));
  SHOW(close(10));
  SHOW(close(10));
  SHOW(flock(fd, LOCK_EX));
  SHOW(fsync(fd));
  SHOW(fdatasync(1000));
  SHOW(isatty(fd));
  SHOW(ioctl(fd, FIONREAD, text));
  int ro = open("data", O_RDONLY);
  SHOW(write(ro, "x", 1));
  SHOW(ftruncate(ro, 1));
  int wo = open("data", O_WRONLY);
  SHOW(read(wo, text, 1));
  SHOW(read(open(".", O_RDONLY), text, 1));
  int out = open("copy", O_RDWR | O_CREAT, 0600);
  off_t from = 2;
  SHOW(sendfile(out, ro, &from, 5));
  SHOW(from);
  SHOW(sendfile(out, ro, NULL, 100));
  SHOW(copy_file_range(ro, &from, out, NULL, 100, 0));
  struct stat st;
  SHOW(fstat(out, &st));
  SHOW(st.st_size);
  SHOW(fallocate(out, 0, 0, 100));
  SHOW(fstat(out, &st));
  SHOW(st.st_size);
  struct statfs fs;
  SHOW(statfs(".", &fs));
  SHOW(posix_fadvise(fd, 0, 0, POSIX_FADV_WILLNEED));
  SHOW(open("/dev/null", O_RDWR));
  SHOW(write(open("/dev/full", O_WRONLY), "x", 1));
  int ends[2];
  SHOW(pipe(ends));
  SHOW(write(ends[1], "pipe", 4));
  SHOW(lseek(ends[0], 0, SEEK_SET));
  struct pollfd p[3] = {{ends[0], POLLIN, 0}, {ends[1], POLLOUT, 0}, {-1, POLLIN, 0}};
  SHOW(poll(p, 3, 1000));
  printf("%x %x %x\n", p[0].revents, p[1].revents, p[2].revents);
  fd_set readable;
  FD_ZERO(&readable);
  FD_SET(ends[0], &readable);
  struct timeval none = {0, 0};
  SHOW(select(ends[0] + 1, &readable, NULL, NULL, &none));
  SHOW(read(ends[0], text, 100));
  SHOW(select(ends[0] + 1, &readable, NULL, NULL, &none));
  p[0].revents = 0;
  SHOW(poll(p, 1, 5));
  SHOW(poll(NULL, 0, 5));
  close(ends[1]);
  SHOW(read(ends[0], text, 100));
  p[1].fd = 777;
  SHOW(poll(p, 2, 1000));
  printf("%x %x\n", p[0].revents, p[1].revents);
}

static void mapping(void) {
  int fd = open("mapped", O_RDWR | O_CREAT, 0644);
  SHOW(ftruncate(fd, 6000));
  char* shared = mmap(NULL, 6000, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  char* own = mmap(NULL, 6000, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
  own[1] = 'p';
  strcpy(shared + 4094, "across pages");
  char text[20] = {0};
  SHOW(pread(fd, text, 12, 4094));
  puts(text);
  SHOW(pwrite(fd, "written", 7, 100));
  puts(shared + 100);
  SHOW(own[1]);
  SHOW(shared[1]);
  SHOW(msync(shared, 6000, MS_SYNC));
  SHOW(mprotect(own, 4096, PROT_READ));
  char* grown = mremap(shared, 6000, 30000, MREMAP_MAYMOVE);
  SHOW(grown == MAP_FAILED ? -1 : 0);
  puts(grown + 4094);
  SHOW(munmap(grown, 30000));
  int ro = open("mapped", O_RDONLY);
  SHOW(mmap(NULL, 10, PROT_WRITE, MAP_SHARED, ro, 0) == MAP_FAILED ? -1 : 0);
  SHOW(mmap(NULL, 10, PROT_READ, MAP_PRIVATE, ro, 5) == MAP_FAILED ? -1 : 0);
  SHOW(mmap(NULL, 0, PROT_READ, MAP_PRIVATE, ro, 0) == MAP_FAILED ? -1 : 0);
  SHOW(mmap(NULL, 10, PROT_READ, 0, ro, 0) == MAP_FAILED ? -1 : 0);
  SHOW(mmap(NULL, 10, PROT_READ, MAP_PRIVATE, 999, 0) == MAP_FAILED ? -1 : 0);
  SHOW(mmap(NULL, 10, PROT_READ, MAP_PRIVATE, open(".", O_RDONLY), 0) == MAP_FAILED ? -1 : 0);
  char* one = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  unsigned char resident[1];
  one[0] = 1;
  SHOW(mincore(one, 4096, resident));
  SHOW(resident[0] & 1);
  SHOW(madvise(one, 4096, MADV_DONTNEED));
  SHOW(one[0]);
  SHOW(madvise(one + 1, 4096, MADV_DONTNEED));
  char* end = sbrk(0);
  SHOW((char*)sbrk(10000) - end);
  end[9999] = 7;
  SHOW((char*)sbrk(-10000) - end);
  int memory = memfd_create("m", 0);
  SHOW(ftruncate(memory, 100));
  char* m = mmap(NULL, 100, PROT_READ | PROT_WRITE, MAP_SHARED, memory, 0);
  strcpy(m, "memory");
  SHOW(read(memory, text, 6));
  printf("%.6s\n", text);
}

static void self(int argc, char** argv) {
  char text[PATH_MAX] = {0}, real[PATH_MAX];
  SHOW(readlink("/proc/self/exe", text, sizeof text - 1) > 0);
  puts(strcmp(text, realpath(argv[0], real)) == 0 ? "exe right" : text);
  FILE* f = fopen("/proc/self/cmdline", "r");
  SHOW((long)fread(text, 1, sizeof text, f) == (long)(strlen(argv[0]) + 1 + strlen(argv[argc - 1]) + 1));
  fclose(f);
  f = fopen("/proc/self/maps", "r");
  int mains = 0;
  while (fgets(text, sizeof text, f)) {
    unsigned long from, to;
    sscanf(text, "%lx-%lx", &from, &to);
    if ((uintptr_t)&self >= from && (uintptr_t)&self < to) {
      ++mains;
      printf("%.4s %d\n", strchr(text, ' ') + 1, strstr(text, real) != NULL);
    }
  }
  fclose(f);
  SHOW(mains);
  SHOW(open("/proc/self/exe", O_WRONLY) < 0);
  SHOW(open("/proc/self/nonsense", O_RDONLY));
  struct stat st, also;
  SHOW(stat("/proc/self/exe", &st) | stat(argv[0], &also));
  SHOW(st.st_ino == also.st_ino);
  SHOW(lstat("/proc/self/exe", &st));
  SHOW(S_ISLNK(st.st_mode));
  SHOW(stat("/proc/self/maps", &st));
  SHOW(st.st_size);
  int fd = open("x", O_CREAT | O_RDWR, 0600);
  snprintf(text, sizeof text, "/proc/self/fd/%d", fd);
  SHOW(readlink(text, real, sizeof real) > 0);
  SHOW(write(fd, "abc", 3));
  FILE* input = fopen("/dev/stdin", "r");
  printf("%s\n", input && fgets(text, sizeof text, input) ? text : "nothing");
}

int main(int argc, char** argv) {
  names();
  if (chdir(argv[1]) != 0) return 2;
  contents();
  mapping();
  self(argc, argv);
  list(argv[1]);
  return 0;
}
