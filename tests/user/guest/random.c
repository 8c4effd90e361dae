// Everything that is random or a time on a real machine.
#include <stdio.h>
#include <sys/auxv.h>
#include <sys/random.h>
#include <sys/time.h>
#include <sys/times.h>
#include <time.h>
#include <unistd.h>

static void hex(const char* what, const unsigned char* bytes, int n) {
  printf("%s ", what);
  for (int i = 0; i < n; ++i) printf("%02x", bytes[i]);
  printf("\n");
}

int main(int argc, char** argv) {
  unsigned char bytes[32];
  hex("auxv", (const unsigned char*)getauxval(AT_RANDOM), 16);
  if (getrandom(bytes, sizeof bytes, 0) != sizeof bytes) return 1;
  hex("getrandom", bytes, 32);
  FILE* f = fopen("/dev/urandom", "r");
  if (fread(bytes, 1, 16, f) != 16) return 1;
  hex("urandom", bytes, 16);
  struct timespec t;
  struct timeval v;
  clock_gettime(CLOCK_MONOTONIC, &t);
  printf("monotonic %ld.%09ld\n", t.tv_sec, t.tv_nsec);
  gettimeofday(&v, NULL);
  printf("now %ld.%06ld, %ld\n", v.tv_sec, v.tv_usec, time(NULL));
  struct timespec nap = {3, 500};
  nanosleep(&nap, NULL);
  clock_gettime(CLOCK_REALTIME, &t);
  printf("slept %ld.%09ld clock %ld\n", t.tv_sec, t.tv_nsec, clock());
  unsigned lo, hi;
  __asm__ volatile("rdtsc" : "=a"(lo), "=d"(hi));
  printf("tsc %u %u pid %d stack %p code %p heap %p argv %p %d\n", hi, lo, getpid(), (void*)&t, (void*)main,
         sbrk(0), (void*)argv[0], argc);
  return 0;
}
