// One scenario per run: a fault or a signal, and what its handler sees. Prints nothing that depends on
// addresses.
#define _GNU_SOURCE
#include <emmintrin.h>
#include <errno.h>
#include <fcntl.h>
#include <fenv.h>
#include <setjmp.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/ucontext.h>
#include <unistd.h>

static volatile char* expected_address;
static volatile int skip;  // bytes of the faulting instruction
static sigjmp_buf back;

static void show(int sig, siginfo_t* info, ucontext_t* uc) {
  greg_t* r = uc->uc_mcontext.gregs;
  printf("signal %d code %d trap %d err %#x", sig, info->si_code, (int)r[REG_TRAPNO], (unsigned)r[REG_ERR]);
  if (info->si_code > 0 && info->si_code != SI_KERNEL) {
    const char* wanted = expected_address ? (char*)expected_address : (char*)r[REG_RIP];
    printf(" address %s", (char*)info->si_addr == wanted ? "right" : "wrong");
  } else {
    printf(" pid %s", info->si_pid == getpid() ? "own" : info->si_pid == 0 ? "0" : "other");
  }
  if (r[REG_TRAPNO] == 14)
    printf(" cr2 %s", (char*)r[REG_CR2] == (char*)expected_address ? "right" : "wrong");
  printf(" cs %x ss %x\n", (unsigned)(r[REG_CSGSFS] & 0xffff), (unsigned)((uint64_t)r[REG_CSGSFS] >> 48));
}

static void skipping(int sig, siginfo_t* info, void* context) {
  ucontext_t* uc = context;
  show(sig, info, uc);
  uc->uc_mcontext.gregs[REG_RIP] += skip;
}
static void jumping(int sig, siginfo_t* info, void* context) {
  show(sig, info, context);
  siglongjmp(back, 1);
}
static void install(int sig, void (*handler)(int, siginfo_t*, void*), int flags) {
  struct sigaction a = {0};
  a.sa_sigaction = handler;
  a.sa_flags = SA_SIGINFO | flags;
  sigaction(sig, &a, NULL);
}

// movq %rax, (%rdi) is three bytes.
static void poke(volatile char* p) {
  expected_address = p;
  skip = 3;
  uint64_t flags = 0;
  register uint64_t rbx __asm__("rbx") = 0x1122334455667788;
  __asm__ volatile("cmp %%rdi, %%rdi\n\tstc\n\tmovq %%rax, (%%rdi)\n\tpushfq\n\tpop %0"
                   : "=r"(flags), "+r"(rbx)
                   : "D"(p)
                   : "memory", "cc");
  printf("back, flags %#lx, rbx %#lx\n", (unsigned long)(flags & 0xcd5), (unsigned long)rbx);
}
static void peek(volatile char* p) {
  expected_address = p;
  skip = 3;
  __asm__ volatile("movq (%%rdi), %%rax" : : "D"(p) : "rax", "memory");
  printf("back\n");
}
static void segv_null(void) {
  install(SIGSEGV, skipping, 0);
  poke(NULL);
}
static void segv_read(void) {
  install(SIGSEGV, skipping, 0);
  peek((char*)0x123456000);
}
static void segv_accerr(void) {
  install(SIGSEGV, skipping, 0);
  char* p = mmap(NULL, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  peek(p);
  poke(p + 8);
}
static void segv_none(void) {
  install(SIGSEGV, skipping, 0);
  char* p = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  p[0] = 1;
  mprotect(p, 4096, PROT_NONE);
  peek(p);
}
static void segv_kernel(void) {
  install(SIGSEGV, skipping, 0);
  peek((char*)0xffffffff80000000);
}
static void segv_noncanonical(void) {
  install(SIGSEGV, skipping, 0);
  poke((char*)0x1234567890abcdef);
}
static void segv_exec(void) {
  install(SIGSEGV, jumping, 0);
  char* p = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  p[0] = (char)0xc3;
  expected_address = p;
  if (sigsetjmp(back, 1) == 0) ((void (*)(void))p)();
  printf("back\n");
}
static void segv_crossing(void) {
  install(SIGSEGV, skipping, 0);
  char* p = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  munmap(p + 4096, 4096);
  memset(p, 7, 4096);
  expected_address = p + 4096;
  skip = 3;
  __asm__ volatile("movq %%rax, (%%rdi)" : : "D"(p + 4092), "a"(0ul) : "memory");
  printf("first part untouched: %d\n", p[4095]);
}
static void segv_dies(void) {
  poke(NULL);
}
static void segv_ignored_dies(void) {
  signal(SIGSEGV, SIG_IGN);
  poke(NULL);
}
static void segv_blocked_dies(void) {
  install(SIGSEGV, skipping, 0);
  sigset_t set;
  sigfillset(&set);
  sigprocmask(SIG_BLOCK, &set, NULL);
  poke(NULL);
}
static void privileged(void) {
  install(SIGSEGV, skipping, 0);
  skip = 1;
  __asm__ volatile("hlt");
  printf("back\n");
}
static void bus(void) {
  install(SIGBUS, skipping, 0);
  char name[] = "/tmp/lastbranch-guest-XXXXXX";
  int fd = mkstemp(name);
  unlink(name);
  if (write(fd, "x", 1) != 1) abort();
  char* p = mmap(NULL, 8192, PROT_READ, MAP_PRIVATE, fd, 0);
  printf("first byte %c, then %d\n", p[0], p[1]);
  peek(p + 4096);
}
static void fpe_int(void) {
  install(SIGFPE, skipping, 0);
  skip = 2;
  __asm__ volatile("xor %%edx, %%edx\n\txor %%ecx, %%ecx\n\tdiv %%ecx" : : "a"(1) : "edx", "ecx", "cc");
  printf("back\n");
}
static void fpe_overflow(void) {
  install(SIGFPE, skipping, 0);
  skip = 2;
  __asm__ volatile("mov $0x80000000, %%eax\n\tcltd\n\tmov $-1, %%ecx\n\tidiv %%ecx"
                   :
                   :
                   : "eax", "edx", "ecx", "cc");
  printf("back\n");
}
static void fpe_sse(void) {
  install(SIGFPE, jumping, 0);
  if (sigsetjmp(back, 1) == 0) {
    _mm_setcsr(0x1f80 & ~0x200u);
    volatile double zero = 0, one = 1;
    printf("%f\n", one / zero);
  }
  _mm_setcsr(0x1f80 & ~0x80u);
  if (sigsetjmp(back, 1) == 0) {
    volatile double zero = 0;
    printf("%f\n", zero / zero);
  }
  printf("mxcsr here %#x\n", _mm_getcsr());
}
static void fpe_x87(void) {
  install(SIGFPE, jumping, 0);
  if (sigsetjmp(back, 1) == 0) {
    unsigned short control = 0x37f & ~4;
    volatile long double zero = 0, one = 1;
    __asm__ volatile("fninit\n\tfldcw %0" : : "m"(control));
    volatile long double q = one / zero;
    __asm__ volatile("fwait");
    printf("%Lf\n", q);
  }
  printf("back\n");
}
static void ill(void) {
  install(SIGILL, skipping, 0);
  skip = 2;
  __asm__ volatile("ud2");
  printf("back\n");
}
static void ill_dies(void) {
  __asm__ volatile("ud2");
}
static void trap(void) {
  install(SIGTRAP, skipping, 0);
  skip = 0;
  __asm__ volatile("int3");
  printf("back\n");
}
static void trap_dies(void) {
  __asm__ volatile("int3");
}
static void int_n(void) {
  install(SIGSEGV, skipping, 0);
  skip = 2;
  __asm__ volatile("int $0x21");
  printf("back\n");
}
static int steps;
static void stepping(int sig, siginfo_t* info, void* context) {
  ucontext_t* uc = context;
  if (++steps == 1) show(sig, info, uc);
  if (steps == 5) uc->uc_mcontext.gregs[REG_EFL] &= ~0x100;
}
static void single_step(void) {
  install(SIGTRAP, stepping, 0);
  __asm__ volatile("pushfq\n\torq $0x100, (%%rsp)\n\tpopfq\n\tnop\n\tnop\n\tnop\n\tnop\n\tnop\n\tnop\n\tnop"
                   :
                   :
                   : "memory", "cc");
  printf("steps %d\n", steps);
}

static int deep(volatile int n) {
  volatile char big[4000];
  big[0] = (char)n;
  return n == 0 ? 0 : deep(n - 1) + big[0];
}
static char* alternate;
static void on_alternate(int sig, siginfo_t* info, void* context) {
  char here;
  ucontext_t* uc = context;
  stack_t now;
  sigaltstack(NULL, &now);
  printf("signal %d code %d on alternate %d, flags %d, saved flags %d\n", sig, info->si_code,
         &here >= alternate && &here < alternate + 65536, now.ss_flags, uc->uc_stack.ss_flags);
  siglongjmp(back, 1);
}
static void altstack(void) {
  struct rlimit small = {1 << 20, 1 << 20};
  setrlimit(RLIMIT_STACK, &small);
  alternate = malloc(65536);
  stack_t s = {.ss_sp = alternate, .ss_size = 65536};
  printf("sigaltstack %d\n", sigaltstack(&s, NULL));
  install(SIGSEGV, on_alternate, SA_ONSTACK);
  if (sigsetjmp(back, 1) == 0) printf("deep %d\n", deep(1000000));
  stack_t tiny = {.ss_sp = alternate, .ss_size = 100};
  printf("tiny %d %s\n", sigaltstack(&tiny, NULL), strerror(errno));
  stack_t off = {.ss_flags = SS_DISABLE};
  sigaltstack(&off, &s);
  printf("was %d size %zu\n", s.ss_flags, s.ss_size);
}
static void overflow_dies(void) {
  struct rlimit small = {1 << 20, 1 << 20};
  setrlimit(RLIMIT_STACK, &small);
  install(SIGSEGV, skipping, 0);
  printf("deep %d\n", deep(1000000));
}

static void abort_handler(int sig, siginfo_t* info, void* context) {
  show(sig, info, context);
  fflush(stdout);
}
static void abort_dies(void) {
  abort();
}
static void abort_handled(void) {
  install(SIGABRT, abort_handler, 0);
  abort();
}
static void abort_left(void) {
  install(SIGABRT, jumping, 0);
  if (sigsetjmp(back, 1) == 0) abort();
  printf("still here\n");
}
static void killed(void) {
  kill(getpid(), SIGKILL);
}
static void term(void) {
  raise(SIGTERM);
}
static void pipe_dies(void) {
  int ends[2];
  if (pipe(ends) != 0) abort();
  close(ends[0]);
  fprintf(stderr, "%zd\n", write(ends[1], "x", 1));
}
static void pipe_ignored(void) {
  signal(SIGPIPE, SIG_IGN);
  int ends[2];
  if (pipe(ends) != 0) abort();
  close(ends[0]);
  ssize_t n = write(ends[1], "x", 1);
  printf("%zd %s\n", n, strerror(errno));
}

static void note(int sig, siginfo_t* info, void* context) {
  sigset_t now;
  (void)context;
  sigprocmask(SIG_BLOCK, NULL, &now);
  printf("got %d code %d value %d, usr1 blocked %d usr2 blocked %d\n", sig, info->si_code,
         info->si_code == SI_QUEUE ? info->si_value.sival_int : 0, sigismember(&now, SIGUSR1),
         sigismember(&now, SIGUSR2));
}
static void masks(void) {
  install(SIGUSR1, note, 0);
  install(SIGUSR2, note, SA_NODEFER);
  sigset_t both, pending;
  sigemptyset(&both);
  sigaddset(&both, SIGUSR1);
  sigaddset(&both, SIGUSR2);
  raise(SIGUSR1);
  raise(SIGUSR2);
  sigprocmask(SIG_BLOCK, &both, NULL);
  raise(SIGUSR2);
  raise(SIGUSR1);
  raise(SIGUSR1);
  sigpending(&pending);
  printf("pending %d %d\n", sigismember(&pending, SIGUSR1), sigismember(&pending, SIGUSR2));
  sigprocmask(SIG_UNBLOCK, &both, NULL);
  printf("unblocked\n");
  union sigval v = {.sival_int = 42};
  sigqueue(getpid(), SIGUSR1, v);
  sigprocmask(SIG_BLOCK, &both, NULL);
  sigqueue(getpid(), SIGUSR1, v);
  siginfo_t info;
  struct timespec soon = {0, 1000};
  printf("waited %d", sigtimedwait(&both, &info, &soon));
  printf(" value %d\n", info.si_value.sival_int);
  printf("waited %d", sigtimedwait(&both, &info, &soon));
  printf(" %s\n", strerror(errno));
}
static void reset(void) {
  install(SIGUSR1, note, SA_RESETHAND);
  raise(SIGUSR1);
  struct sigaction a;
  sigaction(SIGUSR1, NULL, &a);
  printf("default again %d\n", a.sa_handler == SIG_DFL);
  fflush(stdout);
  raise(SIGUSR1);
}
static void clobber(int sig, siginfo_t* info, void* context) {
  (void)sig;
  (void)info;
  (void)context;
  printf("mxcsr %#x\n", _mm_getcsr());
  unsigned short control;
  __asm__ volatile("fnstcw %0" : "=m"(control));
  printf("fcw %#x\n", control);
  __asm__ volatile("pxor %%xmm5, %%xmm5\n\tfninit\n\tfld1\n\tfld1" : : : "xmm5");
  _mm_setcsr(0x1fbf);
}
static void state(void) {
  install(SIGUSR1, clobber, 0);
  uint64_t in[2] = {0x1111222233334444, 0x5555666677778888}, out[2];
  long double pi = 0;
  _mm_setcsr(0x7f80);
  unsigned short control = 0xf7f, after;
  __asm__ volatile("fldcw %0" : : "m"(control));
  long result;
  register long r12 __asm__("r12") = 0x1212121212121212;
  __asm__ volatile("fldpi\n\tmovdqu %4, %%xmm5\n\tsyscall\n\tmovdqu %%xmm5, %1\n\tfstpt %2"
                   : "=a"(result), "=m"(out), "=m"(pi), "+r"(r12)
                   : "m"(in), "a"(62), "D"((long)getpid()), "S"((long)SIGUSR1)
                   : "rcx", "r11", "xmm5", "memory");
  __asm__ volatile("fnstcw %0" : "=m"(after));
  printf("kill %ld xmm %lx %lx pi %.18Lf mxcsr %#x fcw %#x r12 %lx\n", result, out[0], out[1], pi,
         _mm_getcsr(), after, r12);
}
static void no_restorer(void) {
  struct {
    void* handler;
    unsigned long flags;
    void* restorer;
    unsigned long mask;
  } a = {(void*)note, SA_SIGINFO, 0, 0};
  long r;
  register long r10 __asm__("r10") = 8;
  __asm__ volatile("syscall"
                   : "=a"(r)
                   : "a"(13), "D"(SIGUSR1), "S"(&a), "d"(0), "r"(r10)
                   : "rcx", "r11", "memory");
  printf("installed %ld\n", r);
  fflush(stdout);
  raise(SIGUSR1);
}
static void bad_stack(void) {
  install(SIGUSR1, note, 0);
  fflush(stdout);
  __asm__ volatile("mov $0x1000, %%rsp\n\tmov $62, %%eax\n\tsyscall\n\thlt"
                   :
                   : "D"((long)getpid()), "S"((long)SIGUSR1)
                   : "memory");
}
static void bad_frame(void) {
  __asm__ volatile("mov $0x1000, %%rsp\n\tmov $15, %%eax\n\tsyscall\n\thlt" : : : "memory");
}

static const struct {
  const char* name;
  void (*run)(void);
} scenarios[] = {
#define S(x) \
  { #x, x }
    S(segv_null),         S(segv_read),     S(segv_accerr),   S(segv_none), S(segv_kernel),
    S(segv_noncanonical), S(segv_exec),     S(segv_crossing), S(segv_dies), S(segv_ignored_dies),
    S(segv_blocked_dies), S(privileged),    S(bus),           S(fpe_int),   S(fpe_overflow),
    S(fpe_sse),           S(fpe_x87),       S(ill),           S(ill_dies),  S(trap),
    S(trap_dies),         S(int_n),         S(single_step),   S(altstack),  S(overflow_dies),
    S(abort_dies),        S(abort_handled), S(abort_left),    S(killed),    S(term),
    S(pipe_dies),         S(pipe_ignored),  S(masks),         S(reset),     S(state),
    S(no_restorer),       S(bad_stack),     S(bad_frame),
};

int main(int argc, char** argv) {
  for (unsigned i = 0; i < sizeof scenarios / sizeof *scenarios; ++i) {
    if (argc < 2) puts(scenarios[i].name);
    if (argc >= 2 && strcmp(argv[1], scenarios[i].name) == 0) {
      scenarios[i].run();
      return 3;
    }
  }
  return argc < 2 ? 0 : 99;
}
