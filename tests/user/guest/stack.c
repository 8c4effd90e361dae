// What lies on the stack at entry, as relations that hold on every machine.
#include <elf.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/auxv.h>
#include <unistd.h>

int main(int argc, char** argv, char** envp) {
  uint64_t* argc_at = (uint64_t*)argv - 1;
  int n = 0;
  printf("argc %d on stack %lu aligned %d\n", argc, *argc_at, (int)((uintptr_t)argc_at % 16));
  for (char* next = argv[0]; n < argc; next += strlen(next) + 1, ++n)
    printf("%d %s %d\n", n, n ? argv[n] : "", next == argv[n]);
  char* next = argv[argc - 1] + strlen(argv[argc - 1]) + 1;
  printf("argv ends %d, envp follows %d\n", argv[argc] == NULL, envp == argv + argc + 1);
  for (n = 0; envp[n]; ++n) {
    if (next != envp[n]) printf("environment %d not adjacent\n", n);
    next += strlen(next) + 1;
  }
  printf("%d variables, name follows %d, then %d zero bytes to the top %d\n", n,
         next == (char*)getauxval(AT_EXECFN), 8, (int)(((uintptr_t)next + strlen(next) + 1 + 8) % 4096));
  printf("random below %d, platform above random %ld\n", (char*)getauxval(AT_RANDOM) < argv[0],
         (long)(getauxval(AT_PLATFORM) - getauxval(AT_RANDOM)));
  for (Elf64_auxv_t* a = (Elf64_auxv_t*)(envp + n + 1);; ++a) {
    switch (a->a_type) {
      case AT_SYSINFO_EHDR:
      case 27:
      case 28:
      case 51:
        continue;  // vDSO, rseq, signal stack: as the kernel and processor
      case AT_PAGESZ:
      case AT_CLKTCK:
      case AT_PHENT:
      case AT_PHNUM:
      case AT_FLAGS:
      case AT_UID:
      case AT_EUID:
      case AT_GID:
      case AT_EGID:
      case AT_SECURE:
        printf("%lu %lu\n", a->a_type, a->a_un.a_val);
        break;
      case AT_ENTRY:
      case AT_PHDR:
        printf("%lu %#lx\n", a->a_type, a->a_un.a_val);
        break;
      case AT_BASE:
        printf("%lu %d\n", a->a_type, a->a_un.a_val != 0);
        break;
      case AT_EXECFN:
      case AT_PLATFORM:
        printf("%lu %s\n", a->a_type, (char*)a->a_un.a_val);
        break;
      default:
        printf("%lu\n", a->a_type);
        break;
    }
    if (a->a_type == AT_NULL) break;
  }
  FILE* f = fopen("/proc/self/auxv", "r");
  uint64_t first[2];
  printf("auxv file %d\n", fread(first, 8, 2, f) == 2 && first[0] == *(uint64_t*)(envp + n + 1));
  printf("heap right after the program %d\n",
         (uintptr_t)sbrk(0) / (1ul << 32) == (uintptr_t)&main / (1ul << 32));
  return 0;
}
